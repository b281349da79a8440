"""Defects of video files: present, whole, as long as the rows, and on time."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.doctor import packets
from benchmarks.doctor.anatomy import STATE, Unplantable
from benchmarks.doctor.clean import shared_data
from benchmarks.doctor.defects.defect import Defect, Planting, cut, each, in_every, in_files, in_frames
from gr00t_data.video import files as video
from gr00t_data.video.packets import probe

_SLOW_RAD = 0.04
"""A joint that moves by less in a second rests."""


def not_a_video(path: Path) -> None:
    """An HTML error page under the name of a video."""
    path.unlink()
    path.write_text("<html><body>404: entry not found</body></html>" * 50)


def damage_bytes(p: Planting, index: int) -> None:
    """8 % of the bytes in the middle are noise; header and index are whole."""
    packets.damage(p.folder.store.video_path(index, p.robot.camera), p.generator, 0.08 * p.severity)


def lose_tail(p: Planting, frames: np.ndarray) -> np.ndarray:
    """The last 10 frames were not written."""
    return frames[: -round(10 * p.severity)]


def append_other_take(p: Planting, index: int) -> None:
    """20 frames of a discarded take follow the last one."""
    other = int(p.generator.choice(p.others()))
    extra = p.folder.frames(other, p.robot.camera)[: round(20 * p.severity)]
    p.folder.change_frames(index, p.robot.camera, lambda frames: np.concatenate([frames, extra]))


def offset_pts(p: Planting, index: int) -> None:
    """Presentation times begin at 0.5 s: the packets were cut out of a longer file."""
    path = p.folder.store.video_path(index, p.robot.camera)
    p.folder.change_frames(index, p.robot.camera, lambda frames: frames)
    packets.retime(path, probe(path).pts_s + 0.5 * p.severity)


def vary_rate(p: Planting, index: int) -> None:
    """A phone's variable frame rate: frames 0.4 to 1.6 rows apart, one in the mean."""
    path = p.folder.store.video_path(index, p.robot.camera)
    p.folder.change_frames(index, p.robot.camera, lambda frames: frames)
    count = probe(path).frames
    steps = np.clip(1 + p.generator.uniform(-0.6, 0.6, count) * min(p.severity, 1.6), 0.02, None) / p.folder.store.fps
    packets.retime(path, np.concatenate([[0.0], np.cumsum(steps)[:-1]]))


def other_rate(p: Planting, index: int) -> None:
    """The container says 1.5 times the rate of its frames."""
    p.folder.write_frames(
        index, p.robot.camera, p.folder.frames(index, p.robot.camera), fps=p.folder.store.fps * (1 + 0.5 * p.severity)
    )


