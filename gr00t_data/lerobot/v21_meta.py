"""``meta/`` of a GR00T-LeRobot v2.1 folder, written from the metadata of a LeRobot v3.0 folder."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from gr00t_data.disk import write_json, write_json_lines
from gr00t_data.embodiment.modality import Modality, further_views, modality_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lerobot.v3_records import Dataset, EpisodeLine
from gr00t_data.lerobot.video_facts import with_video_facts
from gr00t_data.store import layout
from gr00t_data.store.notes import Note, write_notes
from gr00t_data.store.store import ABOUT
from gr00t_data.store.tables import read_table

_ONLY_V3 = ("data_files_size_in_mb", "video_files_size_in_mb", "tools")
PICTURES_STAY = "its pictures stay in the rows as they are; GR00T reads cameras from videos"
_SIDES = ("observation.state", "action")
_MEASURED = ("observation.state", "action", "timestamp")


def write_metadata(dataset: Dataset, root: Path, embodiment: Embodiment | None, notes: list[Note]) -> None:
    """Write info, tasks, episodes, statistics, modality and the notes of the conversion; rows and videos stand already.

    ``notes`` grows by what is odd about the metadata. ``modality.json`` is the folder's own when it has one, else the
    embodiment's when its dimensions fit, else one part for each of state and action.
    """
    meta = root / "meta"
    write_json_lines(meta / "tasks.jsonl", _task_lines(dataset))
    write_json_lines(meta / "episodes.jsonl", _episode_lines(dataset))
    write_json_lines(meta / "episodes_stats.jsonl", _stats_lines(dataset))
    info = _info(dataset)
    write_json(meta / "info.json", info if dataset.origin else with_video_facts(info, root))
    for name, feature in dataset.features.items():
        if feature.dtype == "image":
            notes.append(Note(PICTURES_STAY, camera=name))
    files = sorted((root / "data").rglob("*.parquet"))
    if files:
        _write_stats(files, meta / "stats.json", notes)
    _write_modality(dataset, meta / "modality.json", embodiment, files, notes)
    if dataset.origin and dataset.origin.about is not None:
        write_json(root / ABOUT, dataset.origin.about)
    write_notes(root, f"LeRobot {dataset.info['codebase_version']}", notes)


def _task_lines(dataset: Dataset) -> list[dict[str, object]]:
    fillers = set(dataset.origin.filler_tasks) if dataset.origin else set()
    tasks = sorted(dataset.tasks.items())
    return [{"task_index": index, "task": text} for index, text in tasks if index not in fillers]


def _episode_lines(dataset: Dataset) -> list[dict[str, object]]:
    before = dataset.origin.episodes if dataset.origin else {}
    lines = [
        before.get(str(record.index))
        or EpisodeLine.model_validate(
            {"episode_index": dataset.number_of(record.index), "tasks": record.tasks, "length": record.length}
        )
        for record in dataset.records
    ]
    return [line.facts() for line in sorted(lines, key=lambda line: line.episode_index)]


def _stats_lines(dataset: Dataset) -> list[dict[str, Any]]:
    pictures = {name for name, feature in dataset.features.items() if feature.dtype in ("video", "image")}
    lines = [
        {"episode_index": dataset.number_of(index), "stats": _of_three(stats, pictures)}
        for index, stats in dataset.stats()
        if stats
    ]
    return sorted(lines, key=lambda line: line["episode_index"])


def _of_three(stats: Mapping[str, Mapping[str, Any]], pictures: Collection[str]) -> dict[str, dict[str, Any]]:
    """Statistics of pictures with three channels, as LeRobot 0.3.3 insists: a depth map has its one channel thrice."""
    return {
        feature: {
            name: value * 3 if feature in pictures and name != "count" and len(value) == 1 else value
            for name, value in entry.items()
        }
        for feature, entry in stats.items()
    }


def _info(dataset: Dataset) -> dict[str, object]:
    own = dict(dataset.origin.info) if dataset.origin else {}
    before = own or {k: v for k, v in dataset.info.items() if k not in _ONLY_V3}
    lengths = [record.length for record in dataset.records]
    videos = sum(clip is not None for record in dataset.records for clip in record.clips.values())
    return before | {
        "codebase_version": "v2.1",
        "total_episodes": len(lengths),
        "total_frames": sum(lengths),
        "total_tasks": len(_task_lines(dataset)),
        "total_videos": videos,
        "total_chunks": -(-len(lengths) // layout.CHUNK_EPISODES),
        "chunks_size": layout.CHUNK_EPISODES,
        "data_path": layout.DATA_PATH,
        "video_path": layout.VIDEO_PATH if dataset.cameras else None,
    }


def _write_stats(files: Sequence[Path], target: Path, notes: list[Note]) -> None:
    """``stats.json``: exact quantiles over all rows; those of a v3.0 folder are averages of the episodes' quantiles."""
    present = [name for name in _MEASURED if name in parquet.read_schema(files[0]).names]
    try:
        write_json(target, layout.dataset_stats([read_table(file, present) for file in files]))
    except ValueError as error:
        notes.append(Note(f"no statistics over all rows: {error}"))


def _write_modality(
    dataset: Dataset, target: Path, embodiment: Embodiment | None, files: Sequence[Path], notes: list[Note]
) -> None:
    own = dataset.root / "meta/modality.json"
    if own.is_file():
        shutil.copyfile(own, target)
        return
    width = {name: _width(dataset, name) for name in (embodiment.widths if embodiment else _SIDES)}
    if embodiment is not None and width == embodiment.widths:
        known = {camera.name for camera in embodiment.cameras if camera.column in dataset.cameras}
        modality = modality_json(embodiment, cameras=sorted(known))
        modality["video"] |= further_views(dataset.cameras, embodiment, modality["video"])
    else:
        if embodiment is not None:
            found = f"widths are {width}, {embodiment.name!r} has {embodiment.widths}"
            notes.append(Note(f"modality.json has one part each: {found}"))
            width = {name: _width(dataset, name) for name in _SIDES}
        modality: Modality = {
            "state": {"state": {"start": 0, "end": width["observation.state"]}},
            "action": {"action": {"start": 0, "end": width["action"]}},
            "video": {camera.rpartition(".")[2]: {"original_key": camera} for camera in dataset.cameras},
            "annotation": {"human.action.task_description": {}},
        }
    columns = parquet.read_schema(files[0]).names if files else []
    for key, entry in modality["annotation"].items():
        if entry.get("original_key", f"annotation.{key}") not in columns:
            modality["annotation"][key] = {"original_key": "task_index"}
    write_json(target, modality)


def _width(dataset: Dataset, column: str) -> int:
    return (dataset.features[column].flat_width if column in dataset.features else None) or 0
