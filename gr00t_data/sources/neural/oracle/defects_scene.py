"""Defects that break physics: planted into the scene of the simulator and drawn by its camera, shadows included."""

from dataclasses import replace

import numpy as np

from gr00t_data.sources.neural.oracle.planting import Material, Plant, Planted, PlantError, every_row, middle_frame
from gr00t_data.sources.neural.rollout import Rollout, drawn
from gr00t_data.sources.sim.body import MOVING_INDEX, SIDES
from gr00t_data.sources.sim.kinematics import ArmKinematics
from gr00t_data.sources.sim.tasks import phrase
from gr00t_data.sources.sim.world import part_slots

_JUMP_M = 0.12
_GAP_M = 0.1
_TABLE_X_M, _TABLE_HALF_WIDTH_M = (0.24, 0.5), 0.3
_APART_M = 0.07
_TRIES = 200
_MOVED_M = 0.01
_RAMP_FRAMES = 8
_THICKER = 0.8
_FEWEST_PX_SHARE = 2e-3
_SEEN_LEVELS = 12
_MOST_FADE = 5


def teleport(material: Material) -> Planted:
    """From some frame on, one object stands 12 cm away, and everything that happens to it happens there."""
    rollout, at = material.staged(), middle_frame(material)
    shown = [index for index in range(len(rollout.scene.things)) if _shown(material, rollout, index, at) is not None]
    for _ in range(_TRIES if shown else 0):
        index = int(material.generator.choice(shown))
        turn = material.generator.uniform(0, 2 * np.pi)
        shift_m = material.strength * _JUMP_M * np.array([np.cos(turn), np.sin(turn), 0.0])
        if _is_free(rollout, index, at, shift_m):
            frames = pictures(rollout.with_object(index, at, shift_m), material.frames)
            severity = float(np.linalg.norm(shift_m))
            return Planted(frames, every_row(frames), (at, len(frames) - 1), severity, "m")
    raise PlantError("found no free place on the table for an object to leap to")


def _is_free(rollout: Rollout, index: int, at: int, shift_m: np.ndarray) -> bool:
    """Whether the object stays on the table, in view, and away from the others."""
    there_m = rollout.objects_m(index)[at] + shift_m
    if not _TABLE_X_M[0] < there_m[0] < _TABLE_X_M[1] or abs(there_m[1]) > _TABLE_HALF_WIDTH_M:
        return False
    others = [rollout.objects_m(other)[at] for other in range(len(rollout.scene.things)) if other != index]
    return all(np.linalg.norm((there_m - other_m)[:2]) > _APART_M for other_m in others)


def vanish(material: Material) -> Planted:
    """From some frame on, one object is gone; it fades within 1 to 5 frames."""
    rollout, at = material.staged(), middle_frame(material)
    frames = material.frames
    for index in material.generator.permutation(len(rollout.scene.things)):
        share = _shown(material, rollout, int(index), at)
        if share is None:
            continue
        empty = pictures(rollout.without_object(int(index)), frames)
        fade = int(material.generator.integers(1, _MOST_FADE + 1))
        gone = np.clip((np.arange(len(frames)) - at + 1) / fade, 0, 1) * min(material.strength, 1.0)
        gone = gone[:, None, None, None]
        mixed = np.rint(frames * (1 - gone) + empty * gone).astype(np.uint8)
        severity = share * min(material.strength, 1.0)
        return Planted(mixed, every_row(frames), (at, len(frames) - 1), severity, "share of the picture")
    raise PlantError(f"needs an object that is seen from frame {at} to the end")


def _shown(material: Material, rollout: Rollout, index: int, at: int) -> float | None:
    """Share of the picture that the object takes up; None when it is hidden in frame ``at`` or in the last one."""
    ends = replace(rollout, pose=rollout.pose[[at, -1]], action=rollout.action[[at, -1]])
    empty = pictures(ends.without_object(index), material.frames)
    seen = np.abs(material.frames[[at, -1]].astype(int) - empty).max(-1) > _SEEN_LEVELS
    share = float(seen.mean((1, 2)).min())
    return share if share > _FEWEST_PX_SHARE else None


