"""Copies of episodes, leaks between training and validation, and where data comes from."""

import shutil
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.doctor.anatomy import ACTION, STATE
from benchmarks.doctor.defects.defect import STORE, Defect, Plant, Planting, Targets, add
from benchmarks.doctor.defects.pairing import give_video
from gr00t_data.store.store import ABOUT
from gr00t_data.video import files as video


def append_copy(p: Planting, index: int) -> int:
    """Add an exact copy of an episode under the next number; returns it."""
    store = p.folder.store
    number = max(row.index for row in store.rows) + 1
    shutil.copyfile(store.data_path(index), store.data_path(number))
    for camera in store.cameras:
        if store.video_path(index, camera).is_file():
            shutil.copyfile(store.video_path(index, camera), store.video_path(number, camera))
    lines = p.folder.lines("episodes.jsonl")
    line = next(line for line in lines if line["episode_index"] == index)
    source = {"source": {**line["source"], "seed": 9_000_000 + number}} if line.get("source") else {}
    p.folder.write_lines("episodes.jsonl", [*lines, {**line, "episode_index": number, **source}])
    rows = p.folder.rows(number)
    count, first = len(rows["timestamp"]), sum(row.length for row in store.rows)
    numbers = {"episode_index": np.full(count, number), "index": np.arange(first, first + count)}
    p.folder.write_rows(number, rows | {name: values for name, values in numbers.items() if name in rows})
    p.folder.change_info(splits={"train": f"0:{number + 1}"})
    return number


def copies(change: Callable[[Planting, int], None]) -> Plant:
    """A planter that appends a copy of each chosen episode and changes the copy."""

    def plant(p: Planting) -> Targets:
        pairs = []
        for index in p.episodes:
            number = append_copy(p, index)
            change(p, number)
            pairs.append(frozenset({index, number}))
        return pairs

    return plant


identical = copies(lambda p, number: None)


def reencode(p: Planting, number: int) -> None:
    """The video is encoded again (x264 crf 30)."""
    for camera in p.robot.cameras:
        p.folder.write_frames(number, camera, p.folder.frames(number, camera), crf=30)


def _cropped(frames: np.ndarray, share: float) -> np.ndarray:
    height, width = frames.shape[1:3]
    rows, columns = round(share * height), round(share * width)
    inner = frames[:, rows : height - rows, columns : width - columns]
    return video.resize(np.ascontiguousarray(inner), (height, width))


def crop(p: Planting, number: int) -> None:
    """5 % cut off each side, resized and encoded again; the state with noise of 0.5 mrad, the wording changed."""
    rows = p.folder.rows(number)
    for camera in p.robot.cameras:
        p.folder.write_frames(number, camera, _cropped(p.folder.frames(number, camera), 0.05 * p.severity), crf=26)
    for column in (STATE, ACTION):
        for limb in p.robot.limbs:
            noise = p.generator.normal(0, 5e-4, (len(rows[column]), len(limb.dims(column))))
            rows = add(rows, column, limb, noise)
    p.folder.write_rows(number, rows)


def trim(p: Planting, number: int) -> None:
    """The copy begins 5 rows later and is encoded again."""
    count = round(5 * p.severity)
    p.change_cameras(number, lambda frames: frames[count:])
    rows = {name: values[count:] for name, values in p.folder.rows(number).items()}
    length = len(rows["timestamp"])
    rows["timestamp"] = rows["timestamp"] - rows["timestamp"][0]
    rows |= {"frame_index": np.arange(length)} if "frame_index" in rows else {}
    p.folder.write_rows(number, rows)


def same_video_other_rows(p: Planting) -> Targets:
    """Another episode's video stands for this one's; the longer of the two is cut."""
    pairs = []
    for index in p.episodes:
        other = int(p.generator.choice(p.others()))
        give_video(p, index, p.folder.frames(other, p.robot.camera))
        pairs.append(frozenset({index, other}))
    return pairs


def across_split(plant: Plant) -> Plant:
    """info.json splits into train and validation; the copies of training episodes lie in validation."""

    def leak(p: Planting) -> Targets:
        pairs = plant(p)
        numbers = [line["episode_index"] for line in p.folder.lines("episodes.jsonl")]
        first_copy = min(max(pair) for pair in pairs)
        p.folder.change_info(splits={"train": f"0:{first_copy}", "val": f"{first_copy}:{max(numbers) + 1}"})
        return [pair | {STORE} for pair in pairs]

    return leak


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


_copy = partial(Defect, codes="DUP-01 DUP-02", consequence="one demonstration counts double", group="copies")
_split = partial(Defect, consequence="validation measures memory", group="copies")
_APART = "images and actions do not belong together"
COPY_DEFECTS = (
    _copy("copy-identical", "new number", plant=identical),
    _copy("copy-reencoded", "x264 crf 30", plant=copies(reencode)),
    _copy("copy-cropped", "5 % off each side, 0.5 mrad of noise", plant=copies(crop)),
    _copy("copy-trimmed", "5 rows later", plant=copies(trim)),
    Defect("copy-video-only", "another episode's video", "DUP-03 SYNC-02", _APART, same_video_other_rows, "copies"),
    _split("split-leak", "cropped copy across the split", "SPLIT-02", plant=across_split(copies(crop))),
    _split("split-leak-identical", "exact copy across the split", "SPLIT-02", plant=across_split(identical)),
    _split("split-overlap", "two episodes in both", "SPLIT-01", plant=overlapping_splits),
    Defect(
        "origin-unmarked",
        "generated, called real",
        "ORIGIN-01",
        "generated data passes as measured",
        unmarked_generated,
        "origin",
    ),
)
