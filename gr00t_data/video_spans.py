"""Spans of a video that have to be decoded: encoded again where packets cannot be cut, and pictures for statistics."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from gr00t_data.disk import replacing
from gr00t_data.video import VideoError, opened
from gr00t_data.video_packets import Track, check_span

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
