"""Episodes of several stores as one dataset: same parts, cameras and rate, tasks and episodes numbered anew."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.beside import beside
from gr00t_data.disk import link_or_copy, path_inside, read_json, replacing_folder, write_json, write_json_lines
from gr00t_data.lerobot.to_v3 import FileSizes, export_v3
from gr00t_data.store import layout
from gr00t_data.store.notes import Note
from gr00t_data.store.provenance import Facts, StoreAbout
from gr00t_data.store.store import ABOUT, EpisodeStore, StoreError, episode_lines
from gr00t_data.store.tables import read_table
from gr00t_data.terms.licences import joined, of_store

JOINED = "meta/gr00t_mixture.json"
"""Where each episode came from, in the exported folder."""


@dataclass(frozen=True)
class Chosen:
    """Episodes of one store, by their numbers there. Weight and half-open keep ranges are written down beside them."""

    store: EpisodeStore
    weight: float
    keep: Mapping[int, tuple[tuple[int, int], ...]]

    @property
    def episodes(self) -> tuple[int, ...]:
        """Their numbers, in the order in which they are written."""
        return tuple(self.keep)


def export_joined(
    chosen: Sequence[Chosen],
    target: Path,
    progress: Callable[[int, int], None],
    *,
    facts: Facts,
    sizes: FileSizes | None = None,
) -> list[Note]:
    """Write whole episodes of several stores to ``target`` as one LeRobot v3.0 dataset.

    Columns that not all stores have are left out, with a note. ``meta/gr00t_mixture.json`` says where each episode came
    from, with ``facts``.

    Raises:
        StoreError: the target is taken, no episode is chosen, a file is missing, or stores differ in rate, cameras,
            parts or types of columns; names the store.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreError(f"{target}: exists and is not empty; choose another folder")
    chosen = [one for one in chosen if one.episodes]
    if not chosen:
        raise StoreError(f"{target}: no episode to export")
    for one in chosen[1:]:
        _refuse_unlike(chosen[0].store, one.store)
    with replacing_folder(target) as folder:
        with beside(target, folder=True) as between:
            dropped = _join(chosen, between)
            notes = export_v3(EpisodeStore.open(between), folder, progress, sizes)
        write_json(folder / JOINED, {**facts, "episodes": _origins(chosen), "columns_left_out": dropped})
    return [*notes, *(Note(f"column {name!r} is not in all stores and was left out") for name in dropped)]


def _refuse_unlike(first: EpisodeStore, other: EpisodeStore) -> None:
    for what, a, b in (
        ("rows a second", first.fps, other.fps),
        ("cameras", sorted(first.camera_columns.items()), sorted(other.camera_columns.items())),
        ("parts", _parts(first), _parts(other)),
    ):
        if a != b:
            raise StoreError(
                f"{other.root}: has other {what} than {first.root}: {b} and {a}; one LeRobot v3.0 dataset has one of "
                "each: export the sources apart, or resample this one"
            )


def _parts(store: EpisodeStore) -> Facts:
    """The slices of state and action; without a modality.json the shapes of their columns."""
    path = store.meta("modality.json")
    if path.is_file():
        modality = read_json(path)
        return {side: modality.get(side, {}) for side in ("state", "action")}
    features = store.features
    return {name: features[name].shape for name in ("observation.state", "action") if name in features}


