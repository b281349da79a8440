"""Defects of what belongs together: video and rows, one camera and another."""

from functools import partial

import numpy as np

from benchmarks.doctor.defect import CAMERA, Defect, Planting, Targets, cut_rows, each, in_frames, late

FRONT = "front_view"


def shift(p: Planting, index: int, camera: str, count: int) -> None:
    """One camera comes ``count`` frames late (early when negative); rows and other cameras are cut to fit."""
    others, own = late(round(count * p.severity))
    for name in p.folder.store.cameras:
        p.folder.change_frames(index, name, lambda frames, kept=own if name == camera else others: frames[kept])
    p.folder.change_rows(index, lambda rows: cut_rows(rows, others))


def give_video(p: Planting, index: int, frames: np.ndarray) -> None:
    """An episode gets these frames; what is longer, rows or frames, is cut at the end."""
    count = min(len(frames), len(p.folder.rows(index)["timestamp"]))
    p.folder.write_frames(index, CAMERA, frames[:count])
    p.folder.change_rows(index, lambda rows: cut_rows(rows, slice(0, count)))


def swap_videos(p: Planting) -> Targets:
    """Episodes exchange their videos; both are cut to the shorter one, so that counts and times betray nothing."""
    episodes = [*p.episodes]
    if len(episodes) % 2:
        episodes.append(int(p.generator.choice(p.others())))
    for one, two in zip(episodes[::2], episodes[1::2], strict=True):
        frames = {one: p.folder.frames(two, CAMERA), two: p.folder.frames(one, CAMERA)}
        for index, other in frames.items():
            give_video(p, index, other[: min(map(len, frames.values()))])
    return [frozenset({index}) for index in episodes]


def duplicate_camera(p: Planting, index: int) -> None:
    """The second camera shows the first one's pictures."""
    p.folder.write_frames(index, FRONT, p.folder.frames(index, CAMERA), crf=23)


def swap_cameras(p: Planting, index: int) -> None:
    """The two cameras have each other's names."""
    first, second = p.folder.frames(index, CAMERA), p.folder.frames(index, FRONT)
    p.folder.write_frames(index, CAMERA, second)
    p.folder.write_frames(index, FRONT, first)


_defect = partial(Defect, consequence="images and actions do not belong together", group="pairing")
_two = partial(_defect, stores=("two_cameras",), share=0.3)
PAIRING_DEFECTS = (
    _defect("camera-lagging", "4 frames (200 ms)", "SYNC-01", plant=each(shift, CAMERA, 4)),
    _defect("camera-leading", "4 frames (200 ms)", "SYNC-01", plant=each(shift, CAMERA, -4)),
    _defect("videos-swapped", "between episodes, both cut to the shorter", "SYNC-02", plant=swap_videos),
    _two("camera-duplicated", "second shows the first", "DUP-04", plant=each(duplicate_camera)),
    _two("cameras-swapped", "names exchanged", "IMAGE-18", plant=each(swap_cameras)),
    _two("cameras-skewed", "2 frames (100 ms)", "SYNC-03", plant=each(shift, FRONT, 2)),
    _two(
        "second-camera-frozen",
        "whole episode",
        "VIDEO-10",
        plant=in_frames(lambda p, frames: np.repeat(frames[:1], len(frames), 0), FRONT),
    ),
)
