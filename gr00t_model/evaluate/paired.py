"""Differences between two checkpoints that were tried on the same things, with 95 % intervals. No torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import ttest_1samp

from gr00t_data.store.provenance import Said

_Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Measure:
    """One number of a candidate beside that of the released checkpoint.

    Attributes:
        name: what was measured.
        unit: of both values: ``share`` (0 to 1) or ``standard deviations``.
        better: which direction is good.
        candidate, released: the two values.
        difference: candidate minus released.
        interval: 95 % interval of the difference, or None with fewer than two pairs.
        pairs: episodes or scenes that both were tried on.
    """

    name: str
    unit: str
    better: Better
    candidate: float
    released: float
    difference: float
    interval: tuple[float, float] | None
    pairs: int

    @property
    def loss(self) -> float:
        """By how much the candidate is worse, in the unit; negative when it is better."""
        return self.difference if self.better == "lower" else -self.difference

    @property
    def loss_interval(self) -> tuple[float, float] | None:
        """The interval of ``loss``."""
        if self.interval is None or self.better == "lower":
            return self.interval
        return -self.interval[1], -self.interval[0]


class Comparison(Said):
    """How a candidate does beside the released checkpoint.

    Attributes:
        released: digest of the released checkpoint.
        measures: one a number.
        notes: what could not be compared, and why.
    """

    released: str
    measures: tuple[Measure, ...]
    notes: tuple[str, ...] = ()


def paired_shares(name: str, better: Better, candidate: Sequence[bool], released: Sequence[bool]) -> Measure:
    """Two shares over the same scenes; entry i of both is scene i.

    The interval is the adjusted Wald interval for matched pairs: half an observation is added to each of the four cells
    (Agresti and Min, Statistics in Medicine 24, 2005).
    """
    ours, theirs = np.asarray(candidate, dtype=bool), np.asarray(released, dtype=bool)
    count, won, lost = len(ours), int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    total, up, down = count + 2, won + 0.5, lost + 0.5
    centre = (up - down) / total
    half = _Z_95 * math.sqrt((up + down) - (up - down) ** 2 / total) / total
    interval = (max(-1.0, centre - half), min(1.0, centre + half)) if count > 1 else None
    share, other = float(ours.mean()), float(theirs.mean())
    return Measure(name, "share", better, share, other, (won - lost) / count, interval, count)


def paired_errors(name: str, unit: str, candidate: Sequence[float], released: Sequence[float]) -> Measure:
    """Two mean errors over the same episodes, with the t interval of the mean difference; smaller is better."""
    ours, theirs = np.asarray(candidate, dtype=np.float64), np.asarray(released, dtype=np.float64)
    differences = ours - theirs
    mean = float(differences.mean())
    interval = None
    if len(differences) > 1:
        spread = float(np.ptp(differences))
        bounds = ttest_1samp(differences, 0.0).confidence_interval(0.95) if spread > 0 else None  # type: ignore[attr-defined]
        interval = (float(bounds.low), float(bounds.high)) if bounds is not None else (mean, mean)
    return Measure(name, unit, "lower", float(ours.mean()), float(theirs.mean()), mean, interval, len(differences))