def _join(chosen: Sequence[Chosen], root: Path) -> list[str]:
    """Lay a GR00T-LeRobot v2.1 folder out, videos linked; returns the columns that were left out."""
    schemas = [parquet.read_schema(one.store.data_path(one.episodes[0])).names for one in chosen]
    common = set(schemas[0]).intersection(*schemas[1:])
    columns = [name for name in schemas[0] if name in common]
    tasks: dict[str, int] = {}
    lines, rows = [], 0
    for one in chosen:
        originals = episode_lines(one.store.root)
        for index in one.episodes:
            number = len(lines)
            table = read_table(one.store.data_path(index), columns)
            table = _renumbered(table, one.store, index, (number, rows), tasks)
            place = {"episode_chunk": number // layout.CHUNK_EPISODES, "episode_index": number}
            path = path_inside(root, layout.DATA_PATH, **place)
            path.parent.mkdir(parents=True, exist_ok=True)
            parquet.write_table(table, path)
            for column in one.store.camera_columns.values():
                video = path_inside(root, layout.VIDEO_PATH, video_key=column, **place)
                _link(one.store.video_file(index, column), video)
            lines.append({**originals[index], "episode_index": number, "length": table.num_rows})
            rows += table.num_rows
    _write_metadata(chosen, root, columns, lines, tasks, rows)
    return sorted(set().union(*schemas) - common)


def _renumbered(
    table: pa.Table, store: EpisodeStore, index: int, numbers: tuple[int, int], tasks: dict[str, int]
) -> pa.Table:
    """The rows of an episode with its new number, its place among all rows, and the new numbers of the tasks."""
    row = store.row(index)
    for text in row.tasks:
        tasks.setdefault(text, len(tasks))
    fixed = {
        "episode_index": np.full(table.num_rows, numbers[0]),
        "index": np.arange(numbers[1], numbers[1] + table.num_rows),
    }
    for place, column in enumerate(table.column_names):
        of_task = column == "task_index" or (column.startswith("annotation.") and _whole(table[column]))
        if of_task:
            texts = [store.tasks.get(int(value), row.instruction) for value in table[column].to_pylist()]
            values = np.array([tasks.setdefault(text, len(tasks)) for text in texts], dtype=np.int64)
        elif column in fixed:
            values = fixed[column]
        else:
            continue
        table = table.set_column(place, column, pa.array(values, table.schema.field(column).type))
    return table


def _whole(column: pa.ChunkedArray) -> bool:
    return pa.types.is_integer(column.type) and not column.null_count


def _link(source: Path, target: Path) -> None:
    if not source.is_file():
        raise StoreError(f"{source}: no such file; copy the store again")
    target.parent.mkdir(parents=True, exist_ok=True)
    link_or_copy(str(source), str(target))


def _write_metadata(
    chosen: Sequence[Chosen],
    root: Path,
    columns: Sequence[str],
    lines: Sequence[Facts],
    tasks: dict[str, int],
    rows: int,
) -> None:
    first = chosen[0].store
    kept = {*first.camera_columns.values(), *columns}
    features = {name: feature.facts() for name, feature in first.features.items() if name in kept}
    paths = {"data_path": layout.DATA_PATH, "video_path": layout.VIDEO_PATH, "chunks_size": layout.CHUNK_EPISODES}
    totals = {"total_episodes": len(lines), "total_frames": rows, "total_tasks": len(tasks)}
    write_json(
        root / "meta/info.json", {**first.info, **paths, **totals, "codebase_version": "v2.1", "features": features}
    )
    task_lines = [{"task_index": number, "task": text} for text, number in tasks.items()]
    write_json_lines(root / "meta/tasks.jsonl", task_lines)
    write_json_lines(root / "meta/episodes.jsonl", lines)
    if (modality := first.meta("modality.json")).is_file():
        shutil.copyfile(modality, root / "meta/modality.json")
    licence, kinds = joined(of_store(one.store, one.episodes) for one in chosen), {one.store.kind for one in chosen}
    about = StoreAbout(embodiment=first.about.embodiment, licence=licence)
    write_json(root / ABOUT, about.facts() | ({"kind": kinds.pop()} if len(kinds) == 1 else {}))


def _origins(chosen: Sequence[Chosen]) -> list[Facts]:
    """One entry an episode, in the order of the new numbers."""
    return [
        {"store": one.store.root.name, "digest": one.store.digest, "episode": index, "kind": one.store.kind}
        | {"weight": one.weight, "keep": keep}
        for one in chosen
        for index, keep in one.keep.items()
    ]
