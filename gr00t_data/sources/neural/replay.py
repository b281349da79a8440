"""Replay of inferred actions in the embedded simulator, from the scene that the provenance of a clip names."""

import cv2
import numpy as np

from gr00t_data.replayed import REPLAY_PX, Replayed
from gr00t_data.sources.neural.rollout import Rollout, drawn, named_scene, robot_geoms, roll_out
from gr00t_data.sources.sim.draw import Scene
from gr00t_data.sources.sim.scene import PLATE_RADIUS_M
from gr00t_data.sources.sim.tasks import PUSH_M, REACH_M
from gr00t_data.store.provenance import Facts

LIBRARIES = ("mujoco", "numpy", "opencv-python-headless", "pyarrow")

_FINER = 2
"""Drawn larger and averaged, as the small pictures of a clip are: edges then differ a third as much."""


def replay_in_simulator(provenance: Facts, instruction: str, action: np.ndarray) -> Replayed | None:
    """Execute ``action`` (float64 [T, 44], rad) open loop in the scene of ``provenance["scene"]``.

    Values beyond the range of a servo are clipped by it, as on a robot. None when no scene is named.
    """
    scene = named_scene(provenance.get("scene"))
    if scene is None or not len(action) or not np.isfinite(action).all():
        return None
    done = roll_out(scene, action)
    robot = robot_geoms(done.scene)
    pictures, masks = [], []
    for picture, ids in drawn(done, _FINER * REPLAY_PX):
        pictures.append(cv2.resize(picture, (REPLAY_PX, REPLAY_PX), interpolation=cv2.INTER_AREA))
        masks.append(_smaller((ids >= 0) & robot[ids], REPLAY_PX))
    names = tuple(thing.name for thing in done.scene.things)
    named = _named(names, instruction)
    return Replayed(
        frames=np.array(pictures),
        robot=np.array(masks),
        hands_m=done.hands_m,
        starts_m=np.array([done.objects_m(index)[0] for index in range(len(names))]),
        names=names,
        named=named,
        left_m=float("nan") if named is None else _left_m(done, named, instruction),
    )


def _smaller(mask: np.ndarray, side: int) -> np.ndarray:
    """bool [side, side]: whether anything of each square is set."""
    times = len(mask) // side
    return np.asarray(mask.reshape(side, times, side, times).any((1, 3)))


def _named(names: tuple[str, ...], instruction: str) -> int | None:
    found = [number for number, name in enumerate(names) if name in instruction.lower()]
    return found[0] if len(found) == 1 else None


def _left_m(done: Rollout, named: int, instruction: str) -> float:
    """How far the named object (for a reach: the nearer hand) is from where the task of the scene wants it."""
    scene, path_m = done.scene, done.objects_m(named)
    if scene.task == "pick_and_place" and scene.plate_m is not None:
        return max(float(np.linalg.norm(path_m[-1, :2] - scene.plate_m)) - PLATE_RADIUS_M, 0.0)
    if scene.task == "push":
        return max(PUSH_M - _push_sign(scene, instruction) * float(path_m[-1, 1] - path_m[0, 1]), 0.0)
    away_m = np.linalg.norm(done.hands_m[-1] - path_m[-1], axis=1)
    return max(float(away_m.min()) - REACH_M, 0.0)


def _push_sign(scene: Scene, instruction: str) -> int:
    """+1 towards the left of the robot, -1 towards the right: as the instruction says, else as the scene was drawn."""
    words = instruction.lower().split()
    return {"left": 1, "right": -1}.get(words[-1] if words else "", scene.push_sign)
