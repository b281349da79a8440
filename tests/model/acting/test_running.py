"""Real-time chunking: the next chunk goes on from the running one, and what does not fit is told."""

import dataclasses

import numpy as np
import pytest
import torch

from gr00t_model.groot import flow
from gr00t_model.policy import Policy, Running, RunningError
from tests.model.acting import arm

HORIZON = 16


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Policy:
    return arm.policy(tmp_path_factory.mktemp("policy"))


def left_over(rows: int = 0, steps: int = 10, spread: float = 1.0) -> dict[str, np.ndarray]:
    """Joints between -spread and spread rad, a gripper between 0 and 100 percent."""
    draws, lead = np.random.default_rng(0), (rows,) if rows else ()
    joints = draws.uniform(-spread, spread, (*lead, steps, 2)).astype(np.float32)
    return {"action.arm": joints, "action.gripper": draws.uniform(0, 100, (*lead, steps, 1)).astype(np.float32)}


@pytest.mark.parametrize("gripper", ["min_max", "q99", "binary, closed: 0, open: 100"])
@pytest.mark.parametrize("steps", [1, 4, 7])
def test_frozen_steps_come_out_unchanged(tmp_path, gripper, steps):
    """Whatever the normalisation, also beyond the data of training (joints there moved from -1 to 1 rad)."""
    values = left_over(steps=HORIZON, spread=2.0)
    if gripper.startswith("binary"):
        values["action.gripper"] = np.where(values["action.gripper"] > 50, 100.0, 0.0)
    running = Running(values, overlap=HORIZON, frozen=5)
    policy = arm.policy(tmp_path, gripper)
    answer = policy.get_action(arm.observation(), running=running, denoising_steps=steps)
    for key, given in values.items():
        assert np.abs(answer[key][:5] - given[:5]).max() <= 1e-6
    assert not np.array_equal(answer["action.arm"][5:], values["action.arm"][5:])


def test_the_model_itself_ends_frozen_steps_in_the_running_chunk():
    noise, action = torch.randn(2, 8, 3), torch.randn(2, 4, 3)
    overlap = flow.Overlap(action, torch.tensor([0.0, 0.0, 0.5, 1.0]))
    seen = []

    def velocity(point, bucket):
        seen.append((point.clone(), bucket / 1000))
        return torch.ones_like(point)

    end = flow.euler(velocity, noise, 4, 1000, overlap)
    assert (end[:, :2] - action[:, :2]).abs().max() <= 1e-6
    assert torch.equal(end[:, 3:], flow.euler(lambda point, _: torch.ones_like(point), noise, 4, 1000)[:, 3:])
    for point, time in seen:  # as in training: on the straight path from the noise to the action
        path = (1 - time) * noise[:, :2] + time * action[:, :2]
        assert (point[:, :2] - path).abs().max() <= 1e-6


def test_all_frozen_is_the_running_chunk(policy):
    values = left_over(steps=HORIZON)
    answer = policy.get_action(arm.observation(), running=Running(values, HORIZON, HORIZON))
    assert all(np.abs(answer[key] - values[key]).max() <= 1e-6 for key in values)


def test_no_overlap_is_the_plain_answer_bit_for_bit(policy):
    plain = policy.get_action(arm.observation(3), seed=4)
    same = policy.get_action(arm.observation(3), seed=4, running=Running(left_over(3), overlap=0, frozen=0))
    assert all(np.array_equal(plain[key], same[key]) for key in plain)


def test_rows_are_independent(policy):
    """Another running chunk beside a row does not change the row."""
    values = left_over(3)
    other = {key: np.concatenate([array[:1], -array[1:]]) for key, array in values.items()}
    first, second = (
        policy.get_action(arm.observation(3), running=Running(given, overlap=8, frozen=3)) for given in (values, other)
    )
    alone = policy.get_action(arm.observation(), running=Running({k: v[0] for k, v in values.items()}, 8, 3))
    for key in values:
        assert np.array_equal(first[key][0], second[key][0])
        assert np.allclose(first[key][0], alone[key], atol=1e-4)
        assert not np.allclose(first[key][1], second[key][1], atol=1e-2)


def test_the_seed_decides(policy):
    running = Running(left_over(), overlap=8, frozen=3)
    first, again, other = (policy.get_action(arm.observation(), seed=seed, running=running) for seed in (5, 5, 6))
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(first["action.arm"], other["action.arm"])


