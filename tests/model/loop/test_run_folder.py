"""A run folder: what it says, what a torn or missing file in it means, and the lines of progress."""

import json
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from gr00t_data.disk import write_json
from gr00t_model.loop.config import ConfigError, LoopConfig, Machine, Optimizer, validated
from gr00t_model.loop.entry import enter
from gr00t_model.loop.progress import Progress
from gr00t_model.loop.run import Outcome, RunFolder
from gr00t_model.loop.stop import INTERRUPTED_STATUS, StopRequest

DONE = Outcome(state="complete", step=8, steps_done=3, message="done", losses={"loss": 0.5}, peak_memory_bytes=1)


class TinyRun(RunFolder):
    trainer: ClassVar[str] = "tests.tiny"


@pytest.fixture
def run(tmp_path: Path) -> TinyRun:
    return TinyRun(tmp_path)


def test_a_folder_without_its_configuration_says_how_to_make_one(run: TinyRun) -> None:
    with pytest.raises(ConfigError, match=r"RUN\.json: no such file; make it with `gr00t train --recipe NAME`$"):
        run.fields()


@pytest.mark.parametrize("content", [{}, {"key": "a"}, {"config": {}}, [], None])
def test_a_configuration_without_its_fields_is_refused(run: TinyRun, content: object) -> None:
    write_json(run.run_json, content)
    with pytest.raises(ConfigError, match=r"RUN\.json: expected the fields key and config$"):
        run.fields()


def test_key_and_machine_are_read(run: TinyRun) -> None:
    write_json(run.run_json, {"key": "ab12", "config": {"machine": {"num_processes": 2}, "steps": 3}})
    assert (run.key, run.machine) == ("ab12", Machine(num_processes=2))


def test_an_outcome_is_finished_only_with_its_product(run: TinyRun) -> None:
    assert run.outcome() is None and run.finished() is None
    run.write_outcome(DONE)
    assert run.outcome() == DONE and run.finished() is None
    run.product.mkdir()
    again = run.finished()
    assert again is not None and again.steps_done == 0 and again.losses == DONE.losses
    assert again.message == f"{run.root}: complete already, nothing was done"
    run.write_outcome(DONE.model_copy(update={"state": "interrupted"}))
    assert run.finished() is None
    run.clear_outcome()
    run.clear_outcome()
    assert run.outcome() is None


def test_losses_are_what_was_logged_last(run: TinyRun) -> None:
    assert run.records() == [] and run.last_losses() == {}
    lines = [{"step": 1, "loss": 2.0, "lr": 1.0}, {"step": 2, "loss": 1.0, "flow": 0.5, "lr": 1.0, "wall_s": 3.0}]
    run.metrics.write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    assert run.records() == lines and run.last_losses() == {"loss": 1.0, "flow": 0.5}


def test_a_line_that_was_torn_is_no_record(run: TinyRun) -> None:
    """A full disk may take a part of a line; the run goes on from its state all the same."""
    run.metrics.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert run.records() == [{"step": 1, "loss": 2.0}]
    progress = Progress(run, 1, 2, lambda line: None)
    progress.log(2, {"loss": 1.0}, 0.1, 0.2)
    progress.close()
    assert [record["step"] for record in run.records()] == [1, 2]


def test_progress_forgets_what_is_done_again(run: TinyRun) -> None:
    run.metrics.write_text("".join(json.dumps({"step": step, "loss": 9.0}) + "\n" for step in (2, 4, 6)))
    lines: list[str] = []
    progress = Progress(run, 4, 8, lines.append)
    progress.log(6, {"loss": 1.25, "flow": 0.75}, 3e-4, 2.5)
    progress.log(8, {"loss": 1.0, "flow": 0.5}, 0.0, 2.0)
    progress.close()
    records = run.records()
    assert [record["step"] for record in records] == [2, 4, 6, 8]
    assert [record["loss"] for record in records] == [9.0, 9.0, 1.25, 1.0]
    assert records[2]["gradient_norm"] == 2.5 and records[2]["lr"] == 3e-4 and records[3]["wall_s"] >= 0
    assert lines[0].startswith("step 6/8  loss 1.2500 (flow 0.7500)  lr 3.00e-04  ")
    assert lines[1].startswith("step 8/8  loss 1.0000 (flow 0.5000)  lr 0.00e+00  ") and lines[1].endswith("ETA 0:00")
    assert list(run.tensorboard.iterdir())


@pytest.mark.parametrize("arguments", [[], ["config.json"], ["a/RUN.json", "b/RUN.json"]])
def test_wrong_usage_of_a_trainer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert enter(arguments, TinyRun, lambda run, stop: DONE, "gr00t tiny") == 2
    said = capsys.readouterr().out
    assert "usage: accelerate launch -m tests.tiny RUN.json" in said and "`gr00t tiny`" in said


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [({}, 0, ""), ({"steps_done": 0}, 0, "done\n"), ({"state": "interrupted"}, INTERRUPTED_STATUS, "")],
)
def test_the_exit_status_tells_the_outcome(
    run: TinyRun, capsys: pytest.CaptureFixture[str], changes: dict[str, object], status: int, said: str
) -> None:
    entered: list[Path] = []

    def train(found: TinyRun, stop: StopRequest) -> Outcome:
        entered.append(found.root)
        return DONE.model_copy(update=changes)

    assert enter([str(run.run_json)], TinyRun, train, "gr00t tiny") == status
    assert entered == [run.root] and capsys.readouterr().out == said


def test_everything_that_is_wrong_is_said_in_one_line() -> None:
    fields = {"steps": 0, "optimizer": {"lr": -1, "kind": "sgd"}, "machine": {"threads": "many"}, "speed": 3}
    with pytest.raises(ConfigError) as error:
        validated(LoopConfig, fields, "RUN.json")
    told = str(error.value)
    assert told.startswith("RUN.json: ") and "\n" not in told and told.count("; ") >= 4
    for part in (
        "steps: Input should be greater than 0, found 0",
        "optimizer.lr: Input should be greater than 0, found -1",
        "optimizer.kind: Input should be 'adamw', 'adamw_8bit' or 'paged_adamw_8bit', found 'sgd'",
        "machine.threads: Input should be a valid integer",
        "speed: no such field; ",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("kind", "field", "outside", "bound"),
    [
        (Optimizer, "eps", 0, "greater than 0"),
        (Optimizer, "warmup_share", 1, "less than 1"),
        (Optimizer, "final_lr_share", 1.5, "less than or equal to 1"),
        (Optimizer, "clip_norm", -0.1, "greater than or equal to 0"),
        (Optimizer, "ema_decay", 1, "less than 1"),
        (Machine, "num_processes", 0, "greater than or equal to 1"),
        (Machine, "prefetch_batches", -1, "greater than or equal to 0"),
        (Machine, "precision", "fp16", "'auto', 'fp32' or 'bf16'"),
    ],
)
def test_a_setting_outside_its_bounds_is_named(kind: type, field: str, outside: object, bound: str) -> None:
    with pytest.raises(ConfigError, match=f"^machine: {field}: Input should be {bound}, found"):
        validated(kind, {field: outside}, "machine")


def test_settings_are_never_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Machine().threads = 3  # type: ignore[misc]
