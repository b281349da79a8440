"""The trainer in processes of its own: it reports, stops when told to, and does not outlive its parent."""

import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from gr00t_data.integrity import read_sealed, write_sealed
from gr00t_model.loop import launch as launching
from gr00t_model.loop.config import Machine
from gr00t_model.loop.launch import TrainingError, launch, stop
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.key import PolicyRun, prepare_run
from gr00t_model.training.train import train
from tests.model.tiny import TinyLake, build

ROOT = Path(__file__).parents[3]

FAMILY = """
    import os, subprocess, sys, time
    child = "import os, time; os.write(1, b'child' + bytes([10])); time.sleep(600)"  # one write: two would mix
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + child
    for code in (child, stubborn):
        subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    print("parent", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


def test_stop_ends_descendants_in_other_sessions():
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(FAMILY)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    lines = {parent.stdout.readline().strip() for _ in range(3)}
    assert lines == {"parent", "child"}
    family = [psutil.Process(parent.pid), *psutil.Process(parent.pid).children()]
    assert len(family) == 3
    started = time.monotonic()
    stop(parent.pid, grace_s=0.5)
    parent.wait()
    assert time.monotonic() - started < 5
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


def endless(lake: TinyLake, folder: Path, processes: int = 1) -> PolicyRun:
    machine = Machine(threads=1, num_processes=processes)
    return prepare_run(lake.config(steps=10**6, checkpoint_every_steps=10**6, machine=machine), folder)


class Interrupt(BaseException):
    """What Dagster raises in a cancelled run is no Exception either."""


@pytest.mark.slow
def test_a_run_is_trained_and_reported(lake, tmp_path):
    run, lines = prepare_run(lake.config(), tmp_path), []
    launched = launch(run, lines.append)
    assert (launched.outcome.state, launched.outcome.steps_done) == ("complete", 4)
    assert sum(line.startswith("step ") for line in lines) == 4
    assert launch(run, lines.append).outcome.steps_done == 0


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_an_interrupt_saves_the_state_first(lake, tmp_path, processes):
    run = endless(lake, tmp_path, processes)
    seen = []

    def interrupt(line: str) -> None:
        seen.append(line)
        if line.startswith("step 3/") and not any("stopped" in text for text in seen):
            children.extend(psutil.Process().children(recursive=True))
            raise Interrupt

    children: list[psutil.Process] = []
    with pytest.raises(Interrupt):
        launch(run, interrupt)
    outcome = run.outcome()
    assert outcome is not None and outcome.state == "interrupted" and outcome.step >= 3
    assert (run.states / f"{outcome.step:08d}" / "state.json").is_file()
    assert len(children) == 1 + processes
    assert not any(process.is_running() for process in children)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_the_trainer_dies_with_a_killed_parent(lake, tmp_path, processes):
    run = endless(lake, tmp_path, processes)
    code = f"""
        import sys; sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from gr00t_model.loop.launch import launch
        from gr00t_model.training.key import PolicyRun
        launch(PolicyRun(Path({str(run.root)!r})), lambda line: print(line, flush=True))
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    while not parent.stdout.readline().startswith("step 3/"):
        assert parent.poll() is None
    family = psutil.Process(parent.pid).children(recursive=True)
    assert len(family) >= 1 + processes
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive
    assert run.outcome().state == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_trainer_that_has_nothing_to_save_ends_at_once(lake, tmp_path, processes):
    """Its parent is gone before it reads its first batch: it does not load a model for nobody."""
    run = endless(lake, tmp_path, processes)
    start = time.monotonic()
    process = launching._start(launching.command(run))
    process.stdin.close()
    assert process.wait(60) != 0
    assert not run.states.exists() and run.outcome() is None
    assert time.monotonic() - start < 60


@pytest.mark.slow
def test_two_trainers_of_one_run_work_one_after_the_other(lake, tmp_path):
    """One may still be saving because whoever started it was killed: the second one waits, and finds the work done."""
    run = prepare_run(lake.config(), tmp_path)
    done = []
    threads = [
        threading.Thread(target=lambda: done.append(launch(run, lambda line: None).outcome.state)) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == ["complete", "complete"] and len(run.records()) == 4


@pytest.mark.slow
def test_a_failing_trainer_shows_its_last_lines(lake, tmp_path):
    run = prepare_run(lake.config(), tmp_path)
    written = read_sealed(run.run_json)
    write_sealed(run.run_json, {**written, "config": {**written["config"], "steps": 5}})
    with pytest.raises(TrainingError, match="something changed since"):
        launch(run, lambda line: None)


@pytest.mark.slow
def test_two_processes_train_as_one(lake, tmp_path):
    """Two ranks of 3 rows, and one process that takes the same rows in two passes, agree on losses, gradients and the
    averaged weights that are exported."""
    run, lines = prepare_run(lake.config(machine=Machine(threads=1, num_processes=2)), tmp_path / "two"), []
    assert "--multi_gpu" in launching.command(run)
    assert launch(run, lines.append).outcome.state == "complete"
    assert any("2 process(es)" in line for line in lines)
    one = prepare_run(lake.config(accumulate=2), tmp_path / "one")
    train(one, StopRequest())
    for both, alone in zip(run.records(), one.records(), strict=True):
        assert both["flow"] == pytest.approx(alone["flow"], rel=1e-3)
        assert both["gradient_norm"] == pytest.approx(alone["gradient_norm"], rel=1e-2)
    exported, wanted, start = (
        load_file(folder / "model.safetensors") for folder in (run.checkpoint, one.checkpoint, one.fresh_base)
    )
    learned = [name for name, tensor in wanted.items() if not torch.equal(tensor, start[name])]
    assert len(learned) > 50
    for name in learned:
        step = float((wanted[name] - start[name]).abs().max())
        assert float((exported[name] - wanted[name]).abs().max()) < 0.3 * step, name
    assert {e.samples for e in Checkpoint.load(run.checkpoint).episodes} == {
        e.samples for e in Checkpoint.load(one.checkpoint).episodes
    }
