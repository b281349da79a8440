"""Checks for streams that are older than their rows say: values refreshed less often, and commands that stand still.

A fast joint does not stand still for a row between two large steps in the same direction, however coarse its sensor is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding, Severity
from gr00t_data.curate.subject.signals import Signal, runs_of
from gr00t_data.curate.subject.subject import Subject

_NEAR = 3
_QUANTA = 3.0
_FEWEST_FAST = 10
_LONGEST_COPY = 5
_SHARE = 0.22
_LOST_S = 0.3
_FOLLOWS_S = 0.6
"""A robot has come to rest this long after its command stood still."""

_MOVED_ON = 0.03
"""A robot that goes on by this share of a joint's range after that is led by commands that were not written."""


@dataclass(frozen=True)
class Repeats:
    """How often a part repeats its row before while it is fast: ``share`` of those rows, from ``first`` to ``last``."""

    signal: Signal
    share: float
    first: int
    last: int


def check_repeats(subject: Subject) -> Iterator[Finding]:
    """MOTION-05: values that were refreshed less often than the rows, then commands that stood still."""
    found = [one for signal in subject.signals if (one := repeats_of(signal)) is not None and one.share > _SHARE]
    if found:
        yield _refreshed_late(subject, found)
        return
    states = [signal for signal in subject.signals if signal.side == "state"]
    actions = [signal for signal in subject.signals if signal.side == "action"]
    if states and actions:
        yield from check_held_action(subject, states, actions)
        yield from check_held_rows(subject, states, actions)


def repeats_of(signal: Signal) -> Repeats | None:
    """How often a part repeats its row before while it is fast; None when it is fast too seldom to tell."""
    sizes, fast = signal.sizes, _fast(signal)
    if fast.sum() < _FEWEST_FAST:
        return None
    copied = sizes.max(1) < 1e-9
    between = np.zeros(len(copied), dtype=bool)
    for first, last in runs_of(copied):
        if last - first < _LONGEST_COPY - 1 and first > 0 and last + 1 < len(sizes):
            before, after = signal.steps[first - 1], signal.steps[last + 1]
            both = np.minimum(np.abs(before), np.abs(after)) * np.sign(before * after)
            between[first : last + 1] = bool(both.max() > 2 * signal.rest_step)
    rows = np.flatnonzero(between & fast) + 1
    share = float(len(rows) / fast.sum())
    return Repeats(signal, share, int(rows[0]), int(rows[-1])) if len(rows) else None


def _fast(signal: Signal) -> np.ndarray:
    """bool [T - 1]: steps around which a joint moves by several of its smallest steps a row."""
    sizes = signal.sizes
    moved = np.where(sizes > 1e-9, sizes, np.nan)
    any_moved = (sizes > 1e-9).any(0)
    quantum = np.full(sizes.shape[1], np.inf)
    quantum[any_moved] = np.nanquantile(moved[:, any_moved], 0.05, axis=0)
    speed = np.zeros(sizes.shape)
    if len(sizes) > 2 * _NEAR:
        speed[_NEAR : len(sizes) + 1 - _NEAR] = np.abs(signal.shares[2 * _NEAR :] - signal.shares[: -2 * _NEAR]) / (
            2 * _NEAR
        )
    fast = (speed > 2 * signal.rest_step) & ((speed > _QUANTA * quantum) | (speed > 8 * signal.rest_step))
    return np.max(fast, axis=1, initial=False)


def _refreshed_late(subject: Subject, found: list[Repeats]) -> Finding:
    share = float(np.median([one.share for one in found]))
    names = ", ".join(f"{one.signal.side} part {one.signal.part.name!r}" for one in found)
    hz = found[0].signal.control_hz
    severity: Severity = "error" if share > 0.4 else "warning"
    return MOTION_05.finding(
        f"{subject.where} frame {min(one.first for one in found)}: {names} repeat the row before in "
        f"{100 * share:.0f} % of the rows in which they are fast; they were refreshed at about "
        f"{hz * (1 - share):.0f} Hz and written at {hz:g} Hz: record them at the rate of the rows, or write the "
        "episode at theirs",
        (min(one.first for one in found), max(one.last for one in found)),
        severity=severity,
    )


def check_held_action(subject: Subject, states: list[Signal], actions: list[Signal]) -> Iterator[Finding]:
    """MOTION-05: the whole command stands still while the robot moves on, then leaps, goes on or never comes back."""
    told = np.max([signal.sizes.max(1) for signal in actions], axis=0)
    moved = np.max([signal.sizes.max(1) for signal in states], axis=0)
    usual = float(np.median(told[told > actions[0].rest_step])) if (told > actions[0].rest_step).any() else np.inf
    held = told < 1e-12
    for first, last in runs_of(held):
        rows = last - first + 1
        if rows < max(0.2 * actions[0].control_hz, 3) or first == 0:
            continue
        after = float(told[last + 1]) if last + 1 < len(told) else 0.0
        leaps = after > 2.5 * usual and float((moved[first : last + 1] > 2 * states[0].rest_step).mean()) > 0.5
        never_otherwise = (held.sum() - rows) < 0.01 * len(held) and float(np.median(moved[first : last + 1])) > 0
        lost = rows >= _LOST_S * actions[0].control_hz
        if leaps or (lost and ((never_otherwise and after > 0) or _moves_on(states, first, last))):
            then = f"then it leaps by {after / usual:.1f} usual steps" if after else "it never comes back"
            yield MOTION_05.finding(
                f"{subject.where} frame {first}: the whole action repeats for {rows} rows while the robot moves on; "
                f"{then}; the command stream stalled or its link was lost: chunks with it are left out of the keep "
                "ranges",
                (first, last + 1),
            )
            return


def check_held_rows(subject: Subject, states: list[Signal], actions: list[Signal]) -> Iterator[Finding]:
    """MOTION-05: state and action both stop dead in full motion, and both go on with a leap: the recorder stalled."""
    told, moved = (np.max([signal.sizes.max(1) for signal in side], axis=0) for side in (actions, states))
    fast = moved[moved > states[0].rest_step]
    usual = float(np.median(fast)) if fast.size else np.inf
    for first, last in runs_of((told < 1e-12) & (moved < 1e-12)):
        rows = last - first + 1
        if rows < max(0.2 * states[0].control_hz, 3) or first == 0 or last + 1 >= len(moved):
            continue
        if moved[first - 1] > 0.5 * usual and moved[last + 1] > max(3 * usual, 1.5 * moved[first - 1]):
            yield MOTION_05.finding(
                f"{subject.where} frame {first}: state and action repeat for {rows} rows in full motion, then leap by "
                f"{moved[last + 1] / usual:.1f} usual steps; the recorder stalled or a link was lost: chunks with it "
                "are left out of the keep ranges",
                (first, last + 1),
            )
            return


def _moves_on(states: list[Signal], first: int, last: int) -> bool:
    """Whether the robot still travels when it should long have reached a command that stood still."""
    begin = first + round(_FOLLOWS_S * states[0].control_hz)
    if begin >= last:
        return False
    return max(float(np.ptp(signal.shares[begin : last + 1], axis=0).max()) for signal in states) > _MOVED_ON


(MOTION_05,) = Look(Subject, check_repeats, 4).finds(
    Check("MOTION-05", "warning", "rows repeat: a stream stalled or was slower",
          "states or actions are older than their rows say", explains="MOTION-02 MOTION-03 MOTION-09",
          leaves_out="chunks", rig=True),
)  # fmt: skip