def test_only_the_overlap_is_read(policy):
    values = left_over()
    longer = {key: np.concatenate([array[:8], array[8:] + 0.5]) for key, array in values.items()}
    first, second = (policy.get_action(arm.observation(), running=Running(v, 8, 3)) for v in (values, longer))
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_behind_the_frozen_steps_the_chunk_leaves_the_running_one_slowly(policy):
    """The first free step lies nearer to the running chunk than that of a chunk which knows nothing of it."""
    values = left_over()
    seen, step = arm.observation(), 3
    plain = policy.get_action(seen)["action.arm"]
    near = policy.get_action(seen, running=Running(values, 10, step, ramp_rate=1.0))["action.arm"]
    for later, share in ((step, 0.5), (step + 1, 0.8)):
        away = np.linalg.norm(plain[later] - values["action.arm"][later])
        assert np.linalg.norm(near[later] - values["action.arm"][later]) < share * away


def test_the_ramp_is_that_of_the_published_head():
    freedom = Running(left_over(), overlap=6, frozen=3, ramp_rate=6.0).freedom()
    ramp = [(1 - np.exp(-6 * t)) / (1 - np.exp(-6)) for t in (0.25, 0.5, 0.75)]
    assert np.allclose(freedom, [0, 0, 0, *ramp], atol=1e-6)
    assert Running(left_over(), 0, 0).freedom().shape == (0,)


def test_a_bounded_policy_cuts_frozen_steps_too(policy):
    """Nobody gets an action beyond the robot's limits through the running chunk."""
    values = left_over(spread=1.0)
    values["action.arm"][0] = 50.0
    with pytest.warns(UserWarning, match="beyond the robot's limits"):
        answer = policy.get_action(arm.observation(), running=Running(values, 8, 3))
    assert np.array_equal(answer["action.arm"][0], [3.0, 3.0])


def replaced(key: str, value: object) -> dict:
    return left_over() | {key: value}


@pytest.mark.parametrize(
    ("actions", "numbers", "message"),
    [
        (left_over(), (4, 5), "5 steps are frozen, more than the overlap of 4"),
        (left_over(), (11, 5), "holds 10 steps, the overlap is 11"),
        (left_over(), (-1, 0), "overlap: expected a whole number of steps from 0 on, found -1"),
        (left_over(), (4, 1.5), "frozen: expected a whole number of steps from 0 on, found 1.5"),
        (left_over(), (4, True), "frozen: expected a whole number"),
        (left_over(), (4, 2, 0), "ramp_rate: expected a number above 0, found 0"),
        (left_over(), (4, 2, float("nan")), "ramp_rate: expected a number above 0"),
        (left_over(), (4, 2, "6"), "ramp_rate: expected a number above 0, found '6'"),
        (replaced("action.arm", np.full((10, 2), np.nan)), (4, 2), "action.arm: holds NaN or infinity"),
        (replaced("action.arm", np.zeros(10)), (4, 2), r"action.arm: expected numbers \[T, D\] or \[B, T, D\]"),
        (replaced("action.arm", np.array([["a"]])), (1, 1), "action.arm: expected numbers"),
        ({}, (0, 0), "a running chunk is a mapping of action.<part>"),
        ([1], (0, 0), "a running chunk is a mapping of action.<part>, found list"),
    ],
)
def test_what_does_not_fit_itself_is_refused(actions, numbers, message):
    with pytest.raises(RunningError, match=message):
        Running(actions, *numbers)


@pytest.mark.parametrize(
    ("rows", "actions", "message"),
    [
        (0, left_over(steps=20), "the overlap of 17 steps is beyond the 16 that the policy answers"),
        (0, left_over(2, 20), "beyond the 16"),
        (0, left_over(1, 17), "beyond the 16"),
    ],
)
def test_an_overlap_beyond_the_horizon_is_refused(policy, rows, actions, message):
    with pytest.raises(RunningError, match=message):
        policy.get_action(arm.observation(rows), running=Running(actions, overlap=17, frozen=0))


@pytest.mark.parametrize(
    ("rows", "actions", "message"),
    [
        (0, {"action.arm": np.zeros((8, 2))}, "holds action.arm, expected action.arm, action.gripper"),
        (0, replaced("action.leg", np.zeros((10, 2))), "holds action.arm, action.gripper, action.leg"),
        (0, replaced("action.arm", np.zeros((10, 3))), r"action.arm: expected \[10, 2\] as the observation has"),
        (0, left_over(1), r"action.arm: expected \[10, 2\] as the observation has, found \[1, 10, 2\]"),
        (2, left_over(), r"action.arm: expected \[2, 10, 2\] as the observation has, found \[10, 2\]"),
        (2, left_over(3), r"expected \[2, 10, 2\] as the observation has, found \[3, 10, 2\]"),
    ],
)
def test_what_does_not_fit_the_policy_is_refused_and_counted(policy, rows, actions, message):
    before = policy.session.refused
    with pytest.raises(RunningError, match=message):
        policy.get_action(arm.observation(rows), running=Running(actions, overlap=4, frozen=2))
    assert policy.session.refused == before + 1


def test_a_running_chunk_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Running(left_over(), 4, 2).overlap = 3  # type: ignore[misc]
