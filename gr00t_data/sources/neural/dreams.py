"""Datasets that GR00T-Dreams wrote (LeRobot-like, without a version): read, with their known defects found.

Known defects: rates that contradict each other (info.json says 8, the stamps say 16), 93 frames whatever the video has,
a state and actions of 44 zeros for every robot, instructions marked ``<DREAM>``, actions that are zero where nothing
was predicted. What can be repaired without guessing is; the rest refuses the episode.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.disk import PathError, path_inside, read_json
from gr00t_data.sources.neural.clip import Clip, Found
from gr00t_data.store.provenance import Refusal
from gr00t_data.store.store import StoreError, json_lines, task_lines
from gr00t_data.store.tables import column_matrix, read_table

MARK = "<DREAM>"
_DATA = "data/chunk-{chunk:03d}/episode_{episode:06d}.parquet"
_VIDEOS = "videos/chunk-{chunk:03d}"
_CHUNK_EPISODES = 1000
_SAME_RATE = 0.05


def read_dataset(drop: Path) -> Found:
    """The episodes of a GR00T-Dreams dataset as clips.

    Raises:
        StoreError: its metadata cannot be read.
    """
    try:
        info: dict[str, Any] = read_json(drop / "meta/info.json")
        lines: list[dict[str, Any]] = [dict(line) for line in json_lines(drop / "meta/episodes.jsonl")]
    except ValueError as error:
        raise StoreError(str(error)) from error
    findings = list(_about_all(drop, info))
    clips, refused = [], []
    for line in lines:
        name = f"episode {line.get('episode_index')}"
        try:
            clips.append(_clip(drop, info, line))
        except (OSError, KeyError, TypeError, ValueError) as error:
            refused.append(Refusal(name, f"{drop}: {name}: {error}"))
    named = [clip if clip.action is None or clip.action.any() else replace(clip, action=None) for clip in clips]
    if any(one is not clip for one, clip in zip(named, clips, strict=True)):
        findings.append("actions are placeholders (all zero): left out; label the store with `gr00t label`")
    return Found("GR00T-Dreams dataset", tuple(named), tuple(refused), tuple(findings))


def _about_all(drop: Path, info: dict[str, Any]):
    where = drop / "meta/info.json"
    if "codebase_version" not in info:
        yield f"{where}: has no codebase_version: read as GR00T-Dreams writes it"
    if info.get("robot_type") == "dream":
        yield f"{where}: robot_type is 'dream', which names no robot: that of the command is taken"
    shapes = {name: feature.get("shape") for name, feature in info.get("features", {}).items()}
    if shapes.get("action") == [44] and shapes.get("observation.state") == [44]:
        yield f"{where}: declares 44 values of state and action, which it does for every robot: the rows are counted"
    yield f"{drop}: the state is not measured (zeros): marked absent"
    marked = sum(MARK in text for _, text in task_lines(drop / "meta/tasks.jsonl"))
    if marked:
        yield f"{drop}/meta/tasks.jsonl: {marked} tasks begin with {MARK}: the mark is taken off, the kind says it"


def _clip(drop: Path, info: dict[str, Any], line: dict[str, Any]) -> Clip:
    index = int(line["episode_index"])
    place = {"chunk": index // _CHUNK_EPISODES, "episode": index}
    table = read_table(path_inside(drop, _DATA, **place))
    times_s = column_matrix(table, "timestamp")[:, 0]
    videos = _videos(drop, index, place)
    rate, notes = _rate(times_s, info)
    texts = [str(text) for text in line.get("tasks", ())] or [_task(drop, table)]
    return Clip(
        name=f"episode_{index:06d}",
        videos=videos,
        instruction=texts[0].replace(MARK, "").strip(),
        fps=rate,
        made={"video_id": line["video_id"]} if "video_id" in line else {},
        action=column_matrix(table, "action") if "action" in table.column_names else None,
        notes=notes,
    )


def _videos(drop: Path, index: int, place: dict[str, int]) -> dict[str, Path]:
    folder = path_inside(drop, _VIDEOS, **place)
    name = f"episode_{index:06d}.mp4"
    found = {path.name: path / name for path in sorted(folder.glob("*")) if (path / name).is_file()}
    if not found:
        raise PathError(f"no {name} below {folder}; copy the videos again")
    return found


def _rate(times_s: np.ndarray, info: dict[str, Any]) -> tuple[float, tuple[str, ...]]:
    """Frames a second of the stamps, and whether info.json says something else."""
    steps = np.diff(times_s)
    if not len(steps) or steps.min() <= 0 or np.ptp(steps) > _SAME_RATE * steps.mean():
        raise ValueError("its stamps do not rise evenly, so its rate is unknown; write them again")
    rate, said = round(1 / float(steps.mean()), 6), info.get("fps")
    if isinstance(said, int | float) and abs(rate - said) <= _SAME_RATE * rate:
        return rate, ()
    return rate, (f"info.json says {repr(said)[:60]} fps, the stamps say {rate:g}: the stamps are taken",)


def _task(drop: Path, table: Any) -> str:
    if "task_index" not in table.column_names:
        return ""
    number = int(table.column("task_index")[0].as_py())
    return dict(task_lines(drop / "meta/tasks.jsonl")).get(number, "")
