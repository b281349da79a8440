"""Comparing one episode with the others of its store, so that a few bad episodes do not decide what is usual."""

import warnings
from collections.abc import Sequence

import numpy as np

FEWEST = 4
"""Fewer episodes than this have no usual."""

MANY = 40
"""Among more episodes than this, one does not move a median; it is then not left out, which would cost their square."""


def usual(values: np.ndarray, floor: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is usual among episodes, leaving out each in turn.

    Args:
        values: float [E, ...]; NaN where an episode has no value.
        floor: smallest spread, in the unit of the values.

    Returns:
        (centre, spread), float64 [E, ...]: median of the other episodes, and 1.48 times the median distance of the
        others from it, at least ``floor``. NaN where fewer than ``FEWEST`` - 1 others have a value.
    """
    count = len(values)
    if count > MANY:
        middle, distance = _middle(values, floor)
        shape = np.broadcast_shapes(values.shape, middle.shape)
        return np.broadcast_to(middle, shape), np.broadcast_to(distance, shape)
    centre, spread = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for one in range(count):
        centre[one], spread[one] = _middle(np.delete(values, one, axis=0), floor)
    return centre, spread


def _middle(others: np.ndarray, floor: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(median, spread) over the first axis; NaN where too few have a value."""
    finite = np.isfinite(others)
    enough = finite.sum(0) >= FEWEST - 1
    if finite.all():
        middle = np.median(others, axis=0)
        distance = np.median(np.abs(others - middle), axis=0)
    else:
        filled = np.where(enough, others, 0.0)
        middle = np.nanmedian(filled, axis=0)
        distance = np.nanmedian(np.abs(filled - middle), axis=0)
    spread = np.maximum(1.4826 * distance, floor)
    return np.where(enough, middle, np.nan), np.where(enough, spread, np.nan)


def median_of_others(values: np.ndarray) -> np.ndarray:
    """float64 [E, ...]: for each episode the median over the other ones (over all of them when they are many)."""
    if len(values) > MANY:
        return np.broadcast_to(np.median(values, axis=0), values.shape)
    return np.stack([np.median(np.delete(values, one, axis=0), axis=0) for one in range(len(values))])


def usual_extent(motions: Sequence[np.ndarray]) -> np.ndarray:
    """How far rows lie from the median row, an episode counting as at most three usual ones.

    Args:
        motions: one an episode, float [T, D]; values that are no finite numbers count for nothing.

    Returns:
        float [D], root mean square over episodes; NaN where no episode has a number.
    """
    finite = [np.where(np.isfinite(motion), motion, np.nan) for motion in motions]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of dimensions without any number: NaN is the answer
        middle = np.nanmedian(np.concatenate(finite), axis=0)
        each = np.stack([np.sqrt(np.nanmean((motion - middle) ** 2, axis=0)) for motion in finite])
        moved = each > 1e-6
        filled = np.where(moved | ~moved.any(0), each, np.nan)
        return np.sqrt(np.nanmean(np.minimum(each, 3 * np.nanmedian(filled, axis=0)) ** 2, axis=0))