def freeze(p: Planting, frames: np.ndarray) -> np.ndarray:
    """The camera delivers the same picture for 1 s (half of the episode at most)."""
    count = min(p.count(1.0), len(frames) // 2)
    at = p.start(len(frames), count)
    frames[at : at + count] = frames[at]
    return frames


def freeze_slow_motion(p: Planting, index: int) -> None:
    """The same where the robot moves least without resting: 1 s among the slowest fifth of those in which it moves."""
    frames, rows = p.folder.frames(index, p.robot.camera), p.folder.rows(index)
    arm = p.robot.moving_arm(rows)
    count = min(p.count(1.0), len(frames) // 2)
    positions = rows[STATE][:, arm.dims(STATE)] / arm.radian
    reach = np.array([np.ptp(positions[at : at + count], axis=0).max() for at in range(len(frames) - count)])
    if not (reach > _SLOW_RAD).any():
        raise Unplantable("the robot never moves")
    slow = reach <= np.quantile(reach[reach > _SLOW_RAD], 0.2)
    at = int(p.generator.choice(np.flatnonzero(slow & (reach > _SLOW_RAD))))
    held = np.repeat(frames[at : at + 1], count, 0)
    if np.abs(held[-1].astype(np.float32) - frames[at + count - 1]).mean() < 0.5:
        raise Unplantable("nothing is seen to move")
    frames[at : at + count] = held
    p.folder.write_frames(index, p.robot.camera, frames)


def repeat_frames(p: Planting, frames: np.ndarray) -> np.ndarray:
    """A camera of three quarters of the rate: every fourth frame is that before it."""
    order = np.arange(len(frames))
    order[3::4] -= 1
    return frames[order]


def slow_cameras(p: Planting, index: int) -> None:
    """Every camera delivers three pictures in four rows."""
    _ = p.robot.cameras
    p.change_cameras(index, lambda frames: repeat_frames(p, frames))


def stutter(p: Planting, frames: np.ndarray) -> np.ndarray:
    """A buffer is written twice: 8 frames come again, the 8 after them are lost."""
    count = min(round(8 * p.severity), len(frames) // 3)
    at = p.start(len(frames), 2 * count)
    frames[at + count : at + 2 * count] = frames[at : at + count]
    return frames


def black_frames(p: Planting, frames: np.ndarray) -> np.ndarray:
    """5 frames in the middle are black."""
    count = round(5 * p.severity)
    at = p.start(len(frames), count)
    frames[at : at + count] = 0
    return frames


def smaller(p: Planting, frames: np.ndarray) -> np.ndarray:
    """One episode is half as large as the others."""
    return video.resize(frames, (frames.shape[1] // 4 * 2, frames.shape[2] // 4 * 2))


def other_shape(p: Planting, frames: np.ndarray) -> np.ndarray:
    """One episode has pictures of three quarters of the height: 4:3 where the others are square."""
    return video.resize(frames, (frames.shape[1] * 3 // 8 * 2, frames.shape[2]))


def letterbox(p: Planting, frames: np.ndarray) -> np.ndarray:
    """Black bars above and below, 12 % of the height each."""
    height = frames.shape[1]
    bar = round(0.12 * p.severity * height)
    small = video.resize(frames, ((height - 2 * bar) // 2 * 2, frames.shape[2]))
    return np.pad(small, ((0, 0), (bar, height - bar - small.shape[1]), (0, 0), (0, 0)))


def other_scene(p: Planting, index: int) -> None:
    """The pictures are of a kitchen filmed by a head camera: another project's file under this name."""
    clip = shared_data() / "ego/kitchen_plate.mp4"
    size = p.folder.frames(index, p.robot.camera).shape[1:3]
    scene = video.decode(clip, size) if clip.is_file() else _invented_scene(p, size)
    count = p.folder.store.row(index).length
    there_and_back = np.abs((np.arange(count) + len(scene) - 1) % (2 * len(scene) - 2) - (len(scene) - 1))
    p.folder.write_frames(index, p.robot.camera, scene[there_and_back])


def _invented_scene(p: Planting, size: tuple[int, int]) -> np.ndarray:
    """uint8 [40, H, W, 3]: smooth colours that drift."""
    coarse = p.generator.uniform(0, 255, (12, 12, 3)).astype(np.float32)
    wide = cv2.resize(coarse, (size[1] + 40, size[0]), interpolation=cv2.INTER_CUBIC)
    return np.stack([np.clip(wide[:, at : at + size[1]], 0, 255).astype(np.uint8) for at in range(40)])


_defect = partial(Defect, group="video")
_WRONG_FRAME = "readers by time pick the wrong frame"
_ANOTHER = "another view than the robot's"
_BLIND = "the policy acts without seeing"
_STOPS = "the loader stops when it reaches the episode"
_DRIFT = "images and actions do not belong together"
VIDEO_DEFECTS = (
    _defect("video-lost", "the file", "VIDEO-01", _STOPS, in_files(Path.unlink, video=True)),
    _defect("video-cut", "30 % of the bytes", "VIDEO-02 VIDEO-03", _STOPS, in_files(cut, 0.7, video=True)),
    _defect("video-no-video", "an HTML page", "VIDEO-02", _STOPS, in_files(not_a_video, video=True)),
    _defect(
        "video-damaged", "8 % of the bytes", "VIDEO-02 IMAGE-09 IMAGE-13 IMAGE-16", "torn images", each(damage_bytes)
    ),
    _defect("video-short", "10 frames", "VIDEO-03", _DRIFT, in_frames(lose_tail)),
    _defect("video-long", "20 frames of another take", "VIDEO-04", _DRIFT, each(append_other_take)),
    _defect("video-pts-offset", "0.5 s", "VIDEO-07", _WRONG_FRAME, each(offset_pts)),
    _defect("video-variable-rate", "0.4-1.6 rows", "VIDEO-08", _WRONG_FRAME, each(vary_rate)),
    _defect("video-other-rate", "1.5 times", "VIDEO-05", _WRONG_FRAME, each(other_rate)),
    _defect("video-frozen", "1 s", "VIDEO-10", _BLIND, in_frames(freeze)),
    _defect("video-frozen-slow", "1 s of slow motion", "VIDEO-10", _BLIND, each(freeze_slow_motion)),
    _defect("video-repeated", "every 4th frame", "VIDEO-11", "images lag by up to 50 ms", in_frames(repeat_frames)),
    _defect("cameras-slow", "3 in 4, every episode", "VIDEO-11", "images lag", in_every(slow_cameras), rig=True),
    _defect("video-stutter", "8 frames again", "VIDEO-12", _DRIFT, in_frames(stutter)),
    _defect("video-black", "5 frames", "IMAGE-19", _BLIND, in_frames(black_frames)),
    _defect("video-smaller", "half the pixels", "VIDEO-06", "blurred when resized", in_frames(smaller)),
    _defect("video-other-shape", "3/4 of the height", "VIDEO-06", "the image is stretched", in_frames(other_shape)),
    _defect("video-letterbox", "12 % above and below", "IMAGE-14", _ANOTHER, in_frames(letterbox)),
    _defect("video-other-scene", "another project's video", "IMAGE-20", _DRIFT, each(other_scene)),
)