def carry(material: Material) -> Planted:
    """The object goes its way, but the hand is open and 10 cm above it: nothing touches what moves."""
    rollout = material.staged()
    moved_m = np.linalg.norm(rollout.objects_m(0) - rollout.objects_m(0)[0], axis=1)
    going = np.flatnonzero(moved_m > _MOVED_M)
    if not len(going):
        raise PlantError("needs an episode in which the named object moves")
    first = int(going[0])
    # The hand leaves its way before the object moves, so that no frame shows a leap.
    ramp = np.clip((np.arange(len(rollout)) - first + _RAMP_FRAMES) / _RAMP_FRAMES, 0, 1)
    lifted = _lifted(rollout, ramp * material.strength * _GAP_M)
    frames = pictures(lifted, material.frames)
    still = np.flatnonzero(np.linalg.norm(np.diff(rollout.objects_m(0), axis=0), axis=1) > _MOVED_M / 10)
    span, severity = (first, int(still[-1]) + 1), material.strength * _GAP_M
    return Planted(frames, every_row(frames), span, severity, "m", action=lifted.action)


def _lifted(rollout: Rollout, height_m: np.ndarray) -> Rollout:
    """The acting hand ``height_m`` [T] higher and open, by inverse kinematics; the commands follow."""
    side = rollout.scene.side
    kinematics, number = ArmKinematics(side), SIDES.index(side)
    arm, hand = part_slots(f"{side}_arm"), part_slots(f"{side}_hand")
    state, action, pose = rollout.state, rollout.action.copy(), rollout.pose.copy()
    open_rad, told_open = state[0, hand].copy(), rollout.action[0, hand].copy()
    for row in np.flatnonzero(height_m > 0):
        goal_m = rollout.hands_m[row, number] + (0.0, 0.0, height_m[row])
        before = state[row, arm].copy()
        state[row, arm] = kinematics.solve(before, goal_m, iterations=12)
        state[row, hand] = open_rad
        action[row, arm] += state[row, arm] - before
        action[row, hand] = told_open
    pose[:, rollout.joints_at] = state[:, MOVING_INDEX]
    return replace(rollout, pose=pose, action=action)


def wrong_object(material: Material) -> Planted:
    """The instruction names another object of the scene than the one that the robot turns to."""
    scene, frames = material.staged().scene, material.frames
    other = scene.things[int(material.generator.integers(1, len(scene.things)))]
    said = phrase(scene.task, other.name, scene.direction, material.generator)
    return Planted(frames, every_row(frames), (0, len(frames) - 1), 1.0, "clips", said)


def arm_morph(material: Material) -> Planted:
    """The acting arm swells from some frame on, up to 1.8 times its thickness."""
    rollout, at = material.staged(), middle_frame(material)
    times = np.ones(len(rollout))
    times[at:] = np.linspace(1.0, 1 + _THICKER * material.strength, len(rollout) - at)
    frames = pictures(rollout, material.frames, times)
    return Planted(frames, every_row(frames), (at, len(frames) - 1), float(times[-1]), "times as thick")


def pictures(rollout: Rollout, like: np.ndarray, thickness: np.ndarray | None = None) -> np.ndarray:
    """uint8 [T, s, s, 3]: a roll-out drawn as large as ``like`` [T, s, s, 3]. PlantError when that is no square."""
    if like.shape[1] != like.shape[2]:
        raise PlantError(f"the simulator draws squares, the clip has {like.shape[1:3]}")
    return np.stack([picture for picture, _ in drawn(rollout, like.shape[1], thickness)])


SCENE_DEFECTS: dict[str, Plant] = {
    "teleport": teleport,
    "vanish": vanish,
    "carry": carry,
    "wrong_object": wrong_object,
    "arm_morph": arm_morph,
}
