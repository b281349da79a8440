"""Long videos of people: what they are, a cheap glance twice a second, small grey frames of a stretch, single frames.

Times are seconds from the first frame that is shown, whatever the container's clock starts with.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.error import FFmpegError

from gr00t_data.video.files import VideoError, decoder_options, opened, rgb
from gr00t_data.video.packets import Packets, pictures, probe

_APART_S = 1 / 15
"""Frames closer than this are not needed: a head turn lasts longer."""
_TAIL_SHARE = 0.4
_NO_DEBLOCKING = {"skip_loop_filter": "all"}
"""A quarter of the decoding time of h264 is deblocking, which a small grey picture does not show."""


@dataclass(frozen=True)
class Glance:
    """A small grey frame, and those that were decoded on the way to the next one.

    Attributes:
        time_s: when it is shown.
        grey: uint8 [H, W], turned upright.
        after: (time, what gives the grey frame) of the frames that follow, at least the first where there is one.
    """

    time_s: float
    grey: np.ndarray
    after: tuple[tuple[float, Callable[[], np.ndarray]], ...]


class _Group(NamedTuple):
    """A keyframe's number, the time up to which its group is wanted, and the times to look at."""

    key: int
    until_s: float
    looks_s: np.ndarray


def read_footage(path: Path) -> Packets:
    """The packets of a video of people, and how it is turned.

    Raises:
        VideoError: no such file, no video, only sound, no frame, or the first frame cannot be decoded.
    """
    video = probe(path, turned=True)
    if not video.frames:
        raise VideoError(f"{path}: lists no frame; copy it again from its source")
    if video.rotation_deg is None:
        raise VideoError(f"{path}: its first frame cannot be decoded (); copy it again")
    return video


def glances(
    video: Packets, spans: Sequence[tuple[float, float]], every_s: float = 0.5, side_px: int = 240
) -> Iterator[Glance]:
    """A look every ``every_s`` seconds or less within the spans, as cheaply as the file allows.

    B-frames are not decoded, nor is anything between the last look and the next keyframe where that is much; the
    decoder leaves out its deblocking. So the pictures are good enough to see motion in and for nothing else.

    Args:
        spans: (start, end) seconds, ascending, not overlapping.
        side_px: longer side of the small frames.

    Raises:
        VideoError: the file cannot be opened.
    """
    with opened(video.path) as (container, stream):
        stream.codec_context.skip_frame = "BIDIR"
        decoder_options(stream, **_NO_DEBLOCKING)
        for start_s, end_s in spans:
            for group in _groups(video, start_s, end_s, every_s):
                yield from _looks_of_group(video, pictures(container, stream, video, group.key), group, side_px)


def _groups(video: Packets, start_s: float, end_s: float, every_s: float) -> Iterator[_Group]:
    """The groups of pictures of a stretch that are looked into; a look at a keyframe itself is nearly free."""
    keys = np.flatnonzero(video.keyframes)
    keys = keys if len(keys) else np.array([0])
    edges = [*video.times_s[keys].tolist(), video.duration_s]
    looked_s = -np.inf
    for key, begin_s, next_s in zip(keys.tolist(), edges, edges[1:], strict=False):
        low, high = max(begin_s, start_s), min(next_s, end_s)
        last = next_s >= end_s
        if low >= high or (not last and next_s - looked_s <= every_s):
            continue
        looks = low + every_s * np.arange(max(int(np.ceil((high - low) / every_s - 1e-6)), 1))
        end = min(high, float(video.times_s[-1]))
        looks = np.append(looks, end) if last and end - looks[-1] > 0.5 * every_s else looks
        looked_s = float(looks[-1])
        yield _Group(key, high, looks)


def _looks_of_group(
    video: Packets, frames: Iterator[tuple[int, av.VideoFrame]], group: _Group, side_px: int
) -> Iterator[Glance]:
    key, until_s, looks_s = group
    # Decoding on to the next keyframe is dear when much of the group is left, and else saves doing it again.
    in_vain = until_s - looks_s[-1] >= _TAIL_SHARE * (until_s - video.times_s[key])
    step_s = 0.5 / max(video.shown_fps, 1.0)
    looks, seen = list(looks_s), list[tuple[float, Callable[[], np.ndarray]]]()
    try:
        for number, frame in frames:
            time_s = float(video.times_s[number])
            due = bool(looks) and time_s >= looks[0] - step_s
            near = bool(seen) and time_s - seen[-1][0] < _APART_S - step_s
            if time_s < looks_s[0] - step_s or (near and not due and (looks or not in_vain)):
                continue
            if len(seen) > 1 and time_s >= until_s - step_s and not due:
                break
            if due:
                if seen:
                    yield Glance(seen[0][0], seen[0][1](), tuple(seen[1:]))
                seen, looks = [], [one for one in looks if one - step_s > time_s]
            seen.append((time_s, partial(_grey, frame, side_px, video)))  # most are never asked for
            if len(seen) > 1 and (time_s >= until_s - step_s or (not looks and in_vain)):
                break
    except FFmpegError:
        pass  # what is damaged is found, and named, when the frames themselves are read
    if seen:
        yield Glance(seen[0][0], seen[0][1](), tuple(seen[1:]))


