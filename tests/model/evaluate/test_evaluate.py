"""Rates, open loop against its baselines, one closed loop, and the report."""

import json
import struct

import numpy as np
import pytest

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.sources.sim.draw import draw_scene
from gr00t_model.evaluate.closed_loop import ClosedLoop, run_trials, swapped_scene, unseen_seeds
from gr00t_model.evaluate.open_loop import Errors, EvaluationError, evaluate_open_loop
from gr00t_model.evaluate.rates import Rate
from gr00t_model.evaluate.report import Report, write_report
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.tiny import FRAMES, build, episode


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    lake = build(tmp_path_factory.mktemp("lake"))
    folder = prepare_run(lake.config(), tmp_path_factory.mktemp("runs"))
    train(folder, StopRequest())
    return folder


@pytest.fixture(scope="module")
def checkpoint(run) -> Checkpoint:
    return Checkpoint.load(run.checkpoint)


@pytest.fixture
def policy(run) -> Policy:
    return Policy.from_checkpoint(run.checkpoint)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (60, 100, 0.5020, 0.6906)],
)
def test_wilson_intervals_have_their_published_values(hits, trials, low, high):
    assert Rate(hits, trials).interval == pytest.approx((low, high), abs=1e-4)


def test_no_trials_say_nothing():
    assert Rate.of([]).interval == (0.0, 1.0)
    assert np.isnan(Rate.of([]).share)
    assert str(Rate.of([True, False])) == "1/2 = 50% [9-91]"


def test_the_ratio_is_to_the_better_baseline():
    assert Errors(policy=1.0, hold_last=4.0, mean_action=2.0).ratio == 0.5
    assert Errors(policy=0.0, hold_last=0.0, mean_action=0.0).ratio is None


class Oracle(Policy):
    """Knows the recorded actions of the tiny episodes by their state; errs by ``off`` in every value."""

    off = 0.0

    def get_action(self, observation, *, seed=None, denoising_steps=None):
        episodes = [episode(number) for number in range(6)]
        answer = {f"action.{name}": [] for name in self.selection.action}
        for row in range(len(observation["state.left_arm"])):
            arm = observation["state.left_arm"][row, 0]
            distances = [np.abs(e.state[:, :7] - arm).sum(axis=1) for e in episodes]
            number, frame = min(
                ((n, int(d.argmin())) for n, d in enumerate(distances)), key=lambda p: distances[p[0]][p[1]]
            )
            chunk = episodes[number].action[np.minimum(frame + np.arange(16), FRAMES - 1)]
            for name in self.selection.action:
                answer[f"action.{name}"].append(chunk[:, self.embodiment.action_part(name).slice] + self.off)
        return {key: np.stack(values) for key, values in answer.items()}


def test_open_loop_measures_in_units_against_both_baselines(checkpoint, policy):
    policy.__class__ = Oracle
    result = evaluate_open_loop(checkpoint, policy, stride_frames=8)
    assert (result.episodes, result.chunks) == (2, 8)  # frames 1, 9, 17, 25 of 30
    assert result.units == dict.fromkeys(("left_arm", "right_arm", "left_hand", "right_hand"), "rad")
    assert all(errors.policy < 1e-6 for errors in result.parts.values())
    policy.off = 0.25
    shifted = evaluate_open_loop(checkpoint, policy, stride_frames=8)
    for name, errors in shifted.parts.items():
        assert errors.policy == pytest.approx(0.25, abs=1e-6)
        assert errors.hold_last == result.parts[name].hold_last


def test_open_loop_baselines_are_what_they_say(checkpoint, policy):
    """Recomputed for the left arm, by hand: the tiny episodes' actions at frames 1, 9, 17, 25."""
    result = evaluate_open_loop(checkpoint, policy, stride_frames=8)
    mean = np.array(checkpoint.statistics.action["left_arm"].mean)
    holds, means = [], []
    for _, number in checkpoint.manifest.held_out:
        arm = episode(number).action[:, :7]
        for frame in (1, 9, 17, 25):
            holds.append(np.abs(arm[frame : frame + 16] - arm[frame - 1]))
            means.append(np.abs(arm[frame : frame + 16] - mean))
    assert result.parts["left_arm"].hold_last == pytest.approx(np.concatenate(holds).mean())
    assert result.parts["left_arm"].mean_action == pytest.approx(np.concatenate(means).mean())
    assert len(result.example.predicted) == len(result.example.recorded) == FRAMES - 1


def test_open_loop_without_held_out_episodes_says_so(checkpoint, policy):
    object.__setattr__(checkpoint.manifest, "held_out", ())
    with pytest.raises(EvaluationError, match="holds out no episode"):
        evaluate_open_loop(checkpoint, policy)


def test_seeds_of_demonstrations_are_left_out(run):
    manifest = MixtureManifest.load(run.checkpoint / "manifest.json")
    assert unseen_seeds(manifest, 3, first=4) == [6, 7, 8]  # the tiny episodes have the seeds 0 to 5
    assert unseen_seeds(manifest, 2) == [1_000_000, 1_000_001]


@pytest.mark.parametrize("task", ["reach", "pick_and_place"])
def test_a_swapped_scene_differs_in_words_only(task):
    scene = draw_scene(task, 3)
    swapped = swapped_scene(scene)
    assert swapped is not None
    assert swapped.target == scene.things[1]
    assert swapped.target.name in swapped.instruction and scene.target.name not in swapped.instruction
    assert sorted(swapped.things, key=str) == sorted(scene.things, key=str)
    lit = dict(zip(scene.things, scene.looks.object_rgb, strict=True))
    assert all(lit[t] == rgb for t, rgb in zip(swapped.things, swapped.looks.object_rgb, strict=True))
    assert (swapped.plate_m, swapped.hand_start_m) == (scene.plate_m, scene.hand_start_m)
    assert swapped_scene(draw_scene("push", 3)) is None


def test_a_policy_acts_in_the_simulator(policy):
    trials = run_trials(policy, "reach", [1_000_000, 1_000_001], image_size=32)
    assert [trial.seed for trial in trials] == [1_000_000, 1_000_001]
    assert all(0 < trial.steps <= 60 and trial.instruction for trial in trials)
    assert all(trial.success or trial.steps == 60 for trial in trials)
    swapped = run_trials(policy, "reach", [1_000_000], swapped=True, image_size=32)
    assert swapped[0].swapped and swapped[0].instruction != trials[0].instruction
    assert trials == run_trials(policy, "reach", [1_000_000, 1_000_001], image_size=32)


def test_a_report_is_json_and_small_figures(run, policy, tmp_path):
    checkpoint = Checkpoint.load(run.checkpoint)
    opened = evaluate_open_loop(checkpoint, policy)
    closed = ClosedLoop("reach", tuple(run_trials(policy, "reach", [1_000_000], image_size=32)))
    report = write_report(tmp_path / "report", checkpoint, opened, [closed], run.records())
    content = json.loads((tmp_path / "report" / "report.json").read_text())
    assert content == json.loads(json.dumps(report.content.facts()))
    assert Report.load(tmp_path / "report").content == report.content
    assert content["checkpoint"] == checkpoint.digest
    assert set(content["open_loop"]["parts"]["left_arm"]) == {"policy", "hold_last", "mean_action", "ratio", "unit"}
    assert content["closed_loop"]["reach"]["success"]["trials"] == 1
    assert set(report.figures) == {"loss", "predicted"}
    assert set(report.part_figures) == {"left_arm", "right_arm", "left_hand", "right_hand"}
    for path in (*report.figures.values(), *report.part_figures.values()):
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert width <= 350 and height <= 350
