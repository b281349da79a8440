"""State and action as the motion checks look at them: one matrix a part, in shares of each joint's range."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gr00t_data.embodiment.robot import Embodiment, Part

MOVING_SHARE_HZ = 0.01
"""A joint that crosses less than this share of its range a second is at rest (3 degrees a second for an elbow)."""

_UNKNOWN_RANGE = {"rad": 6.3, "deg": 360.0, "m": 1.0, "mm": 1000.0, "percent": 100.0, "1": 1.0, "normalised": 2.0}
"""Range of a joint whose embodiment states no limits, in its unit: a full turn, one metre, the whole scale."""


_END_EFFECTORS = "hand", "gripper", "finger", "thumb", "claw", "jaw"


@dataclass(frozen=True)
class Signal:
    """One part of state or action.

    Attributes:
        side: ``state`` or ``action``.
        values: float64 [T, D] in the part's unit.
        span: float64 [D], the range of each joint in that unit.
        control_hz: rows a second.
    """

    side: str
    part: Part
    values: np.ndarray
    span: np.ndarray
    control_hz: float

    @property
    def key(self) -> str:
        """``state.left_arm``: the name of the part within an episode."""
        return f"{self.side}.{self.part.name}"

    @cached_property
    def shares(self) -> np.ndarray:
        """float64 [T, D]: values in shares of the range."""
        return self.values / self.span

    @cached_property
    def steps(self) -> np.ndarray:
        """float64 [T - 1, D]: change from row to row in shares of the range."""
        return np.diff(self.shares, axis=0)

    @cached_property
    def sizes(self) -> np.ndarray:
        """float64 [T - 1, D]: absolute steps."""
        return np.abs(self.steps)

    @property
    def dim(self) -> int:
        """Number of joints."""
        return self.values.shape[1]

    @property
    def rest_step(self) -> float:
        """The largest step of a joint at rest, share of the range."""
        return MOVING_SHARE_HZ / self.control_hz

    def joint(self, dim: int) -> str:
        """The name of a dimension."""
        return self.part.joint(dim)

    def of(self, joints: tuple[str, ...]) -> "Signal":
        """Some joints of it, in this order; itself when these are all."""
        if joints == self.part.joints:
            return self
        dims = [self.part.joints.index(joint) for joint in joints]
        limits = None if self.part.limits is None else tuple(self.part.limits[dim] for dim in dims)
        part = replace(self.part, end=self.part.start + len(dims), limits=limits, joints=joints)
        return replace(self, part=part, values=self.values[:, dims], span=self.span[dims])

    @property
    def grips(self) -> bool:
        """Whether it is a hand or a gripper: it snaps, and may rest against a thing or be closed to its stop."""
        return grips(self.part)


def grips(part: Part) -> bool:
    """Whether a part is a hand or a gripper, by its name or that of its first joint."""
    return grips_named(f"{part.name} {part.joints[0]}")


def grips_named(name: str) -> bool:
    """Whether a name is that of a hand or a gripper."""
    return any(word in name.lower() for word in _END_EFFECTORS)


def spans(part: Part) -> np.ndarray:
    """float64 [D]: the range of each joint, from its limits or else from its unit."""
    if part.limits:
        low, high = np.array(part.limits, dtype=np.float64).T
        return np.maximum(high - low, np.finfo(np.float64).tiny)
    return np.full(part.dim, _UNKNOWN_RANGE.get(part.unit, 1.0))


def signals_of(
    embodiment: Embodiment, arrays: Mapping[str, np.ndarray], absent: Set[str] = frozenset()
) -> list[Signal]:
    """The parts that were read, are as wide as expected, and hold finite numbers; at least three rows.

    Args:
        arrays: column -> float64 [T, D].
        absent: sides, and parts as ``state.left_arm``, of which something else than motion stands in the rows.
    """
    found = []
    for side, parts in (("state", embodiment.state), ("action", embodiment.action)):
        for part in parts:
            values = None if {side, f"{side}.{part.name}"} & absent else arrays.get(part.column)
            if values is None or values.shape[1] < part.end or len(values) < 3:
                continue
            values = values[:, part.slice]
            if np.isfinite(values).all():
                found.append(Signal(side, part, values, spans(part), embodiment.control_hz))
    return found


def pairs_of(signals: list[Signal], absolute: bool = True) -> list[tuple[Signal, Signal]]:
    """(state, action) of the joints that are measured and commanded: same part, same names, same unit, and so declared.

    A part of which only some joints are commanded is paired in those, in the order of the command.
    """
    states = {signal.part.name: signal for signal in signals if signal.side == "state"}
    pairs = []
    for action in signals:
        state = states.get(action.part.name)
        if action.side != "action" or state is None or state.part.unit != action.part.unit:
            continue
        if action.part.absolute is not absolute:
            continue
        shared = shared_joints(state.part, action.part)
        if shared:
            pairs.append((state.of(shared), action.of(shared)))
    return pairs


def shared_joints(state: Part, action: Part) -> tuple[str, ...]:
    """The joints of a command that are measured under the same name."""
    return tuple(joint for joint in action.joints if joint in state.joints)


def speed_of(signals: list[Signal]) -> np.ndarray:
    """float64 [T - 1]: the fastest measured joint of each step, share of its range a row; empty without a state."""
    states = [signal.sizes.max(1) for signal in signals if signal.side == "state"]
    return np.max(states, axis=0) if states else np.zeros(0)


def runs_of(mask: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of every run of True, both included."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(start), int(end) - 1) for start, end in zip(edges[::2], edges[1::2], strict=True)]
