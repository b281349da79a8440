"""Comparing one episode with the others of its store, so that a few bad episodes do not decide what is usual."""

import numpy as np

FEWEST = 4
"""Fewer episodes than this have no usual."""


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
    centre, spread = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for one in range(count):
        others = np.delete(values, one, axis=0)
        enough = np.isfinite(others).sum(0) >= FEWEST - 1
        filled = np.where(enough, others, 0.0)
        middle = np.nanmedian(filled, axis=0)
        centre[one] = np.where(enough, middle, np.nan)
        spread[one] = np.where(
            enough, np.maximum(1.4826 * np.nanmedian(np.abs(filled - middle), axis=0), floor), np.nan
        )
    return centre, spread
