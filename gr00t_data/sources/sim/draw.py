"""One random scene: which objects, where, in what light, and what the robot is told to do with one of them."""

from dataclasses import dataclass

import numpy as np

from gr00t_data.sources.sim.scene import PLATE_RADIUS_M, SHAPES
from gr00t_data.sources.sim.tasks import PUSH_M, TASKS, phrase

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.10),
    "green": (0.12, 0.62, 0.18),
    "blue": (0.12, 0.28, 0.85),
    "yellow": (0.92, 0.80, 0.10),
    "purple": (0.55, 0.16, 0.66),
    "orange": (0.95, 0.45, 0.05),
}
_MOST_OBJECTS = 4
_REACH_X_M = (0.27, 0.46)
_REACH_Y_M = (0.03, 0.26)
_STREWN_X_M = (0.25, 0.5)
_STREWN_HALF_WIDTH_M = 0.29
_APART_M = 0.09
# An open hand is about 15 cm wide from side to side and 5 cm deep: how far neighbours keep from what it must reach.
_HAND_ROOM_M = (0.085, 0.135)
_HAND_START_M = (0.185, 0.23, 1.03)
_HAND_START_SPREAD_M = (0.03, 0.035, 0.04)
_TRIES = 200


@dataclass(frozen=True)
class Thing:
    """An object on the table: its words, its centre (metres, on the table plane) and its turn about the vertical."""

    colour: str
    shape: str
    x_m: float
    y_m: float
    yaw_rad: float

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True)
class Looks:
    """What varies in the picture only: light position (metres), ambient share, colours (0..1), grain of the table."""

    light_m: tuple[float, float, float]
    ambient: float
    table_rgb: tuple[float, float, float]
    plate_rgb: tuple[float, float, float]
    robot_rgb: tuple[float, float, float]
    object_rgb: tuple[tuple[float, float, float], ...]
    grain_phase: float


@dataclass(frozen=True)
class Scene:
    """Everything a seed decides. ``things[0]`` is the object the instruction names.

    ``direction`` is "left", "right" (pushes) or ""; ``plate_m`` is the plate's centre on the table or None; ``side``
    the hand suited to the task; ``hand_start_m`` the two grasp points (left, right) at the start.
    """

    task: str
    instruction: str
    things: tuple[Thing, ...]
    side: str
    direction: str
    plate_m: tuple[float, float] | None
    hand_start_m: tuple[tuple[float, float, float], tuple[float, float, float]]
    looks: Looks

    @property
    def target(self) -> Thing:
        return self.things[0]

    @property
    def push_sign(self) -> int:
        """+1 for left (+y), -1 for right, 0 when nothing is to be pushed."""
        return {"left": 1, "right": -1}.get(self.direction, 0)


class _Crowded(Exception):
    """A draw left no room for the next object."""


def draw_scene(task: str, seed: int) -> Scene:
    """The scene of a task and a seed: every (colour, shape) pair is unique and the suited hand reaches its object.

    Raises:
        ValueError: ``task`` is not one of TASKS.
    """
    if task not in TASKS:
        raise ValueError(f"unknown task {task!r}; choose one of {', '.join(TASKS)}")
    generator = np.random.default_rng([TASKS.index(task), seed])
    while True:
        try:
            return _draw(task, generator)
        except _Crowded:
            continue


def _draw(task: str, generator: np.random.Generator) -> Scene:
    out = int(generator.choice([-1, 1]))
    target_m = _draw_target(task, out, generator)
    plate_m = _draw_plate(task, target_m, out, generator)
    words = _draw_words(int(generator.integers(2, _MOST_OBJECTS + 1)), generator)
    spots = _strew(len(words), task, target_m, out, plate_m, generator)
    things = tuple(
        Thing(colour, shape, float(x), float(y), float(generator.uniform(-0.3, 0.3)))
        for (colour, shape), (x, y) in zip(words, spots, strict=True)
    )
    direction = ("right" if out > 0 else "left") if task == "push" else ""
    return Scene(
        task=task,
        instruction=phrase(task, things[0].name, direction, generator),
        things=things,
        side="left" if out > 0 else "right",
        direction=direction,
        plate_m=plate_m,
        hand_start_m=_draw_hands(generator),
        looks=_draw_looks([thing.colour for thing in things], generator),
    )


def _draw_target(task: str, out: int, generator: np.random.Generator) -> tuple[float, float]:
    x, y = float(generator.uniform(*_REACH_X_M)), float(generator.uniform(*_REACH_Y_M))
    if task == "push":
        # The palm of a hand faces inward, so it pushes towards the other side: the object starts on the hand's own side
        # or a little beyond the middle.
        return min(x, 0.41), out * float(generator.uniform(-0.05, 0.17))
    return x, out * y


