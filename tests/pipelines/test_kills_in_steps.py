"""kill -9 inside Dagster steps and inside trainings with their ranks: bytes, weights and processes afterwards.

``GR00T_STEP_KILLS`` says how many of each (default 2); ``python -m benchmarks.kills`` does a hundred in all.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.kills.__main__ import undisturbed
from benchmarks.kills.scenes import Steps, Training
from benchmarks.kills.tally import Left, Tally, compare, corrupted, harass
from benchmarks.kills.victim import run, tagged
from gr00t_data.lake import Lake
from gr00t_data.sources.landing.landing import take_in
from tests.pipelines.drops import GR1, put

KILLS = int(os.environ.get("GR00T_STEP_KILLS", "2"))


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_killed_training_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path, ranks: int) -> None:
    scene = Training(tmp_path, ranks)
    scene.prepare()
    wanted, whole_s = undisturbed(scene)
    assert wanted.weights
    tally = harass(scene, KILLS, whole_s, wanted, seed=1, say=print, earliest=0.4)
    assert tally.clean and tally.kills == KILLS, tally
    assert tally.weights_compared >= len(wanted.weights)


@pytest.mark.slow
def test_killed_dagster_steps_end_with_the_bytes_of_an_undisturbed_run(tmp_path: Path) -> None:
    scene = Steps(tmp_path)
    wanted, whole_s = undisturbed(scene)
    assert wanted.accepted and {name.split("/")[0] for name in wanted.weights} == {"bases", "runs", "checkpoints"}
    tally = harass(scene, KILLS, whole_s, wanted, seed=1, say=print, earliest=0.2)
    assert tally.clean and tally.kills == KILLS, tally


def test_what_is_lost_or_different_is_counted() -> None:
    wanted = Left({"a": "1", "b": "2"}, {"w": "1"}, frozenset({("s", 0), ("s", 1)}))
    tally = Tally("test")
    compare(tally, wanted, Left({"a": "1", "c": "3"}, {"w": "9"}, frozenset({("s", 0)})))
    assert (tally.files_that_differ, tally.weights_that_differ, tally.lost_episodes) == (2, 1, 1) and not tally.clean
    assert compare(Tally("test"), wanted, wanted) is None


def test_a_store_that_is_not_what_its_seal_says_is_counted(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    put(lake, "monday", episodes=1)
    store = take_in(lake, "monday", GR1)
    assert corrupted(tmp_path) == 0
    (store.root / "meta/tasks.jsonl").write_text("{}")
    assert corrupted(tmp_path) == 1


def test_processes_that_outlive_a_kill_are_found_in_whatever_session(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("benchmarks.kills.victim.PATIENCE_S", 1.0)
    sleeper = "import time; time.sleep(600)"
    parent = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {sleeper!r}], "
    parent += "start_new_session=True); time.sleep(600)"
    before = set(psutil.pids())
    end = run([sys.executable, "-c", parent], tmp_path, {}, kill_after_s=1.5, whole_group=True)
    assert end.status is None and end.orphans == 1 and end.outlived_s >= 1.0
    time.sleep(0.1)
    assert not [p for p in set(psutil.pids()) - before if psutil.pid_exists(p) and sleeper in _line(p)]
    assert run([sys.executable, "-c", "print('done')"], tmp_path, {}).output == "done\n" and tagged("nobody") == []


def _line(pid: int) -> str:
    done = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout
