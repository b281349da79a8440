"""Checks of a store as a whole: its metadata against its files and against the embodiment."""

import difflib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Whole
from gr00t_data.disk import read_json
from gr00t_data.embodiment.modality import Entry, modality_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rates import MOST_UPSAMPLING, Pace, RateError
from gr00t_data.store.store import EpisodeStore


def check_store(whole: Whole) -> Iterator[Finding]:
    """META-01 to META-08, META-15. An error here bars every episode of the store (``STORE-01`` in its verdicts)."""
    store, embodiment = whole.store, whole.embodiment
    yield from _episode_list(store)
    yield from _totals(store)
    yield from _templates(store)
    yield from _rate(store, embodiment)
    yield from _modality(store, embodiment)
    yield from _columns(store)
    yield from _cameras_without_files(store, embodiment)
    yield from _absent_cameras(store, embodiment)


def _info(store: EpisodeStore) -> str:
    return f"{store.root}/meta/info.json"


def _episode_list(store: EpisodeStore) -> Iterator[Finding]:
    path = f"{store.root}/meta/episodes.jsonl"
    if not store.rows:
        yield META_08.finding(f"{path}: lists no episode, expected at least one; copy the folder again")
    for index, times in Counter(row.index for row in store.rows).items():
        if times > 1:
            message = f"{path}: lists episode {index} {times} times, expected once; remove the lines that are wrong"
            yield META_08.finding(message)


def _totals(store: EpisodeStore) -> Iterator[Finding]:
    found = {"total_episodes": len(store.rows), "total_frames": sum(row.length for row in store.rows)}
    for name, count in found.items():
        declared = store.info.get(name)
        if declared != count:
            yield META_01.finding(
                f"{_info(store)}: {name} is {declared}, meta/episodes.jsonl adds up to {count}; "
                "check that the folder is complete, then correct info.json"
            )


def _templates(store: EpisodeStore) -> Iterator[Finding]:
    for name in ("data_path", "video_path"):
        if "{chunk_index" in (said := str(store.info.get(name))):
            yield META_15.finding(
                f"{_info(store)}: {name} {said!r} names the folder of an episode as v3.0 does; it is read as "
                "{episode_chunk}, which v2.1 calls it and LeRobot insists on: correct it"
            )


def _rate(store: EpisodeStore, embodiment: Embodiment) -> Iterator[Finding]:
    try:
        fps = store.fps
    except (KeyError, TypeError, ValueError):
        said = store.info.get("fps")
        found, remedy = ("missing", "add it") if said is None else (repr(said)[:60], "correct it")
        message = f"{_info(store)}: fps is {found}, expected {embodiment.control_hz:g}; {remedy}"
        yield META_02.finding(message, severity="warning" if said is None else "error")
        return
    rates = f"{_info(store)}: fps is {fps:g}, embodiment {embodiment.name!r} runs at {embodiment.control_hz:g} Hz"
    try:
        pace = Pace.of(fps, embodiment.control_hz, str(store.root))
    except RateError:
        remedy = "resample the episodes to that rate, or use an embodiment with this rate"
        message = f"{rates}, more than {MOST_UPSAMPLING:g} times as fast; {remedy}"
        yield META_02.finding(message if fps > 0 else f"{rates}; correct it", severity="error")
        return
    if not pace.agrees:
        message = f"{rates}; action chunks are taken at that rate; correct fps if the rows have it already"
        yield META_02.finding(message)


def _modality(store: EpisodeStore, embodiment: Embodiment) -> Iterator[Finding]:
    path = store.meta("modality.json")
    if not path.is_file():
        message = f"{path}: no such file; write it from the embodiment: `gr00t ingest` does, for a copy of the folder"
        yield META_04.finding(message)
        return
    expected = modality_json(embodiment)
    try:
        found = read_json(path)
    except ValueError as error:
        yield META_04.finding(f"{error}; write it from the embodiment: `gr00t ingest` does, for a copy of the folder")
        return
    for group in ("state", "action"):
        for part, entry in expected[group].items():
            yield from _slice(path, group, part, entry, found.get(group, {}).get(part), embodiment.name)