def grey_frames(video: Packets, start_s: float, end_s: float, side_px: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """The frames from ``start_s`` to ``end_s`` (both included), small and grey, about 15 a second.

    Returns:
        times_s: float64 [n];  grey: uint8 [n, H, W], turned upright, the longer side ``side_px``.

    Raises:
        VideoError: a frame cannot be decoded.
    """
    first, last = _numbers_between(video, start_s, end_s)
    times_s, small = list[float](), list[np.ndarray]()
    for number, frame in _frames(video, first, last, cheap=True):
        time_s = float(video.times_s[number])
        if not times_s or time_s - times_s[-1] >= _APART_S - 0.5 / max(video.shown_fps, 1.0):
            times_s.append(time_s)
            small.append(_grey(frame, side_px, video))
    if not small:
        raise VideoError(f"{video.path}: nothing from {start_s:.2f} to {end_s:.2f} s can be decoded; copy it again")
    return np.array(times_s), np.stack(small)


def footage_frames(video: Packets, numbers: Sequence[int], longest_px: int | None = None) -> Iterator[np.ndarray]:
    """The frames with these numbers (ascending, repeats allowed), turned upright. uint8 [H, W, 3] RGB each.

    Args:
        longest_px: shrink so that the longer side is at most this; None keeps the size.

    Raises:
        VideoError: a frame does not exist or cannot be decoded (says which).
    """
    if not len(numbers):
        return
    if not 0 <= numbers[0] <= numbers[-1] < video.frames:
        raise VideoError(
            f"{video.path}: has {video.frames} frames, asked for frame {numbers[-1]}; plan its clips again"
        )
    wanted = iter(numbers)
    number = next(wanted, None)
    for found, frame in _frames(video, int(numbers[0]), int(numbers[-1]), cheap=False):
        if found != number:
            continue
        picture = _upright(rgb(frame, _shrunk(frame, longest_px)), video.turn_deg)
        while number == found:
            yield picture
            number = next(wanted, None)
    if number is not None:
        raise VideoError(f"{video.path}: frame {number} is listed and cannot be decoded; copy the file again")


def footage_pictures(video: Packets, numbers: Sequence[int], longest_px: int | None = None) -> np.ndarray:
    """``footage_frames`` of at least one number, side by side: uint8 [n, H, W, 3]."""
    frames = footage_frames(video, numbers, longest_px)
    first = next(frames)
    pictures = np.empty((len(numbers), *first.shape), np.uint8)
    pictures[0] = first
    for number, picture in enumerate(frames, start=1):
        pictures[number] = picture
    return pictures


def _frames(video: Packets, first: int, last: int, *, cheap: bool) -> Iterator[tuple[int, av.VideoFrame]]:
    """(number, frame) from ``first`` to ``last``; when it shall be cheap, without those that no other frame needs."""
    with opened(video.path) as (container, stream):
        if cheap:
            stream.codec_context.skip_frame = "NONREF"
            decoder_options(stream, **_NO_DEBLOCKING)
        number = first
        try:
            for number, frame in pictures(container, stream, video, first):
                if number <= last:
                    yield number, frame
                if number >= last:
                    return
        except FFmpegError as error:
            raise VideoError(f"{video.path}: frame {number + 1} cannot be decoded ({error.strerror})") from error
        if not cheap:
            raise VideoError(f"{video.path}: ends after frame {number}, but lists {video.frames}; copy it again")


def _numbers_between(video: Packets, start_s: float, end_s: float) -> tuple[int, int]:
    first = int(np.searchsorted(video.times_s, start_s - 1e-6))
    last = int(np.searchsorted(video.times_s, end_s + 1e-6, side="right")) - 1
    return min(first, len(video.times_s) - 1), max(last, min(first, len(video.times_s) - 1))


def _shrunk(frame: av.VideoFrame, longest_px: int | None) -> tuple[int, int] | None:
    scale = 1.0 if longest_px is None else min(longest_px / max(frame.height, frame.width), 1.0)
    return None if scale == 1.0 else (max(round(frame.height * scale), 1), max(round(frame.width * scale), 1))


def _grey(frame: av.VideoFrame, side_px: int, video: Packets) -> np.ndarray:
    height, width = _shrunk(frame, side_px) or (frame.height, frame.width)
    if frame.format.name not in ("yuv420p", "yuvj420p", "nv12", "yuv422p", "yuv444p", "gray"):
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    every = max(frame.width // (2 * width), 1)  # half of the averaging is enough, and costs a third
    luma = np.ascontiguousarray(luma[::every, ::every])
    return _upright(cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA), video.turn_deg)


def _upright(picture: np.ndarray, rotation_deg: int) -> np.ndarray:
    return np.ascontiguousarray(np.rot90(picture, rotation_deg // 90)) if rotation_deg else picture
