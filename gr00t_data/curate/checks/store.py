"""Checks of a store as a whole: its metadata against its files and against the embodiment."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gr00t_data.curate.finding import Finding
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rates import MOST_UPSAMPLING, Pace, RateError
from gr00t_data.store.store import EpisodeStore


def check_store(store: EpisodeStore, embodiment: Embodiment) -> list[Finding]:
    """Store-level findings. An error here bars every episode of the store (``STORE-01`` in its verdicts)."""
    return [
        *_episode_list(store),
        *_totals(store),
        *_rate(store, embodiment),
        *_modality(store, embodiment),
        *_columns(store),
        *_cameras_without_files(store),
        *_absent_cameras(store, embodiment),
    ]


def _info(store: EpisodeStore) -> str:
    return f"{store.root}/meta/info.json"


def _episode_list(store: EpisodeStore) -> Iterator[Finding]:
    path = f"{store.root}/meta/episodes.jsonl"
    if not store.rows:
        yield Finding("META-08", "error", f"{path}: lists no episode, expected at least one; copy the folder again")
    for index, times in Counter(row.index for row in store.rows).items():
        if times > 1:
            message = f"{path}: lists episode {index} {times} times, expected once; remove the lines that are wrong"
            yield Finding("META-08", "error", message)


def _totals(store: EpisodeStore) -> Iterator[Finding]:
    found = {"total_episodes": len(store.rows), "total_frames": sum(row.length for row in store.rows)}
    for name, count in found.items():
        declared = store.info.get(name)
        if declared != count:
            yield Finding(
                "META-01",
                "warning",
                f"{_info(store)}: {name} is {declared}, meta/episodes.jsonl adds up to {count}; "
                "check that the folder is complete, then correct info.json",
            )


def _rate(store: EpisodeStore, embodiment: Embodiment) -> Iterator[Finding]:
    try:
        fps = store.fps
    except (KeyError, TypeError, ValueError):
        message = f"{_info(store)}: fps is missing, expected {embodiment.control_hz:g}; add it"
        yield Finding("META-02", "warning", message)
        return
    rates = f"{_info(store)}: fps is {fps:g}, embodiment {embodiment.name!r} runs at {embodiment.control_hz:g} Hz"
    try:
        pace = Pace.of(fps, embodiment.control_hz, str(store.root))
    except RateError:
        remedy = "resample the episodes to that rate, or use an embodiment with this rate"
        message = f"{rates}, more than {MOST_UPSAMPLING:g} times as fast; {remedy}"
        yield Finding("META-02", "error", message if fps > 0 else f"{rates}; correct it")
        return
    if not pace.agrees:
        message = f"{rates}; action chunks are taken at that rate; correct fps if the rows have it already"
        yield Finding("META-02", "warning", message)


def _modality(store: EpisodeStore, embodiment: Embodiment) -> Iterator[Finding]:
    path = store.root / "meta/modality.json"
    if not path.is_file():
        message = f"{path}: no such file; write it from the embodiment: `gr00t ingest` does, for a copy of the folder"
        yield Finding("META-04", "warning", message)
        return
    found, expected = read_json(path), embodiment.modality()
    for group in ("state", "action"):
        for part, entry in expected[group].items():
            yield from _slice(path, group, part, entry, found.get(group, {}).get(part), embodiment.name)


def _slice(
    path: Path, group: str, part: str, expected: dict[str, Any], found: dict[str, Any] | None, embodiment: str
) -> Iterator[Finding]:
    default = "observation.state" if group == "state" else "action"
    wanted = (expected["start"], expected["end"], expected.get("original_key", default))
    stored = (found.get("start"), found.get("end"), found.get("original_key", default)) if found else None
    if stored != wanted:
        is_now = f"{stored[0]}:{stored[1]} of {stored[2]!r}" if stored else "missing"
        yield Finding(
            "META-03",
            "error",
            f"{path}: {group} part {part!r} is {is_now}, embodiment {embodiment!r} has {wanted[0]}:{wanted[1]} of "
            f"{wanted[2]!r}; choose the embodiment this robot is, or correct the file that is wrong",
        )


def _columns(store: EpisodeStore) -> Iterator[Finding]:
    if "frame_index" not in store.info.get("features", {}):
        message = f"{_info(store)}: declares no frame_index column; rows are counted from 0 instead"
        yield Finding("META-05", "info", message)


def _cameras_without_files(store: EpisodeStore) -> Iterator[Finding]:
    features = store.info.get("features", {})
    columns = [name for name, feature in features.items() if feature.get("dtype") == "video"]
    mapped = set(store.camera_columns.values())
    videos = store.root / "videos"
    for column in columns:
        if not any(videos.rglob(f"{column}/*.mp4")):
            unused = column not in mapped
            yield Finding(
                "META-06",
                "warning",
                f"{_info(store)}: declares camera {column!r}, but there is no file of it in {videos}; "
                + ("modality.json does not use it: remove it from info.json" if unused else "copy its files"),
            )


def _absent_cameras(store: EpisodeStore, embodiment: Embodiment) -> Iterator[Finding]:
    used = embodiment.selection().cameras
    for camera in embodiment.cameras:
        if camera.name not in store.cameras:
            yield Finding(
                "META-07",
                "error" if camera.name in used else "info",
                f"{store.root}/meta/modality.json: maps no camera {camera.name!r} (it maps "
                f"{', '.join(store.cameras) or 'none'}), embodiment {embodiment.name!r} has it as "
                f"{camera.column!r}; add the mapping, or use a selection without it",
            )
