"""Looking into a video at bounded cost: short runs of small frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from av.video.frame import VideoFrame

from gr00t_data.video.files import DAMAGE, VideoError, opened
from gr00t_data.video.packets import Packets, pictures


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


def look(video: Packets, runs: Sequence[tuple[int, int]], side: int = 64, still_every: int = 20) -> Iterator[Run]:
    """Decode runs of frames, each from the key frame before it.

    Args:
        runs: (first frame, number of frames) in presentation order, ascending, not overlapping.
        side: pixels of the small frames.

    Raises:
        VideoError: the file cannot be opened, or nothing of a run can be decoded.
    """
    with opened(video.path) as (container, stream):
        standing = 0
        for first, count in runs:
            frames = pictures(container, stream, video, first, first + count - 1, standing=standing)
            yield _one_run(video, frames, first, count, side, still_every)
            standing = first + count


def _one_run(
    video: Packets, frames: Iterator[tuple[int, VideoFrame]], first: int, count: int, side: int, still_every: int
) -> Run:
    small: list[np.ndarray] = []
    stills: dict[int, np.ndarray] = {}
    rotation = 0
    try:
        for number, frame in frames:
            planes = _planes(frame)
            if (number - first) % still_every == still_every // 2:
                stills[number] = cv2.convertScaleAbs(planes[0], alpha=255 / 219, beta=-16 * 255 / 219)
            rotation = int(getattr(frame, "rotation", 0) or 0)
            small.append(np.stack([_shrunk(plane, side) for plane in planes]))
    except DAMAGE as error:
        if not small:
            raise VideoError(f"{video.path}: frame {first} cannot be decoded ({error}); copy it again") from error
    if not small:
        raise VideoError(f"{video.path}: no frame from number {first} on can be decoded; copy it again from its source")
    missing = min(count, video.frames - first) - len(small)
    return Run(first, np.stack(small), stills, damaged=missing, rotation_deg=rotation)


def _shrunk(plane: np.ndarray, side: int) -> np.ndarray:
    """uint8 [side, side], area-averaged; large planes are halved first, which costs a fifth. Levels change by 0.2 in
    the mean, where the edges of areas lie between pixels.
    """
    height, width = plane.shape
    if min(height, width) >= 4 * side:
        plane = cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA)


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
