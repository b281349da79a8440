"""Replayed: what the simulator shows when inferred actions are executed in the scene that a clip begins with.

The simulator makes it, the gate compares it with the clip; neither knows the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

REPLAY_PX = 64
"""Side of the replayed pictures: that of the small pictures which the checks look at."""


@dataclass(frozen=True)
class Replayed:
    """One open-loop replay; row t is what there was before action t.

    Attributes:
        frames: uint8 [T, 64, 64, 3] RGB.
        robot: bool [T, 64, 64], where the robot is seen.
        hands_m: float64 [T, 2, 3], grasp points of the left and the right hand, metres.
        starts_m: float64 [N, 3], centres of the objects at the beginning, metres.
        names: what the objects are called.
        named: which of them the instruction names; None when it names none of them, or several.
        left_m: metres that what the instruction asks is short of being done at the end; NaN when that is not known.
    """

    frames: np.ndarray
    robot: np.ndarray
    hands_m: np.ndarray
    starts_m: np.ndarray
    names: tuple[str, ...]
    named: int | None
    left_m: float


Replayer = Callable[[Mapping[str, object], str, np.ndarray], Replayed | None]
"""(provenance of a clip, its instruction, actions float64 [T, A]) -> the replay, or None when no scene is known."""
