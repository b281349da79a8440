"""What ``--fix`` would change below ``meta/``: each file's new content, and in words why. Nothing is written here."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from gr00t_data.curate.compare.language import explain_annotation
from gr00t_data.curate.repair.stats import repaired_stats
from gr00t_data.disk import read_json
from gr00t_data.embodiment.modality import modality_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store import layout
from gr00t_data.store.store import EpisodeStore, json_lines
from gr00t_data.store.unlisted import orphans

Json = dict[str, Any]
_UNREADABLE = (OSError, ValueError, KeyError)


@dataclass(frozen=True)
class Change:
    """One file below ``meta/`` that would be written.

    Attributes:
        name: of the file, relative to ``meta/``.
        reasons: what is wrong in it, one sentence each.
        text: the new content.
    """

    name: str
    reasons: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Files:
    """What the files of a store are, episode by episode: the truth that the metadata must tell.

    Attributes:
        lengths: episode number -> rows, of the parquet files that can be read.
        columns: of the first file that can be read.
        widths: column -> values a row, of state and action.
        cameras: camera columns with at least one file.
        videos: number of video files, those of no listed episode left out.
    """

    lengths: dict[int, int]
    columns: tuple[str, ...]
    widths: dict[str, int]
    cameras: frozenset[str]
    videos: int

    @classmethod
    def of(cls, store: EpisodeStore) -> "Files":
        """Read the footers of the parquet files, and list the videos."""
        lengths: dict[int, int] = {}
        columns: tuple[str, ...] = ()
        widths: dict[str, int] = {}
        for index in sorted({row.index for row in store.rows}):
            try:
                footer = parquet.read_metadata(store.data_path(index))
                lengths[index] = footer.num_rows
                columns = columns or tuple(footer.schema.to_arrow_schema().names)
                needed = [c for c in ("observation.state", "action") if c in columns and c not in widths]
                widths |= {column: store.matrix(index, column).shape[1] for column in needed}
            except _UNREADABLE:
                continue
        lost = {path for path in orphans(store) if path.parent.name in store.video_columns}
        clips = [path for path in (store.root / "videos").rglob("*.mp4") if path not in lost]
        return cls(lengths, columns, widths, frozenset(clip.parent.name for clip in clips), len(clips))


def plan_repair(store: EpisodeStore, embodiment: Embodiment) -> list[Change]:
    """The files below ``meta/`` that do not tell what the data is, with their new content; empty when all do.

    Repaired are totals, lengths, names and shapes, a missing rate, cameras without files, splits beyond the end, lines
    listed twice, numbers without a text, stats.json and episodes_stats.jsonl, and modality.json where the rows are as
    wide as the embodiment says. Never changed: parquet, video, instructions, and anything where the data itself may be
    what is wrong.

    Raises:
        StoreError: the metadata cannot be read at all.
    """
    files = Files.of(store)
    kept, reasons = _episode_lines(store, files)
    changes = [Change("episodes.jsonl", tuple(reasons), _lines(kept))] if reasons else []
    tasks, reasons = _task_lines(store, embodiment, files)
    changes += [Change("tasks.jsonl", tuple(reasons), _lines(tasks))] if reasons else []
    info, reasons = _info(store, embodiment, files, kept, len(tasks))
    changes += [Change("info.json", tuple(reasons), _json(info))] if reasons else []
    modality, reasons = _modality(store, embodiment, files)
    changes += [Change("modality.json", tuple(reasons), _json(modality))] if reasons else []
    for name, (value, why) in repaired_stats(store, sorted(files.lengths)).items():
        changes.append(Change(name, (why,), _lines(value) if isinstance(value, list) else _json(value)))
    return changes


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _lines(values: list[Json]) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def _episode_lines(store: EpisodeStore, files: Files) -> tuple[list[Json], list[str]]:
    kept: list[Json] = []
    reasons = []
    lines: list[Json] = [dict(line) for line in json_lines(store.meta("episodes.jsonl"))]
    for line in lines:
        index = int(line["episode_index"])
        if line in kept:
            reasons.append(f"episode {index} is listed twice, word for word: once now")
            continue
        rows = files.lengths.get(index)
        if rows is not None and rows != line["length"]:
            reasons.append(f"episode {index}: length {line['length']} becomes {rows}, the rows of its file")
            line = {**line, "length": rows}
        kept.append(line)
    return kept, reasons


def _task_lines(store: EpisodeStore, embodiment: Embodiment, files: Files) -> tuple[list[Json], list[str]]:
    """The lines of tasks.jsonl; a number that rows use and no line has gets the text that episodes.jsonl lists."""
    path = store.meta("tasks.jsonl")
    lines: list[Json] = [dict(line) for line in json_lines(path)] if path.is_file() else []
    known = {int(line["task_index"]) for line in lines}
    texts: dict[int, set[str]] = {}
    column = next((name for name in (embodiment.language_column, "task_index") if name in files.columns), None)
    for row in store.rows if column else ():
        if row.index in files.lengths and row.instruction.strip():
            numbers = store.matrix(row.index, str(column))[:, 0]
            if len(numbers) and np.isfinite(numbers[0]):
                texts.setdefault(int(numbers[0]), set()).add(row.instruction)
    new = {number: said.pop() for number, said in sorted(texts.items()) if number not in known and len(said) == 1}
    reasons = [f"number {number} is used by rows and not listed: {text!r}" for number, text in new.items()]
    return [*lines, *({"task_index": number, "task": text} for number, text in new.items())], reasons


def _info(
    store: EpisodeStore, embodiment: Embodiment, files: Files, lines: list[Json], tasks: int
) -> tuple[Json, list[str]]:
    info = json.loads(json.dumps(store.info))
    reasons = list(_templates(store, info))
    numbers = [int(line["episode_index"]) for line in lines]
    true = {
        "total_episodes": len(lines),
        "total_frames": sum(int(line["length"]) for line in lines),
        "total_tasks": tasks,
        "total_videos": files.videos,
        "total_chunks": max(numbers, default=0) // store.chunks_size + 1,
    }
    for name, value in true.items():
        if info.get(name) != value:
            reasons.append(f"{name} {info.get(name)} becomes {value}")
            info[name] = value
    if "fps" not in info:
        reasons.append(f"fps is missing and becomes {embodiment.control_hz:g}, the rate of {embodiment.name}")
        info["fps"] = embodiment.control_hz
    reasons += _splits(info, max(numbers, default=-1) + 1)
    reasons += _features(store, info, embodiment, files)
    return info, reasons


def _templates(store: EpisodeStore, info: Json) -> Iterator[str]:
    """A path template under which there is no file, where the usual one leads to some."""
    for key, usual, pattern in (
        ("data_path", layout.DATA_PATH, "data/chunk-*/episode_*.parquet"),
        ("video_path", layout.VIDEO_PATH, "videos/chunk-*/*/episode_*.mp4"),
    ):
        said = info.get(key)
        if said == usual or not any(store.root.glob(pattern)):
            continue
        if "{chunk_index" in str(said) or not _leads_somewhere(store, key):
            why = "is written as v3.0 has it" if "{chunk_index" in str(said) else "leads to no file"
            yield f"{key} {said!r} {why} and becomes {usual!r}"
            info[key] = usual


def _leads_somewhere(store: EpisodeStore, key: str) -> bool:
    try:
        indices = [row.index for row in store.rows]
        if key == "data_path":
            return any(store.data_place(index).is_file() for index in indices)
        return any(store.video_place(index, camera).is_file() for index in indices for camera in store.cameras)
    except _UNREADABLE:
        return False


def _splits(info: Json, end: int) -> Iterator[str]:
    for name, text in (info.get("splits") or {}).items():
        start, _, last = str(text).partition(":")
        if start.isdigit() and last.isdigit() and int(last) > end > int(start):
            yield f"split {name!r} {text} becomes {start}:{end}, where the episodes end"
            info["splits"][name] = f"{start}:{end}"


def _features(store: EpisodeStore, info: Json, embodiment: Embodiment, files: Files) -> Iterator[str]:
    features = info.setdefault("features", {})
    mapped = set(store.camera_columns.values())
    if (renamed := _renamed_camera(store, files)) is not None and renamed[0] in features:
        yield f"camera {renamed[0]!r} has no file, and there are videos of {renamed[1]!r}: declared by that name"
        info["features"] = features = {renamed[1] if name == renamed[0] else name: f for name, f in features.items()}
    for column in [name for name, feature in features.items() if feature.get("dtype") == "video"]:
        if files.cameras and column not in files.cameras | mapped:
            yield f"camera {column!r} is declared, has no file, and modality.json does not map it: declared no more"
            del features[column]
    names = {"observation.state": embodiment.state_names(), "action": embodiment.action_names()}
    for column, joints in names.items():
        feature, width = features.get(column), files.widths.get(column)
        if not isinstance(feature, dict) or width is None:
            continue
        if feature.get("shape") != [width]:
            yield f"{column}: shape {feature.get('shape')} becomes {[width]}, the width of the rows"
            feature["shape"] = [width]
        if not feature.get("names") and width == len(joints):
            yield f"{column}: names are missing and become those of {embodiment.name}"
            feature["names"] = list(joints)


def _renamed_camera(store: EpisodeStore, files: Files) -> tuple[str, str] | None:
    """(key, key of the files) where one key has no file and one folder of videos has no key."""
    keys = {*store.video_columns, *store.camera_columns.values()}
    without, unnamed = [*(keys - files.cameras)], [*(files.cameras - keys)]
    return (without[0], unnamed[0]) if len(without) == len(unnamed) == 1 else None


def _modality(store: EpisodeStore, embodiment: Embodiment, files: Files) -> tuple[Json, list[str]]:
    """State and action as the embodiment has them; cameras that have files; annotations that lead to a column."""
    path = store.meta("modality.json")
    there = [camera.name for camera in embodiment.cameras if camera.column in files.cameras]
    expected = modality_json(embodiment, cameras=there)
    fits = files.widths == {"observation.state": embodiment.state_dim, "action": embodiment.action_dim}
    if not path.is_file():
        return expected, ["there is none: written from the embodiment"] if fits and there else []
    found = read_json(path)
    reasons = []
    if (renamed := _renamed_camera(store, files)) is not None:
        for name, entry in found.get("video", {}).items():
            if entry.get("original_key", name) == renamed[0]:
                reasons.append(f"camera {name!r} leads to no file and becomes {renamed[1]!r}")
                entry["original_key"] = renamed[1]
    for group in ("state", "action") if fits else ():
        for part, entry in expected[group].items():
            now = found.setdefault(group, {}).get(part) or {}
            if (now.get("start"), now.get("end")) != (entry["start"], entry["end"]):
                is_now = f"is {now.get('start')}:{now.get('end')}" if now else "is missing"
                reasons.append(f"{group} part {part!r} {is_now} and becomes {entry['start']}:{entry['end']}")
                found[group][part] = {**now, "start": entry["start"], "end": entry["end"]}
    for camera in there:
        column = embodiment.camera(camera).column
        now = found.setdefault("video", {}).get(camera)
        if now is None or now.get("original_key", camera) not in files.cameras:
            reasons.append(f"camera {camera!r} leads to no file and becomes {column!r}")
            found["video"][camera] = {"original_key": column}
    return found, [*reasons, *(_annotations(found, expected["annotation"], embodiment, files) if fits else ())]


def _annotations(modality: Json, expected: Json, embodiment: Embodiment, files: Files) -> Iterator[str]:
    if embodiment.language_column not in files.columns:
        return
    annotations = modality.setdefault("annotation", {})
    for selection in embodiment.selections.values():
        name = selection.language.removeprefix("annotation.")
        if explain_annotation(annotations, files.columns, selection.language):
            yield f"annotation {selection.language!r} leads to no column; it now names {embodiment.language_column!r}"
            annotations[name] = expected.get(name, {"original_key": embodiment.language_column})
