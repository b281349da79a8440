"""Scores of a clip's pictures: frozen, cut, leaping, losing sharpness, beginning or moving otherwise than it should."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8

from gr00t_data.curate.checks.cuts import sudden_cells
from gr00t_data.curate.copies.fingerprints import planes
from gr00t_data.curate.subject.camera_evidence import boxed
from gr00t_data.curate.subject.signals import runs_of
from gr00t_data.curate.subject.view import View

STILL_LEVELS = 0.4
"""Change of the most changed cell of the picture below which two frames are the same picture, encoded twice."""

_CELLS = 16
_FEWEST_FRAMES = 10
_SMOOTH_FRAMES = 5
_ENDS = 3
_FIRST_PX = 32
_LATEST_FRAMES = 5

Scored = dict[str, tuple[float, int]]
"""Name of a score -> its value and the frame at which it is worst."""


def picture_scores(view: View) -> Scored:
    """``frozen``: share of the clip in the longest run in which nothing changes. ``scene_cut``: levels by which the
    least changed sixteenth of the picture changes at once. ``teleport``: share of the picture that changes at once, far
    more than before and after, and for good. ``blur``: share of the fine detail that is lost since the beginning.
    """
    energy = np.nan_to_num(boxed(np.abs(view.steps), _CELLS).max((1, 2)), nan=np.inf)
    still = runs_of(energy < STILL_LEVELS)
    longest = max(still, key=lambda run: run[1] - run[0], default=(0, -1))
    whole = np.nan_to_num(boxed(np.abs(view.steps), 4)).min((1, 2))
    cells = _sudden_share(view)
    detail, worst = _blur(view)
    return {
        "frozen": ((longest[1] - longest[0] + 1) / max(len(energy), 1), int(view.number[longest[0]])),
        "scene_cut": (float(whole.max(initial=0)), int(view.number[whole.argmax()])),
        "teleport": (float(cells.max(initial=0)), int(view.number[cells.argmax()])),
        "blur": (detail, worst),
    }


def _sudden_share(view: View) -> np.ndarray:
    """float64 [N]: share of the cells that change once and for good. At the ends too few frames say how things move."""
    if len(view.number) < _FEWEST_FRAMES:
        return np.zeros(len(view.number))
    share = sudden_cells(view).mean((1, 2))
    share[:_ENDS], share[-_ENDS:] = 0, 0
    return share


def _blur(view: View) -> tuple[float, int]:
    """1 - (fine detail of the worst picture) / (that of the first): 0 stays sharp, 1 loses everything."""
    numbers = sorted(view.stills)
    detail = np.array([_detail(view.stills[number]) for number in numbers])
    if len(detail) < 2 or detail[0] == 0:
        return float("nan"), 0
    worst = int(detail.argmin())
    return float(1 - detail[worst] / detail[0]), numbers[worst]


def _detail(picture: np.ndarray) -> float:
    """Mean absolute second difference, levels."""
    luma = picture.astype(np.float32)
    across = np.abs(luma[:, 2:] - 2 * luma[:, 1:-1] + luma[:, :-2]).mean()
    return float(across + np.abs(luma[2:] - 2 * luma[1:-1] + luma[:-2]).mean())


def first_frame_difference(view: View, wanted: UInt8[np.ndarray, "h w 3"]) -> float:
    """Mean absolute difference between the clip's first picture and the one it was given, levels of Y, U and V added.

    Compared at 32 pixels a side, so that an encoder and a resize count little.
    """
    import cv2

    given = cv2.resize(wanted, (_FIRST_PX, _FIRST_PX), interpolation=cv2.INTER_AREA)
    first = boxed(view.small[0].astype(np.float32), _FIRST_PX)
    return float(np.abs(first - planes(given[None])[0]).sum(0).mean())


def without_repeats(view: View, shown: np.ndarray | None) -> View:
    """The view without the frames that only fill up a slower clip.

    Args:
        shown: int64 [T], the generated frame that each row shows; None when rows are frames.
    """
    if shown is None:
        return view
    rows = shown[np.minimum(view.number, len(shown) - 1)]
    new = np.concatenate([[True], np.diff(rows) != 0]) | view.begins
    return replace(view, number=view.number[new], small=view.small[new], begins=view.begins[new])


def seen_motion(luma: Float[np.ndarray, "n s s"]) -> Float[np.ndarray, "n-1 16 16"]:
    """Optical flow from each picture to the next (Farneback 2003): mean length in pixels, cell by cell."""
    import cv2

    grey = np.clip(luma, 0, 255).astype(np.uint8)
    nothing = np.zeros((*grey.shape[1:], 2), dtype=np.float32)
    found = np.zeros((max(len(grey) - 1, 0), _CELLS, _CELLS), dtype=np.float32)
    for number in range(len(found)):
        flow = cv2.calcOpticalFlowFarneback(grey[number], grey[number + 1], nothing.copy(), 0.5, 2, 9, 2, 5, 1.1, 0)
        found[number] = boxed(np.linalg.norm(flow, axis=-1), _CELLS)
    return found


def smoothed(values: np.ndarray, frames: int = _SMOOTH_FRAMES) -> np.ndarray:
    """Running mean over the first axis, ends repeated."""
    wide = frames // 2
    padded = np.pad(values, ((wide, frames - 1 - wide), *[(0, 0)] * (values.ndim - 1)), mode="edge")
    return np.mean([padded[k : k + len(values)] for k in range(frames)], axis=0)


def unlike(one: np.ndarray, two: np.ndarray) -> float:
    """1 - correlation, 0..2; NaN when one of them is constant or there are fewer than ten values."""
    if one.size < _FEWEST_FRAMES or not one.std() or not two.std():
        return float("nan")
    return float(1 - np.corrcoef(one.ravel(), two.ravel())[0, 1])


def flow_score(view: View, speed: Float[np.ndarray, " n-1"]) -> float:
    """``flow``: 1 - correlation over time of the seen motion with that of the labels, both smoothed over 5 frames.

    A robot follows its commands a little later, so the best of delays of 0 to 5 frames counts. Arms that move outside
    the picture are in the labels too: where the scene can be replayed, ``replay_flow`` says much more.
    """
    known = ~view.begins[1:]
    seen, told = smoothed(seen_motion(view.luma).mean((1, 2)))[known], smoothed(speed)[known]
    late = range(min(_LATEST_FRAMES + 1, max(len(seen) - _FEWEST_FRAMES, 0) + 1))
    found = np.array([unlike(seen[delay:], told[: len(told) - delay]) for delay in late])
    return float(np.nanmin(found)) if np.isfinite(found).any() else float("nan")
