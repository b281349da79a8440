"""The benchmarks of the inverse dynamics model: their arithmetic by hand, their parts on small stores."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.neural.gap import GAPS, RIGHT, Row, fallen, falls, refusal, rows_of
from benchmarks.neural.idm import failures, scored
from benchmarks.neural.model import Subject
from benchmarks.neural.replay import inferred, other_of, replay, summary
from benchmarks.neural.throughput import clips_of
from gr00t_data.curate.build import build_index
from gr00t_data.sources.sim.demos import record_episode
from gr00t_data.store.store import EpisodeStore
from gr00t_model.idm.artifact import Artifact, Robot
from gr00t_model.idm.config import nano
from gr00t_model.idm.examples import measure_actions, takes_of
from gr00t_model.idm.model import Idm
from gr00t_model.idm.report import Scores
from gr00t_model.idm.timing import Timing
from tests.data.builders import GR1, sealed


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    episodes = [record_episode("reach", seed, image_size=32) for seed in range(2)]
    return sealed(tmp_path_factory.mktemp("reach") / "reach", episodes)


@pytest.fixture(scope="module")
def subject(store: EpisodeStore, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp("index")
    robot = Robot(GR1, None, measure_actions(takes_of([store]), GR1), standardised=True)
    facts: dict[str, Any] = {"learned": [], "held_out": []}
    artifact = Artifact(Idm(nano()).eval(), Timing(20, 16, 20, 16), robot, facts, "x")
    return Subject(artifact, store, build_index(store, GR1, folder), folder)


def test_what_misses_its_bound() -> None:
    good = {"r2": 0.9, "error": 0.1, "magnitude": 1.0}
    assert failures({"idm": good, "mean_action": {**good, "r2": 0.0}}) == []
    missed = failures({"idm": {**good, "r2": 0.7, "magnitude": 0.8}, "linear_on_pixels": {**good, "r2": 0.75}})
    assert missed == ["R2 0.700 is under 0.8", "magnitude 0.800 is not 0.9 to 1.1", "linear_on_pixels has R2 0.750"]


def test_tables_have_a_row_for_each_part_and_predictor() -> None:
    scores = {"r2": None, "error": 0.25, "magnitude": 1.0}
    lines = scored("x", {"parts": {"left_arm": {"idm": scores}}, "moving": {"idm": scores}})
    assert lines[1] == "| left_arm | idm | - | 0.250 | 1.000 |" and lines[2].startswith("| all that moves | idm |")


def test_true_actions_succeed_and_others_do_not(subject: Subject, store: EpisodeStore) -> None:
    done, hands = replay("reach", 0, store.action(0))
    assert done and hands.shape[1] == 3
    assert not replay("reach", 0, np.zeros((1, 44)))[0]
    assert other_of(subject, 0) == 1 and other_of(subject, 1) == 0
    actions = inferred(subject, 0)
    assert actions.shape == (store.row(0).length - 1, 44) and not actions[:, GR1.action_part("waist").slice].any()


def test_shares_are_of_the_true_successes() -> None:
    rows = [
        {"task": "reach", "true": True, "inferred": number < 3, "other episode": False, "strayed_m": 0.01 * number}
        for number in range(4)
    ]
    found = summary(rows)
    assert found["reach"]["kept"] == 0.75 == found["all"]["kept"] and found["push"]["true"].trials == 0
    assert found["all"]["strayed_m"] == pytest.approx(0.015)


def test_motion_falls_by_that_at_the_right_distance() -> None:
    full, half, less = Scores(1, 0, 1.0, 0.8), Scores(0, 0, 0.5, 0.4), Scores(0, 0, 0.7, 0.2)
    rows = [Row(8, half, less), Row(16, full, full)]
    assert fallen(rows, 8, "along") == pytest.approx((0.5, 0.25))
    assert fallen(rows, 8, "magnitude") == pytest.approx((0.5, 0.7))
    assert falls("x", rows)[1:] == [
        "| 8 | 0.50 | 0.25 | 0.50 | 0.70 | 0.00 |",
        "| 16 | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 |",
    ]


def test_every_distance_is_measured_on_the_same_windows(subject: Subject) -> None:
    rows = rows_of(subject)
    assert [row.gap for row in rows] == list(GAPS)
    predicted = [row.predicted.along for row in rows]
    assert predicted == sorted(predicted) and predicted[GAPS.index(RIGHT)] == pytest.approx(1)
    assert rows[GAPS.index(RIGHT)].predicted.r2 == 1 and rows[0].predicted.r2 < 1
    assert len({row.found.r2 for row in rows}) == len(GAPS)


def test_half_the_rate_is_refused(subject: Subject) -> None:
    assert "off by a factor of 0.5" in refusal(subject)


def test_clips_have_no_actions(store: EpisodeStore, tmp_path: Path) -> None:
    clips = clips_of(store, GR1, 1, tmp_path / "clips")
    assert clips.kind == "neural" and len(clips.rows) == 1 and not clips.action(0).any()
