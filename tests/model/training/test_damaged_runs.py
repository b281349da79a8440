"""A file of a run that is not the one that was written is noticed before a byte of it is used."""

import json
from pathlib import Path

import pytest

from gr00t_data.integrity import RECORD
from gr00t_data.lake import Lake
from gr00t_model.loop.config import ConfigError
from gr00t_model.loop.optimizer import AveragedWeights, build_optimizer
from gr00t_model.loop.run import DamagedRun
from gr00t_model.loop.state import StateError, check_state, load_state
from gr00t_model.loop.stop import StopRequest
from gr00t_model.stages.checkpoints import mend_run, state_rows
from gr00t_model.training.key import PolicyRun, prepare_run
from gr00t_model.training.objective import open_accelerator, open_loop
from gr00t_model.training.runs.extended import run_beside
from gr00t_model.training.runs.intermediate import checkpoint_at
from gr00t_model.training.train import train
from tests.model.damage import damages, flips
from tests.model.tiny import TinyLake, build
from tests.shell import invoke

STATE = ("weights.safetensors", "average.safetensors", "optimizer.safetensors", "state.json", RECORD)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> TinyLake:
    return build(tmp_path_factory.mktemp("mixture"))


@pytest.fixture
def runs(lake: TinyLake, tmp_path: Path) -> tuple[PolicyRun, PolicyRun]:
    """Two complete runs of four steps with states at 2 and 4."""
    made = [prepare_run(lake.config(seed=seed, checkpoint_every_steps=2), tmp_path / "runs") for seed in (0, 1)]
    for run in made:
        train(run, StopRequest())
    return made[0], made[1]


@pytest.mark.parametrize("name", STATE)
def test_no_damaged_state_is_resumed(runs: tuple[PolicyRun, PolicyRun], name: str) -> None:
    run, other = runs
    loop = open_loop(run, run.config(), open_accelerator(run.config()))
    optimizer = build_optimizer(loop.model, run.config().optimizer)
    average = AveragedWeights(loop.model, run.config().optimizer.ema_decay)
    before = {key: tensor.clone() for key, tensor in loop.model.state_dict().items()}
    told = rf"remove this folder to resume .*gr00t checkpoints {run.root} --mend"
    for done in damages(run.states / "00000004" / name, other.states / "00000004" / name, count=20):
        if done == "another state.json":
            continue  # of the same step, and with the same bytes
        with pytest.raises(StateError, match=told):
            load_state(run.states, 4, loop.model, average, optimizer)
            pytest.fail(done)
        with pytest.raises(StateError):
            check_state(run.states / "00000004")
    assert all(tensor.equal(before[key]) for key, tensor in loop.model.state_dict().items())
    load_state(run.states, 4, loop.model, average, optimizer)


def test_a_damaged_state_stops_the_run_and_what_would_come_of_it(
    lake: TinyLake, runs: tuple[PolicyRun, PolicyRun], tmp_path: Path
) -> None:
    run, told = runs[0], rf"gr00t checkpoints {runs[0].root} --mend"
    for _ in flips(run.states / "00000002/weights.safetensors", 1):
        with pytest.raises(StateError, match=told):
            checkpoint_at(run, 2)
    assert not run.exports.exists()
    for _ in flips(run.states / "00000004/optimizer.safetensors", 1):
        with pytest.raises(StateError, match=told):
            run_beside(lake.config(seed=0, steps=6, checkpoint_every_steps=2), run.root.parent, lambda line: None)
        (run.root / "outcome.json").unlink()
        with pytest.raises(StateError, match=told):
            train(run, StopRequest())
        assert [row["set aside"] for row in mend_run(Lake(tmp_path), run.root.name)[1]] == ["states/00000004"]
        assert train(run, StopRequest()).steps_done == 2
        (run.states / "00000004/optimizer.safetensors").unlink()  # what ends the loop writes it again


@pytest.mark.parametrize(("name", "error"), [("RUN.json", ConfigError), ("outcome.json", DamagedRun)])
def test_a_damaged_note_of_a_run_is_not_believed(
    runs: tuple[PolicyRun, PolicyRun], tmp_path: Path, name: str, error: type[Exception]
) -> None:
    run, _ = runs
    for done in damages(run.root / name, count=20):
        with pytest.raises(error, match=name):
            _ = run.fields(), run.outcome()
            pytest.fail(done)
        shown = invoke(["checkpoints", "--lake", str(tmp_path), "--json"])
        rows = {row["run"]: row["state"] for row in json.loads(shown.stdout)["rows"]}
        assert name in rows[run.root.name] and "complete" in rows.values(), done


def test_logged_losses_are_those_of_this_run(runs: tuple[PolicyRun, PolicyRun]) -> None:
    run, other = runs
    losses = [record["loss"] for record in run.records()]
    content = run.metrics.read_text()
    for done in damages(run.metrics, other.metrics, count=60):
        with pytest.raises(DamagedRun, match=f"metrics.jsonl.*gr00t checkpoints {run.root} --mend"):
            run.records()
            pytest.fail(done)
        with pytest.raises(DamagedRun):
            state_rows(run)
    lines = content.splitlines(keepends=True)
    same_values = [lines[0].replace(": ", ":  ", 1), *lines[1:]]
    for damaged in (lines[:-1], lines[1:], [lines[1], lines[0], *lines[2:]], same_values):
        run.metrics.write_text("".join(damaged))
        with pytest.raises(DamagedRun):
            run.records()
    run.metrics.write_text(content)
    assert train(run, StopRequest()).steps_done == 0 and [one["loss"] for one in run.records()] == losses


def test_metrics_and_states_of_before_are_read(runs: tuple[PolicyRun, PolicyRun]) -> None:
    run, _ = runs
    lines = [{k: v for k, v in json.loads(line).items() if k != "crc32"} for line in run.metrics.open()]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run.root / "outcome.json").unlink()
    for record in run.states.glob(f"*/{RECORD}"):
        record.unlink()
    assert train(run, StopRequest()).steps_done == 0 and run.records() == lines
