"""Statistics of state and action, part by part, that normalization uses. They carry the hash of what was measured."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import TypeAdapter

from gr00t_data.disk import digest_json
from gr00t_data.integrity import read_as, require_named, write_sealed

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class PartStatistics:
    """Statistics of one part over frames, one number a dimension, in the unit of the part.

    Attributes:
        count: frames measured.
        std: of the population (divided by ``count``).
        q01, q99: 1st and 99th percentile, interpolated linearly.
    """

    count: int
    mean: Numbers
    std: Numbers
    min: Numbers
    max: Numbers
    q01: Numbers
    q99: Numbers

    def __post_init__(self) -> None:
        widths = {len(getattr(self, f.name)) for f in fields(self) if f.name != "count"}
        if len(widths) != 1:
            raise ValueError(f"the statistics of a part must have the same width, found {sorted(widths)}")

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """Measure float [T, D], T > 0, in its own precision (the published code measures in float32)."""
        low, high = np.quantile(values, [0.01, 0.99], axis=0)
        rows = (values.mean(0), values.std(0), values.min(0), values.max(0), low, high)
        return cls(len(values), *(tuple(row.tolist()) for row in rows))


@dataclass(frozen=True)
class NormStats:
    """Statistics of an embodiment over chosen episodes.

    Attributes:
        measured: hash of the sorted (store digest, episode) pairs that were measured.
        state, action: part name -> statistics.
        shares: store digest -> share of the samples, when the stores were weighed; empty when every row weighs alike.
    """

    embodiment: str
    embodiment_digest: str
    measured: str
    state: dict[str, PartStatistics]
    action: dict[str, PartStatistics]
    shares: dict[str, float] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return digest_json(asdict(self))

    def save(self, path: Path) -> None:
        """Write as JSON in one step."""
        write_sealed(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        """The inverse of ``save``.

        Raises:
            ValueError: the file does not hold such statistics, or others than its name says; the message names it.
        """
        remedy = "measure them again"
        statistics = read_as(TypeAdapter(cls), path, "not normalization statistics", remedy)
        earlier = {name: value for name, value in asdict(statistics).items() if name != "shares" or value}
        require_named(path, (statistics.digest, digest_json(earlier)), remedy)  # the first files had no shares
        return statistics


def measured_digest(episodes: Iterable[tuple[str, int]]) -> str:
    """The name of a set of episodes, given as (store digest, episode number)."""
    return digest_json(sorted([store, index] for store, index in episodes))
