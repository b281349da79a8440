"""Check of what a command means: a target, or a displacement from where the robot is. One episode on its own."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.signals import Signal, pairs_of
from gr00t_data.curate.subject.subject import Subject

_MOST_ROWS = 9
_EXPLAINED = 0.4
_MOVED_SHARE = 0.03


def check_meaning(subject: Subject) -> Iterator[Finding]:
    """MOTION-18: commands that the robot file calls absolute and that are displacements, or the other way round."""
    for absolute in (True, False):
        for state, action in pairs_of(subject.signals, absolute=absolute):
            if state.grips or np.ptp(state.shares, axis=0).max() < _MOVED_SHARE or not action.sizes.any():
                continue
            if absolute and _is_displacement(state.shares, action.shares):
                yield _other_meaning(
                    subject, action, "absolute", "displacements: they are small beside the state", "false"
                )
            elif not absolute and _is_target(state.shares, action.shares):
                yield _other_meaning(subject, action, "relative", "targets: they stand where the state is", "true")


def _is_displacement(state: np.ndarray, action: np.ndarray) -> bool:
    """Whether a command is explained by how far the state goes afterwards, and not by where it is."""
    beside = ((action - state) ** 2).sum()
    return explained(state, action) > _EXPLAINED and float((action**2).sum()) < 0.25 * float(beside)


def _is_target(state: np.ndarray, action: np.ndarray) -> bool:
    """Whether a command stands where the state is; no displacement does."""
    return float(((action - state) ** 2).sum()) < 0.05 * float((action**2).sum())


def explained(state: np.ndarray, action: np.ndarray) -> float:
    """Largest share of the variance of the commands that displacements of the state explain, up to their size.

    Tried are displacements over 1 to 9 rows from each row on, and those of one row up to 35 rows later.
    """
    rows, best = len(state), 0.0
    told = action - action.mean(0)
    spans = [(0, more) for more in range(1, _MOST_ROWS + 1)] + [(late, 1) for late in range(1, 4 * _MOST_ROWS)]
    for late, more in spans:
        if rows - late - more < 3 * _MOST_ROWS:
            break
        done = state[late + more :] - state[late : rows - more]
        done, own = done - done.mean(0), told[: len(done)]
        scale = float((own * done).sum() / max((done**2).sum(), 1e-15))
        if scale > 0:
            best = max(best, 1 - float(((own - scale * done) ** 2).sum() / max((own**2).sum(), 1e-15)))
    return best


def _other_meaning(subject: Subject, action: Signal, said: str, found: str, value: str) -> Finding:
    return MOTION_18.finding(
        f"{subject.where}: embodiment {subject.embodiment.name!r} says that action part {action.part.name!r} is "
        f"{said}; its values are {found}; write the commands as the others are, or say `absolute: {value}` in the "
        "robot's file when all episodes are so"
    )


(MOTION_18,) = Look(Subject, check_meaning, 6).finds(
    Check("MOTION-18", "error", "targets and displacements exchanged", "the robot goes to zero, or far away",
          explains="MOTION-04 MOTION-05 MOTION-06 MOTION-07 MOTION-09 MOTION-15 MOTION-16 LIMIT-01"),
)  # fmt: skip
