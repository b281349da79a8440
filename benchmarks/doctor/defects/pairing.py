"""Defects of what belongs together: video and rows, one camera and another."""

from functools import partial

import numpy as np

from benchmarks.doctor.anatomy import Unplantable
from benchmarks.doctor.defects.defect import Defect, Planting, Targets, cut_rows, each, in_frames, late
from gr00t_data.video import files as video


def shift(p: Planting, index: int, seconds: float, second: bool = False) -> None:
    """A camera comes so many seconds late (early when negative); rows and other cameras are cut to fit."""
    count = p.count(abs(seconds))
    others, own = late(count if seconds > 0 else -count)
    p.robot.moving_joint(p.folder.rows(index))
    camera = p.robot.other_camera if second else p.robot.camera
    for name in p.folder.store.cameras:
        p.folder.change_frames(index, name, lambda frames, kept=own if name == camera else others: frames[kept])
    p.folder.change_rows(index, lambda rows: cut_rows(rows, others))


def give_video(p: Planting, index: int, frames: np.ndarray) -> None:
    """An episode gets these frames of the first camera; what is longer, rows or frames, is cut at the end."""
    count = min(len(frames), len(p.folder.rows(index)["timestamp"]))
    p.folder.write_frames(index, p.robot.camera, frames[:count])
    for camera in p.robot.cameras[1:]:
        p.folder.change_frames(index, camera, lambda own: own[:count])
    p.folder.change_rows(index, lambda rows: cut_rows(rows, slice(0, count)))


def swap_videos(p: Planting) -> Targets:
    """Episodes exchange their videos; both are cut to the shorter one, so that counts and times betray nothing."""
    episodes = [*p.episodes]
    if len(episodes) % 2:
        episodes.append(int(p.generator.choice(p.others())))
    for one, two in zip(episodes[::2], episodes[1::2], strict=True):
        frames = {one: p.folder.frames(two, p.robot.camera), two: p.folder.frames(one, p.robot.camera)}
        for index, other in frames.items():
            give_video(p, index, other[: min(map(len, frames.values()))])
    return [frozenset({index}) for index in episodes]


def duplicate_camera(p: Planting, index: int) -> None:
    """The second camera shows the first one's pictures."""
    first, second = p.folder.frames(index, p.robot.camera), p.folder.frames(index, p.robot.other_camera)
    p.folder.write_frames(index, p.robot.other_camera, video.resize(first, second.shape[1:3]), crf=23)


def swap_cameras(p: Planting, index: int) -> None:
    """The two cameras have each other's names."""
    first, second = p.folder.frames(index, p.robot.camera), p.folder.frames(index, p.robot.other_camera)
    if first.shape != second.shape:
        raise Unplantable("the two cameras have pictures of another size")
    p.folder.write_frames(index, p.robot.camera, second)
    p.folder.write_frames(index, p.robot.other_camera, first)


_defect = partial(Defect, consequence="images and actions do not belong together", group="pairing")
_two = partial(_defect, stores=("two_cameras",), share=0.3)
PAIRING_DEFECTS = (
    _defect("camera-lagging", "200 ms", "SYNC-01 SYNC-03", plant=each(shift, 0.2)),
    _defect("camera-leading", "200 ms", "SYNC-01 SYNC-03", plant=each(shift, -0.2)),
    _defect("videos-swapped", "between episodes, both cut to the shorter", "SYNC-02", plant=swap_videos),
    _two("camera-duplicated", "second shows the first", "DUP-04", plant=each(duplicate_camera)),
    _two("cameras-swapped", "names exchanged", "IMAGE-18", plant=each(swap_cameras)),
    _two("cameras-skewed", "100 ms", "SYNC-03", plant=each(shift, 0.1, True)),
    _two(
        "second-camera-frozen",
        "whole episode",
        "VIDEO-10",
        plant=in_frames(lambda p, frames: np.repeat(frames[:1], len(frames), 0), lambda robot: robot.other_camera),
    ),
)
