"""Export to LeRobot v3.0, as LeRobot 0.4.4 opens it: episodes share files, videos are joined without re-encoding.

What v3.0 has no room for goes to ``meta/gr00t.json`` and ``meta/gr00t_rows.parquet``: the lines of the episodes, the
original numbers, info.json and the origin of the store. ``gr00t_data.lerobot.v3`` puts all of it back.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.disk import write_json
from gr00t_data.lerobot import v3_layout as layout_v3
from gr00t_data.lerobot.column_stats import DatasetStats, Stats
from gr00t_data.lerobot.to_v3_files import RotatingTables, one_schema, write_videos
from gr00t_data.lerobot.to_v3_meta import info_v3, write_episodes, write_tasks
from gr00t_data.lerobot.to_v3_numbers import Numbering, complete_tasks
from gr00t_data.lerobot.v3_layout import Place, carry_over
from gr00t_data.store.declared import require_numbers
from gr00t_data.store.notes import Note, write_notes
from gr00t_data.store.store import EpisodeStore, StoreError, episode_lines
from gr00t_data.store.tables import TableError, read_table
from gr00t_data.video.cutting import read_whole
from gr00t_data.video.files import VideoError
from gr00t_data.video.foreign import watched
from gr00t_data.video.packets import TIME_TOLERANCE_S, Packets
from gr00t_data.video.spans import key_pictures

_MB = 1 << 20


@dataclass(frozen=True)
class FileSizes:
    """When the next file begins, MB."""

    data_mb: float = layout_v3.DATA_FILE_MB
    video_mb: float = layout_v3.VIDEO_FILE_MB


@dataclass
class _Export:
    """One export while it runs: what was gathered of the episodes so far."""

    store: EpisodeStore
    root: Path
    sizes: FileSizes
    numbering: Numbering
    stats: DatasetStats = field(default_factory=DatasetStats)
    lines: list[dict[str, Any]] = field(default_factory=list)
    episode_stats: list[Stats] = field(default_factory=list)
    first_rows_s: list[float] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    schema: pa.Schema | None = None
    widths: dict[str, tuple[int, ...]] = field(default_factory=dict)


def export_v3(
    store: EpisodeStore, root: Path, progress: Callable[[int, int], None], sizes: FileSizes | None = None
) -> list[Note]:
    """Write ``store`` to ``root`` as LeRobot v3.0. ``progress(done, total)`` counts episodes and videos.

    Episodes are numbered 0, 1, 2, ... in the order of their numbers. Every column keeps its type and, but for numbers
    that v3.0 does not allow, its values.

    Returns:
        what a reader should know; also in ``meta/conversion.json``.

    Raises:
        StoreError: rows or a video of an episode are missing or cannot be read, or episodes differ in their columns.
    """
    _check_info(store)
    export = _Export(store, root, sizes or FileSizes(), Numbering(store.fps))
    cameras = [c for c in store.video_columns if any(store.video_file(row.index, c).is_file() for row in store.rows)]
    total = len(store.rows) * (1 + len(cameras))
    try:
        _write_rows(export, lambda done: progress(done, total))
        sources = {}
        for number, camera in enumerate(cameras, start=1):
            before = number * len(store.rows)
            sources[camera] = _write_camera(export, camera, lambda done, before=before: progress(before + done, total))
        carry_over(store.root, root)
        _write_metadata(export, sources)
    except (TableError, VideoError) as error:
        raise StoreError(str(error)) from error
    return export.notes


def _check_info(store: EpisodeStore) -> None:
    path, info = f"{store.root}/meta/info.json", store.info
    require_numbers(store.root, info)
    if not isinstance(data := info.get("data_path"), str):
        raise StoreError(f"{path}: data_path is {data!r}; correct it, then convert again")
    features = info.get("features")
    if not isinstance(features, dict) or not all(isinstance(feature, dict) for feature in features.values()):
        raise StoreError(f"{path}: every entry of features must be an object; correct it, then convert again")
    if not store.rows:
        raise StoreError(f"{store.root}/meta/episodes.jsonl: lists no episode; there is nothing to convert")


def _write_rows(export: _Export, progress: Callable[[int], None]) -> None:
    store, first_row = export.store, 0
    task_of = {text: index for index, text in reversed(store.tasks.items())}
    limit = int(export.sizes.data_mb * _MB)
    with RotatingTables(export.root, layout_v3.DATA_PATH, limit) as files:
        for number, row in enumerate(store.rows):
            table = read_table(path := store.data_path(row.index))
            if not table.num_rows:
                raise StoreError(f"{path}: episode {row.index} has no row; remove it from meta/episodes.jsonl first")
            task_index = task_of.get(row.instruction, 0)
            table = export.numbering.renumber(table, episode=number, first_row=first_row, task_index=task_index)
            schema = one_schema(export.schema, table, f"{path}: episode {row.index}")
            place = files.place_for(table.num_rows)
            files.write(table.replace_schema_metadata(schema.metadata))
            export.schema = schema
            _remember(export, number, table, place, first_row)
            first_row += table.num_rows
            progress(number + 1)


def _remember(export: _Export, number: int, table: pa.Table, place: Place, first_row: int) -> None:
    row = export.store.rows[number]
    times_s = table["timestamp"].to_numpy().astype(np.float64)
    export.first_rows_s.append(float(times_s[0]))
    off_s = float(np.abs(times_s - times_s[0] - np.arange(len(times_s)) / export.store.fps).max())
    if off_s > TIME_TOLERANCE_S:
        message = f"its rows are up to {off_s:.4f} s off {export.store.fps:g} Hz; LeRobot refuses more than 0.0001 s"
        export.notes.append(Note(message, row.index))
    if table.num_rows != row.length:
        message = f"{table.num_rows} rows were found, {row.length} are declared; the rows found were kept"
        export.notes.append(Note(message, row.index))
    line = {
        "episode_index": number,
        "tasks": list(row.tasks),
        "length": table.num_rows,
        "data/chunk_index": place.chunk,
        "data/file_index": place.file,
        "dataset_from_index": first_row,
        "dataset_to_index": first_row + table.num_rows,
    }
    export.lines.append(line)
    export.episode_stats.append(stats := export.stats.add_rows(table))
    export.widths = {name: np.shape(entry["min"]) for name, entry in stats.items()}


def _write_camera(export: _Export, camera: str, progress: Callable[[int], None]) -> Packets:
    """Join the videos of one camera; returns the first of them."""
    tracks, store = [], export.store
    for number, row in enumerate(store.rows):
        track = watched(file := store.video_file(row.index, camera), read_whole, file)
        tracks.append(track)
        pictures = watched(file, key_pictures, track)
        export.episode_stats[number][camera] = export.stats.add_pictures(camera, pictures)
        rows = export.lines[number]["length"]
        if track.frames != rows:
            export.notes.append(Note(f"{track.frames} frames stand for {rows} rows", row.index, camera))
        if not track.regular(store.fps):
            message = f"its frames are not shown at {store.fps:g} Hz; it has a file of its own and its times were kept"
            export.notes.append(Note(message, row.index, camera))
        progress(number + 1)
    limit = int(export.sizes.video_mb * _MB)
    shots = write_videos(tracks, export.first_rows_s, export.root, camera, store.fps, limit)
    for line, shot in zip(export.lines, shots, strict=True):
        line |= {f"videos/{camera}/{name}": value for name, value in shot.items()}
    return tracks[0]


def _write_metadata(export: _Export, sources: dict[str, Packets]) -> None:
    store, root = export.store, export.root
    assert export.schema is not None
    tasks, fillers = complete_tasks(store.tasks)
    write_tasks(root / layout_v3.TASKS, tasks)
    write_episodes(root, export.lines, export.episode_stats, int(export.sizes.data_mb * _MB))
    info = info_v3(store, export.schema, export.widths, sources)
    export.notes.extend(_unreadable(export))
    totals = {"total_frames": sum(line["length"] for line in export.lines), "total_tasks": len(tasks)}
    limits = {"data_files_size_in_mb": export.sizes.data_mb, "video_files_size_in_mb": export.sizes.video_mb}
    write_json(root / "meta/info.json", info | totals | limits)
    write_json(root / "meta/stats.json", export.stats.total())
    originals = episode_lines(store.root)
    origin = {
        "format": f"GR00T-LeRobot {store.info['codebase_version']}",
        "info": store.info,
        "episodes": {str(number): originals[row.index] for number, row in enumerate(store.rows)},
        "rows": {str(line["episode_index"]): line["length"] for line in export.lines},
        "filler_tasks": fillers,
        "added_columns": export.numbering.added,
    }
    write_json(root / layout_v3.ORIGIN, origin | ({"about": about} if (about := store.about.facts()) else {}))
    if export.numbering.replaced:
        parquet.write_table(export.numbering.replaced_table, root / layout_v3.ORIGIN_ROWS, compression="zstd")
    if (modality := store.meta("modality.json")).is_file():
        shutil.copyfile(modality, root / "meta/modality.json")
    write_notes(root, f"GR00T-LeRobot {store.info['codebase_version']}", export.notes)


def _unreadable(export: _Export) -> Iterator[Note]:
    """Columns that are kept but that LeRobot 0.4.4 has no type for."""
    for column in export.schema or ():
        nested = pa.types.is_nested(column.type) and column.name not in export.widths
        if nested and column.name not in export.store.features:
            yield Note(f"column {column.name!r} has rows of unequal shapes; LeRobot cannot open a dataset with it")