def _draw_plate(
    task: str, target_m: tuple[float, float], out: int, generator: np.random.Generator
) -> tuple[float, float] | None:
    """Always for pick_and_place, sometimes for reach, never in the way of a push."""
    if task == "push" or (task == "reach" and generator.uniform() < 0.6):
        return None
    for _ in range(_TRIES):
        x, y = float(generator.uniform(0.28, 0.42)), out * float(generator.uniform(-0.03, 0.24))
        if np.hypot(x - target_m[0], y - target_m[1]) > PLATE_RADIUS_M + 0.08:
            return x, y
    raise _Crowded


def _draw_words(count: int, generator: np.random.Generator) -> list[tuple[str, str]]:
    """Unique (colour, shape) pairs; most of the others share a word with the first, so that both words are needed."""
    colours, shapes = list(COLOURS), list(SHAPES)
    words = [(str(generator.choice(colours)), str(generator.choice(shapes)))]
    while len(words) < count:
        luck = generator.uniform()
        colour = words[0][0] if luck < 0.4 else str(generator.choice(colours))
        shape = words[0][1] if 0.4 <= luck < 0.8 else str(generator.choice(shapes))
        if (colour, shape) not in words:
            words.append((colour, shape))
    return words


def _strew(
    count: int,
    task: str,
    target_m: tuple[float, float],
    out: int,
    plate_m: tuple[float, float] | None,
    generator: np.random.Generator,
) -> list[tuple[float, float]]:
    spots = [target_m]
    tries = 0
    while len(spots) < count:
        tries += 1
        if tries > _TRIES:
            raise _Crowded
        x = float(generator.uniform(*_STREWN_X_M))
        y = float(generator.uniform(-_STREWN_HALF_WIDTH_M, _STREWN_HALF_WIDTH_M))
        if _is_free(x, y, spots, task, out, plate_m):
            spots.append((x, y))
    return spots


def _is_free(
    x: float, y: float, spots: list[tuple[float, float]], task: str, out: int, plate_m: tuple[float, float] | None
) -> bool:
    if any(np.hypot(x - other_x, y - other_y) < _APART_M for other_x, other_y in spots):
        return False
    if plate_m and np.hypot(x - plate_m[0], y - plate_m[1]) < PLATE_RADIUS_M + 0.055:
        return False
    ahead_m, aside_m = abs(x - spots[0][0]), (y - spots[0][1]) * -out
    if task == "push":
        behind_m, beyond_m = _HAND_ROOM_M[1] + 0.1, PUSH_M + 0.11
        return ahead_m > _HAND_ROOM_M[0] + 0.01 or not -behind_m < aside_m < beyond_m
    return ahead_m > _HAND_ROOM_M[0] or abs(aside_m) > _HAND_ROOM_M[1]


def _draw_hands(generator: np.random.Generator) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    left, right = (np.array(_HAND_START_M) + generator.uniform(-1, 1, 3) * _HAND_START_SPREAD_M for _ in range(2))
    return (float(left[0]), float(left[1]), float(left[2])), (float(right[0]), -float(right[1]), float(right[2]))


def _draw_looks(colours: list[str], generator: np.random.Generator) -> Looks:
    table = generator.uniform(0.42, 0.75) * (1 + generator.uniform(-1, 1, 3) * (0.08, 0.04, 0.08) + (0.08, 0.0, -0.1))
    plate = generator.uniform(0.82, 0.97) + generator.uniform(-0.03, 0.03, 3)
    robot = generator.uniform(0.1, 0.22) + generator.uniform(-0.02, 0.02, 3)
    shades = [np.clip(np.array(COLOURS[name]) * generator.uniform(0.9, 1.08), 0, 1) for name in colours]
    return Looks(
        light_m=(
            float(generator.uniform(0.0, 0.7)),
            float(generator.uniform(-0.7, 0.7)),
            float(generator.uniform(2.0, 2.6)),
        ),
        ambient=float(generator.uniform(0.4, 0.58)),
        table_rgb=_rgb(table),
        plate_rgb=_rgb(plate),
        robot_rgb=_rgb(robot),
        object_rgb=tuple(_rgb(shade) for shade in shades),
        grain_phase=float(generator.uniform(0, 2 * np.pi)),
    )


def _rgb(values: np.ndarray) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in np.clip(values, 0, 1))
    return red, green, blue
