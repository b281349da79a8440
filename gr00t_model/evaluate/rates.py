"""Shares of trials, with the interval that a small number of trials deserves."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

_Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Rate:
    """``hits`` of ``trials``, with its Wilson score interval (Wilson 1927) at 95 %."""

    hits: int
    trials: int

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> Self:
        """Count the true ones."""
        listed = list(outcomes)
        return cls(sum(listed), len(listed))

    @property
    def share(self) -> float:
        """Observed share, 0 to 1; NaN without trials."""
        return self.hits / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound, 0 to 1; everything is possible without trials."""
        if not self.trials:
            return 0.0, 1.0
        spread = _Z_95**2 / self.trials
        centre = (self.share + spread / 2) / (1 + spread)
        half = math.sqrt(self.share * (1 - self.share) * spread + spread**2 / 4) / (1 + spread)
        return max(0.0, centre - half), min(1.0, centre + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.hits}/{self.trials} = {100 * self.share:.0f}% [{100 * low:.0f}-{100 * high:.0f}]"
