"""Copies of episodes, leaks between training and validation, and where data comes from."""

import shutil

import numpy as np

from benchmarks.doctor.defect import CAMERA, STORE, Defect, Planting, Targets
from benchmarks.doctor.defects_pairing import give_video
from gr00t_data.store.store import ABOUT
from gr00t_data.video import files as video

DUPLICATE = ("DUP-01", "DUP-02")


def append_copy(p: Planting, index: int) -> int:
    """Add an exact copy of an episode under the next number; returns it."""
    store = p.folder.store
    number = max(row.index for row in store.rows) + 1
    shutil.copyfile(store.data_path(index), store.data_path(number))
    for camera in store.cameras:
        shutil.copyfile(store.video_path(index, camera), store.video_path(number, camera))
    lines = p.folder.lines("episodes.jsonl")
    line = next(line for line in lines if line["episode_index"] == index)
    source = {"source": {**line["source"], "seed": 9_000_000 + number}} if line.get("source") else {}
    p.folder.write_lines("episodes.jsonl", [*lines, {**line, "episode_index": number, **source}])
    rows = p.folder.rows(number)
    count, first = len(rows["timestamp"]), sum(row.length for row in store.rows)
    p.folder.write_rows(
        number, rows | {"episode_index": np.full(count, number), "index": np.arange(first, first + count)}
    )
    p.folder.change_info(splits={"train": f"0:{number + 1}"})
    return number


def identical(p: Planting) -> Targets:
    """The same rows and the same bytes of video under a new number."""
    return [frozenset({index, append_copy(p, index)}) for index in p.episodes]


def reencoded(p: Planting) -> Targets:
    """The same rows, the video encoded again (x264 crf 30)."""
    pairs = []
    for index in p.episodes:
        number = append_copy(p, index)
        p.folder.write_frames(number, CAMERA, p.folder.frames(number, CAMERA), crf=30)
        pairs.append(frozenset({index, number}))
    return pairs


def _cropped(frames: np.ndarray, share: float) -> np.ndarray:
    height, width = frames.shape[1:3]
    rows, columns = round(share * height), round(share * width)
    return video.resize(
        np.ascontiguousarray(frames[:, rows : height - rows, columns : width - columns]), (height, width)
    )


def cropped(p: Planting) -> Targets:
    """5 % cut off each side, resized and encoded again; the state with noise of 0.5 mrad, the wording changed."""
    pairs = []
    for index in p.episodes:
        number = append_copy(p, index)
        frames = _cropped(p.folder.frames(number, CAMERA), 0.05 * p.severity)
        p.folder.write_frames(number, CAMERA, frames, crf=26)
        rows = p.folder.rows(number)
        for column in ("observation.state", "action"):
            rows[column] = rows[column] + p.generator.normal(0, 5e-4, rows[column].shape)
        p.folder.write_rows(number, rows)
        pairs.append(frozenset({index, number}))
    return pairs


def trimmed(p: Planting) -> Targets:
    """A copy that begins 5 rows later and is encoded again."""
    pairs = []
    for index in p.episodes:
        number, count = append_copy(p, index), round(5 * p.severity)
        p.folder.change_frames(number, CAMERA, lambda frames, count=count: frames[count:])
        rows = {name: values[count:] for name, values in p.folder.rows(number).items()}
        length = len(rows["timestamp"])
        rows["timestamp"] = rows["timestamp"] - rows["timestamp"][0]
        rows |= {"frame_index": np.arange(length)} if "frame_index" in rows else {}
        p.folder.write_rows(number, rows)
        pairs.append(frozenset({index, number}))
    return pairs


def same_video_other_rows(p: Planting) -> Targets:
    """Another episode's video stands for this one's; the longer of the two is cut."""
    pairs = []
    for index in p.episodes:
        other = int(p.generator.choice(p.others()))
        give_video(p, index, p.folder.frames(other, CAMERA))
        pairs.append(frozenset({index, other}))
    return pairs


def leak(p: Planting) -> Targets:
    """info.json splits into train and validation; a cropped copy of a training episode lies in validation."""
    pairs = cropped(p)
    return [pair | {STORE} for pair in _split(p, pairs)]


def leak_identical(p: Planting) -> Targets:
    """The same with exact copies."""
    return [pair | {STORE} for pair in _split(p, identical(p))]


def _split(p: Planting, pairs: Targets) -> Targets:
    numbers = [line["episode_index"] for line in p.folder.lines("episodes.jsonl")]
    first_copy = min(max(pair) for pair in pairs)
    p.folder.change_info(splits={"train": f"0:{first_copy}", "val": f"{first_copy}:{max(numbers) + 1}"})
    return pairs


def overlapping_splits(p: Planting) -> Targets:
    """The ranges of train and validation overlap by two episodes."""
    count = len(p.folder.store.rows)
    p.folder.change_info(splits={"train": f"0:{count - 1}", "val": f"{count - 3}:{count}"})
    return [frozenset({STORE, count - 3, count - 2})]


def unmarked_generated(p: Planting) -> Targets:
    """The store says real; its episodes' sources name a video model."""
    about = p.folder.root / ABOUT
    value = {"embodiment": p.embodiment.name, "kind": "real", "licence": "Apache-2.0", "source": {}}
    p.folder.write_json(about.name, value)
    for index in p.others():
        p.folder.change_line(index, source={"recorder": "teleoperation"})
    for index in p.episodes:
        p.folder.change_line(index, source={"generator": "video world model", "actions": "inverse dynamics model"})
    return [frozenset({index, STORE}) for index in p.episodes]


_DOUBLE = "one demonstration counts double"
_LEAK = "validation measures memory"
COPY_DEFECTS = (
    Defect("copy-identical", "copies", "new number", DUPLICATE, _DOUBLE, identical),
    Defect("copy-reencoded", "copies", "x264 crf 30", DUPLICATE, _DOUBLE, reencoded),
    Defect("copy-cropped", "copies", "5 % off each side, 0.5 mrad of noise", DUPLICATE, _DOUBLE, cropped),
    Defect("copy-trimmed", "copies", "5 rows later", DUPLICATE, _DOUBLE, trimmed),
    Defect(
        "copy-video-only",
        "copies",
        "another episode's video",
        ("DUP-03", "SYNC-02"),
        "images and actions do not belong together",
        same_video_other_rows,
    ),
    Defect("split-leak", "copies", "cropped copy across the split", ("SPLIT-02",), _LEAK, leak),
    Defect("split-leak-identical", "copies", "exact copy across the split", ("SPLIT-02",), _LEAK, leak_identical),
    Defect("split-overlap", "copies", "two episodes in both", ("SPLIT-01",), _LEAK, overlapping_splits),
    Defect(
        "origin-unmarked",
        "origin",
        "generated, called real",
        ("ORIGIN-01",),
        "generated data passes as measured",
        unmarked_generated,
    ),
)
