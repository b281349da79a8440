"""From overlapping windows to one action per frame, each kind of number combined in its own way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gr00t_data.embodiment.robot import Part
from gr00t_data.rotations import convert


@dataclass(frozen=True)
class Labels:
    """What the windows of one clip say about its frames.

    Attributes:
        action: float64 [L, D] in units, the parts side by side; meaningless where ``votes`` is 0.
        votes: int64 [L], windows that speak about a frame.
        spread: part -> float64 [L], how far the windows are apart: for continuous parts the standard deviation over
            them in shares of ``scale``, averaged over dimensions; for binary ones the share of windows that were
            outvoted, doubled (0..1); for rotations the root mean square angle to the mean, rad.
    """

    action: Float[np.ndarray, "l d"]
    votes: Int[np.ndarray, " l"]
    spread: dict[str, Float[np.ndarray, " l"]]


def combine_windows(
    predicted: Float[np.ndarray, "w h d"],
    starts: Int[np.ndarray, " w"],
    length: int,
    parts: Sequence[Part],
    *,
    binary: frozenset[str] = frozenset(),
    scale: Float[np.ndarray, " d"] | float = 1.0,
) -> Labels:
    """Combine what every window says about a frame: the mean of continuous parts, the majority of binary ones, the mean
    rotation (chordal, arXiv 1309.1539) of rotations.

    The order of the windows does not matter: sums run over the distance from a window's start, in that order.

    Args:
        predicted: window w predicts the actions of frames starts[w], starts[w] + 1, ...; what lies beyond the last
            frame is dropped.
        starts: ascending, each once.
        parts: side by side in ``predicted``.
        binary: names of parts that have one of two values (``Part.switch``); a tie is the smaller one.
        scale: what a spread of one is, in units; usually the standard deviation of the training data.
    """
    votes = np.zeros(length, dtype=np.int64)
    for ahead in range(predicted.shape[1]):
        votes[starts[starts + ahead < length] + ahead] += 1
    action, spread, first = np.zeros((length, predicted.shape[2])), {}, 0
    scales = np.broadcast_to(np.asarray(scale, dtype=np.float64), predicted.shape[2])
    for part in parts:
        columns = slice(first, first + part.dim)
        piece, first = predicted[:, :, columns], first + part.dim
        rule = _majority if part.name in binary else _rotation if part.rotation else _mean
        action[:, columns], spread[part.name] = rule(piece, starts, votes, part, scales[columns])
    return Labels(action, votes, spread)


def _sums(values: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """float64 [L, D]: for every frame the sum over the windows that speak about it."""
    total = np.zeros((length, values.shape[2]))
    for ahead in range(values.shape[1]):
        inside = starts + ahead < length
        total[starts[inside] + ahead] += values[inside, ahead]
    return total


def _mean(
    values: np.ndarray, starts: np.ndarray, votes: np.ndarray, part: Part, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    count = np.maximum(votes, 1)[:, None]
    centre = values.mean((0, 1))  # squares of differences from it lose no digits
    mean = _sums(values - centre, starts, len(votes)) / count
    variance = np.maximum(_sums((values - centre) ** 2, starts, len(votes)) / count - mean**2, 0)
    return mean + centre, (np.sqrt(variance) / np.maximum(scale, 1e-9)).mean(1)


def _majority(
    values: np.ndarray, starts: np.ndarray, votes: np.ndarray, part: Part, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    low, high = part.switch
    above = (values > (low + high) / 2).astype(np.float64)
    share = _sums(above, starts, len(votes)) / np.maximum(votes, 1)[:, None]
    return np.where(share > 0.5, high, low), 2 * np.minimum(share, 1 - share).mean(1)


def _rotation(
    values: np.ndarray, starts: np.ndarray, votes: np.ndarray, part: Part, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rotation nearest to the mean matrix; where nobody speaks, no rotation at all."""
    assert part.rotation is not None
    matrices = convert(values, part.rotation, "matrix")
    mean = _sums(matrices, starts, len(votes)) / np.maximum(votes, 1)[:, None]
    mean[votes == 0] = np.eye(3).ravel()
    left, _, right = np.linalg.svd(mean.reshape(-1, 3, 3))
    left[..., 2] *= np.linalg.det(left @ right)[:, None]
    nearest = left @ right
    # The trace of R_mean^T R is 1 + 2 cos(angle); its mean over the windows gives the mean of 2 - 2 cos.
    cosine = ((nearest.reshape(-1, 9) * mean).sum(1) - 1) / 2
    angle = np.sqrt(np.maximum(2 - 2 * np.clip(cosine, -1, 1), 0))
    return convert(nearest.reshape(-1, 9), "matrix", part.rotation), angle
