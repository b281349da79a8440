"""How far each drop of the landing is, and why it is no further."""

from dataclasses import dataclass
from typing import Literal

from gr00t_data.foreign_text import one_line, printable
from gr00t_data.lake import Lake
from gr00t_data.sources.landing.drop import Drop
from gr00t_data.sources.landing.landing import drops, taken_in, why_not
from gr00t_data.sources.landing.records import failure, landed, landed_fault

_State = Literal["taken in", "ready", "waiting", "refused", "failed"]


@dataclass(frozen=True)
class State:
    """How far a drop is.

    Attributes:
        state: ``taken in``, ``ready``, ``waiting``, ``refused`` (as it lies there), ``failed`` (when it was tried).
        reason: in words; for a drop that was taken in, the name of its store.
    """

    drop: str
    state: _State
    reason: str
    kind: str
    files: int
    size_bytes: int


def states(lake: Lake) -> list[State]:
    """The state of every drop, by name. Nothing is taken in, and no content is read.

    Raises:
        LandingError: the remote landing cannot be listed.
    """
    return [_state_of(lake, drop) for drop in drops(lake)]


def _state_of(lake: Lake, drop: Drop) -> State:
    state, reason = _state(lake, drop)
    name, kind = printable(drop.path.name), drop.kind or "real"
    return State(name, state, one_line(reason), kind, drop.files, drop.size_bytes)


def _state(lake: Lake, drop: Drop) -> tuple[_State, str]:
    record = landed(lake, drop.key)
    if drop.refused:
        return "refused", drop.refused
    if record and taken_in(lake, drop):
        return "taken in", f"as store {record.store}"
    if reason := failure(lake, drop):  # what is taken in without a marker, as archives are, fails without one
        return "failed", reason
    if reason := why_not(drop, 0.0, None):
        return "waiting", reason
    if drop.marker_fault:
        return "failed", drop.marker_fault
    return "ready", landed_fault(lake, drop.key)
