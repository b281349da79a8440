"""What planters damage, found in any robot's file and one store of it: limbs, hands, joints, cameras."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.doctor.folder import Folder, Rows
from gr00t_data.embodiment.robot import ACTION_COLUMN, STATE_COLUMN, Camera, Embodiment, Part

STATE, ACTION = STATE_COLUMN, ACTION_COLUMN

_HAND = re.compile(r"hand|gripper|finger|thumb|claw|jaw")
_SIDES = {"left": "right", "right": "left"}
_A_RADIAN = {"rad": 1.0, "deg": math.degrees(1), "ticks": 4096 / math.tau}
"""How much one radian is in a unit. 4096 ticks are a turn of a Feetech or Dynamixel servo."""
_TYPICAL_RAD = 1.5
"""What a joint moves in a demonstration. Units without an angle are scaled by what the store's joint moves."""
_LEAST_RAD = 0.1
"""What moves less is at rest: a defect of it changes nothing."""


class Unplantable(Exception):
    """The store or its robot has nothing that this defect could damage; says what is missing."""


@dataclass(frozen=True)
class Limb:
    """Joints that one part of state and action share, or the state's alone.

    Attributes:
        state, action: dimensions of the same joints, in the same order, in the two columns.
        radian: float64 [joints], what one radian is in their units.
        low, high: float64 [joints], the ends of what the store's states reach, in their units.
        turns: whether the unit is one of angles.
    """

    name: str
    unit: str
    state: tuple[int, ...]
    action: tuple[int, ...]
    radian: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def dims(self, column: str) -> list[int]:
        """The dimensions in a column."""
        return list(self.state if column == STATE else self.action)

    @property
    def is_hand(self) -> bool:
        """Whether it grasps."""
        return bool(_HAND.search(self.name))

    def spread_rad(self, rows: Rows) -> np.ndarray:
        """float64 [joints]: standard deviation of the states of these rows, in radians or what stands for them."""
        return rows[STATE][:, self.dims(STATE)].std(0) / self.radian

    def moves(self, rows: Rows) -> bool:
        """Whether a joint of it moves by more than 0.1 rad in these rows."""
        reach = np.ptp(rows[STATE][:, self.dims(STATE)], axis=0) / self.radian
        return bool((reach > _LEAST_RAD).any())

    def joint(self, place: int) -> "Limb":
        """One of its joints alone."""
        one = slice(place, place + 1)
        ends = self.radian[one], self.low[one], self.high[one]
        return Limb(self.name, self.unit, self.state[one], self.action[one], *ends)


@dataclass(frozen=True)
class Anatomy:
    """A robot as one store has it."""

    folder: Folder
    embodiment: Embodiment

    @cached_property
    def limbs(self) -> tuple[Limb, ...]:
        """Every part whose joints state and action both have; the hand of a part that is an arm stands apart."""
        every = [self.folder.rows(row.index)[STATE] for row in self.folder.store.rows]
        low, high = np.min([one.min(0) for one in every], 0), np.max([one.max(0) for one in every], 0)
        return tuple(self._limbs(low, high))

    def _limbs(self, low: np.ndarray, high: np.ndarray) -> Iterator[Limb]:
        actions = {part.name: part for part in self.embodiment.action if part.column == ACTION}
        for part in self.embodiment.state:
            if part.column != STATE or part.name not in actions or part.rotation or part.end > len(low):
                continue
            both = [joint for joint in part.joints if joint in actions[part.name].joints]
            hand = [joint for joint in both if _HAND.search(f"{part.name} {joint}")]
            arm = [joint for joint in both if joint not in hand]
            for name, joints in ((part.name, arm), (part.name if not arm else f"{part.name}_hand", hand)):
                if joints:
                    yield _limb(name, part, actions[part.name], joints, low, high)

    @property
    def arms(self) -> tuple[Limb, ...]:
        """The limbs that do not grasp."""
        return tuple(limb for limb in self.limbs if not limb.is_hand)

    @property
    def hands(self) -> tuple[Limb, ...]:
        """The limbs that grasp. Raises Unplantable where there is none."""
        return _some(tuple(limb for limb in self.limbs if limb.is_hand), "no hand and no gripper")

    def moving_arm(self, rows: Rows) -> Limb:
        """The arm that moves most in these rows. Raises Unplantable where none does."""
        return _most(self.arms, rows, "no arm moves")

    def moving_hand(self, rows: Rows) -> Limb:
        """The hand that moves most in these rows. Raises Unplantable where none does."""
        return _most(self.hands, rows, "no hand moves")

    def moving_joint(self, rows: Rows) -> Limb:
        """The joint of an arm that moves most in these rows."""
        joints = [limb.joint(place) for limb in self.arms for place in range(len(limb.state))]
        return _most(tuple(joints), rows, "no joint moves")

    def pairs(self) -> list[tuple[Limb, Limb]]:
        """Left and right limbs of as many joints, each pair once. Raises Unplantable where there is none."""
        by_name = {limb.name: limb for limb in self.limbs}
        named = [(limb, by_name.get(limb.name.replace("left", "right"))) for limb in self.limbs if "left" in limb.name]
        return list(
            _some(tuple((a, b) for a, b in named if b and len(a.state) == len(b.state)), "no left and right side")
        )

    @cached_property
    def cameras(self) -> tuple[str, ...]:
        """The cameras of the robot that the store has pictures of. Raises Unplantable where there is none."""
        store = self.folder.store
        known = [camera.name for camera in self.embodiment.cameras]
        first = store.rows[0].index
        there = tuple(name for name in known if name in store.cameras and store.video_path(first, name).is_file())
        return _some(there, "no video")

    @property
    def camera(self) -> str:
        """The first camera."""
        return self.cameras[0]

    @property
    def other_camera(self) -> str:
        """The second camera. Raises Unplantable where there is only one."""
        return _some(self.cameras[1:], "no second camera")[0]

    @property
    def standing_camera(self) -> str:
        """The first camera that no arm carries. Raises Unplantable where all are on wrists."""
        return _some(
            tuple(name for name in self.cameras if not self._role(name).startswith("wrist")),
            "every camera is on a wrist",
        )[0]

    def _role(self, name: str) -> str:
        camera: Camera = self.embodiment.camera(name)
        return camera.role


def _limb(name: str, state: Part, action: Part, joints: list[str], low: np.ndarray, high: np.ndarray) -> Limb:
    own = tuple(state.start + state.joints.index(joint) for joint in joints)
    told = tuple(action.start + action.joints.index(joint) for joint in joints)
    reach = high[list(own)] - low[list(own)]
    radian = np.full(len(own), _A_RADIAN[state.unit]) if state.unit in _A_RADIAN else reach / _TYPICAL_RAD
    return Limb(name, state.unit, own, told, np.where(radian > 0, radian, 1.0), low[list(own)], high[list(own)])


def _most(limbs: tuple[Limb, ...], rows: Rows, missing: str) -> Limb:
    moving = [limb for limb in limbs if limb.moves(rows)]
    if not moving:
        raise Unplantable(missing)
    return max(moving, key=lambda limb: float(limb.spread_rad(rows).max()))


def _some(found: tuple, missing: str) -> tuple:
    if not found:
        raise Unplantable(missing)
    return found
