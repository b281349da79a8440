"""Stills for grounding: independent scenes, the robot anywhere along its work, and where the named object is."""

from dataclasses import dataclass, fields
from itertools import repeat
from typing import Any

import numpy as np

from gr00t_data.sources.sim.body import SIDES
from gr00t_data.sources.sim.draw import Scene, draw_scene
from gr00t_data.sources.sim.env import geometry
from gr00t_data.sources.sim.kinematics import ArmKinematics
from gr00t_data.sources.sim.render import EgoCamera
from gr00t_data.sources.sim.scene import HALF_HEIGHT_M, PLATE_TOP_M, TABLE_TOP_M, up
from gr00t_data.sources.sim.tasks import PUSH_M, TASKS
from gr00t_data.sources.sim.world import World, part_slots
from gr00t_data.workers import worker_pool

_CHUNK = 64
_ITERATIONS = 12
_HOLDING_RAD = 0.35
_ANYWHERE_LOW_M = (0.2, 0.0, TABLE_TOP_M + 0.037)
_ANYWHERE_HIGH_M = (0.46, 0.27, TABLE_TOP_M + 0.18)


@dataclass(frozen=True)
class Stills:
    """N still pictures and what is known about them. Points in pictures are (column, row) from 0 to 1, NaN when absent.

    Attributes:
        images: uint8 [N, H, W, 3].
        instructions: N texts, each naming one object; tasks: N of TASKS.
        hands: N times "left" or "right", the hand suited to the task; directions: N times "left", "right" or "".
        target_px, place_px, hand_px: float32 [N, 2]: named object; plate or end of the push; grasp point of that hand.
        visible: float32 [N], share of the picture's pixels that show the named object; 0 when it is hidden.
    """

    images: np.ndarray
    instructions: list[str]
    tasks: list[str]
    hands: list[str]
    directions: list[str]
    target_px: np.ndarray
    place_px: np.ndarray
    hand_px: np.ndarray
    visible: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def render_stills(count: int, seed: int, image_size: int = 120, workers: int = 1) -> Stills:
    """Render ``count`` stills of (seed, 0), (seed, 1), ...: each a pure function of its pair, whatever ``workers`` is.

    Raises:
        ValueError: ``count`` is not positive.
    """
    if count < 1:
        raise ValueError(f"expected a positive count of stills, found {count}")
    ranges = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    if workers <= 1 or len(ranges) == 1:
        return _joined([_render(numbers, seed, image_size) for numbers in ranges])
    with worker_pool(workers) as pool:
        return _joined(list(pool.map(_render, ranges, repeat(seed), repeat(image_size))))


def _joined(parts: list[Stills]) -> Stills:
    columns: dict[str, Any] = {}
    for name in (field.name for field in fields(Stills)):
        values = [getattr(part, name) for part in parts]
        lists = isinstance(values[0], list)
        columns[name] = [value for part in values for value in part] if lists else np.concatenate(values)
    return Stills(**columns)


def _render(numbers: range, seed: int, image_size: int) -> Stills:
    arms = {side: ArmKinematics(side) for side in SIDES}
    rows = [_still(np.random.default_rng([13, seed, number]), image_size, arms) for number in numbers]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    for name, values in columns.items():
        if not isinstance(values[0], str):
            columns[name] = np.stack(values)
    return Stills(**columns)


def _still(generator: np.random.Generator, image_size: int, arms: dict[str, ArmKinematics]) -> dict[str, Any]:
    scene = draw_scene(str(generator.choice(TASKS)), int(generator.integers(2**31)))
    world = World(scene)
    _disturb(world, generator, arms)
    camera = EgoCamera(world, image_size)
    image = camera.picture()
    facts = geometry(world, camera)
    points = {key: np.float32(facts[key]) for key in facts if key.endswith("_px")}
    return {
        "images": image,
        "instructions": scene.instruction,
        "tasks": scene.task,
        "hands": scene.side,
        "directions": scene.direction,
        "visible": np.float32(camera.target_share()),
        **points,
    }


def _disturb(world: World, generator: np.random.Generator, arms: dict[str, ArmKinematics]) -> None:
    """Move the acting hand, and what it holds or has moved, to a random moment of the task."""
    scene = world.scene
    acting = SIDES.index(scene.side)
    goal_m, closed_rad = _moment(world, generator)
    arms_rad = [world.state[part_slots(f"{side}_arm")] for side in SIDES]
    arms_rad[acting] = arms[scene.side].solve(arms_rad[acting], goal_m, _ITERATIONS)
    fingers = [0.0, 0.0]
    fingers[acting] = closed_rad
    world.pose(arms_rad, (fingers[0], fingers[1]))
    if closed_rad > 0:
        world.put_object(0, world.hands_m[acting] + generator.normal(0, 0.004, 3), float(generator.normal(0, 0.1)))
        world.pose(arms_rad, (fingers[0], fingers[1]))


def _moment(world: World, generator: np.random.Generator) -> tuple[np.ndarray, float]:
    """Where the acting hand is (float64 [3], metres) and how far it is closed around the object (radians, 0: open)."""
    scene = world.scene
    start_m, target_m = world.hands_m[SIDES.index(scene.side)], world.objects_m[0]
    luck = generator.uniform()
    if luck < 0.2:
        return start_m, 0.0
    if luck < 0.35:
        out = 1 if scene.side == "left" else -1
        return generator.uniform(_ANYWHERE_LOW_M, _ANYWHERE_HIGH_M) * (1, out, 1), 0.0
    if luck < 0.7 or scene.task == "reach":
        over_m = target_m + up(generator.uniform(0.01, 0.09)) + _behind(scene)
        share = generator.uniform(0, 1) ** 0.7
        return start_m + share * (over_m - start_m) + generator.normal(0, 0.01, 3), 0.0
    if scene.task == "push":
        moved_m = np.array([0, scene.push_sign * generator.uniform(0, PUSH_M), 0])
        world.put_object(0, target_m + moved_m, scene.target.yaw_rad)
        return target_m + moved_m + _behind(scene) + up(0.01), 0.0
    return _carrying(world, generator)


def _carrying(world: World, generator: np.random.Generator) -> tuple[np.ndarray, float]:
    """Pick and place: between the object's place and the plate, holding it; or over the plate, having let go."""
    scene = world.scene
    assert scene.plate_m is not None
    start_m = world.objects_m[0]
    end_m = np.array([*scene.plate_m, PLATE_TOP_M + HALF_HEIGHT_M[scene.target.shape]])
    if generator.uniform() < 0.2:
        world.put_object(0, end_m + generator.normal(0, 0.02, 3) * (1, 1, 0), float(generator.normal(0, 0.3)))
        return end_m + up(generator.uniform(0.01, 0.1)), 0.0
    share = generator.uniform()
    return start_m + share * (end_m - start_m) + up(generator.uniform(0.01, 0.09)), _HOLDING_RAD


def _behind(scene: Scene) -> np.ndarray:
    """Where a hand stands to push, relative to the object; zero for the other tasks."""
    return np.array([0.0, -0.095 * scene.push_sign, 0.0])
