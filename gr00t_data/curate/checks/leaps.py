"""Checks of the robot as a whole, one episode on its own: a body that leaps, arms that get each other's commands."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.signals import Signal, pairs_of
from gr00t_data.curate.subject.subject import Subject

_ENDS = 3
_LEAP_STEPS = 2.4
"""A step that is off the mean of its neighbours by this many large steps of the episode (90th percentile) is a leap.
The robot has mass: shoved arms in simulation reach 1.6, teleoperated ones 0.4."""

_SMALL_LEAP_STEPS = 1.2
_LEAP_TIMES = 8.0
_SMALL_LEAP_TIMES = 100.0
_SMALLEST_LEAP = 0.02
_ALIKE = 0.85
_UNLIKE = 0.3
_MOVED_SHARE = 0.04


@dataclass(frozen=True)
class Leap:
    """The largest step of the measured arms that is not as before and after, and does not come back.

    Attributes:
        first, last: rows after which they come, of those that are certain (of the largest where none is).
        size: distance from the mean of its neighbours, shares of the range, over all joints.
        times: the same in large steps of the episode.
        certain: rows that are leaps whatever the other episodes do.
    """

    first: int
    last: int
    size: float
    times: float
    certain: int


def check_crossed(subject: Subject) -> Iterator[Finding]:
    """MOTION-07 by commands that move the other side."""
    yield from _crossed(subject, pairs_of(subject.signals))


def leap_of(states: list[Signal]) -> Leap | None:
    """Where the measured arms move as they do nowhere else; None where they always move on as before."""
    if not states or len(states[0].steps) < 4 * _ENDS:
        return None
    steps = np.concatenate([_of_arms(signal) for signal in states], axis=1)
    size = np.linalg.norm(steps, axis=1)
    off = np.linalg.norm(steps[1:-1] - (steps[:-2] + steps[2:]) / 2, axis=1)
    large, usual = max(float(np.quantile(size, 0.9)), 1e-6), max(float(np.median(off)), 1e-9)
    off = np.where(size[1:-1] > np.maximum(size[:-2], size[2:]), off, 0.0)
    rows = np.flatnonzero(off[_ENDS:-_ENDS]) + _ENDS + 1
    rows = rows[~_returning(steps, rows)]
    if not rows.size:
        return None
    own = off[rows - 1]
    far = (own > _LEAP_STEPS * large) & (own > _LEAP_TIMES * usual)
    far |= (own > _SMALL_LEAP_STEPS * large) & (own > _SMALL_LEAP_TIMES * usual)
    far &= own > _SMALLEST_LEAP
    said = rows[far] if far.any() else rows[[int(own.argmax())]]
    most = float(own.max())
    return Leap(int(said[0]), int(said[-1]), most, most / large, int(far.sum()))


def _of_arms(signal: Signal) -> np.ndarray:
    """Steps of a part, without joints that leap by habit: fingers snap, arms do not."""
    if signal.grips:
        return np.zeros(signal.steps.shape)
    snaps = np.quantile(signal.sizes, 0.98, axis=0) > 20 * np.maximum(np.quantile(signal.sizes, 0.7, axis=0), 1e-5)
    return np.where(snaps, 0.0, signal.steps)


def _returning(steps: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """bool [N]: leaps of which the next or the last step comes back; one wrong row is MOTION-01."""
    back = np.zeros(len(rows), dtype=bool)
    for number, row in enumerate(rows):
        for beside in (row - 1, row + 1):
            if 0 <= beside < len(steps):
                both = np.linalg.norm(steps[row] + steps[beside])
                back[number] |= bool(both < 0.5 * np.linalg.norm(steps[row]))
    return back


def _crossed(subject: Subject, pairs: list[tuple[Signal, Signal]]) -> Iterator[Finding]:
    """MOTION-07: a part follows the command of another part of the same joints, and not its own."""
    for number, (state, own) in enumerate(pairs):
        for _, other in pairs[:number] + pairs[number + 1 :]:
            if other.values.shape[1] != own.values.shape[1] or np.ptp(state.shares, axis=0).max() < _MOVED_SHARE:
                continue
            alike, unlike = _follows(state, other), _follows(state, own)
            if alike > _ALIKE and unlike < _UNLIKE:
                yield MOTION_07.finding(
                    f"{subject.where}: state part {state.part.name!r} follows the command of {other.part.name!r} "
                    f"(it explains {100 * alike:.0f} % of the motion), not its own; the commands of the two parts are "
                    "exchanged: write the columns of the action in the order of the embodiment"
                )
                return


def _follows(state: Signal, action: Signal) -> float:
    """Share of the variance of a state that a command explains as it stands, best over a few rows of delay; at most 1.

    Level and size have to agree, not only the shape: every smooth motion is like some other in its shape.
    """
    best = -np.inf
    for delay in range(min(6, len(state.values) // 4)):
        done, told = state.shares[delay:], action.shares[: len(action.shares) - delay]
        best = max(best, 1 - float(((done - told) ** 2).sum() / max(((done - done.mean(0)) ** 2).sum(), 1e-12)))
    return best


(MOTION_07,) = Look(Subject, check_crossed, 5).finds(
    Check("MOTION-07", "error", "joints or sides in another order", "the policy moves the wrong joint",
          explains="MOTION-15 MOTION-09 MOTION-06 MOTION-04 MOTION-02"),
)  # fmt: skip
