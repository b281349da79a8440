"""The scripted expert: what a hand does next depends on poses and joint angles of the present, on no clock or memory.

Each task is a field of goals for the grasp point; a bounded step towards the goal goes through inverse kinematics. So
the expert can also take over from any state, and a policy without history can imitate it.
"""

from dataclasses import dataclass

import numpy as np

from gr00t_data.sources.sim.body import HAND_CLOSED, HAND_OPEN, JOINTS, SIDES
from gr00t_data.sources.sim.kinematics import ArmKinematics
from gr00t_data.sources.sim.scene import HALF_HEIGHT_M, PLATE_TOP_M, TABLE_TOP_M, up
from gr00t_data.sources.sim.world import World, part_slots

_LOWEST_GRASP_M = TABLE_TOP_M + 0.037
_STEP_M = 0.017
_SLOWING = 0.3
_SLOWEST_M = 0.002
_FUNNEL_SLOPE = 1.3
_FUNNEL_RADIUS_M = 0.012
_HOVER_M = 0.09
_CARRY_M = 0.075
_REACH_ABOVE_M = 0.015
# From the grasp point to the outer face of the thumb, which pushes; and how far behind the object the hand comes down.
_THUMB_FACE_M = 0.062
_STAGING_M = 0.022
_NEAR_M = 0.013
_STILL_NEAR_M = 0.04
_CLOSING_RAD = 0.06
_RELEASE_M = 0.008


@dataclass(frozen=True)
class Intent:
    """Where the grasp point of the acting hand is to go (float64 [3], metres) and whether the hand is to be closed."""

    goal_m: np.ndarray
    closed: bool


class Expert:
    """Commands for one world.

    Args:
        world: at its start; the idle arm is held where it is now.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._side = SIDES.index(world.scene.side)
        self._kinematics = ArmKinematics(world.scene.side)
        self._arm = part_slots(f"{world.scene.side}_arm")
        self._still = np.zeros(len(JOINTS))
        for side in SIDES:
            self._still[part_slots(f"{side}_arm")] = world.state[part_slots(f"{side}_arm")]
            self._still[part_slots(f"{side}_hand")] = HAND_OPEN

    def act(self) -> np.ndarray:
        """Float64 [44], radians: the joint targets for the next control step."""
        intent = self.intent()
        here_m = self._world.hands_m[self._side]
        action = self._still.copy()
        action[self._arm] = self._kinematics.solve(self._world.state[self._arm], here_m + _step(here_m, intent.goal_m))
        action[part_slots(f"{self._world.scene.side}_hand")] = HAND_CLOSED if intent.closed else HAND_OPEN
        return action

    def intent(self) -> Intent:
        """What the acting hand is about to do."""
        choose = {"reach": self._reach, "push": self._push, "pick_and_place": self._pick_and_place}
        return choose[self._world.scene.task](self._world.hands_m[self._side], self._world.objects_m[0])

    def _reach(self, hand_m: np.ndarray, target_m: np.ndarray) -> Intent:
        return Intent(_funnel(hand_m, target_m + up(_REACH_ABOVE_M)), closed=False)

    def _push(self, hand_m: np.ndarray, target_m: np.ndarray) -> Intent:
        sign = self._world.scene.push_sign
        behind_m = _THUMB_FACE_M + HALF_HEIGHT_M[self._world.scene.target.shape]
        ahead_m = sign * (target_m[1] - hand_m[1])
        in_lane = abs(hand_m[0] - target_m[0]) < 0.02 and hand_m[2] < _LOWEST_GRASP_M + 0.02
        if in_lane and behind_m - 0.02 < ahead_m:
            return Intent(np.array([target_m[0], hand_m[1] + sign * 0.1, _LOWEST_GRASP_M]), closed=False)
        staging = np.array([target_m[0], target_m[1] - sign * (behind_m + _STAGING_M), _LOWEST_GRASP_M])
        return Intent(_funnel(hand_m, staging), closed=False)

    def _pick_and_place(self, hand_m: np.ndarray, target_m: np.ndarray) -> Intent:
        scene = self._world.scene
        assert scene.plate_m is not None
        rest_m = np.array([*scene.plate_m, PLATE_TOP_M + HALF_HEIGHT_M[scene.target.shape]])
        flexed_rad = float(self._world.state[part_slots(f"{scene.side}_hand")][:4].mean())
        if self._world.on_plate[0] and target_m[2] - rest_m[2] < _RELEASE_M:
            return Intent(hand_m + up(0.1 if flexed_rad < 2 * _CLOSING_RAD else 0.0), closed=False)
        offset_m = hand_m - target_m
        if self._world.pinched(scene.side, 0) and np.linalg.norm(offset_m) < _STILL_NEAR_M:
            return Intent(_funnel(hand_m, rest_m + offset_m, _CARRY_M), closed=True)
        grasp_m = np.array([target_m[0], target_m[1], max(target_m[2], _LOWEST_GRASP_M)])
        near_m = _STILL_NEAR_M if flexed_rad > _CLOSING_RAD else _NEAR_M
        if np.linalg.norm(hand_m - grasp_m) < near_m:
            return Intent(grasp_m if flexed_rad < _CLOSING_RAD else hand_m, closed=True)
        return Intent(_funnel(hand_m, grasp_m), closed=False)


def _funnel(hand_m: np.ndarray, point_m: np.ndarray, hover_m: float = _HOVER_M) -> np.ndarray:
    """A goal over ``point_m`` whose height sinks as the hand comes into line; a hand that is too low rises first."""
    aside_m = float(np.linalg.norm(hand_m[:2] - point_m[:2]))
    height_m = point_m[2] + min(hover_m, _FUNNEL_SLOPE * max(0.0, aside_m - _FUNNEL_RADIUS_M))
    free = float(np.clip(1.2 - (height_m - hand_m[2]) / 0.04, 0.08, 1.0))
    sideways_m = hand_m[:2] + free * (point_m[:2] - hand_m[:2])
    return np.array([*sideways_m, height_m])


def _step(here_m: np.ndarray, goal_m: np.ndarray) -> np.ndarray:
    """The part of the way that one control step covers: a bounded speed that falls near the goal."""
    way_m = goal_m - here_m
    far_m = float(np.linalg.norm(way_m))
    if far_m < 1e-9:
        return np.zeros(3)
    return way_m * min(1.0, min(_STEP_M, _SLOWING * far_m + _SLOWEST_M) / far_m)
