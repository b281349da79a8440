"""The benchmark of latency: its measures, its arms, its scenes, and what it keeps."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.realtime.__main__ import arms_of, within_bounds
from benchmarks.realtime.jitter import Jitter
from benchmarks.realtime.scenes import Arm, Job, try_scenes
from benchmarks.realtime.table import Share, lines, rows
from benchmarks.realtime.trials import kept_jobs, tried
from gr00t_data.disk import write_json
from gr00t_model.evaluate.closed_loop import run_trials
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.tiny import SIDE_PX, build

SEEDS = (1_000_000, 1_000_001)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    lake = build(tmp_path_factory.mktemp("lake"))
    folder = prepare_run(lake.config(), tmp_path_factory.mktemp("runs"))
    train(folder, StopRequest())
    return folder.checkpoint


@pytest.fixture(scope="module")
def policy(checkpoint) -> Policy:
    return Policy.from_checkpoint(checkpoint)


def test_jitter_has_its_known_values():
    commands = np.array([[0.0, 0], [1, 0], [3, 0], [3, 4], [3, 5]])  # a border before the fourth
    found = Jitter.of(commands, [1, 1, 1, 2, 2])
    assert found.acceleration == 1.0  # 3 - 2 * 1 + 0
    assert found.jump == 4.0
    assert found.inner == pytest.approx((1 + 2 + 1) / 3)
    assert found.cosine == 0.0  # to the right, then up


def test_jitter_of_one_straight_chunk():
    found = Jitter.of(np.arange(4.0)[:, None], [1, 1, 1, 1])
    assert found.acceleration == 0.0 and found.inner == 1.0
    assert math.isnan(found.jump) and math.isnan(found.cosine)
    assert found.values()["jump"] is None


def test_every_way_is_tried_at_every_latency_and_the_same_one_once():
    arms = arms_of([0, 200], [4], ramp_rate=2.0, overlap=8)
    assert [(arm.execution, arm.delay) for arm in arms] == [
        ("stop_and_go", 0),
        ("real_time", 0),
        ("stop_and_go", 4),
        ("asynchronous", 4),
        ("real_time", 4),
    ]
    assert {arm.ramp_rate for arm in arms if arm.execution == "real_time"} == {2.0}
    with pytest.raises(ValueError, match="multiples of 50 ms"):
        arms_of([0, 120], [4], 2.0, None)


def test_without_latency_the_scenes_go_as_in_the_evaluation(policy):
    trials = run_trials(policy, "reach", SEEDS, image_size=SIDE_PX)
    expected = [(trial.seed, trial.success, trial.steps) for trial in trials]
    for execution in ("stop_and_go", "asynchronous"):
        records = try_scenes(policy, "reach", SEEDS, Arm(execution, 0, every=8), SIDE_PX)
        assert [(one["seed"], one["success"], one["steps"]) for one in records] == expected


def test_a_scene_does_not_depend_on_the_scenes_beside_it(policy):
    arm = Arm("real_time", 4, every=4)
    together, again = (try_scenes(policy, "reach", SEEDS, arm, SIDE_PX) for _ in range(2))
    alone = try_scenes(policy, "reach", SEEDS[:1], arm, SIDE_PX)[0]
    assert together == again
    assert {name: together[0][name] for name in ("seed", "success", "steps")} == {
        name: alone[name] for name in ("seed", "success", "steps")
    }
    assert together[0]["jump"] == pytest.approx(alone["jump"], rel=1e-3)


def test_what_was_tried_is_not_tried_again(checkpoint, tmp_path):
    jobs = kept_jobs(checkpoint, Arm("stop_and_go", 0), ["reach"], 2, tmp_path)
    (kept,) = jobs
    assert jobs[kept].seeds == SEEDS
    write_json(kept, ["kept"])
    assert tried(jobs, processes=1) == {kept: ["kept"]}
    other = kept_jobs(checkpoint, Arm("stop_and_go", 1), ["reach"], 2, tmp_path)
    assert other.keys().isdisjoint(jobs)


def test_a_job_is_its_scenes(checkpoint, policy):
    arm = Arm("asynchronous", 2, every=8)
    assert Job(str(checkpoint), "reach", SEEDS[:1], arm).run() == try_scenes(policy, "reach", SEEDS[:1], arm)


def test_a_share_has_its_interval():
    ones = np.ones(50)
    assert str(Share.of(2 * ones, ones)) == "2.00 [2.00, 2.00]"
    mixed = Share.of(np.tile([0.0, 2.0], 25), ones)
    assert mixed.share == 1.0 and mixed.low < 0.85 and mixed.high > 1.15
    assert Share.of(np.array([1.0, np.nan]), np.array([2.0, 9.0])).share == 0.5
    with pytest.raises(ValueError, match="nothing to compare with"):
        Share.of(ones, 0 * ones)


def record(success: bool, jump: float) -> dict:
    return {"success": success, "steps": 40, "acceleration": 0.1, "jump": jump, "inner": 0.1, "cosine": 0.5}


@pytest.mark.parametrize(
    ("successes", "jump", "kept"), [(9, 0.1, True), (10, 0.1, True), (5, 0.1, False), (10, 0.3, False)]
)
def test_the_bounds_are_judged(successes, jump, kept):
    found = {
        Arm("stop_and_go", 0): [record(number < 9, 0.2) for number in range(10)],
        Arm("asynchronous", 4): [record(True, 0.5)] * 10,
        Arm("real_time", 4): [record(number < successes, jump) for number in range(10)],
    }
    table = rows(found)
    assert within_bounds(table, every=8) is kept
    assert table[0]["success_share"] is None and table[2]["jump_share"]["share"] == pytest.approx(jump / 0.5)
    printed = lines(table)
    assert len(printed) == 4 and "| 200 ms | real-time | 8 steps |" in printed[-1]
