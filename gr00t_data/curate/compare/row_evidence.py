"""What is kept of an episode's rows so that it can be compared with the other episodes: a few kB an episode."""

from dataclasses import dataclass, field

import numpy as np

from gr00t_data.curate.checks.leaps import Leap, leap_of
from gr00t_data.curate.checks.motion import jumps
from gr00t_data.curate.subject.signals import Signal, pairs_of

MAX_LAG_S = 0.6
"""Commands and measurements are compared at shifts of up to this; loops that are slower do not follow a person."""

_POSES = 48
_IDLE_HALF_S = 0.25

FEATURES = ("mean", "low", "high", "first")
"""What is remembered of each joint, in shares of its range: mean, 2nd and 98th percentile, and the first row."""


@dataclass(frozen=True)
class Jump:
    """A step that looks like a jump: the row after which it comes, the joint, its size in shares of the range."""

    frame: int
    dim: int
    size: float
    dims: int


@dataclass(frozen=True)
class RowEvidence:
    """Per part, keyed ``state.<part>``, ``action.<part>`` or, for pairs, ``<part>``.

    Attributes:
        rows: number of rows.
        levels: float32 [D, len(FEATURES)].
        last: float32 [D], the last row, of state parts.
        extent: float32 [D, 4], lowest and highest value (half a percent of the rows at either end left out) and the way
            from row to row added up, in the unit of the part; and how many values there are.
        stillness: float32 [D], share of rows that do not change at all.
        jumps: the jumps of a part, largest first, at most four.
        lags: float32 [2 M + 1], correlation of state steps with action steps, state later by -M .. M rows; pairs that
            moved only.
        offset: float32 [3, D], 10th, 50th and 90th percentile of state less action; NaN for commands that leap between
            a few levels.
        poses: float16 [48, D], rows of state parts, evenly spaced.
        sense: float32 [D], correlation of state with command where the part follows best; NaN for joints that rest.
        end_speed: the fastest measured joint of the last quarter second, share of its range a row.
        leap: of the measured arms together.
        copied: share of rows in which the action is the state, over all pairs that moved.
        idle: rows at rest at the start and at the end.
    """

    rows: int
    levels: dict[str, np.ndarray] = field(default_factory=dict)
    last: dict[str, np.ndarray] = field(default_factory=dict)
    extent: dict[str, np.ndarray] = field(default_factory=dict)
    stillness: dict[str, np.ndarray] = field(default_factory=dict)
    jumps: dict[str, tuple[Jump, ...]] = field(default_factory=dict)
    lags: dict[str, np.ndarray] = field(default_factory=dict)
    offset: dict[str, np.ndarray] = field(default_factory=dict)
    poses: dict[str, np.ndarray] = field(default_factory=dict)
    sense: dict[str, np.ndarray] = field(default_factory=dict)
    end_speed: float = 0.0
    leap: Leap | None = None
    copied: float = 0.0
    idle: tuple[int, int] = (0, 0)


def row_evidence(signals: list[Signal], gaps: np.ndarray) -> RowEvidence | None:
    """Evidence from the parts of one episode; None when there are none."""
    if not signals:
        return None
    pairs = [(s, a) for s, a in pairs_of(signals) if _moves(s)]
    return RowEvidence(
        rows=len(signals[0].values),
        levels={s.key: _levels(s) for s in signals},
        last={s.key: s.shares[-1].astype(np.float32) for s in signals if s.side == "state"},
        extent={s.key: _extent(s) for s in signals},
        stillness={s.key: (s.sizes < 1e-9).mean(0).astype(np.float32) for s in signals},
        jumps={s.key: found for s in signals if (found := _jumps(s, gaps))},
        lags={
            s.part.name: lag_curve(a.steps, s.steps, max_lag(s.control_hz))
            for s, a in pairs
            if _moves(s, 0.04) and _moves(a, 0.04)
        },
        offset={s.part.name: _offset(s, a) for s, a in pairs_of(signals)},
        poses={s.key: _poses(s) for s in signals if s.side == "state"},
        sense={s.part.name: _sense(s, a) for s, a in pairs_of(signals)},
        end_speed=_end_speed([s for s in signals if s.side == "state"]),
        leap=leap_of([s for s in signals if s.side == "state"]),
        copied=_copied(pairs),
        idle=_idle(signals),
    )


def max_lag(control_hz: float) -> int:
    """Rows within ``MAX_LAG_S``."""
    return max(round(MAX_LAG_S * control_hz), 2)


