"""Videos whose packets are moved or re-encoded in other ways than the stores do it."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video import VideoStream


def retime(path: Path, pts_s: np.ndarray) -> None:
    """Give the frames of ``path`` the presentation times ``pts_s``, float64 [T] seconds, increasing; not re-encoded."""
    source = path.with_suffix(".old.mp4")
    path.rename(source)
    base = Fraction(1, 90_000)
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(old.streams.video[0]) if packet.size]
        for packet, time_s in zip(packets, pts_s, strict=True):
            packet.stream, packet.time_base = stream, base
            packet.pts = packet.dts = round(time_s * 90_000)
            packet.duration = 0
            new.mux(packet)
    source.unlink()


def encode(path: Path, frames: np.ndarray, fps: float, codec: str, options: dict[str, str]) -> None:
    """Write uint8 [T, H, W, 3] with any encoder of libav, in place of ``path``."""
    path.unlink(missing_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))


def damage(path: Path, generator: np.random.Generator, share: float) -> None:
    """Overwrite bytes in the middle of the coded frames; header and index stay whole."""
    content = bytearray(path.read_bytes())
    count = max(int(len(content) * share), 64)
    at = int(generator.integers(int(len(content) * 0.4), int(len(content) * 0.6)))
    content[at : at + count] = generator.integers(0, 256, count, dtype=np.uint8).tobytes()
    path.unlink()
    path.write_bytes(bytes(content))
