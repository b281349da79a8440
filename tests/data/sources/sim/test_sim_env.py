"""The environment: shapes, determinism, joint order, pictures that show what the instruction names."""

import numpy as np
import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.sources.sim.body import JOINTS, PARTS, SIDES
from gr00t_data.sources.sim.draw import COLOURS, draw_scene
from gr00t_data.sources.sim.env import TabletopEnv
from gr00t_data.sources.sim.expert import Expert
from gr00t_data.sources.sim.kinematics import ArmKinematics
from gr00t_data.sources.sim.tasks import STEP_LIMIT, TASKS
from gr00t_data.sources.sim.world import part_slots, start_posture

SIZE = 64


def test_joints_are_those_of_the_schema():
    schema = load_embodiment("gr1")
    assert [(part.name, part.joints) for part in schema.state] == list(PARTS)
    assert sum((part.joints for part in schema.action), ()) == JOINTS


def test_limits_of_the_schema_hold_for_the_expert():
    limits = np.concatenate([np.array(part.limits) for part in load_embodiment("gr1").state])
    env = TabletopEnv("pick_and_place", SIZE)
    observation, _ = env.reset(0)
    expert = Expert(env.world)
    for _ in range(30):
        assert np.all((observation["state"] >= limits[:, 0]) & (observation["state"] <= limits[:, 1]))
        env.world.advance(expert.act())
        observation = env.observe()


@pytest.mark.parametrize("task", TASKS)
def test_reset_and_step_have_the_promised_shapes(task):
    env = TabletopEnv(task, SIZE)
    observation, info = env.reset(3)
    assert observation["video"]["ego_view"].shape == (SIZE, SIZE, 3)
    assert observation["video"]["ego_view"].dtype == np.uint8
    assert observation["state"].shape == (44,)
    assert info["target"] in observation["instruction"]
    assert np.isnan(info["place_xyz_m"]).all() == (task == "reach")
    observation, reward, terminated, truncated, info = env.step(observation["state"])
    assert (reward, terminated, truncated, info["steps"]) == (0.0, False, False, 1)


def test_fixed_joints_stay_zero():
    env = TabletopEnv("reach", SIZE)
    env.reset(0)
    observation, *_ = env.step(np.ones(44))
    for part in ("left_leg", "neck", "right_leg", "waist"):
        assert not observation["state"][part_slots(part)].any()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_scene():
    def first_two(seed):
        env = TabletopEnv(None, SIZE)
        before, _ = env.reset(seed)
        after, *_ = env.step(before["state"] + 0.01)
        return before["video"]["ego_view"].tobytes() + after["state"].tobytes(), before["instruction"]

    assert first_two(5) == first_two(5)
    assert first_two(5) != first_two(6)


def test_a_chunk_equals_its_steps():
    one, other = TabletopEnv("push", SIZE), TabletopEnv("push", SIZE)
    start, _ = one.reset(1)
    other.reset(1)
    actions = np.linspace(start["state"], start["state"] + 0.2, 4)
    chunk, *_ = one.step_chunk(actions)
    for action in actions:
        single, *_ = other.step(action)
    assert np.array_equal(chunk["state"], single["state"])
    assert np.array_equal(chunk["video"]["ego_view"], single["video"]["ego_view"])


def test_an_episode_is_truncated_at_the_step_limit():
    env = TabletopEnv("reach", SIZE)
    start, _ = env.reset(0)
    _, _, terminated, truncated, info = env.step_chunk(np.repeat(start["state"][None], 1000, axis=0))
    assert (terminated, truncated, info["steps"]) == (False, True, STEP_LIMIT["reach"])


def test_bad_actions_and_bad_tasks_are_refused():
    env = TabletopEnv("reach", SIZE)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(np.zeros(44))
    env.reset(0)
    with pytest.raises(ValueError, match="44 finite"):
        env.step(np.full(44, np.nan))
    with pytest.raises(ValueError, match="pick_and_place"):
        TabletopEnv("dance")


def test_the_named_colour_is_where_the_info_says():
    seen = 0
    for seed in range(12):
        env = TabletopEnv(TASKS[seed % 3], 2 * SIZE)
        observation, info = env.reset(seed)
        column, row = (info["target_px"] * 2 * SIZE).astype(int)
        pixel = observation["video"]["ego_view"][row, column].astype(float)
        hue = pixel / np.linalg.norm(pixel)
        match = {name: hue @ np.array(rgb) / np.linalg.norm(rgb) for name, rgb in COLOURS.items()}
        seen += max(match, key=match.__getitem__) == info["target"].split()[0]
    assert seen >= 11  # a hand may hide one at the start


def test_names_in_a_scene_are_unique_and_others_share_a_word():
    sharing = 0
    for seed in range(60):
        scene = draw_scene(TASKS[seed % 3], seed)
        names = [thing.name for thing in scene.things]
        assert len(set(names)) == len(names) and 2 <= len(names) <= 4
        sharing += any(set(name.split()) & set(names[0].split()) for name in names[1:])
    assert sharing > 40


@pytest.mark.parametrize("side", SIDES)
def test_inverse_kinematics_reaches_its_goal_inside_the_limits(side):
    goal_m = np.array([0.36, 0.15 if side == "left" else -0.15, 0.95])
    joints = start_posture(side, goal_m)
    assert np.allclose(ArmKinematics(side).place(joints), goal_m, atol=2e-3)
    assert joints[3] < 0  # a bent elbow is negative
