"""The simulator as an environment in the manner of Gymnasium: reset, step, observations in the policy's words."""

from typing import TypedDict

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from gr00t_data.sources.sim.body import JOINTS, SIDES
from gr00t_data.sources.sim.draw import Scene, draw_scene
from gr00t_data.sources.sim.render import EgoCamera
from gr00t_data.sources.sim.scene import HALF_HEIGHT_M, PLATE_TOP_M
from gr00t_data.sources.sim.tasks import PUSH_M, STEP_LIMIT, TASKS, Progress, judge
from gr00t_data.sources.sim.world import World

CAMERA = "ego_view"
Pixel = Float32[np.ndarray, "2"]
Point = Float64[np.ndarray, "3"]


class Observation(TypedDict):
    """What a policy sees: pictures uint8 [H, W, 3] by camera, joint positions float64 [44] in radians, the words."""

    video: dict[str, UInt8[np.ndarray, "h w 3"]]
    state: Float64[np.ndarray, "44"]
    instruction: str


class Geometry(TypedDict):
    """Where things are: the named object, the goal (plate or end of the push; NaN for reach) and the acting hand.

    ``*_xyz_m`` metres in the robot's frame, ``*_px`` (column, row) from 0 to 1 (outside when out of the picture),
    ``hand`` "left" or "right", ``direction`` "left", "right" or "".
    """

    hand: str
    direction: str
    target_xyz_m: Point
    target_px: Pixel
    place_xyz_m: Point
    place_px: Pixel
    hand_xyz_m: Point
    hand_px: Pixel


class Info(Geometry):
    """What the policy does not see; ``target`` as "red cube"."""

    task: str
    target: str
    success: bool
    wrong_object: bool
    seed: int
    steps: int


Stepped = tuple[Observation, float, bool, bool, Info]


class TabletopEnv:
    """A two-armed humanoid at a table, told what to do in words; 20 control steps a second.

    Args:
        task: one of TASKS; None lets every reset draw one from its seed.
        image_size: height and width of the picture in pixels.

    Raises:
        ValueError: an unknown task.
    """

    def __init__(self, task: str | None = None, image_size: int = 256) -> None:
        if task is not None and task not in TASKS:
            raise ValueError(f"unknown task {task!r}; choose one of {', '.join(TASKS)}, or None for a random one")
        self.task = task
        self.image_size = image_size
        self._seed: int | None = None

    def reset(self, seed: int) -> tuple[Observation, Info]:
        """Start the scene of (task, seed): always the same one.

        Args:
            seed: any non-negative integer.

        Returns:
            (observation, info).
        """
        task = self.task or TASKS[int(np.random.default_rng([7, seed]).integers(3))]
        self._seed = seed
        self.world = World(draw_scene(task, seed))
        self.camera = EgoCamera(self.world, self.image_size)
        self.progress = Progress()
        self.steps = 0
        return self.observe(), self.info()

    def step(self, action: np.ndarray) -> Stepped:
        """One control step of 50 ms with 44 joint targets in radians.

        Returns:
            (observation, reward 1.0 on success else 0.0, terminated on success, truncated at the step limit, info).

        Raises:
            ValueError: the action is not 44 finite numbers.
            RuntimeError: before the first reset.
        """
        return self.step_chunk(np.asarray(action)[None])

    def step_chunk(self, actions: np.ndarray) -> Stepped:
        """Control steps with actions [K, 44] in a row, one picture at the end; stops early when the episode ends."""
        if self._seed is None:
            raise RuntimeError("the environment was not reset; call reset(seed) first")
        actions = np.asarray(actions, dtype=np.float64)
        if actions.ndim != 2 or actions.shape[1] != len(JOINTS) or not np.isfinite(actions).all():
            raise ValueError(f"expected {len(JOINTS)} finite joint targets a step; found shape {actions.shape}")
        for action in actions:
            if self.progress.success or self.truncated:
                break
            self.world.advance(action)
            self.steps += 1
            self.progress = judge(self.world.scene.task, self.world.facts, self.progress)
        success = self.progress.success
        return self.observe(), float(success), success, self.truncated and not success, self.info()

    @property
    def truncated(self) -> bool:
        """Whether the step limit of the task is reached."""
        return self.steps >= STEP_LIMIT[self.world.scene.task]

    def observe(self) -> Observation:
        """The observation of the present."""
        return {
            "video": {CAMERA: self.camera.picture()},
            "state": self.world.state,
            "instruction": self.world.scene.instruction,
        }

    def info(self) -> Info:
        """What the policy does not see."""
        scene, seed = self.world.scene, self._seed
        assert seed is not None  # there is no world before the first reset
        return {
            "task": scene.task,
            "target": scene.target.name,
            "success": self.progress.success,
            "wrong_object": self.progress.wrong_object,
            "seed": seed,
            "steps": self.steps,
            **geometry(self.world, self.camera),
        }


def geometry(world: World, camera: EgoCamera) -> Geometry:
    """Where things are."""
    scene, seen = world.scene, camera.pinhole.normalised
    target, place, hand = world.objects_m[0], goal_m(scene, world), world.hands_m[SIDES.index(scene.side)]
    return {
        "hand": scene.side,
        "direction": scene.direction,
        "target_xyz_m": target,
        "target_px": seen(target),
        "place_xyz_m": place,
        "place_px": seen(place),
        "hand_xyz_m": hand,
        "hand_px": seen(hand),
    }


def goal_m(scene: Scene, world: World) -> np.ndarray:
    """Where the centre of the named object is to end, float64 [3]; NaN for a reach."""
    if scene.task == "pick_and_place" and scene.plate_m is not None:
        return np.array([*scene.plate_m, PLATE_TOP_M + HALF_HEIGHT_M[scene.target.shape]])
    if scene.task == "push":
        return world.starts_m[0] + (0.0, scene.push_sign * PUSH_M, 0.0)
    return np.full(3, np.nan)
