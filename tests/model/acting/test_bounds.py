"""States that training never saw, actions that no robot should get, and what is told about them."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from gr00t_data.batches.statistics.statistics import PartStatistics
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_model.acting.bounds import ActingWarning
from gr00t_model.acting.report import Session
from gr00t_model.groot.config import ActionHeadConfig, ConfigError
from gr00t_model.groot.denoising import DenoisingError
from gr00t_model.groot.prompt import train_tokenizer
from gr00t_model.idm.config import IdmConfig
from gr00t_model.policy import ActionError, Bounds, ObservationError, Policy
from tests.model.acting.arm import network, observation, policy, robot, statistics

REFUSE = Bounds(far_state="refuse", blank="refuse", action="refuse")


def saying(acting: Policy, *values: float) -> Policy:
    """Let the network answer with ``values`` for each of the first dimensions, normalised."""
    chunk = torch.zeros(1, 16, 5)
    chunk[..., : len(values)] = torch.tensor(values)
    acting.model.get_action = lambda *_: chunk
    return acting


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arm": [[57.3, 0.1]]}, r"one is 57\.3 rad, training saw -1 to 1 \(degrees for radians\?\)"),
        ({"arm": [[0.1, 1e5]]}, "two is 1e[+]05 rad, training saw -1 to 1"),
        ({"gripper": [[-150.0]]}, "gripper is -150 percent, training saw 0 to 100"),
        ({"arm": [[0.0, 0.0]], "gripper": [[0.0]]}, "state: every value is zero"),
        ({"front": np.zeros((1, 9, 9, 3), np.uint8)}, r"video\.front: one colour throughout \(0, 0, 0\)"),
        ({"front": np.full((1, 40, 40, 3), 255, np.uint8)}, r"one colour throughout \(255, 255, 255\)"),
    ],
)
def test_an_odd_observation_is_told_once_counted_always_and_can_be_refused(tmp_path: Path, changes: dict, words: str):
    acting = policy(tmp_path)
    with pytest.warns(ActingWarning, match=words):
        acting.get_action(observation(**changes))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=ActingWarning, message=".*(far outside|connected)")
        answer = acting.act(observation(**changes))
    assert not answer.report.clean and (answer.report.far_states or answer.report.blank)
    assert acting.session.far_states + acting.session.blank == 2
    with pytest.raises(ObservationError, match=words):
        policy(tmp_path, bounds=REFUSE).get_action(observation(**changes))


def test_what_training_saw_is_not_odd(tmp_path: Path):
    acting = saying(policy(tmp_path, bounds=REFUSE), 0.5, -0.5, 0.5)
    picture = np.zeros((1, 40, 40, 3), np.uint8)
    picture[0, 1, 1] = 1
    report = acting.act(observation(arm=[[2.9, 0.0]], gripper=[[0.0]], front=picture)).report
    assert report.clean and report.single and report.rows == 1 and report.denoising_steps == 4
    assert acting.report == report
    assert acting.session == Session(calls=1, rows=1)


def test_a_state_beyond_all_numbers_is_refused_whatever_the_bounds_say(tmp_path: Path):
    with pytest.warns(ActingWarning), pytest.raises(ObservationError, match="infinite to the model"):
        policy(tmp_path).get_action(observation(arm=[[1e300, 0.1]]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 2])
def test_actions_that_are_not_finite_are_never_returned(tmp_path: Path, value: float, place: int):
    acting = saying(policy(tmp_path, bounds=Bounds(action="keep")), *[0.0] * place, value)
    with pytest.raises(ActionError, match=r"action\.(arm|gripper): the model gives .*nothing is returned"):
        acting.get_action(observation())
    assert acting.session == Session(refused=1)


def test_actions_that_only_become_infinite_in_their_unit_are_not_returned_either(tmp_path: Path):
    acting = saying(policy(tmp_path, bounds=Bounds(action="keep")), 0.0, 0.0, 3e38)
    with np.errstate(over="ignore"), pytest.raises(ActionError, match=r"action\.gripper: the model gives inf"):
        acting.get_action(observation())


def test_actions_beyond_the_limits_are_counted_and_cut(tmp_path: Path):
    acting = saying(policy(tmp_path), 10.0, -10.0, 1.0)
    with pytest.warns(ActingWarning, match="actions lie beyond the robot's limits, cut to them"):
        answer = acting.act(observation())
    assert answer.report.beyond_limits == {"arm": 32} and answer.report.clipped
    assert (answer.actions["action.arm"] == [3.0, -3.0]).all() and (answer.actions["action.gripper"] == 100).all()
    assert acting.session.beyond_limits == acting.session.clipped == 32


def test_actions_beyond_the_limits_can_be_refused_or_kept(tmp_path: Path):
    with pytest.raises(ActionError, match=r"one is 10 rad, its limits are -3 to 3 \(16 values beyond\)"):
        saying(policy(tmp_path, bounds=REFUSE), 10.0).get_action(observation())
    kept = saying(policy(tmp_path, bounds=Bounds(action="keep")), 10.0)
    with pytest.warns(ActingWarning, match="left as they are"):
        answer = kept.act(observation())
    assert (answer.actions["action.arm"][:, 0] == 10.0).all() and answer.report.beyond_limits == {"arm": 16}
    assert (kept.session.beyond_limits, kept.session.clipped) == (16, 0)


def test_a_margin_is_no_violation_and_is_cut_all_the_same(tmp_path: Path):
    acting = saying(policy(tmp_path), 3.05)
    answer = acting.act(observation())
    assert answer.report.beyond_limits == {} and (answer.actions["action.arm"][:, 0] == 3.0).all()
    strict = saying(policy(tmp_path, bounds=Bounds(action="refuse", action_margin=0)), 3.05)
    with pytest.raises(ActionError):
        strict.get_action(observation())


@pytest.mark.parametrize("steps", [0, -1, 1.5, 4.0, True, False, "4", 1001, float("nan")])
def test_a_wrong_number_of_denoising_steps_is_refused_everywhere(tmp_path: Path, steps: object):
    with pytest.raises(DenoisingError, match="expected a whole number from 1 to 1000"):
        policy(tmp_path).get_action(observation(), denoising_steps=steps)
    with pytest.raises(DenoisingError):
        policy(tmp_path, denoising_steps=steps)
    changed = policy(tmp_path)
    changed.denoising_steps = steps
    with pytest.raises(DenoisingError):
        changed.get_action(observation())
    with pytest.raises(DenoisingError):
        network().get_action(changed.batch_of(observation()), steps)
    for config in (ActionHeadConfig, IdmConfig):
        with pytest.raises(ConfigError, match="num_inference_timesteps: expected a whole number from 1 to 1000"):
            config(num_inference_timesteps=steps)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "7", 2**70])
def test_a_wrong_seed_is_refused(tmp_path: Path, seed: object):
    with pytest.raises(ValueError, match="seed: expected a whole number"):
        policy(tmp_path).get_action(observation(), seed=seed)


def test_single_answers_are_squeezed_as_published_when_asked(tmp_path: Path):
    shapes = {squeeze: policy(tmp_path, squeeze=squeeze).get_action(observation()) for squeeze in (False, True)}
    assert {key: values.shape for key, values in shapes[False].items()} == {
        "action.arm": (16, 2),
        "action.gripper": (16, 1),
    }
    assert shapes[True]["action.gripper"].shape == (16,) and shapes[True]["action.arm"].shape == (16, 2)
    batch = policy(tmp_path, squeeze=True).get_action(observation(rows=1))
    assert batch["action.gripper"].shape == (1, 16, 1)


def test_without_limits_what_training_commanded_bounds_the_actions(tmp_path: Path):
    """From -1 to 1 rad in training: one such width beyond is -3 to 3."""
    yaml = tmp_path / "small_arm.yaml"
    yaml.write_text(robot(tmp_path).text.replace("limits: [-3.0, 3.0]", "limits: null"))
    arm = load_embodiment(yaml)
    acting = saying(Policy(network(), train_tokenizer(["pick"], tmp_path / "t", 4), arm, statistics(arm)), 10.0, -2.5)
    with pytest.warns(ActingWarning, match="actions lie beyond"):
        answer = acting.act(observation())
    assert (answer.actions["action.arm"] == [3.0, -2.5]).all() and answer.report.beyond_limits == {"arm": 16}


def test_a_part_of_zeros_is_named_where_training_never_saw_zeros(tmp_path: Path):
    arm = robot(tmp_path)
    measured = statistics(arm)
    measured.state["arm"] = PartStatistics.of(np.array([[-1.0, 0.3], [1.0, 1.0]]))
    acting = Policy(network(), train_tokenizer(["pick"], tmp_path / "t", 4), arm, measured)
    assert acting.act(observation(arm=[[0.0, 0.5]])).report.blank == ()
    with pytest.warns(ActingWarning, match=r"state\.arm: every value is zero, which training never saw"):
        acting.get_action(observation(arm=[[0.0, 0.0]]))
