"""Integer nanosecond clocks: ticks of a rate, stamps that can be used, the sample nearest to or last before a tick."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

NS = 1_000_000_000
"""Nanoseconds in a second."""
_LARGEST_DISORDER_NS = NS
"""Messages that overtake each other are at most this far out of order; more is a clock that was set back."""
_YEAR_NS = 365 * 86_400 * NS
_LATEST_NS = 1 << 61
"""73 years after or before 1970: differences of any two such stamps, and sums with a latency, fit into 64 bits."""


class AlignError(ValueError):
    """Streams that cannot be put on one clock honestly; the message says which, where and by how much."""


def nanoseconds(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * NS)


def ticks(start_ns: int, count: int, hz: float, first: int = 0) -> np.ndarray:
    """Ticks ``first``, ``first + 1``, ... at ``hz``, tick 0 at ``start_ns``; int64 [count].

    Each is rounded on its own, so nothing adds up.
    """
    rate = Fraction(hz).limit_denominator(1001)
    numbers = np.arange(first, first + count, dtype=np.int64)
    whole, rest = np.divmod(numbers, rate.numerator)
    return start_ns + whole * (NS * rate.denominator) + (rest * (NS * rate.denominator)) // rate.numerator


def stamps_from_seconds(seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Float stamps to int64 nanoseconds.

    Returns:
        the stamps [K] of those that are finite, and which those are: bool [N].
    """
    usable = np.isfinite(seconds) & (np.abs(seconds) < np.iinfo(np.int64).max / NS)
    kept = np.asarray(seconds, dtype=np.float64)[usable]
    whole = np.floor(kept)
    return whole.astype(np.int64) * NS + np.rint((kept - whole) * NS).astype(np.int64), usable


@dataclass(frozen=True)
class Clock:
    """The stamps of a stream in order, each once.

    Attributes:
        times_ns: int64 [M], strictly increasing, latency subtracted.
        samples: int64 [M], which recorded sample each is.
        reordered: stamps that were smaller than the one before.
        duplicates: samples left out because a later one bears the same stamp.
    """

    times_ns: np.ndarray
    samples: np.ndarray
    reordered: int
    duplicates: int

    @property
    def period_ns(self) -> float:
        """The median distance between samples; zero for a single one."""
        return float(np.median(np.diff(self.times_ns))) if len(self.times_ns) > 1 else 0.0


def usable_clock(name: str, times_ns: np.ndarray, latency_ns: int = 0) -> Clock:
    """Sort the stamps of a stream and keep the last of those that are equal.

    Raises:
        AlignError: no sample, a stamp that is no time, or a clock that was set back by more than a second.
    """
    if not len(times_ns):
        raise AlignError(f"{name}: has no sample; leave the episode out, or map another source")
    if np.abs(times_ns.astype(np.float64)).max() > _LATEST_NS:
        worst = int(np.abs(times_ns.astype(np.float64)).argmax())
        raise AlignError(
            f"{name}: sample {worst} has the stamp {times_ns[worst]} ns, {times_ns[worst] / _YEAR_NS:.0f} years from "
            "1970; map another clock (`clock: log`), or leave the episode out"
        )
    steps = np.diff(times_ns)
    back = steps.min(initial=0)
    if -back > _LARGEST_DISORDER_NS:
        raise AlignError(
            f"{name}: its clock jumps back by {-back / NS:.3f} s after sample {int(steps.argmin())}; "
            "split the recording there, or map another clock (`clock: log`)"
        )
    order = np.argsort(times_ns, kind="stable")
    ordered = times_ns[order]
    last_of_equals = np.append(np.diff(ordered) > 0, True)
    kept = order[last_of_equals]
    return Clock(times_ns[kept] - latency_ns, kept, int((steps < 0).sum()), len(times_ns) - len(kept))


def nearest(times: np.ndarray, ticks: np.ndarray, equal: float = 0) -> np.ndarray:
    """The position in ``times`` (increasing) of the stamp nearest to each tick; the earlier of two equally near.

    Args:
        times, ticks: nanoseconds, or seconds.
        equal: distances that differ by no more count as equal; for seconds, whose sums are rounded.
    """
    right = np.clip(np.searchsorted(times, ticks), 1, max(len(times) - 1, 1))
    if len(times) == 1:
        return np.zeros(len(ticks), dtype=np.int64)
    left = right - 1
    return np.where(ticks - times[left] <= times[right] - ticks + equal, left, right)
