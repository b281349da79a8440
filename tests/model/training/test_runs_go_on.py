"""Runs that are extended, states that are checkpoints, and run folders that were damaged."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from gr00t_data.lake import Lake
from gr00t_model.loop.config import ConfigError, Optimizer
from gr00t_model.loop.run import DamagedRun
from gr00t_model.loop.state import StateError
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.stages.checkpoints import checkpoint_named, mend_run, run_rows, state_rows
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.key import PolicyRun, prepare_run
from gr00t_model.training.runs.extended import run_beside
from gr00t_model.training.runs.intermediate import checkpoint_at
from gr00t_model.training.train import train
from tests.model.tiny import TinyLake, build
from tests.shell import invoke


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> TinyLake:
    return build(tmp_path_factory.mktemp("mixture"))


def go(config: TrainConfig, runs: Path, told: list[str] | None = None) -> PolicyRun:
    """The run of a configuration among those in a folder, trained."""
    run = run_beside(config, runs, (told if told is not None else []).append)
    train(run, StopRequest())
    return run


def weights(folder: Path) -> dict:
    return {name: tensor.tolist() for name, tensor in load_file(folder / "model.safetensors").items()}


@pytest.fixture(scope="module")
def extended(lake: TinyLake, tmp_path_factory: pytest.TempPathFactory) -> tuple[PolicyRun, PolicyRun, list[str]]:
    runs, told = tmp_path_factory.mktemp("runs"), []
    first = go(lake.config(steps=3, checkpoint_every_steps=2), runs, told)
    return first, go(lake.config(steps=5, checkpoint_every_steps=2), runs, told), told


def test_more_steps_go_on_from_the_run_that_is_there(extended: tuple[PolicyRun, PolicyRun, list[str]]) -> None:
    first, second, told = extended
    assert told == [
        f"goes on from step 3 of {first.root}, which has 3 steps, to step 5; the learning rate is that of 5 steps from "
        "there on"
    ]
    outcome = second.outcome()
    assert outcome and (outcome.step, outcome.steps_done) == (5, 2)
    assert [record["step"] for record in second.records()] == [1, 2, 3, 4, 5]
    assert first.finished() and Checkpoint.load(second.checkpoint).train_config.earlier == ((3, 3),)


def test_an_extended_run_is_what_it_would_be_from_nothing(
    lake: TinyLake, extended: tuple[PolicyRun, PolicyRun, list[str]], tmp_path: Path
) -> None:
    alone = prepare_run(extended[1].config(), tmp_path)
    assert alone.key == extended[1].key
    outcome = train(alone, StopRequest())
    assert outcome.steps_done == 5 and weights(alone.checkpoint) == weights(extended[1].checkpoint)


def test_asking_again_finds_the_same_run(lake: TinyLake, extended: tuple[PolicyRun, PolicyRun, list[str]]) -> None:
    first, second, _ = extended
    told: list[str] = []
    assert run_beside(lake.config(steps=5, keep_states=3), first.root.parent, told.append).root == second.root
    assert run_beside(lake.config(steps=3), first.root.parent, told.append).root == first.root
    assert told == []


def test_a_killed_run_goes_on_to_more_steps(lake: TinyLake, tmp_path: Path) -> None:
    first = go(lake.config(steps=4, checkpoint_every_steps=2), tmp_path)
    shutil.rmtree(first.states / "00000004")  # as if it had been killed at its third step
    shutil.rmtree(first.checkpoint)
    first.clear_outcome()
    second = go(lake.config(steps=6), tmp_path)
    assert second.config().earlier == ((2, 4),)
    third = go(lake.config(steps=7), tmp_path)
    assert third.config().earlier == ((2, 4), (6, 6))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"batch_size": 2}, "batch_size 3 there, 2 here"),
        ({"seed": 7, "batch_size": 2}, "batch_size 3 there, 2 here; seed 42 there, 7 here"),
        ({"optimizer": Optimizer(lr=2e-2, ema_decay=0.9)}, "optimizer.lr 0.01 there, 0.02 here"),
        ({"steps": 2}, "it has 5 steps and its last state is at step 5, asked for are 2"),
    ],
)
def test_what_differs_otherwise_starts_anew_and_says_beside_what(
    lake: TinyLake, extended: tuple[PolicyRun, PolicyRun, list[str]], changes: dict, told: str
) -> None:
    heard: list[str] = []
    run = run_beside(lake.config(**{"steps": 9} | changes), extended[0].root.parent, heard.append)
    shutil.rmtree(run.root)
    assert len(heard) == 1 and heard[0].startswith(f"starts anew beside {extended[0].root.parent}/test-")
    assert told in heard[0]


@pytest.mark.parametrize("earlier", [[[5, 5]], [[3, 2]], [[0, 4]], [[3, 3], [2, 4]]])
def test_earlier_steps_that_cannot_have_been_are_refused(lake: TinyLake, earlier: list) -> None:
    with pytest.raises(ConfigError, match="expected pairs"):
        TrainConfig.from_dict(lake.config(steps=5).to_dict() | {"earlier": earlier})


def test_a_state_on_the_way_is_the_checkpoint_of_a_run_that_ended_there(
    lake: TinyLake, extended: tuple[PolicyRun, PolicyRun, list[str]], tmp_path: Path
) -> None:
    run = go(lake.config(steps=4, checkpoint_every_steps=2), tmp_path)
    made = checkpoint_at(run, 2)
    average = load_file(run.states / "00000002" / "average.safetensors")
    exported = load_file(made / "model.safetensors")
    whole = [name for name in average if name in exported and exported[name].shape == average[name].shape]
    assert len(whole) > 20 and all(exported[name].equal(average[name]) for name in whole)  # slots lie in those of all
    opened = Checkpoint.load(made)
    assert opened.steps == 2 and sum(entry.samples for entry in opened.episodes) == 2 * 3
    assert Policy.from_checkpoint(made).horizon == 16
    assert checkpoint_at(run, 4) == run.checkpoint
    with pytest.raises(StateError, match="has no state at step 3; there are 2, 4"):
        checkpoint_at(run, 3)
    assert [row["step"] for row in state_rows(run)] == [2, 4]


def test_runs_and_states_by_name(lake: TinyLake, tmp_path: Path) -> None:
    house = Lake(tmp_path)
    run = go(lake.config(steps=4, checkpoint_every_steps=2), house.runs)
    house.point("run_gr1", run.root, run.key)
    named = checkpoint_named(house, "run_gr1@2")
    assert named.parent == house.checkpoints and named == checkpoint_named(house, run.root.name, 2)
    assert [row["step"] for row in run_rows(house)] == ["4 of 4"]
    shown = invoke(["checkpoints", "run_gr1", "--lake", str(tmp_path), "--json"])
    assert shown.exit_code == 0 and [row["step"] for row in json.loads(shown.stdout)["rows"]] == [2, 4]
    assert invoke(["checkpoints", "--at", "2", "--lake", str(tmp_path)]).exit_code == 2


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage", ["states/00000004/weights.safetensors", "states/00000004/state.json", "outcome.json", "metrics.jsonl"]
)
def test_a_damaged_run_names_the_command_that_mends_it(lake: TinyLake, tmp_path: Path, damage: str) -> None:
    run = go(lake.config(steps=4, checkpoint_every_steps=2), tmp_path / "runs")
    calm = weights(run.checkpoint)
    if not damage.startswith("outcome"):
        (run.root / "outcome.json").unlink()
    if damage == "metrics.jsonl":
        run.metrics.write_text("{nonsense\n" + run.metrics.read_text())
    else:
        cut(run.root / damage)
    with pytest.raises((StateError, DamagedRun), match=rf"gr00t checkpoints {run.root} --mend"):
        train(run, StopRequest())
    mended, rows = mend_run(Lake(tmp_path), str(run.root))
    assert mended == run and [damage.startswith(row["set aside"]) for row in rows] == [True]
    assert train(run, StopRequest()).state == "complete"
    assert weights(run.checkpoint) == calm


def test_a_damaged_checkpoint_of_a_run_is_written_again(lake: TinyLake, tmp_path: Path) -> None:
    run = go(lake.config(steps=2), tmp_path / "runs")
    calm = weights(run.checkpoint)
    cut(run.checkpoint / "model.safetensors")
    assert [row["set aside"] for row in mend_run(Lake(tmp_path), run.root.name)[1]] == ["checkpoint"]
    assert train(run, StopRequest()).steps_done == 0 and weights(run.checkpoint) == calm
    assert mend_run(Lake(tmp_path), run.root.name)[1] == []
