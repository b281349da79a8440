"""Defects of what belongs together: video and rows, one camera and another."""

import numpy as np

from benchmarks.doctor.defect import CAMERA, Defect, Plant, Planting, Targets, cut_rows, each, in_frames, late

FRONT = "front_view"


def _shifted(p: Planting, index: int, camera: str, count: int) -> None:
    """One camera comes ``count`` frames late (early when negative); rows and other cameras are cut to fit."""
    others, own = late(count)
    for name in p.folder.store.cameras:
        p.folder.change_frames(index, name, lambda frames, kept=own if name == camera else others: frames[kept])
    p.folder.change_rows(index, lambda rows: cut_rows(rows, others))


def lag(p: Planting, index: int) -> None:
    """The pictures come 4 frames (200 ms) late."""
    _shifted(p, index, CAMERA, round(4 * p.severity))


def lead(p: Planting, index: int) -> None:
    """The pictures come 4 frames (200 ms) early."""
    _shifted(p, index, CAMERA, -round(4 * p.severity))


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


def skew(p: Planting, index: int) -> None:
    """The second camera is 2 frames (100 ms) behind the first."""
    _shifted(p, index, FRONT, round(2 * p.severity))


def freeze_second(p: Planting, frames: np.ndarray) -> np.ndarray:
    """The second camera shows its first picture all along."""
    return np.repeat(frames[:1], len(frames), 0)


def _defect(name: str, magnitude: str, codes: tuple[str, ...], plant: Plant, two: bool = False) -> Defect:
    consequence = "images and actions do not belong together"
    stores = ("two_cameras",) if two else ("simulator", "pick_n_place")
    return Defect(name, "pairing", magnitude, codes, consequence, plant, stores, share=0.3 if two else 0.125)


PAIRING_DEFECTS = (
    _defect("camera-lagging", "4 frames (200 ms)", ("SYNC-01",), each(lag)),
    _defect("camera-leading", "4 frames (200 ms)", ("SYNC-01",), each(lead)),
    _defect("videos-swapped", "between episodes, both cut to the shorter", ("SYNC-02",), swap_videos),
    _defect("camera-duplicated", "second shows the first", ("DUP-04",), each(duplicate_camera), two=True),
    _defect("cameras-swapped", "names exchanged", ("IMAGE-18",), each(swap_cameras), two=True),
    _defect("cameras-skewed", "2 frames (100 ms)", ("SYNC-03",), each(skew), two=True),
    _defect("second-camera-frozen", "whole episode", ("VIDEO-10",), in_frames(freeze_second, FRONT), two=True),
)
