"""Video files of many kinds, written for tests: codecs, B-frames, variable rate, rotation, sound."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

CODINGS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"g": "10", "bf": "0", "preset": "veryfast", "sc_threshold": "0"}),
    "h264 with B-frames": ("libx264", {"g": "250", "bf": "2", "preset": "veryfast"}),
    "hevc with B-frames": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:bframes=2"}),
    "av1": ("libsvtav1", {"g": "2", "preset": "12", "crf": "30", "svtav1-params": "lp=1"}),
}


def moving(frames: int, seed: int = 0, height: int = 64, width: int = 80) -> np.ndarray:
    """uint8 [frames, height, width, 3]: a bright box that moves two pixels a frame over a background of the seed."""
    images = np.full((frames, height, width, 3), 40 + 30 * seed, dtype=np.uint8)
    for number in range(frames):
        left = (2 * number) % (width - 16)
        images[number, 20:36, left : left + 16] = (220, 60 + 5 * seed, 40)
        images[number, :8, :8] = number * 4 % 256
    return images


def film(
    path: Path,
    frames: np.ndarray,
    coding: str = "h264",
    *,
    fps: Fraction | int = 20,
    times: Sequence[int] | None = None,
    sound: bool = False,
    rotation_deg: int = 0,
    index_first: bool = False,
) -> Path:
    """Write ``frames`` in one of ``CODINGS``; ``times`` in frames of 1 / fps make the rate vary.

    ``index_first``: the index stands before the frames, so that a file that was cut off can still be opened.
    """
    encoder, options = CODINGS[coding]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        av.codec.Codec(encoder, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV has no encoder {encoder}")
    with av.open(str(path), "w", options={"movflags": "faststart"} if index_first else {}) as out:
        stream = out.add_stream(encoder, rate=fps)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.options = options
        if rotation_deg:
            stream.set_display_rotation(rotation_deg)
        audio = out.add_stream("aac", rate=16000) if sound else None
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = times[number] if times else number, Fraction(1, 1) / fps
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if audio is not None:
            _mux_silence(out, audio)
    return path


def only_sound(path: Path) -> Path:
    """An mp4 without a video stream."""
    with av.open(str(path), "w") as out:
        _mux_silence(out, out.add_stream("aac", rate=16000))
    return path


def _mux_silence(out: av.container.OutputContainer, stream: av.AudioStream) -> None:
    for number in range(8):
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        silence.sample_rate, silence.pts = 16000, 1024 * number
        out.mux(stream.encode(silence))
    out.mux(stream.encode(None))