def _slice(
    path: Path, group: str, part: str, expected: Entry, found: dict[str, Any] | None, embodiment: str
) -> Iterator[Finding]:
    default = "observation.state" if group == "state" else "action"
    wanted = (expected["start"], expected["end"], expected.get("original_key", default))
    stored = (found.get("start"), found.get("end"), found.get("original_key", default)) if found else None
    if stored != wanted:
        is_now = f"{stored[0]}:{stored[1]} of {stored[2]!r}" if stored else "missing"
        yield META_03.finding(
            f"{path}: {group} part {part!r} is {is_now}, embodiment {embodiment!r} has {wanted[0]}:{wanted[1]} of "
            f"{wanted[2]!r}; choose the embodiment this robot is, or correct the file that is wrong"
        )


def _columns(store: EpisodeStore) -> Iterator[Finding]:
    if "frame_index" not in store.features:
        message = f"{_info(store)}: declares no frame_index column; rows are counted from 0 instead"
        yield META_05.finding(message)


def _cameras_without_files(store: EpisodeStore, embodiment: Embodiment) -> Iterator[Finding]:
    """META-06: one finding a key, with the nearest folder of videos that nobody uses."""
    videos = store.root / "videos"
    held = {path.name for path in videos.glob("*/*") if path.is_dir() and not path.name.startswith(".")}
    mapped = {column: name for name, column in store.camera_columns.items()}
    unused = sorted(held - {*store.video_columns, *mapped})
    wanted = {embodiment.camera(name).column for name in embodiment.selection().cameras} | {
        column for column, name in mapped.items() if name in embodiment.selection().cameras
    }
    for column in dict.fromkeys([*store.video_columns, *mapped]):
        if any(videos.rglob(f"{column}/*.mp4")):
            continue
        file = _info(store) if column in store.video_columns else f"{store.root}/meta/modality.json"
        message = f"{file}: declares camera {column!r}, but there is no file of it in {videos}; "
        near = difflib.get_close_matches(column, unused or sorted(held - {column}), n=1, cutoff=0.0)
        if unused or (near and column not in store.video_columns):
            message += f"the videos there are of {near[0]!r}: write that key instead, or rename the folder"
        elif column in mapped:
            message += "copy its files"
        else:
            message += "modality.json does not use it: remove it from info.json"
        yield META_06.finding(message, severity="error" if unused and column in wanted else "warning")


def _absent_cameras(store: EpisodeStore, embodiment: Embodiment) -> Iterator[Finding]:
    taken, default = embodiment.fitting(store.cameras).selection(), embodiment.selection()
    used = taken.cameras
    if taken.name != default.name:
        yield META_07.finding(
            f"{store.root}/meta/modality.json: has not every camera of the default selection {default.name!r} "
            f"({', '.join(default.cameras)}); selection {taken.name!r} ({', '.join(used)}) is taken in its place",
            severity="info",
        )
    for camera in embodiment.cameras:
        if camera.name not in store.cameras:
            yield META_07.finding(
                f"{store.root}/meta/modality.json: maps no camera {camera.name!r} (it maps "
                f"{', '.join(store.cameras) or 'none'}), embodiment {embodiment.name!r} has it as "
                f"{camera.column!r}; add the mapping, or use a selection without it",
                severity="error" if camera.name in used else "info",
            )


META_01, META_02, META_03, META_04, META_05, META_06, META_07, META_08, META_15 = Look(Whole, check_store, 0).finds(
    Check("META-01", "warning", "totals of info.json do not match the episodes", "half copied: files may be missing"),
    Check("META-02", "warning", "frame rate differs from the embodiment's control rate",
          "motions are replayed at another speed"),
    Check("META-03", "error", "modality.json disagrees with the embodiment", "every part would be cut wrongly"),
    Check("META-04", "warning", "no modality.json", "the published GR00T loader cannot read the folder"),
    Check("META-05", "info", "no frame_index column", "readers of LeRobot v2.1 expect it"),
    Check("META-06", "warning", "declared camera has no files", "readers that use every declared camera stop"),
    Check("META-07", "error", "camera of the embodiment is absent", "the policy would get no image"),
    Check("META-08", "error", "no episodes, or one listed twice",
          "nothing can be learnt, or one episode counts double"),
    Check("META-15", "warning", "path template of v3.0 in a folder of v2.1", "LeRobot finds no file"),
)  # fmt: skip
