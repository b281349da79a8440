"""Looking into a video at bounded cost: its packets without decoding, then short runs of small frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from av.container import InputContainer
from av.video import VideoStream
from av.video.frame import VideoFrame

from gr00t_data.video.files import DAMAGE, VideoError, opened


@dataclass(frozen=True)
class Packets:
    """What the packets of a video say, in presentation order; nothing is decoded.

    Attributes:
        pts_s: float64 [frames], presentation times in seconds.
        keyframes: bool [frames], where decoding can begin.
        sizes: int64 [frames], bytes of each packet.
        width, height: coded size in pixels.
        fps: average rate declared by the stream, Hz; 0 when it says none.
        codec: for example ``h264``.
        undated: packets without a presentation time; readers skip them.
    """

    pts_s: np.ndarray
    keyframes: np.ndarray
    sizes: np.ndarray
    width: int
    height: int
    fps: float
    codec: str
    undated: int

    @property
    def frames(self) -> int:
        """Number of packets that hold a picture and a time."""
        return len(self.pts_s)


@dataclass(frozen=True)
class Run:
    """Consecutive frames, made small.

    Attributes:
        first: number of the first frame in presentation order.
        small: uint8 [N, 3, side, side], planes Y, U, V, area-averaged.
        stills: frame number -> uint8 [H, W], brightness (0 black, 255 white) at full size,
            of every ``still_every``-th frame.
        damaged: frames of the run that could not be decoded.
        rotation_deg: how players turn the picture, 0 when the file does not say.
    """

    first: int
    small: np.ndarray
    stills: dict[int, np.ndarray]
    damaged: int = 0
    rotation_deg: int = 0


def survey(path: Path) -> Packets:
    """Read the packets of ``path``.

    Raises:
        VideoError: no such file, not a video, or no video stream in it (says what it holds).
    """
    with opened(path) as (container, stream):
        packets = [p for p in container.demux(stream) if p.size]
        dated = sorted((p.pts * p.time_base, bool(p.is_keyframe), p.size) for p in packets if p.pts is not None)
        return Packets(
            pts_s=np.array([float(time) for time, _, _ in dated], dtype=np.float64),
            keyframes=np.array([key for _, key, _ in dated], dtype=bool),
            sizes=np.array([size for _, _, size in dated], dtype=np.int64),
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            fps=float(stream.average_rate or 0),
            codec=stream.codec_context.name,
            undated=len(packets) - len(dated),
        )


def look(
    path: Path, packets: Packets, runs: Sequence[tuple[int, int]], side: int = 64, still_every: int = 20
) -> Iterator[Run]:
    """Decode runs of frames, each from the key frame before it.

    Args:
        runs: (first frame, number of frames) in presentation order, ascending, not overlapping.
        side: pixels of the small frames.

    Raises:
        VideoError: the file cannot be opened, or nothing of a run can be decoded.
    """
    with opened(path) as (container, stream):
        stream.thread_type = "NONE"
        for first, count in runs:
            yield _one_run(path, container, stream, packets, first, count, side, still_every)


def _one_run(
    path: Path,
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    first: int,
    count: int,
    side: int,
    still_every: int,
) -> Run:
    small: list[np.ndarray] = []
    stills: dict[int, np.ndarray] = {}
    rotation = 0
    try:
        for number, frame in _frames_from(container, stream, packets, first):
            if number >= first + count:
                break
            if number < first:
                continue
            planes = _planes(frame)
            if (number - first) % still_every == still_every // 2:
                stills[number] = cv2.convertScaleAbs(planes[0], alpha=255 / 219, beta=-16 * 255 / 219)
            rotation = int(getattr(frame, "rotation", 0) or 0)
            small.append(np.stack([cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA) for plane in planes]))
    except DAMAGE as error:
        if not small:
            raise VideoError(f"{path}: frame {first} cannot be decoded ({error}); copy it again") from error
    if not small:
        raise VideoError(f"{path}: no frame from number {first} on can be decoded; copy it again from its source")
    missing = min(count, packets.frames - first) - len(small)
    return Run(first, np.stack(small), stills, damaged=missing, rotation_deg=rotation)


def _frames_from(
    container: InputContainer, stream: VideoStream, packets: Packets, first: int
) -> Iterator[tuple[int, VideoFrame]]:
    """(number in presentation order, frame) from the key frame at or before ``first``."""
    base = stream.time_base or Fraction(1, 90_000)
    keys = np.flatnonzero(packets.keyframes[: first + 1])
    if first and keys.size and keys[-1] > 0:
        container.seek(round(float(packets.pts_s[keys[-1]]) / float(base)), stream=stream)
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        time = float(frame.pts * base)
        yield int(np.searchsorted(packets.pts_s, time - 1e-6)), frame


def _planes(frame: VideoFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Y, U and V, uint8 [H, W] and twice [H / 2, W / 2], as the decoder holds them: nothing is scaled to see them.

    Pictures of another pixel format, or with an odd side, are converted first.
    """
    height, width = frame.height // 2 * 2, frame.width // 2 * 2
    if frame.format.name != "yuv420p" or (height, width) != (frame.height, frame.width):
        frame = frame.reformat(width, height, format="yuv420p")
    every = frame.to_ndarray()
    luma, chroma = every[:height], every[height:].reshape(2, height // 2, width // 2)
    return luma, chroma[0], chroma[1]
