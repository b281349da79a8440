# pyright: reportAttributeAccessIssue=false
# (mujoco is compiled and ships no stubs)
"""A roll-out of the embedded simulator as a list of poses: what oracle dreams change before they are drawn."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import mujoco
import numpy as np

from gr00t_data.sources.sim.body import MOVING_INDEX
from gr00t_data.sources.sim.draw import Scene, draw_scene
from gr00t_data.sources.sim.render import EgoCamera
from gr00t_data.sources.sim.scene import ids_of
from gr00t_data.sources.sim.tasks import TASKS
from gr00t_data.sources.sim.world import World
from gr00t_data.store.store import EpisodeStore

_SAME_RAD = 0.05
"""How far replayed joints may be from the recorded ones: the same physics differ by less than 0.005."""
_FREE_JOINT = 7
_HIDDEN_M = -3.0


class RolloutError(ValueError):
    """An episode that the simulator cannot show again; the message says why."""


@dataclass(frozen=True)
class NamedScene:
    """A scene of the simulator as provenance names it."""

    task: str
    seed: int
    simulator: Literal["tabletop"] = "tabletop"


@dataclass(frozen=True)
class Rollout:
    """What a scene went through, one pose a control step, each before the command of that step.

    Attributes:
        pose: float64 [T, Q], MuJoCo's generalised positions: joints in radians, objects in metres and quaternions.
        action: float64 [T, 44], commands in radians.
        object_at: for each object, the first of its seven values in a pose.
        joints_at: where the 26 moving joints are in a pose.
        hands_m: float64 [T, 2, 3], grasp points of the left and the right hand.
    """

    scene: Scene
    pose: np.ndarray
    action: np.ndarray
    object_at: tuple[int, ...]
    joints_at: np.ndarray
    hands_m: np.ndarray

    def __len__(self) -> int:
        return len(self.pose)

    def objects_m(self, index: int) -> np.ndarray:
        """float64 [T, 3]: the centre of an object."""
        return self.pose[:, self.object_at[index] : self.object_at[index] + 3]

    @property
    def state(self) -> np.ndarray:
        """float64 [T, 44]: joint positions, radians; zero for joints that are fixed."""
        values = np.zeros((len(self), self.action.shape[1]))
        values[:, MOVING_INDEX] = self.pose[:, self.joints_at]
        return values

    def with_object(self, index: int, first: int, shift_m: np.ndarray) -> "Rollout":
        """The same with an object moved by ``shift_m`` [3] from frame ``first`` on."""
        pose = self.pose.copy()
        pose[first:, self.object_at[index] : self.object_at[index] + 3] += shift_m
        return replace(self, pose=pose)

    def without_object(self, index: int) -> "Rollout":
        """The same with an object out of sight, and so without its shadow."""
        pose = self.pose.copy()
        pose[:, self.object_at[index] + 2] = _HIDDEN_M
        return replace(self, pose=pose)


def named_scene(source: object) -> NamedScene | None:
    """The scene of an episode recorded in the simulator, from what is said of it; None for others."""
    facts = source if isinstance(source, Mapping) else {}
    task, seed = facts.get("task"), facts.get("seed")
    if facts.get("simulator") != "tabletop" or task not in TASKS or not isinstance(seed, int):
        return None
    return NamedScene(task, seed)


def rollout_of(store: EpisodeStore, index: int) -> Rollout:
    """The recorded episode, gone through again with its own commands.

    Raises:
        RolloutError: it was not recorded in the simulator, or with shoves, or the simulator now moves differently.
    """
    source = store.row(index).source
    scene = named_scene(source.facts())
    if scene is None:
        raise RolloutError(f"{store.root}: episode {index} was not recorded in the simulator")
    if source.shoves:
        raise RolloutError(f"{store.root}: episode {index} was recorded with shoves, which its commands do not tell")
    done = roll_out(scene, store.action(index))
    apart = float(np.abs(done.state - store.state(index)).max())
    if apart > _SAME_RAD:
        raise RolloutError(
            f"{store.root}: episode {index}: the simulator goes {apart:.2g} rad astray with the recorded commands; it "
            "was recorded by another version: record it again"
        )
    return done


def roll_out(scene: NamedScene, action: np.ndarray) -> Rollout:
    """The scene under commands float64 [T, 44], open loop."""
    world = World(draw_scene(scene.task, scene.seed))
    poses, hands = [], []
    for command in action:
        poses.append(world.data.qpos.copy())
        hands.append(world.hands_m)
        world.advance(command)
    joints = ids_of(world.model, mujoco.mjtObj.mjOBJ_JOINT, _objects(world.scene))
    object_at = tuple(world.model.jnt_qposadr[joints].tolist())
    joints_at = np.setdiff1d(np.arange(world.model.nq), [at + k for at in object_at for k in range(_FREE_JOINT)])
    moving = world.model.jnt_qposadr[world.model.actuator_trnid[:, 0]]
    assert set(moving.tolist()) == set(joints_at.tolist())
    return Rollout(world.scene, np.array(poses), np.asarray(action), object_at, moving, np.array(hands))


def _objects(scene: Scene) -> list[str]:
    return [f"object{index}" for index in range(len(scene.things))]


def drawn(rollout: Rollout, size: int, thickness: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pictures of a roll-out, and which geom each pixel shows.

    Args:
        size: pixels of a side.
        thickness: float64 [T], by how much the acting arm is thicker in each picture than it is; None: nowhere.

    Yields:
        uint8 [size, size, 3] RGB, int32 ids as of ``EgoCamera.geoms_seen``.
    """
    world = World(rollout.scene)
    limbs = np.zeros(0, dtype=int)
    if thickness is not None:
        # Compiled models are shared between worlds and never changed: this one is a copy.
        world.model = copy.copy(world.model)
        limbs = _limbs(world, rollout.scene.side)
    sizes, boxes = world.model.geom_size.copy(), world.model.geom_aabb.copy()
    camera = EgoCamera(world, size)
    for number, pose in enumerate(rollout.pose):
        if thickness is not None:
            _thicken(world, limbs, sizes, boxes, float(thickness[number]))
        world.data.qpos[:] = pose
        mujoco.mj_forward(world.model, world.data)
        yield camera.picture(), camera.geoms_seen()


def robot_geoms(scene: Scene) -> np.ndarray:
    """bool [geoms]: which geoms of a scene are the robot."""
    world = World(scene)
    robot = world.model.geom_group == 1
    robot[ids_of(world.model, mujoco.mjtObj.mjOBJ_GEOM, _objects(scene))] = False
    return robot


def _limbs(world: World, side: str) -> np.ndarray:
    """Ids of the geoms of the upper arm, the forearm and the palm."""
    names = [f"{side}_upper_arm", f"{side}_forearm", f"{side}_palm"]
    return np.flatnonzero(np.isin(world.model.geom_bodyid, ids_of(world.model, mujoco.mjtObj.mjOBJ_BODY, names)))


def _thicken(world: World, geoms: np.ndarray, sizes: np.ndarray, boxes: np.ndarray, times: float) -> None:
    """Scale what crosses the length of a limb: the radius of a capsule, two sides of a box; and the boxes around."""
    model = world.model
    for geom in geoms:
        added = sizes[geom, 0] * (times - 1)
        model.geom_size[geom, :2] = sizes[geom, :2] + (added, 0)
        if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX:
            model.geom_size[geom, 1] = sizes[geom, 1] + added
        model.geom_aabb[geom, 3:] = boxes[geom, 3:] + added
        model.geom_rbound[geom] = np.linalg.norm(model.geom_aabb[geom, 3:])