def lag_curve(told: np.ndarray, done: np.ndarray, reach: int) -> np.ndarray:
    """How well steps of the state follow steps of the action at each shift.

    Args:
        told, done: float64 [T, D] steps.
        reach: M, rows.

    Returns:
        float32 [2 M + 1]: correlation with ``done`` later by -M .. M rows, averaged over joints by how much they moved.
    """
    reach = min(reach, max((len(told) - 6) // 2, 0))
    told, done = _without_leaps(told), _without_leaps(done)
    weight = np.minimum(done.std(0), 0.02) * (told.std(0) > 1e-6)
    curve = [_correlation(*_shifted(told, done, shift), weight) for shift in range(-reach, reach + 1)]
    return np.array(curve, dtype=np.float32)


def _without_leaps(steps: np.ndarray) -> np.ndarray:
    """Steps beyond four times the 95th percentile become zero: one jump in both would decide the shift alone."""
    most = 4 * np.quantile(np.abs(steps), 0.95, axis=0)
    return np.where((np.abs(steps) > most) & (most > 1e-6), 0.0, steps)


def _shifted(told: np.ndarray, done: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    rows = len(told)
    return told[max(0, -shift) : rows - max(0, shift)], done[max(0, shift) : rows - max(0, -shift)]


def _correlation(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    x, y = x - x.mean(0), y - y.mean(0)
    each = (x * y).sum(0) / np.sqrt(np.maximum((x * x).sum(0) * (y * y).sum(0), 1e-18))
    return float((each * weight).sum() / max(weight.sum(), 1e-12))


def _moves(signal: Signal, share: float = 0.005) -> bool:
    return bool((np.ptp(signal.shares, axis=0) > share).any())


def _levels(signal: Signal) -> np.ndarray:
    low, high = np.quantile(signal.shares, [0.02, 0.98], axis=0)
    return np.stack([signal.shares.mean(0), low, high, signal.shares[0]], axis=1).astype(np.float32)


def _extent(signal: Signal) -> np.ndarray:
    low, high = np.quantile(signal.values, [0.005, 0.995], axis=0)
    way = np.abs(np.diff(signal.values, axis=0)).sum(0)
    levels = [len(np.unique(column)) for column in signal.values.T]
    return np.stack([low, high, way, levels], axis=1).astype(np.float32)


def _jumps(signal: Signal, gaps: np.ndarray) -> tuple[Jump, ...]:
    far = jumps(signal, gaps)
    found = []
    for row in np.flatnonzero(far.any(1)):
        dim = int(np.where(far[row], signal.sizes[row], 0).argmax())
        found.append(Jump(int(row), dim, float(signal.sizes[row, dim]), int(far[row].sum())))
    return tuple(sorted(found, key=lambda jump: -jump.size)[:4])


def _offset(state: Signal, action: Signal) -> np.ndarray:
    leaps = ((action.sizes > 0.05).any(0)) & ((action.sizes > 1e-6).mean(0) < 0.3)
    beside = np.quantile((state.values - action.values) / state.span, [0.1, 0.5, 0.9], axis=0)
    return np.where(leaps, np.nan, beside).astype(np.float32)


def _poses(signal: Signal) -> np.ndarray:
    rows = np.linspace(0, len(signal.values) - 1, _POSES).round().astype(int)
    return np.clip(signal.shares[rows], -1e3, 1e3).astype(np.float16)


def _sense(state: Signal, action: Signal) -> np.ndarray:
    """Correlation of levels at the delay at which it is strongest, over half a second."""
    moved = (np.ptp(state.shares, axis=0) > 0.02) & (np.ptp(action.shares, axis=0) > 0.02)
    best = np.zeros(state.dim)
    for delay in range(min(max_lag(state.control_hz), len(state.values) // 4)):
        done, told = state.shares[delay:], action.shares[: len(action.shares) - delay]
        done, told = done - done.mean(0), told - told.mean(0)
        found = (done * told).sum(0) / np.sqrt(np.maximum((done**2).sum(0) * (told**2).sum(0), 1e-18))
        best = np.where(np.abs(found) > np.abs(best), found, best)
    return np.where(moved, best, np.nan).astype(np.float32)


def _end_speed(states: list[Signal]) -> float:
    if not states:
        return 0.0
    rows = max(round(0.25 * states[0].control_hz), 2)
    return max(float((np.ptp(s.shares[-rows - 1 :], axis=0) / rows).max()) for s in states)


def _copied(pairs: list[tuple[Signal, Signal]]) -> float:
    if not pairs:
        return 0.0
    same = np.min([(np.abs(s.values - a.values) < 1e-6 * s.span).all(1) for s, a in pairs], axis=0)
    return float(same.mean())


def _idle(signals: list[Signal]) -> tuple[int, int]:
    """Rows before the first and after the last motion: of means over a quarter second, so that noise is none."""
    half = max(round(_IDLE_HALF_S * signals[0].control_hz), 1)
    displaced = np.max([_displaced(s.shares, half) for s in signals], axis=0)
    moving = np.flatnonzero(displaced > 2 * half * signals[0].rest_step)
    if not moving.size:
        return 0, 0
    return int(moving[0]), int(len(signals[0].values) - 2 - moving[-1])


def _displaced(values: np.ndarray, half: int) -> np.ndarray:
    """float64 [T - 1]: between each two rows, how far the mean of ``half`` rows after is from that of those before."""
    padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
    sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
    means = (sums[half:] - sums[:-half]) / half
    return np.abs(means[half + 1 : half + len(values)] - means[1 : len(values)]).max(1)
