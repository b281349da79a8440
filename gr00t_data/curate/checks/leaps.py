"""Checks of the robot as a whole, one episode on its own: a body that leaps, arms that get each other's commands."""

from collections.abc import Iterator

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


def check_leaps(subject: Subject) -> Iterator[Finding]:
    """MOTION-02 by the measured joints together, MOTION-07 by commands that move the other side."""
    yield from _leaps(subject, [signal for signal in subject.signals if signal.side == "state"])
    yield from _crossed(subject, pairs_of(subject.signals))


def _leaps(subject: Subject, states: list[Signal]) -> Iterator[Finding]:
    """Rows between which the measured body moves as it does nowhere else, and not as before and after."""
    if not states or len(states[0].steps) < 4 * _ENDS:
        return
    steps = np.concatenate([_of_arms(signal) for signal in states], axis=1)
    size = np.linalg.norm(steps, axis=1)
    off = np.linalg.norm(steps[1:-1] - (steps[:-2] + steps[2:]) / 2, axis=1)
    large, usual = max(float(np.quantile(size, 0.9)), 1e-6), max(float(np.median(off)), 1e-9)
    far = (off > _LEAP_STEPS * large) & (off > _LEAP_TIMES * usual)
    far |= (off > _SMALL_LEAP_STEPS * large) & (off > _SMALL_LEAP_TIMES * usual)
    far &= (off > _SMALLEST_LEAP) & (size[1:-1] > np.maximum(size[:-2], size[2:]))
    rows = np.flatnonzero(far[_ENDS:-_ENDS]) + _ENDS + 1
    rows = rows[~_returning(steps, rows)]
    if rows.size:
        first = int(rows[0])
        yield MOTION_02.finding(
            f"{subject.where} frame {first + 1}: the measured joints leap together, {off[first - 1] / large:.1f} times "
            f"as far as the larger steps of the episode and not as before and after ({rows.size} such rows); rows are "
            "missing, in another order, or two takes were joined: chunks across it are left out of the keep ranges",
            (first, int(rows[-1]) + 1),
        )


def _of_arms(signal: Signal) -> np.ndarray:
    """Steps of a part, without joints that leap by habit: fingers snap, arms do not."""
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


MOTION_02, MOTION_07 = Look(Subject, check_leaps, 5).finds(
    Check("MOTION-02", "warning", "jump from one row to the next", "an action chunk across it teleports the robot",
          leaves_out="chunks"),
    Check("MOTION-07", "error", "joints or sides in another order", "the policy moves the wrong joint",
          explains="MOTION-15 MOTION-09 MOTION-06 MOTION-04"),
)  # fmt: skip
