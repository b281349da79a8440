"""Success and the wrong object: known values of the judgement, and the expert in the physics."""

from dataclasses import replace

import numpy as np
import pytest

from gr00t_data.sources.sim.draw import draw_scene
from gr00t_data.sources.sim.expert import Expert
from gr00t_data.sources.sim.tasks import REACH_HELD_STEPS, STEP_LIMIT, TASKS, Facts, Progress, judge
from gr00t_data.sources.sim.world import World

FAR = [0.0, 0.0, 2.0]


def facts(hand=FAR, objects=((0.3, 0.0, 0.9), (0.3, 0.2, 0.9)), starts=None, on_plate=(0, 0), touched=(0, 0), sign=1):
    return Facts(
        hands_m=np.array([hand, FAR]),
        objects_m=np.array(objects, dtype=float),
        starts_m=np.array(starts or objects, dtype=float),
        on_plate=np.array(on_plate, dtype=bool),
        touched=np.array(touched, dtype=bool),
        push_sign=sign,
    )


def after(task, one, steps):
    progress = Progress()
    for _ in range(steps):
        progress = judge(task, one, progress)
    return progress


def test_a_reach_must_be_held():
    near = facts(hand=[0.3, 0.05, 0.9])
    assert not after("reach", near, REACH_HELD_STEPS - 1).success
    assert after("reach", near, REACH_HELD_STEPS).success
    assert not after("reach", facts(hand=[0.3, 0.0, 0.97]), 20).success


def test_a_hand_at_another_object_is_the_wrong_object():
    progress = after("reach", facts(hand=[0.3, 0.18, 0.9]), REACH_HELD_STEPS)
    assert progress.wrong_object and not progress.success


@pytest.mark.parametrize(
    ("now", "sign", "success"),
    [
        ((0.3, 0.085, 0.9), 1, True),
        ((0.3, 0.085, 0.9), -1, False),
        ((0.37, 0.1, 0.9), 1, False),
        ((0.3, 0.07, 0.9), 1, False),
    ],
)
def test_a_push_counts_in_the_named_direction_only(now, sign, success):
    other = (0.5, 0.2, 0.9)
    assert after("push", facts(objects=(now, other), starts=((0.3, 0.0, 0.9), other), sign=sign), 1).success == success


def test_another_object_pushed_or_lifted_is_the_wrong_object_and_stays_so():
    here, start = ((0.3, 0.0, 0.9), (0.3, 0.26, 0.9)), ((0.3, 0.0, 0.9), (0.3, 0.2, 0.9))
    assert after("push", facts(objects=here, starts=start), 1).wrong_object
    lifted = ((0.3, 0.0, 0.9), (0.3, 0.2, 0.95))
    progress = after("pick_and_place", facts(objects=lifted, starts=start), 1)
    assert progress.wrong_object
    assert judge("pick_and_place", facts(), progress).wrong_object


def test_placing_needs_the_plate_and_an_open_hand():
    assert after("pick_and_place", facts(on_plate=(1, 0)), 3).success
    assert not after("pick_and_place", facts(on_plate=(1, 0), touched=(1, 0)), 9).success
    assert after("pick_and_place", facts(on_plate=(0, 1)), 1).wrong_object


def run_expert(task, seed):
    world = World(draw_scene(task, seed))
    expert, progress = Expert(world), Progress()
    for _ in range(STEP_LIMIT[task]):
        world.advance(expert.act())
        progress = judge(task, world.facts, progress)
        if progress.success:
            break
    return progress


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_succeeds(task):
    results = [run_expert(task, seed) for seed in range(200, 206)]
    assert all(result.success for result in results)
    assert not any(result.wrong_object for result in results)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_the_expert_succeeds_on_95_of_100_seeds(task):
    assert sum(run_expert(task, seed).success for seed in range(100)) >= 95


def swapped(one: Facts) -> Facts:
    """The same facts with the first two objects in the other order."""
    order = [1, 0, *range(2, len(one.objects_m))]
    rows = {name: getattr(one, name)[order] for name in ("objects_m", "starts_m", "on_plate", "touched")}
    return replace(one, **rows)


@pytest.mark.parametrize(("task", "seed"), [("reach", 0), ("push", 3), ("pick_and_place", 1)])
def test_an_expert_misled_to_a_distractor_is_noticed(task, seed):
    scene = draw_scene(task, seed)
    misled = World(replace(scene, things=(scene.things[1], scene.things[0], *scene.things[2:])))
    expert, progress = Expert(misled), Progress()
    for _ in range(STEP_LIMIT[task]):
        misled.advance(expert.act())
        progress = judge(task, swapped(misled.facts), progress)
    assert progress.wrong_object and not progress.success
