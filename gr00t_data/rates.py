"""Two clocks: what a command or a displacement that was recorded at one rate means at another.

Commands hold until the next one. Displacements are spread evenly over the time to the next one and composed over the
interval that is asked for: summed, or multiplied when they are rotations. Recordings that are aligned to a control rate
and mixtures of stores with several rates follow these same rules.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rotations import of_quaternions, part_of, scipy_rotation
from gr00t_data.store.store import EpisodeStore

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

SAME_SHARE = 0.01
"""Rates that differ by less than this share are the same: 29.97 and 30 Hz are a fifth of a row apart after 100 rows."""

MOST_UPSAMPLING = 2.0
"""Rows at more than this many times the recorded rate would be mostly invented: refused."""

_ROUNDING = 1e-6
"""Rows are counted from ratios of rates, which floating point does not hold exactly."""

NS = 1_000_000_000


class RateError(ValueError):
    """Rates that do not go together; the message names whose they are."""


@dataclass(frozen=True)
class Pace:
    """Rows of a store against steps of an embodiment.

    Attributes:
        recorded_hz: rows a second of the store.
        control_hz: steps a second of the embodiment.
    """

    recorded_hz: float
    control_hz: float

    @classmethod
    def of(cls, recorded_hz: float, control_hz: float, whose: str) -> Self:
        """The pace of a store.

        Args:
            whose: begins the message of the error, for example the folder of the store.

        Raises:
            RateError: a rate that is no positive number, or one so low that steps would be invented.
        """
        if not (math.isfinite(recorded_hz) and recorded_hz > 0):
            raise RateError(f"{whose}: fps is {recorded_hz}, expected a positive number; correct meta/info.json")
        pace = cls(recorded_hz, control_hz)
        if not pace.agrees and control_hz > MOST_UPSAMPLING * recorded_hz * (1 + SAME_SHARE):
            raise RateError(
                f"{whose}: has {recorded_hz:g} rows a second, the embodiment runs at {control_hz:g} Hz, "
                f"{control_hz / recorded_hz:.3g} times as fast; at most {MOST_UPSAMPLING:g} times are allowed: leave "
                "it out, record faster, or use an embodiment with a lower rate"
            )
        return pace

    @property
    def agrees(self) -> bool:
        """Whether a row is a step."""
        return abs(self.recorded_hz - self.control_hz) <= SAME_SHARE * self.control_hz

    @property
    def rows_a_step(self) -> float:
        """Rows of the store in one step of the embodiment; exactly 1 when the rates agree."""
        return 1.0 if self.agrees else self.recorded_hz / self.control_hz

    def rows(self, steps: int) -> int:
        """Rows of the store in a number of steps, to the nearest row; at least one for at least one step."""
        return steps if self.agrees else max(round(steps * self.rows_a_step), min(steps, 1))

    def held_rows(self, steps: int) -> np.ndarray:
        """int64 [steps]: the row whose command holds at the begin of each step, counted from the row of the first."""
        return np.floor(np.arange(steps) * self.rows_a_step + _ROUNDING).astype(np.int64)

    def whole_steps(self, rows: int, steps: int) -> np.ndarray:
        """bool [steps]: the steps that end within so many rows."""
        return (np.arange(steps) + 1) * self.rows_a_step <= rows + _ROUNDING


def pace_of(store: EpisodeStore, embodiment: Embodiment) -> Pace:
    """The pace of a store whose metadata may say nothing: then its rows are steps.

    Raises:
        RateError: see ``Pace.of``.
    """
    if store.info.get("fps") is None:
        return Pace(embodiment.control_hz, embodiment.control_hz)
    try:
        return Pace.of(store.fps, embodiment.control_hz, str(store.root))
    except (TypeError, ValueError) as error:
        raise (
            error if isinstance(error, RateError) else RateError(f"{store.root}: fps is no number ({error})")
        ) from error


def at_recorded_rate(embodiment: Embodiment, store: EpisodeStore) -> Embodiment:
    """The embodiment as the rows of a store are spaced: its rate, and its horizon counted in rows.

    Unchanged when the rates agree, or do not go together at all.
    """
    try:
        pace = pace_of(store, embodiment)
    except RateError:
        return embodiment
    if pace.agrees:
        return embodiment
    return replace(embodiment, control_hz=pace.recorded_hz, action_horizon=pace.rows(embodiment.action_horizon))


def last_before(times_ns: np.ndarray, ticks_ns: np.ndarray) -> np.ndarray:
    """The position of the last stamp at or before each tick; the first stamp for ticks before all."""
    return np.maximum(np.searchsorted(times_ns, ticks_ns, side="right") - 1, 0)


def between(times_ns: np.ndarray, ticks_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each tick the samples before and after it, and how far it lies between them (0 .. 1)."""
    left = last_before(times_ns, ticks_ns)
    right = np.minimum(left + 1, len(times_ns) - 1)
    gap = np.maximum(times_ns[right] - times_ns[left], 1)
    return left, right, np.clip((ticks_ns - times_ns[left]) / gap, 0.0, 1.0)


