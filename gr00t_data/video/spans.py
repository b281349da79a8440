"""Spans of a video that have to be decoded: encoded again where packets cannot be cut, and pictures for statistics."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from gr00t_data.disk import replacing
from gr00t_data.video.files import VideoError, opened, rgb
from gr00t_data.video.packets import Track, check_span

_KEYFRAME_EVERY_FRAMES = 10
_CRF = 17
"""x264 quality of spans that must be encoded again: 17 to 18 is where its loss stops being visible."""


def encode_span(track: Track, first: int, last: int, target: Path) -> None:
    """Write frames first to last (inclusive) of a video as h264, for spans that ``cut`` refuses.

    Frame numbers and the distances between frames stay exact; pixels change by what x264 at crf 17 loses. Frames pass
    one at a time, so memory does not grow with the span.

    Raises:
        VideoError: the frames do not exist, or one of them cannot be decoded.
    """
    check_span(track, first, last)
    rate = Fraction(track.fps or 30).limit_denominator(1001)
    with replacing(target) as temporary, av.open(str(temporary), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", rate=rate)
        stream.width, stream.height = track.width, track.height
        stream.pix_fmt = "yuv444p" if track.width % 2 or track.height % 2 else "yuv420p"
        stream.codec_context.time_base = track.time_base
        stream.thread_count = 1
        stream.options = {"crf": str(_CRF), "preset": "veryfast", "g": str(_KEYFRAME_EVERY_FRAMES), "bf": "0"}
        if track.rotation_deg:
            stream.set_display_rotation(track.rotation_deg)
        written = 0
        for frame in _frames(track, first, last):
            frame.pts = int(frame.pts or 0) - int(track.ticks[first])
            frame.time_base = track.time_base
            frame.pict_type = 0
            out.mux(stream.encode(frame))
            written += 1
        out.mux(stream.encode(None))
        if written != last - first + 1:
            raise VideoError(f"{track.path}: of frames {first} to {last} only {written} can be decoded; copy it again")


def _frames(track: Track, first: int, last: int) -> Iterator[av.VideoFrame]:
    """Decode frames first to last, from the last keyframe before them on."""
    begin, end = track.ticks[first], track.ticks[last]
    start = int(track.pts[track.keyframe & (track.pts <= begin)].max(initial=track.ticks[0]))
    with opened(track.path) as (container, stream):
        container.seek(start, stream=stream, backward=True)
        try:
            for frame in container.decode(stream):
                if frame.pts is not None and begin <= frame.pts <= end:
                    yield frame
                if frame.pts is not None and frame.pts >= end:
                    return
        except FFmpegError as error:
            raise VideoError(f"{track.path}: a frame from {first} to {last} cannot be decoded ({error})") from error


def key_pictures(track: Track, at_most: int) -> np.ndarray:
    """Some keyframes, spread evenly over the file, for statistics. uint8 [n, H, W, 3] RGB, 1 <= n <= ``at_most``.

    Raises:
        VideoError: one of them cannot be decoded.
    """
    keys = np.sort(track.pts[track.keyframe])
    keys = keys if len(keys) else track.ticks[:1]
    chosen = keys[np.unique(np.linspace(0, len(keys) - 1, min(at_most, len(keys))).round().astype(int))]
    pictures = []
    with opened(track.path) as (container, stream):
        try:
            for tick in chosen:
                container.seek(int(tick), stream=stream, backward=True)
                pictures.append(next(container.decode(stream)).to_ndarray(format="rgb24"))
        except (FFmpegError, StopIteration) as error:
            raise VideoError(f"{track.path}: the keyframe at tick {tick} cannot be decoded ({error})") from error
    return np.stack(pictures)


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
        stream.thread_type = "NONE"
        times = np.sort([packet.pts for packet in container.demux(stream) if packet.pts is not None and packet.size])
        if not 0 <= first < len(times):
            raise VideoError(f"{path}: has {len(times)} frames, asked for frame {first}; check the episode again")
        wanted = times[first : first + count]
        container.seek(int(wanted[0]), stream=stream, backward=True)
        found = []
        try:
            for frame in container.decode(stream):
                if frame.pts is None or frame.pts < wanted[0]:
                    continue
                found.append(rgb(frame, size))
                if len(found) == len(wanted):
                    break
        except FFmpegError as error:
            raise VideoError(f"{path}: frame {first + len(found)} cannot be decoded: {error}") from error
    if len(found) < len(wanted):
        raise VideoError(f"{path}: ends at frame {first + len(found)}, but lists {len(times)}; copy it again")
    return np.stack(found)
