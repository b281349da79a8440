"""Action minus state, step by step: against numpy, at another rate, saved and read back."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gr00t_data.batches.relative import RelativeStatistics, measure_relative
from gr00t_data.curate.build import build_index
from gr00t_data.curate.index import Index
from gr00t_data.store.store import EpisodeStore
from gr00t_model.shell.train import app
from tests.data.builders import GR1, change_info, episode, sealed

Sources = list[tuple[EpisodeStore, Index]]


def by_hand(sources: Sources, step: int) -> np.ndarray:
    """float64 [N, 7]: the right arm, all rows that have such a step."""
    gone = []
    for store, index in sources:
        for verdict in index.accepted:
            action, state = (read(verdict.episode_index)[:, 22:29] for read in (store.action, store.state))
            gone.append(action[step:] - state[: len(state) - step])
    return np.concatenate(gone)


def test_each_step_is_that_of_numpy(sources: Sources) -> None:
    found = measure_relative(sources, GR1, 16)
    assert found.horizon == 16 and found.left_out == {} and set(found.parts) == {part.name for part in GR1.action}
    for step in (0, 1, 15):
        expected, own = by_hand(sources, step), found.parts["right_arm"][step]
        assert own.count == len(expected)
        np.testing.assert_allclose(own.mean, expected.mean(0))
        np.testing.assert_allclose(own.std, expected.std(0))
        np.testing.assert_allclose(own.q01, np.quantile(expected, 0.01, axis=0))
        np.testing.assert_array_equal(own.max, expected.max(0))


def test_steps_are_those_of_the_embodiment(tmp_path: Path) -> None:
    store = change_info(sealed(tmp_path / "fast", [episode(40, times_s=np.arange(40) / 40)]), fps=40)
    checked = [(store, build_index(store, GR1, tmp_path / "index"))]
    found = measure_relative(checked, GR1, 4).parts["right_arm"]
    assert [step.count for step in found] == [40, 38, 36, 34]
    np.testing.assert_allclose(found[2].mean, by_hand(checked, 4).mean(0))


def test_parts_without_such_numbers_are_named(sources: Sources) -> None:
    changes = {"left_arm": {"absolute": False}, "neck": {"rotation": "euler_angles_rpy"}, "waist": {"name": "hips"}}
    robot = replace(GR1, action=tuple(replace(part, **changes.get(part.name, {})) for part in GR1.action))
    found = measure_relative(sources, robot, 2)
    assert found.left_out == {
        "left_arm": "is relative already",
        "neck": "is a rotation, which is not subtracted",
        "hips": "has no state of its name",
    }
    np.testing.assert_allclose(found.parts["right_arm"][1].mean, by_hand(sources, 1).mean(0))


def test_too_many_steps(sources: Sources) -> None:
    with pytest.raises(ValueError, match="of 4 accepted episodes none is as long as 25 steps"):
        measure_relative(sources, GR1, 25)


def test_saved_and_printed(tmp_path: Path) -> None:
    sealed(tmp_path / "stores/simulator", [episode(20, 0), episode(24, 1)])
    words = ["stats", "--relative", "3", "--json", "--lake", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    saved = RelativeStatistics.load(Path(report["relative"]))
    assert saved.horizon == 3 and len(saved.parts["right_arm"]) == 3
    assert any(row["part"] == "relative.right_arm[2]" for row in report["rows"])
    Path(report["relative"]).write_text('{"parts": 3}')
    with pytest.raises(ValueError, match="not statistics of relative actions"):
        RelativeStatistics.load(Path(report["relative"]))
