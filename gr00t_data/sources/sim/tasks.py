"""The tasks: what is said, and when it is done - measured from object poses, never from the picture."""

from dataclasses import dataclass, replace

import numpy as np

TASKS = ("reach", "push", "pick_and_place")

_PHRASES = {
    "reach": (
        "reach the {thing}",
        "reach for the {thing}",
        "move your hand to the {thing}",
        "bring your hand to the {thing}",
    ),
    "push": (
        "push the {thing} to the {direction}",
        "slide the {thing} to the {direction}",
        "move the {thing} to the {direction}",
    ),
    "pick_and_place": (
        "pick up the {thing} and place it on the plate",
        "put the {thing} on the plate",
        "place the {thing} on the plate",
        "grasp the {thing} and set it on the plate",
    ),
}

REACH_M = 0.06
"""Reach: the grasp point is this near to the object's centre, and nearer to it than to any other object."""
REACH_HELD_STEPS = 5
PUSH_M = 0.08
"""Push: the object has moved this far in the named direction since the start ..."""
PUSH_SIDEWAYS_M = 0.06
"""... and at most this far across it."""
PLACE_HEIGHT_M = 0.012
"""Place: the centre is within this of its resting height on the plate, over the plate, and no hand touches it."""
PLACE_HELD_STEPS = 3
STRAY_PUSH_M = 0.05
"""Another object that moved this far over the table counts as the wrong object pushed."""
STRAY_LIFT_M = 0.04
"""Another object this far over its resting height counts as the wrong object picked up."""
STEP_LIMIT = {"reach": 60, "push": 90, "pick_and_place": 140}
"""Control steps (20 Hz) after which an episode is truncated."""


def phrase(task: str, thing: str, direction: str, generator: np.random.Generator) -> str:
    """One of the task's phrasings with the object ("red cube") and, for a push, the direction filled in."""
    return str(generator.choice(_PHRASES[task])).format(thing=thing, direction=direction)


@dataclass(frozen=True)
class Facts:
    """What a judgement is made from, in metres, at one control step. Row 0 of the objects is the named one.

    Attributes:
        hands_m: float64 [2, 3], grasp points of the left and the right hand.
        objects_m: float64 [N, 3], centres now; starts_m: float64 [N, 3], centres at the start.
        on_plate: bool [N], resting over the plate.
        touched: bool [N], in contact with a hand.
        push_sign: +1 when the named direction is left (+y), -1 when it is right.
    """

    hands_m: np.ndarray
    objects_m: np.ndarray
    starts_m: np.ndarray
    on_plate: np.ndarray
    touched: np.ndarray
    push_sign: int


@dataclass(frozen=True)
class Progress:
    """How far an episode has come. ``wrong_object`` stays true once it was; the counters are control steps in a row."""

    success: bool = False
    wrong_object: bool = False
    held_steps: int = 0
    stray_steps: int = 0


def judge(task: str, facts: Facts, before: Progress) -> Progress:
    """The progress after one more control step. Once succeeded, an episode stays succeeded."""
    verdict = {"reach": _judge_reach, "push": _judge_push, "pick_and_place": _judge_place}[task](facts, before)
    return replace(
        verdict, success=verdict.success or before.success, wrong_object=verdict.wrong_object or before.wrong_object
    )


def _judge_reach(facts: Facts, before: Progress) -> Progress:
    distance_m = np.linalg.norm(facts.hands_m[:, None] - facts.objects_m[None], axis=-1)
    nearest = distance_m.argmin(axis=1)
    at_one = distance_m.min(axis=1) < REACH_M
    held = before.held_steps + 1 if np.any(at_one & (nearest == 0)) else 0
    stray = before.stray_steps + 1 if np.any(at_one & (nearest != 0)) else 0
    return Progress(held >= REACH_HELD_STEPS, stray >= REACH_HELD_STEPS, held, stray)


def _judge_push(facts: Facts, before: Progress) -> Progress:
    moved_m = (facts.objects_m - facts.starts_m)[:, :2]
    done = moved_m[0, 1] * facts.push_sign >= PUSH_M and abs(moved_m[0, 0]) <= PUSH_SIDEWAYS_M
    stray = np.any(np.linalg.norm(moved_m[1:], axis=-1) > STRAY_PUSH_M)
    return Progress(bool(done), bool(stray))


def _judge_place(facts: Facts, before: Progress) -> Progress:
    held = before.held_steps + 1 if facts.on_plate[0] and not facts.touched[0] else 0
    lifted = facts.objects_m[1:, 2] - facts.starts_m[1:, 2] > STRAY_LIFT_M
    return Progress(held >= PLACE_HELD_STEPS, bool(np.any(lifted | facts.on_plate[1:])), held)
