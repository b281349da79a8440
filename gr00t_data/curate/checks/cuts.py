"""Checks for pictures that change at once: the view jumps (knocked camera, cut) or one thing is suddenly elsewhere.

A moving arm also changes pixels, but little by little: the frames before and after change the same places. A jump
changes a place once, far more than any frame around it, and for good.
"""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.checks.pixels import SMALLEST_PX, gain_steps
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.camera_evidence import boxed, view_moves
from gr00t_data.curate.subject.sight import Sight
from gr00t_data.curate.subject.view import View

_CELLS = 16
_NEAR = 4
_TIMES = 3.0
_LEVELS = 7.0
_FEWEST_CELLS = 3
_ENDS = 3
_VIEW_SHARE = 0.12
_WIDE_SHARE = 0.05
_LIGHT_LEVELS = 4.0


def check_cuts(sight: Sight) -> Iterator[Finding]:
    """IMAGE-13 for the whole view, IMAGE-16 for a part of it; the most striking frame of each."""
    view = sight.view
    if min(view.packets.width, view.packets.height) < SMALLEST_PX or len(view.number) < 2 * _NEAR + 2:
        return
    sudden = sudden_cells(view)
    sudden[sight.explained | (view.number >= (sight.subject.rows or len(view.number)))] = False
    # At the ends too few frames say how the arm moves anyway.
    sudden[:_ENDS], sudden[-_ENDS:] = False, False
    light = np.abs(gain_steps(view)) > _LIGHT_LEVELS
    for number in np.flatnonzero(light):
        sudden[max(number - _NEAR, 0) : number + _NEAR + 1] = False
    lit = boxed(view.background[:1], _CELLS)[0] > 20
    share = sudden[:, lit].mean(1) if lit.any() else np.zeros(len(sudden))
    cells = sudden.sum((1, 2))
    widest = int(share.argmax()) if len(share) else 0
    if share.max(initial=0) > _VIEW_SHARE or (share.max(initial=0) > _WIDE_SHARE and _spread_wide(sudden[widest])):
        yield _view_jump(sight, widest, float(share.max()))
    elif cells.max(initial=0) >= _FEWEST_CELLS and not view_moves(boxed(np.abs(view.steps), _CELLS)):
        yield _object_jump(sight, int(cells.argmax()), sudden[int(cells.argmax())])


def _spread_wide(cells: np.ndarray) -> bool:
    """Whether the changed cells reach over most of the picture, as no single thing does."""
    rows, columns = np.nonzero(cells)
    return bool(min(np.ptp(np.quantile(rows, [0.05, 0.95])), np.ptp(np.quantile(columns, [0.05, 0.95]))) > 0.5 * _CELLS)


def sudden_cells(view: View) -> np.ndarray:
    """bool [N, 16, 16]: cells that changed once, at this frame, and stayed changed."""
    from scipy.ndimage import maximum_filter

    change = np.nan_to_num(boxed(np.abs(view.steps), _CELLS), nan=0.0)
    others = np.arange(-_NEAR, _NEAR + 1)[:, None, None] != 0
    around = maximum_filter(largest_beside(change), footprint=others, mode="nearest")
    sudden = (change > _LEVELS) & (change > _TIMES * around)
    if sudden.any():
        sudden &= _lasting(view, np.flatnonzero(sudden.any((1, 2))), len(change))
    return sudden


def largest_beside(change: np.ndarray) -> np.ndarray:
    """float [N, 16, 16]: the largest change within one cell, of changes that are not negative."""
    from scipy.ndimage import maximum_filter

    return maximum_filter(change, (1, 3, 3), mode="constant")


def _lasting(view: View, numbers: np.ndarray, count: int) -> np.ndarray:
    """bool [N, 16, 16]: whether the pictures some frames after differ from those some frames before."""
    lasting = np.zeros((count, _CELLS, _CELLS), dtype=bool)
    for number in numbers:
        before = view.luma[max(number - _NEAR, 0) : number]
        after = view.luma[number : number + _NEAR]
        if len(before) and len(after) >= 2:
            difference = np.abs(np.median(after, axis=0) - np.median(before, axis=0))
            lasting[number] = boxed(difference, _CELLS) > 0.6 * _LEVELS
    return lasting


def _view_jump(sight: Sight, at: int, share: float) -> Finding:
    frame = int(sight.view.number[at])
    return IMAGE_13.finding(
        f"{sight.where}: {100 * share:.0f} % of the picture changes at once at frame {frame} and stays so; the camera "
        "was knocked, or two takes were joined: leave out one side of it",
        (frame - 1, frame),
    )


def _object_jump(sight: Sight, at: int, cells: np.ndarray) -> Finding:
    frame = int(sight.view.number[at])
    rows, columns = np.nonzero(cells)
    return IMAGE_16.finding(
        f"{sight.where}: at frame {frame} {len(rows)} of 256 cells change at once and for good (around "
        f"{100 * columns.mean() / _CELLS:.0f} % from the left, {100 * rows.mean() / _CELLS:.0f} % from the top), far "
        "more than by the motion before and after; an object teleports or frames are missing: leave these frames out",
        (frame - 1, frame),
    )


IMAGE_13, IMAGE_16 = Look(Sight, check_cuts, 5).finds(
    Check("IMAGE-13", "error", "the whole view jumps", "the policy learns two geometries in one episode",
          explains="IMAGE-16 SYNC-01 SYNC-02"),
    Check("IMAGE-16", "warning", "something is elsewhere at once", "the policy learns physics that do not exist"),
)  # fmt: skip
