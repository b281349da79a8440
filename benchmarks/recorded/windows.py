"""From overlapping windows to one action per frame."""

import numpy as np
from jaxtyping import Float, Int


def average_windows(
    predicted: Float[np.ndarray, "l h d"],
) -> tuple[Float[np.ndarray, "l d"], Int[np.ndarray, " l"]]:
    """Mean of every prediction of a frame, as DreamGen labels video (arXiv 2505.12705).

    Args:
        predicted: window s predicts the actions of frames s, s + 1, ..., s + h - 1; what lies beyond the last frame is
            dropped.

    Returns:
        actions: float64 [l, d], the plain mean. (A rotation or a gripper is averaged like any number.)
        votes: int64 [l], windows that speak about a frame: fewer than h for the first h - 1 frames.
    """
    length, horizon, width = predicted.shape
    total, votes = np.zeros((length, width)), np.zeros(length, dtype=np.int64)
    for ahead in range(min(horizon, length)):
        total[ahead:] += predicted[: length - ahead, ahead]
        votes[ahead:] += 1
    return total / np.maximum(votes, 1)[:, None], votes
