"""Normalization of a part by its statistics, and back.

The formulas are those of the published GR00T N1.5 transforms, including what they do with constant dimensions, so that
published statistics and checkpoints keep their meaning.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from gr00t_data.batches.statistics.statistics import PartStatistics

Array = np.ndarray
Forward = Callable[[Array, Array, Array], Array]


class TransformError(ValueError):
    """A transform that cannot be built or has no inverse; the message says for which part."""


@dataclass(frozen=True)
class Normalize:
    """Normalise each dimension by its statistics.

    ==========  =========================  ===========================  ==========================================
    mode        forward                    inverse                      constant dimension
    ==========  =========================  ===========================  ==========================================
    min_max     2 (x-min) / (max-min) - 1  (y+1) / 2 (max-min) + min    0, and back to the constant
    q99         the same with q01 and q99, then cut to [-1, 1]          x, cut to [-1, 1]; back to the constant
    mean_std    (x-mean) / std             y std + mean                 x; back to the mean plus nothing
    scale       x / max(|min|, |max|)      none                         0
    binary      1 if x > 0.5 else 0        the same                     the same
    ==========  =========================  ===========================  ==========================================
    """

    statistics: PartStatistics
    mode: str

    def __post_init__(self) -> None:
        if self.mode not in _NORMALIZERS:
            raise TransformError(f"unknown normalization {self.mode!r}; expected one of {', '.join(_NORMALIZERS)}")

    def __call__(self, values: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """Values in their unit to normalised values."""
        low, high = self._bounds(values.dtype)
        return _NORMALIZERS[self.mode].forward(values, low, high)

    def inverse(self, values: Float[Array, "... d"]) -> Float[Array, "... d"]:
        """Normalised values to values in their unit.

        Raises:
            TransformError: the mode is ``scale``, which has no published inverse.
        """
        inverse = _NORMALIZERS[self.mode].inverse
        if inverse is None:
            raise TransformError(f"normalization {self.mode!r} has no inverse; use min_max for values that come back")
        low, high = self._bounds(values.dtype)
        return inverse(values, low, high)

    def _bounds(self, dtype: np.dtype) -> tuple[Array, Array]:
        names = _NORMALIZERS[self.mode].statistics
        low, high = (np.array(getattr(self.statistics, name), dtype=dtype) for name in names)
        return low, high


def _divide(values: Array, by: Array, otherwise: Array | float) -> Array:
    """values / by, and ``otherwise`` where ``by`` is zero."""
    return np.where(by == 0, otherwise, values / np.where(by == 0, 1, by)).astype(values.dtype)


def _to_range(values: Array, low: Array, high: Array) -> Array:
    scaled = 2 * _divide(values - low, high - low, 0.5) - 1
    return scaled.astype(values.dtype)


def _from_range(values: Array, low: Array, high: Array) -> Array:
    return (values + 1) / 2 * (high - low) + low


def _to_quantiles(values: Array, low: Array, high: Array) -> Array:
    scaled = np.where(low == high, values, _to_range(values, low, high))
    return np.clip(scaled, -1, 1)


def _standardise(values: Array, mean: Array, std: Array) -> Array:
    return np.where(std == 0, values, _divide(values - mean, std, 0))


def _restore_scale(values: Array, mean: Array, std: Array) -> Array:
    return values * std + mean


def _by_largest(values: Array, low: Array, high: Array) -> Array:
    return _divide(values, np.maximum(np.abs(low), np.abs(high)), 0)


def _above_half(values: Array, low: Array, high: Array) -> Array:
    return (values > 0.5).astype(values.dtype)


class _Normalizer(NamedTuple):
    statistics: tuple[str, str]
    forward: Forward
    inverse: Forward | None


_NORMALIZERS = {
    "min_max": _Normalizer(("min", "max"), _to_range, _from_range),
    "q99": _Normalizer(("q01", "q99"), _to_quantiles, _from_range),
    "mean_std": _Normalizer(("mean", "std"), _standardise, _restore_scale),
    "scale": _Normalizer(("min", "max"), _by_largest, None),
    "binary": _Normalizer(("min", "max"), _above_half, _above_half),
}
