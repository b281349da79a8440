"""No action that is not finite, or beyond the limits by more than the margin, leaves a policy by any of its ways."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.disk import read_json, write_json
from gr00t_data.integrity import RECORD
from gr00t_model.acting.bounds import ActionError
from gr00t_model.acting.settings import Bounds
from gr00t_model.evaluate.open_loop import evaluate_open_loop
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.test_policy import observation
from tests.model.tiny import TinyLake, build


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as one of before: nothing recorded its digests, so that only the bounds are in the way."""
    lake: TinyLake = build(tmp_path_factory.mktemp("lake"))
    run = prepare_run(lake.config(steps=2, batch_size=4), tmp_path_factory.mktemp("runs"))
    train(run, StopRequest())
    (run.checkpoint / RECORD).unlink()
    return run.checkpoint


def ways(folder: Path, policy: Policy) -> list[np.ndarray]:
    """Every action that leaves: of a single call, with its report, and of a whole open loop's predictions."""
    shown = observation(policy, 3)
    found = [*policy.get_action(shown).values(), *policy.act(shown, seed=7, denoising_steps=1).actions.values()]
    opened = evaluate_open_loop(Checkpoint.load(folder), policy)
    return [*found, opened.example.predicted]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_act_by_no_way(folder: Path, value: float):
    policy = Policy.from_checkpoint(folder)
    with torch.no_grad():
        next(policy.model.action_head.model.parameters()).fill_(value)
    for use in (lambda: policy.get_action(observation(policy, 3)), lambda: ways(folder, policy)):
        with pytest.raises(ActionError, match="nothing is returned"):
            use()


@pytest.mark.parametrize("scale", [1e3, 1e30, 1e300])
def test_damaged_statistics_act_within_the_limits_or_not_at_all(folder: Path, scale: float):
    whole = (folder / "statistics.json").read_bytes()
    content = read_json(folder / "statistics.json")
    for part in content["action"].values():
        part["max"] = [abs(one) * scale + 1 for one in part["max"]]
    write_json(folder / "statistics.json", content)
    try:
        NormStats.load(folder / "statistics.json")
        policy = Policy.from_checkpoint(folder)
        limits = [one.limits for one in (policy.embodiment.action_part(name) for name in policy.selection.action)]
        assert all(one is not None for one in limits)
        try:
            actions = policy.get_action(observation(policy, 3))
        except ActionError:
            return
        for name, part in ((n, policy.embodiment.action_part(n)) for n in policy.selection.action):
            low, high = np.array(part.limits).T
            assert np.isfinite(actions[f"action.{name}"]).all()
            assert (actions[f"action.{name}"] >= low - 1e-5).all() and (actions[f"action.{name}"] <= high + 1e-5).all()
        with pytest.raises(ActionError):
            Policy.from_checkpoint(folder, bounds=Bounds(action="refuse")).get_action(observation(policy, 3))
    finally:
        (folder / "statistics.json").write_bytes(whole)
