"""What is kept of one camera of one episode so that it can be compared with the others: some kB an episode."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from gr00t_data.curate.subject.view import View

GRID = 8
"""Cells a side of the motion maps: an eighth of the picture is about a hand."""

MOTION_CAP = 40.0
"""Changes beyond this many levels (luma and chroma added) say no more about where something moves."""

SMALL = 32

_QUIETEST = 0.1
_MOVING_LEVELS = 1.5
"""Mean change of the quietest tenth of a view from which it moves as a whole: 0.2 to 0.6 are noise of a fixed camera,
two cameras on wrists have 2.0 to 4.6."""

_EDGES = 0.995
_SECOND = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32)
"""Second difference in both directions: nothing of edges along the axes passes."""

TEXTURE = ("sharpness", "noise", "gradient_gap", "flatness", "contrast", "luma", "bright_share")
"""What is measured on full-size luma, see ``texture_of``."""


@dataclass(frozen=True)
class CameraEvidence:
    """One camera of one episode.

    Attributes:
        size: (height, width) in pixels.
        number: int32 [N], the frames that were decoded (bounded by ``view.planned_runs``).
        begins: bool [N], where a run begins.
        motion: uint8 [N, GRID, GRID]: how much each cell changed since the frame before, 255 is ``MOTION_CAP``.
        background: uint8 [3, SMALL, SMALL], the median picture (Y, U, V).
        first: uint8 [SMALL, SMALL], luma of the first frame.
        texture: float32 [len(TEXTURE)], medians over the stills.
        bars: share of the height that is black at the top and at the bottom.
        colour: mean saturation of the median picture, levels.
        shimmer: median change of a small pixel from frame to frame, levels: noise that shows even after averaging.
        bits: bits a pixel and frame in the file.
        repeated: int32 [R], frames that show the picture before them while motion is seen.
        seen: how many frames could have been one.
    """

    size: tuple[int, int]
    number: np.ndarray
    begins: np.ndarray
    motion: np.ndarray
    background: np.ndarray
    first: np.ndarray
    texture: np.ndarray
    bars: tuple[float, float]
    colour: float
    shimmer: float
    bits: float
    repeated: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    seen: int = 0


def camera_evidence(view: View) -> CameraEvidence:
    """Reduce a view to what is compared between episodes."""
    background = view.background
    return CameraEvidence(
        size=(view.packets.height, view.packets.width),
        number=view.number.astype(np.int32),
        begins=view.begins,
        motion=motion_maps(view),
        background=boxed(background, SMALL).round().astype(np.uint8),
        first=boxed(view.luma[:1], SMALL)[0].round().astype(np.uint8),
        texture=np.median([texture_of(still) for still in view.stills.values()], axis=0).astype(np.float32)
        if view.stills
        else np.full(len(TEXTURE), np.nan, dtype=np.float32),
        bars=black_bars(background[0]),
        colour=float(np.abs(background[1:] - 128).mean()),
        shimmer=_shimmer(view),
        bits=8 * float(view.packets.sizes.mean()) / max(view.packets.width * view.packets.height, 1),
    )


def _shimmer(view: View) -> float:
    lit = view.background[0] > 20
    steps = view.steps[~view.begins]
    return float(np.median(np.abs(steps[:, lit]))) if lit.any() and len(steps) else 0.0


def boxed(pictures: np.ndarray, side: int) -> np.ndarray:
    """float [..., H, W] averaged over squares to [..., side, side]; H and W are multiples of ``side``."""
    *lead, height, width = pictures.shape
    return pictures.reshape(*lead, side, height // side, side, width // side).mean((-3, -1))


def motion_maps(view: View) -> np.ndarray:
    """uint8 [N, GRID, GRID]: capped absolute change of Y, U and V together, averaged over each cell."""
    pictures = view.small.astype(np.int16)
    change = np.zeros((len(pictures), *pictures.shape[2:]), dtype=np.float32)
    change[1:] = np.abs(pictures[1:] - pictures[:-1]).sum(1)
    change[view.begins] = 0
    return (boxed(np.minimum(change, MOTION_CAP), GRID) * (255 / MOTION_CAP)).round().astype(np.uint8)


def view_moves(change: np.ndarray) -> bool:
    """Whether the whole view moves, as that of a camera on a wrist does: even its quietest cells change all along.

    Args:
        change: float [N, H, W], levels since the frame before; NaN where that is not known.
    """
    if not len(change) or np.isnan(change).all():
        return False
    each = np.nanmean(change, axis=0)
    return bool(np.quantile(each, _QUIETEST) > _MOVING_LEVELS)


def texture_of(still: np.ndarray) -> np.ndarray:
    """float64 [len(TEXTURE)] of uint8 [H, W] luma.

    sharpness: how much of a strong edge lies between two neighbours: the 99.5th percentile of the gradient over that of
    four times coarser pixels; lost focus lowers it whatever the scene shows. noise: median over blocks of the second
    difference in both directions (Immerkaer 1996). gradient_gap: share of the gradients that are gentle, 2 to 8 levels;
    few levels of brightness have none. flatness: share of neighbours that are equal. contrast: standard deviation.
    luma: mean. bright_share: pixels at white.
    """
    picture = still[: still.shape[0] // 8 * 8, : still.shape[1] // 8 * 8].astype(np.float32)
    whole = still[: picture.shape[0], : picture.shape[1]]
    across = cv2.absdiff(whole[:, 1:], whole[:, :-1])
    steps = np.bincount(across.ravel(), minlength=256) / across.size
    coarse = boxed(picture, 1) if min(picture.shape) < 8 else _blocks(picture, 4)
    second = np.abs(cv2.filter2D(picture, -1, _SECOND)[1:-1, 1:-1])
    coarse_step = float(np.quantile(np.abs(np.diff(coarse, axis=1)), _EDGES))
    return np.array(
        [
            float(np.searchsorted(np.cumsum(steps), _EDGES)) / max(coarse_step, 1e-3),
            _lit_block_median(second, picture),
            float(steps[2:9].sum() / max(steps[2:].sum(), 1e-9)),
            float(steps[0]),
            float(picture.std()),
            float(picture.mean()),
            float((picture > 250).mean()),
        ]
    )


def _blocks(picture: np.ndarray, side: int) -> np.ndarray:
    """Averages over the whole blocks of ``side`` pixels."""
    height, width = (length // side * side for length in picture.shape)
    return picture[:height, :width].reshape(height // side, side, width // side, side).mean((1, 3))


def _lit_block_median(second: np.ndarray, picture: np.ndarray, block: int = 8) -> float:
    """Noise in levels: the median over blocks that are not black, where neither texture nor bars decide."""
    blocks, lit = _blocks(second, block), _blocks(picture[1:-1, 1:-1], block) > 20
    return float(np.median(blocks[lit]) / 6 * np.sqrt(np.pi / 2)) if lit.any() else 0.0


def black_bars(luma: np.ndarray) -> tuple[float, float]:
    """Share of the height (or of the width, when larger) that is black at the start and at the end."""
    best = (0.0, 0.0)
    for lines in (luma, luma.T):
        black = lines.max(1) < 24
        start = int(np.argmin(black)) if not black.all() else 0
        end = int(np.argmin(black[::-1])) if not black.all() else 0
        if start + end > sum(best) * len(lines):
            best = (start / len(lines), end / len(lines))
    return best
