"""Parts of different units: what is measured over all of them does not depend on which unit each has."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_model.idm.artifact import Artifact, Robot
from gr00t_model.idm.config import nano
from gr00t_model.idm.evaluate import report_of
from gr00t_model.idm.label import scales
from gr00t_model.idm.model import Idm
from gr00t_model.idm.report import GuessError, IdmReport, Labels, LabelScores, guessed_parts
from gr00t_model.idm.timing import Timing

NOBODY = Labels({}, LabelScores(0.0, 0.0, 0.0), {}, 0.0)
RNG = np.random.default_rng(0)
ARM_DEG = np.cumsum(RNG.normal(0, 2, (60, 16, 5)), axis=1) + RNG.normal(0, 20, (60, 1, 5))
GRIPPER = np.where(RNG.random((60, 1, 1)) < 0.5, 0.0, 100.0) * np.ones((60, 16, 1))


def artifact_of(arm_unit: str, arm: np.ndarray, folder: Path) -> Artifact:
    """A model of an arm in ``arm_unit`` with a gripper in percent, its statistics those of the chunks."""
    text = (Path(__file__).parents[3] / "schemas/embodiments/so100.yaml").read_text()
    if arm_unit == "rad":
        text = text.replace("unit: deg", "unit: rad").replace("[-270.0, 270.0]", "[-4.7, 4.7]")
    (folder / "arm.yaml").write_text(text.replace("name: so100\n", "name: arm\n"))
    robot = load_embodiment(folder / "arm.yaml")
    action = {"single_arm": PartStatistics.of(arm.reshape(-1, 5)), "gripper": PartStatistics.of(GRIPPER.reshape(-1, 1))}
    statistics = NormStats(robot.name, robot.digest, "x", {}, action)
    return Artifact(Idm(nano()).eval(), Timing(30, 16, 30, 16), Robot(robot, None, statistics), {}, "artifact")


def report(arm_unit: str, folder: Path, told: str) -> IdmReport:
    """Of a model that is perfect in one part, and in the other says the mean."""
    arm = np.deg2rad(ARM_DEG) if arm_unit == "rad" else ARM_DEG
    truth = np.concatenate([arm, GRIPPER], axis=2)
    mean = np.broadcast_to(truth.mean((0, 1)), truth.shape)
    perfect = np.arange(6) < 5 if told == "the arm" else np.arange(6) == 5
    predictors = {"idm": np.where(perfect, truth, mean), "mean_action": mean, "previous_action": mean}
    artifact = artifact_of(arm_unit, arm, folder)
    return report_of(artifact, predictors, truth, episodes=3, frame_gap=16, labels=NOBODY)


@pytest.mark.parametrize("unit", ["rad", "deg"])
def test_a_perfect_arm_with_a_mean_gripper_labels_the_arm(tmp_path: Path, unit: str) -> None:
    found = report(unit, tmp_path, "the arm")
    assert found.parts["single_arm"]["idm"].r2 == pytest.approx(1)
    assert found.moving["idm"].r2 == pytest.approx(5 / 6) and found.moves == {"single_arm": 5, "gripper": 1}
    worth = found.worth()
    assert worth.good and worth.guesses == {"gripper"} and "no better than a guess: gripper" in worth.text


@pytest.mark.parametrize("unit", ["rad", "deg"])
def test_a_useless_arm_with_a_perfect_gripper_labels_nothing(tmp_path: Path, unit: str) -> None:
    found = report(unit, tmp_path, "the gripper")
    assert found.moving["idm"].r2 == pytest.approx(1 / 6)
    assert not found.worth().good and found.worth().guesses == {"single_arm"}
    found.save(tmp_path)
    assert IdmReport.load(tmp_path).worth() == found.worth()
    with pytest.raises(GuessError, match="no better than a guess: single_arm; its labels would be guesses"):
        guessed_parts(tmp_path)
    assert guessed_parts(tmp_path, any_model=True) == frozenset()


def test_nothing_over_all_parts_depends_on_a_unit(tmp_path: Path) -> None:
    rad, deg = (report(unit, tmp_path, "the arm") for unit in ("rad", "deg"))
    for name in ("idm", "mean_action"):
        one, other = vars(rad.moving[name]), vars(deg.moving[name])
        assert one == pytest.approx(other, rel=1e-6)
    arms = [artifact_of(unit, arm, tmp_path) for unit, arm in (("rad", np.deg2rad(ARM_DEG)), ("deg", ARM_DEG))]
    in_rad, in_deg = (scales(one) for one in arms)
    np.testing.assert_allclose(np.rad2deg(in_rad[:5]), in_deg[:5])
    assert in_rad[5] == in_deg[5]


def test_what_stands_still_is_measured_by_its_range(tmp_path: Path) -> None:
    arm = ARM_DEG * [1, 1, 1, 1, 1e-6]
    truth = np.concatenate([arm, GRIPPER], axis=2)
    off = truth + RNG.normal(0, 1e-3, truth.shape)
    one = artifact_of("deg", arm, tmp_path)
    found = report_of(one, {"idm": off, "mean_action": truth * 0}, truth, episodes=1, frame_gap=16, labels=NOBODY)
    assert found.moves == {"single_arm": 4, "gripper": 1} and found.moving["idm"].r2 > 0.99
    assert (scales(one) > 0).all()
