"""Tally: one streaming pass over rows, mergeable across episodes, stores and machines.

Count, mean, variance, smallest and largest are exact (Chan, Golub and LeVeque, "Updating formulae and a pairwise
algorithm for computing sample variances", 1979). Quantiles are exact, with linear interpolation as numpy has it, up to
``EXACT_ROWS`` rows; beyond that they come from a t-digest a dimension (Dunning and Ertl, arXiv 1902.04023), whose size
does not grow. Unlike the KLL sketches of Apache DataSketches, which toss coins, a t-digest is a pure function of what
it was given, so that the same episodes give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from crick import TDigest
from jaxtyping import Float
from safetensors.numpy import load, save

EXACT_ROWS = 65_536
"""Rows up to which every value is kept: 46 MB at 88 dimensions in float64."""

COMPRESSION = 200.0
"""Centroids of a t-digest, about: 4 kB a dimension."""

RANK_ERROR = 0.002
"""Largest error in rank of a quantile from a t-digest, as a share of the rows. Measured at most 0.001 over normal,
log-normal, constant and clipped columns, in one piece and merged from a thousand; a test holds it to this bound.
"""

Array = np.ndarray
_MOMENTS = ("mean", "squares", "low", "high")


@dataclass
class Tally:
    """What is known of the rows seen so far; D dimensions side by side.

    Attributes:
        count: rows.
        mean, squares: float64 [D]; ``squares`` is the sum of squared distances from the mean.
        low, high: float64 [D], smallest and largest value.
        rows: float64 pieces [n, D] of every row seen, or None once there were more than ``EXACT_ROWS``.
        digests: one t-digest a dimension from then on; empty before, and while ``sketch`` says the same.
        sketch: what ``centroids`` returned, until more is merged.
    """

    count: int
    mean: Array
    squares: Array
    low: Array
    high: Array
    rows: list[Array] | None
    digests: list[TDigest]
    sketch: Array | None = None

    @classmethod
    def of(cls, values: Float[Array, "t d"]) -> Self:
        """The tally of some rows, at least one.

        Raises:
            ValueError: no row, or a value that is not finite.
        """
        values = np.ascontiguousarray(values, dtype=np.float64)
        if values.ndim != 2 or not len(values):
            raise ValueError(f"rows to tally must be [T, D] with T > 0, found {list(values.shape)}")
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise ValueError(f"row {row}, dimension {column} is {values[row, column]}: check the episode first")
        mean = values.mean(axis=0)
        squares = np.square(values - mean).sum(axis=0)
        low, high = values.min(axis=0), values.max(axis=0)
        tally = cls(len(values), mean, squares, low, high, [values], [])
        tally._forget_rows_beyond_limit()
        return tally

    def merge(self, other: "Tally") -> None:
        """Take in what ``other`` has seen. ``other`` may not be used afterwards.

        Raises:
            ValueError: another number of dimensions.
        """
        if self.mean.shape != other.mean.shape:
            raise ValueError(f"tallies of {len(self.mean)} and {len(other.mean)} dimensions cannot be merged")
        count = self.count + other.count
        apart = other.mean - self.mean
        self.squares = self.squares + other.squares + np.square(apart) * (self.count * other.count / count)
        self.mean = self.mean + apart * (other.count / count)
        self.low, self.high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        self.count = count
        if self.rows is not None and other.rows is not None:
            self.rows += other.rows
            self.sketch = None
            self._forget_rows_beyond_limit()
            return
        for digest, theirs in zip(self._sketched(), other._sketched(), strict=True):
            digest.merge(theirs)
        self.sketch = None

    def std(self) -> Float[Array, " d"]:
        """Of the population (divided by the count); exactly zero where every value is the same."""
        return np.where(self.low == self.high, 0.0, np.sqrt(self.squares / self.count))

    def quantiles(self, ranks: tuple[float, ...]) -> Float[Array, "q d"]:
        """The values at the given ranks (0..1)."""
        if self.rows is not None:
            return np.quantile(np.concatenate(self.rows), ranks, axis=0)
        found = np.array([digest.quantile(np.array(ranks)) for digest in self._sketched()]).T
        return np.clip(found, self.low, self.high)

    def centroids(self) -> Float[Array, "d 2 k"]:
        """Mean and weight of the centroids of each dimension's t-digest, filled up with weight zero."""
        if self.sketch is None:
            columns = [] if self.rows is None else np.ascontiguousarray(np.concatenate(self.rows).T)
            self.sketch = _padded(self.digests or [_filled(column) for column in columns])
        return self.sketch

    def to_bytes(self) -> bytes:
        """As safetensors; the centroids too, so that nobody makes them of the rows again."""
        tensors = {"count": np.array([self.count]), **{name: getattr(self, name) for name in _MOMENTS}}
        if self.rows is not None:
            tensors["rows"] = np.concatenate(self.rows)
        return save(tensors | {"centroids": self.centroids()})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """The inverse of ``to_bytes``: the same numbers."""
        found = load(content)
        rows = [found["rows"]] if "rows" in found else None
        moments = {name: found[name] for name in _MOMENTS}
        return cls(count=int(found["count"][0]), **moments, rows=rows, digests=[], sketch=found["centroids"])

    def settle(self) -> None:
        """Forget in which pieces the digests were filled, as ``to_bytes`` and back does. Tallies that are merged later
        must all be settled: then it does not matter which of them came from a file.
        """
        self.centroids()
        self.digests = []

    def _forget_rows_beyond_limit(self) -> None:
        if self.rows is not None and self.count > EXACT_ROWS:
            self._sketched()

    def _sketched(self) -> list[TDigest]:
        """The digests, made of the centroids when there are none yet."""
        if not self.digests:
            self.digests = _digests_of(self.centroids())
        self.rows = None
        return self.digests


