"""Checks for joints that are not read although the robot moves, one episode on its own.

A joint that rests is not stuck: a thumb at its stop, a finger on a bottle and a gripper around a cube keep their
reading while the command presses on. Only what no contact explains is an error: the command passes from one side of the
reading to the other, the reading leaps when it comes back, or a whole part never moves.
"""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.checks.motion import varied
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.signals import Signal, pairs_of, runs_of
from gr00t_data.curate.subject.subject import Subject

_TOLD_SHARE = 0.05
"""A command that moves by less than this share of the range does not say that the joint should have moved."""

_FOLLOWS_S = 0.6
"""What a joint needs to begin to follow its command; that much of each end of a rest says nothing."""

_LEAP_SHARE = 0.03
_LEAP_TIMES = 1.5


def check_stuck(subject: Subject) -> Iterator[Finding]:
    """MOTION-04: joints whose reading contradicts their command, and parts of which nothing is read."""
    unread = [*_unread(subject)]
    for state, action in unread:
        yield _not_read(subject, state, action)
    silent = {state.key for state, _ in unread}
    for state, action in pairs_of(subject.signals):
        if state.key not in silent:
            yield from _stuck_joints(subject, state, action)


def _unread(subject: Subject) -> Iterator[tuple[Signal, Signal]]:
    """(state part, a command that moved) of parts that keep one value in all joints although they are told to move."""
    states = [signal for signal in subject.signals if signal.side == "state"]
    still = {signal.key for signal in states if signal.sizes.max(initial=0) < 1e-9}
    moved = [signal for signal in subject.signals if signal.side == "action" and _told(signal).any()]
    pairs = pairs_of(subject.signals)
    for state, action in pairs:
        if state.key in still and state.values.shape[1] > 1 and _told(action).mean() >= 0.5:
            yield state, action
    named = {state.key for state, _ in pairs}
    if len(still) == len(states) and moved:
        yield from ((state, moved[0]) for state in states if state.key not in named and not state.values.any())


def _told(action: Signal) -> np.ndarray:
    """bool [D]: joints that are told to move, other than by switching between a few levels."""
    return np.array([np.ptp(action.shares[:, dim]) >= _TOLD_SHARE and varied(action, dim) for dim in range(action.dim)])


def _not_read(subject: Subject, state: Signal, action: Signal) -> Finding:
    what = "is zero in every row" if not state.values.any() else "keeps one value in all its joints"
    return MOTION_04.finding(
        f"{subject.where}: state part {state.part.name!r} {what} while the command of {action.part.name!r} moves by up "
        f"to {100 * float(np.ptp(action.shares, axis=0).max()):.0f} % of the range; it was not measured: record it, or "
        "say at ingest that the store has no such part",
        (0, len(state.values) - 1),
    )


def _stuck_joints(subject: Subject, state: Signal, action: Signal) -> Iterator[Finding]:
    rows = len(state.values)
    least = min(max(round(state.control_hz), round(0.3 * rows)), rows - 3)
    for dim in range(state.dim):
        still = np.concatenate([[False], state.sizes[:, dim] < 1e-9])
        for first, last in runs_of(still):
            told = float(np.ptp(action.shares[first : last + 1, dim]))
            if last - first < least or told < _TOLD_SHARE or not varied(action, dim):
                continue
            why = _contradiction(state, action, dim, (first, last))
            if not why:
                continue
            yield MOTION_04.finding(
                f"{subject.where} frame {first - 1}: state part {state.part.name!r} joint {state.joint(dim)!r} stays "
                f"at {state.values[first, dim]:.4g} {state.part.unit} for {last - first + 2} rows while its command "
                f"moves by {100 * told:.0f} % of the range{why}; the encoder is stuck or not read",
                (first - 1, last),
            )
            break


def _contradiction(state: Signal, action: Signal, dim: int, run: tuple[int, int]) -> str:
    """What no stop, load or contact explains; empty when one may."""
    first, last = run
    spare = round(_FOLLOWS_S * state.control_hz)
    told = action.shares[first + spare : last + 1 - spare, dim] - state.shares[first, dim]
    if len(told) and told.min() < -_TOLD_SHARE and told.max() > _TOLD_SHARE:
        return " and passes from one side of it to the other"
    sizes = state.sizes[:, dim]
    back = float(sizes[last]) if last < len(sizes) else 0.0
    others = float(np.delete(sizes, last).max(initial=0)) if last < len(sizes) else 0.0
    if back > max(_LEAP_SHARE, _LEAP_TIMES * others):
        return f", and then leaps by {100 * back:.0f} % in one row"
    if first <= 1 and last >= len(sizes) and not state.grips:
        return " all along"
    return ""


(MOTION_04,) = Look(Subject, check_stuck, 4).finds(
    Check("MOTION-04", "error", "joint does not move although it should",
          "the policy is blind to a joint, or never moves it", explains="MOTION-05 MOTION-09 MOTION-15 MOTION-02"),
)  # fmt: skip
