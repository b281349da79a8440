"""What a store does not have is not measured: footage of people leaves the statistics of the robot as they are."""

from pathlib import Path

import pytest

from gr00t_data.batches.mixture.weights import Weighing, WeighingError, weigh
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.values.masks import wholly_masked
from gr00t_data.curate.build import build_index
from tests.data.builders import GR1, episode, sealed


def test_footage_changes_no_statistics(tmp_path: Path) -> None:
    robot = sealed(tmp_path / "robot", [episode(seed=1), episode(seed=2)])
    people = sealed(tmp_path / "people", [episode(seed=3), episode(seed=4)], kind="human")
    assert wholly_masked(people, "state") and wholly_masked(people, "action") and not wholly_masked(robot, "action")
    checked = [(store, build_index(store, GR1, tmp_path / "index")) for store in (robot, people)]
    alone, both = measure(checked[:1], GR1), measure(checked, GR1, weights=[0.25, 0.75])
    assert alone.state == both.state and alone.action == both.action
    assert alone.measured != both.measured and set(both.shares) == {robot.digest, people.digest}
    nothing = measure(checked[1:], GR1)  # nobody has it: the zeros are measured, training masks them
    assert nothing.action["left_arm"].count == 40


def test_share_of_human_video() -> None:
    frames, kinds = {"a": 60, "b": 20, "people": 920}, {"a": "real", "b": "simulated", "people": "human"}
    assert weigh(frames, kinds, Weighing(human=0.2)) == pytest.approx({"a": 0.6, "b": 0.2, "people": 0.2})
    assert weigh(frames, kinds, Weighing(human=0)) == pytest.approx({"a": 0.75, "b": 0.25})
    assert weigh(frames, kinds, Weighing())["people"] == pytest.approx(0.92)
    with pytest.raises(
        WeighingError, match=r"human asks for 0\.2 of the samples from other stores, but there are none"
    ):
        weigh({"a": 1}, {"a": "real"}, Weighing(human=0.2))
    with pytest.raises(WeighingError, match=r"human is 1.5, expected 0..1"):
        Weighing(human=1.5)
