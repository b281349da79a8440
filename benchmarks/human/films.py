"""1080p30 films to time: the real kitchen clip played again and again, and calm views coded as cameras code them."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

FPS = 30
SIZE = (1080, 1920)
CODINGS: dict[str, dict[str, str]] = {
    "phone (keyframe a second, no B-frames)": {"g": "30", "bf": "0"},
    "x264 default (keyframe in 250, B-frames)": {"g": "250", "bf": "3"},
    "camera (keyframe in 15, no B-frames)": {"g": "15", "bf": "0"},
}


def again_and_again(source: Path, target: Path, seconds: float) -> Path:
    """The packets of a real clip repeated until it is long enough: its own coding, and a shot cut at every seam."""
    with av.open(str(target), "w") as out:
        stream, shift, end = None, 0, 0
        while stream is None or end * float(stream.time_base or 1) < seconds:
            with av.open(str(source)) as container:
                read = container.streams.video[0]
                stream = stream or out.add_stream_from_template(read)
                for packet in container.demux(read):
                    if packet.pts is None or packet.dts is None:
                        continue
                    end = max(end, packet.pts + shift + (packet.duration or 0))
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                    out.mux(packet)
            shift = end
    return target


def calm_view(target: Path, seconds: float, options: dict[str, str], picture: np.ndarray | None = None) -> Path:
    """A slow pan over a picture with something that moves in front, and the noise of a sensor; about 8 Mbit/s.

    Args:
        picture: uint8 [H, W, 3] to look at; blobs of many sizes without it.
    """
    rng = np.random.default_rng(0)
    height, width = SIZE
    world = cv2.resize(_blobs(rng) if picture is None else picture, (width + 200, height + 80))
    noise = [rng.normal(0, 3, (height, width, 1)).astype(np.float32) for _ in range(4)]
    with av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = height, width, "yuv420p", 8_000_000
        stream.options = {"preset": "veryfast", "sc_threshold": "0", **options}
        for number in range(round(seconds * FPS)):
            at = 100 + 80 * np.sin(2 * np.pi * number / FPS / 8)
            shift = np.array([[1, 0, -at], [0, 1, -40 - 10 * np.sin(number / 25)]], dtype=np.float32)
            seen = cv2.warpAffine(world, shift, (width, height)).astype(np.float32) + noise[number % 4]
            hand = (int(960 + 300 * np.sin(number / 17)), int(800 + 90 * np.cos(number / 11)))
            cv2.ellipse(seen, hand, (170, 90), 30, 0, 360, (205, 160, 135), -1)
            frame = av.VideoFrame.from_ndarray(np.clip(seen, 0, 255).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return target


def _blobs(rng: np.random.Generator) -> np.ndarray:
    layers = [cv2.GaussianBlur(rng.normal(size=(540, 960, 3)).astype(np.float32), (0, 0), size) for size in (2, 6, 20)]
    return np.clip(118 + 40 * sum(layer / layer.std() for layer in layers), 0, 255).astype(np.uint8)
