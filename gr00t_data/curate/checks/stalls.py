"""Checks for streams that stop while the robot goes on, one episode on its own: stuck joints, held rows."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.checks.motion import varied
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.signals import Signal, pairs_of, runs_of
from gr00t_data.curate.subject.subject import Subject

_STUCK_ACTION_SHARE = 0.05


def check_stalls(subject: Subject) -> Iterator[Finding]:
    """MOTION-04, and MOTION-05 of state and of action."""
    states = [signal for signal in subject.signals if signal.side == "state"]
    actions = [signal for signal in subject.signals if signal.side == "action"]
    yield from check_stuck(subject)
    if states and actions:
        yield from check_held_state(subject, states, actions)
        yield from check_held_action(subject, states, actions)


def check_stuck(subject: Subject) -> Iterator[Finding]:
    """MOTION-04: a joint is told to move, and its reading does not change at all for a second or the whole episode."""
    for state, action in pairs_of(subject.signals):
        least = min(max(round(state.control_hz), round(0.3 * len(state.values))), len(state.values) - 3)
        for dim in range(state.values.shape[1]):
            still = np.concatenate([[False], state.sizes[:, dim] < 1e-9])
            for first, last in runs_of(still):
                told = float(np.ptp(action.shares[first : last + 1, dim]))
                if last - first < least or told < _STUCK_ACTION_SHARE or not varied(action, dim):
                    continue
                yield MOTION_04.finding(
                    f"{subject.where} frame {first}: state part {state.part.name!r} joint {state.joint(dim)!r} stays "
                    f"at {state.values[first, dim]:.4g} {state.part.unit} for {last - first + 1} rows while its "
                    f"command moves by {100 * told:.0f} % of the range; the encoder is stuck or not read",
                    (first, last),
                )
                break


def check_held_state(subject: Subject, states: list[Signal], actions: list[Signal]) -> Iterator[Finding]:
    """MOTION-05: whole rows of the state are copies of the row before while the robot is told to move."""
    copied = np.max([signal.sizes.max(1) for signal in states], axis=0) < 1e-12
    told = np.max([signal.sizes.max(1) for signal in actions], axis=0) > actions[0].rest_step
    share = float((copied & told).sum() / max(told.sum(), 1))
    if share > 0.2:
        rows = np.flatnonzero(copied & told) + 1
        yield MOTION_05.finding(
            f"{subject.where} frame {int(rows[0])}: {100 * share:.0f} % of the state rows repeat the row before while "
            "the commands move; the state was measured at a lower rate or the recorder stalled",
            (int(rows[0]), int(rows[-1])),
            severity="error" if share > 0.4 else "warning",
        )


def check_held_action(subject: Subject, states: list[Signal], actions: list[Signal]) -> Iterator[Finding]:
    """MOTION-05: the whole command stands still while the robot moves on, then leaps or goes on as if nothing was."""
    told = np.max([signal.sizes.max(1) for signal in actions], axis=0)
    moved = np.max([signal.sizes.max(1) for signal in states], axis=0)
    usual = float(np.median(told[told > actions[0].rest_step])) if (told > actions[0].rest_step).any() else np.inf
    held = told < 1e-12
    for first, last in runs_of(held):
        rows = last - first + 1
        if rows < max(0.2 * actions[0].control_hz, 3) or first == 0 or last + 1 >= len(told):
            continue
        leaps = told[last + 1] > 2.5 * usual and float((moved[first : last + 1] > 2 * states[0].rest_step).mean()) > 0.5
        never_otherwise = (held.sum() - rows) < 0.01 * len(held) and float(np.median(moved[first : last + 1])) > 0
        if leaps or (never_otherwise and rows >= 0.3 * actions[0].control_hz):
            yield MOTION_05.finding(
                f"{subject.where} frame {first}: the whole action repeats for {rows} rows while the robot moves on; "
                f"then it leaps by {told[last + 1] / usual:.1f} usual steps; the command stream stalled: chunks with "
                "it are left out of the keep ranges",
                (first, last + 1),
            )
            return


MOTION_04, MOTION_05 = Look(Subject, check_stalls, 4).finds(
    Check("MOTION-04", "error", "joint does not move although it should",
          "the policy is blind to a joint, or never moves it", explains="MOTION-05 MOTION-09 MOTION-15"),
    Check("MOTION-05", "warning", "rows repeat: a stream stalled or was slower",
          "states or actions are older than their rows say", explains="MOTION-02 MOTION-03 MOTION-09",
          leaves_out="chunks"),
)  # fmt: skip