def linear(times_ns: np.ndarray, values: np.ndarray, ticks_ns: np.ndarray) -> np.ndarray:
    """On the straight line between neighbours; exactly the sample where a tick meets one, also beside a NaN."""
    left, right, share = between(times_ns, ticks_ns)
    share = share[:, None]
    inner = values[left] + share * (values[right] - values[left])
    return np.where(share == 0, values[left], np.where(share == 1, values[right], inner))


@dataclass(frozen=True)
class Summed:
    """A path of displacements.

    Attributes:
        edges_ns: int64 [N + 1], when each displacement begins, and when the last one ends.
        path: float64 [N + 1, D], what all displacements before each edge add up to.
    """

    edges_ns: np.ndarray
    path: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, edges_ns: np.ndarray) -> Self:
        """``values``: float64 [N, D]."""
        return cls(edges_ns, np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)]))

    def over(self, ticks_ns: np.ndarray, period_ns: int) -> np.ndarray:
        """float64 [T, D]: the displacement over each ``[tick, tick + period)``; none outside the edges."""
        return linear(self.edges_ns, self.path, ticks_ns + period_ns) - linear(self.edges_ns, self.path, ticks_ns)


@dataclass(frozen=True)
class Turned:
    """A path of rotations, as unit quaternions.

    Attributes:
        edges_ns: int64 [N + 1], when each turn begins, and when the last one ends.
        turns: float64 [N, 4].
        path: float64 [N + 1, 4], the orientation at each edge, starting from none.
        moving_frame: the turns are about the axes of the moving body instead of those of its base.
    """

    edges_ns: np.ndarray
    turns: np.ndarray
    path: np.ndarray
    moving_frame: bool

    @classmethod
    def of(cls, turns: np.ndarray, edges_ns: np.ndarray, moving_frame: bool) -> Self:
        """``turns``: float64 [N, 4], unit quaternions."""
        rotation = scipy_rotation()
        path = [rotation.identity()]
        for step in of_quaternions(turns):
            path.append(path[-1] * step if moving_frame else step * path[-1])
        return cls(edges_ns, turns, rotation.concatenate(path).as_quat(scalar_first=True), moving_frame)

    def over(self, ticks_ns: np.ndarray, period_ns: int) -> np.ndarray:
        """float64 [T, 4]: the turn over each ``[tick, tick + period)``; none outside the edges."""
        start, end = self._at(ticks_ns), self._at(ticks_ns + period_ns)
        over = start.inv() * end if self.moving_frame else end * start.inv()
        return over.as_quat(scalar_first=True)

    def _at(self, ticks_ns: np.ndarray) -> "Rotation":
        """The orientation at the ticks, inside a turn by its share."""
        left, _, share = between(self.edges_ns, ticks_ns)
        left = np.minimum(left, len(self.turns) - 1)
        share = np.where(ticks_ns >= self.edges_ns[-1], 1.0, share)
        before, partial = of_quaternions(self.path[left]), part_of(of_quaternions(self.turns[left]), share)
        return before * partial if self.moving_frame else partial * before
