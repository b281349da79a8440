"""Spans of a video that have to be decoded: encoded again where packets cannot be cut, and pictures for statistics."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from gr00t_data.disk import replacing
from gr00t_data.video.cutting import check_span
from gr00t_data.video.files import X264, VideoError, opened, rgb
from gr00t_data.video.packets import Packets, packets_in, pictures

_CRF = 17
"""x264 quality of spans that must be encoded again: 17 to 18 is where its loss stops being visible."""


def encode_span(video: Packets, first: int, last: int, target: Path) -> None:
    """Write frames first to last (inclusive) of a video as h264, for spans that ``cut`` refuses.

    Frame numbers and the distances between frames stay exact; pixels change by what x264 at crf 17 loses. Frames pass
    one at a time, so memory does not grow with the span.

    Raises:
        VideoError: the frames do not exist, or one of them cannot be decoded.
    """
    check_span(video, first, last)
    rate = Fraction(video.fps or 30).limit_denominator(1001)
    with replacing(target) as temporary, av.open(str(temporary), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", rate=rate)
        stream.width, stream.height = video.width, video.height
        stream.pix_fmt = "yuv444p" if video.width % 2 or video.height % 2 else "yuv420p"
        stream.codec_context.time_base = video.time_base
        stream.thread_count = 1
        stream.options = X264 | {"crf": str(_CRF)}
        if video.rotation_deg:
            stream.set_display_rotation(video.rotation_deg)
        written = 0
        for frame in _frames(video, first, last):
            frame.pts = int(frame.pts or 0) - int(video.ticks[first])
            frame.time_base = video.time_base
            frame.pict_type = 0
            out.mux(stream.encode(frame))
            written += 1
        out.mux(stream.encode(None))
        if written != last - first + 1:
            raise VideoError(f"{video.path}: of frames {first} to {last} only {written} can be decoded; copy it again")


def _frames(video: Packets, first: int, last: int) -> Iterator[av.VideoFrame]:
    with opened(video.path) as (container, stream):
        try:
            for _, frame in pictures(container, stream, video, first, last):
                yield frame
        except FFmpegError as error:
            raise VideoError(f"{video.path}: a frame from {first} to {last} cannot be decoded ({error})") from error


def key_pictures(video: Packets, at_most: int = 10) -> np.ndarray:
    """Some keyframes, spread evenly over the file, for the statistics of one episode and camera.

    Returns:
        uint8 [n, H, W, 3] RGB, 1 <= n <= ``at_most``.

    Raises:
        VideoError: one of them cannot be decoded.
    """
    keys = np.flatnonzero(video.keyframes) if video.keyframe.any() else np.zeros(1, dtype=int)
    chosen = keys[np.unique(np.linspace(0, len(keys) - 1, min(at_most, len(keys))).round().astype(int))]
    found = []
    with opened(video.path) as (container, stream):
        try:
            for number in chosen.tolist():
                _, frame = next(pictures(container, stream, video, number))
                found.append(frame.to_ndarray(format="rgb24"))
        except (FFmpegError, StopIteration) as error:
            tick = video.ticks[number]
            raise VideoError(f"{video.path}: the keyframe at tick {tick} cannot be decoded ({error})") from error
    return np.stack(found)


def read_clip(path: Path, first: int, count: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """``count`` frames from number ``first`` on (presentation order), fewer at the end of the video.

    Only these are turned into RGB; the ones between the last independent picture and ``first`` are decoded unseen.

    Args:
        size: (height, width) in pixels to resample to (area averaging, as ``video.decode``); None keeps the file's.

    Returns:
        uint8 [n, H, W, 3], 0 < n <= count.

    Raises:
        VideoError: the video has no frame ``first``, or a frame cannot be decoded.
    """
    with opened(path) as (container, stream):
        video = packets_in(path, container, stream)
        if not 0 <= first < video.frames:
            raise VideoError(f"{path}: has {video.frames} frames, asked for frame {first}; check the episode again")
        wanted, found = min(count, video.frames - first), []
        try:
            for _, frame in islice(pictures(container, stream, video, first), wanted):
                found.append(rgb(frame, size))
        except FFmpegError as error:
            raise VideoError(f"{path}: frame {first + len(found)} cannot be decoded: {error}") from error
    if len(found) < wanted:
        raise VideoError(f"{path}: ends at frame {first + len(found)}, but lists {video.frames}; copy it again")
    return np.stack(found)