def merged(tallies: Sequence[Tally]) -> Tally:
    """One tally of all rows. Those that were read from files and those that were settled give the same.

    Beyond ``EXACT_ROWS`` rows together it is made of the centroids alone, in one go; the rows are not looked at again.
    The given tallies may not be used afterwards.
    """
    first, *others = tallies
    total = sum(tally.count for tally in tallies)
    if others and total > EXACT_ROWS:
        return weighted(tallies, [tally.count / total for tally in tallies])
    for other in others:
        first.merge(other)
    return first


def weighted(tallies: Sequence[Tally], shares: Sequence[float]) -> Tally:
    """One tally in which the rows of each given tally together weigh their share, however many they are.

    Mean, variance and quantiles are those of drawing a tally by its share and then one of its rows; smallest, largest
    and count are of all rows. The given tallies may not be used afterwards.

    Args:
        shares: positive, adding up to 1.
    """
    mean = sum(share * tally.mean for tally, share in zip(tallies, shares, strict=True))
    spread = [tally.squares / tally.count + np.square(tally.mean - mean) for tally in tallies]
    variance = sum(share * value for share, value in zip(shares, spread, strict=True))
    count = sum(tally.count for tally in tallies)
    low, high = (getattr(np, f)([getattr(t, n) for t in tallies], axis=0) for f, n in (("min", "low"), ("max", "high")))
    grow = [np.array([[1.0], [share * count / tally.count]]) for share, tally in zip(shares, tallies, strict=True)]
    sketch = np.concatenate([tally.centroids() * one for tally, one in zip(tallies, grow, strict=True)], axis=2)
    return Tally(count, np.asarray(mean), np.asarray(variance) * count, low, high, None, _digests_of(sketch))


def _padded(digests: Sequence[TDigest]) -> Array:
    """float64 [D, 2, K]: mean and weight of the centroids, each dimension filled up to the longest with zeros."""
    every = [digest.centroids() for digest in digests]
    sketch = np.zeros((len(every), 2, max(map(len, every), default=0)))
    for own, centroids in zip(sketch, every, strict=True):
        own[0, : len(centroids)], own[1, : len(centroids)] = centroids["mean"], centroids["weight"]
    return sketch


def _digests_of(sketch: Array) -> list[TDigest]:
    """The inverse of ``_padded``."""
    return [_filled(*np.ascontiguousarray(own[:, own[1] > 0])) for own in sketch]


def _filled(values: Array, weights: Array | float = 1.0) -> TDigest:
    digest = TDigest(COMPRESSION)
    digest.update(values, weights)
    return digest
