"""Real teleoperation beside simulated episodes, from the drop to a checkpoint that names both."""

import json
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.ingest import ingest
from gr00t_data.stages.ingest import simulate
from gr00t_data.stages.mix import measure_statistics, mix
from gr00t_data.stages.settings import Demonstrations, MixtureSettings
from gr00t_data.stages.stores import check
from gr00t_model.stages.base import base_model
from gr00t_model.stages.settings import FinetuneSettings, GroundSettings
from gr00t_model.stages.train import new_run, publish_checkpoint, train_run
from gr00t_model.training.checkpoint import Checkpoint

DROP = Path(__file__).parents[2] / "shared/data/teleop/robot_sim.PickNPlace"
GR1 = load_embodiment("gr1")
STATISTICS_AGREE_WITHIN = 1e-5

pytestmark = pytest.mark.skipif(not DROP.is_dir(), reason="the real PickNPlace data is not here (../shared/data)")


def test_verdicts_findings_and_statistics_of_the_real_drop(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    store = ingest(DROP, GR1, lake, licence="Apache-2.0")
    index = check(lake, store, GR1)
    assert len(index.accepted) == 5 and sum(verdict.kept_frames for verdict in index.accepted) == 2096
    assert {"META-05", "META-06", "TIME-05"} <= {finding.code for finding in index.findings}
    assert all({"TEXT-03", "TIME-04"} <= set(verdict.codes) for verdict in index.verdicts)
    statistics, _ = measure_statistics(lake, GR1)
    published = json.loads((DROP / "meta/stats.json").read_text())
    for side, column, parts in (("state", "observation.state", GR1.state), ("action", "action", GR1.action)):
        for part in parts:
            measured = getattr(statistics, side)[part.name]
            for name in ("mean", "std", "min", "max", "q01", "q99"):
                expected = np.array(published[column][name])[part.start : part.end]
                np.testing.assert_allclose(getattr(measured, name), expected, atol=STATISTICS_AGREE_WITHIN)


@pytest.mark.slow
def test_checkpoint_of_real_and_simulated_episodes(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    ingest(DROP, GR1, lake, licence="Apache-2.0")
    simulate(lake, GR1, Demonstrations.of({"reach": 4}, workers=1))
    half = MixtureSettings(weights={"robot_sim.PickNPlace": 0.5})
    measure_statistics(lake, GR1, half)
    mix(lake, GR1, half)
    base_model(lake, GroundSettings(stills=64))
    run = new_run(lake, GR1, FinetuneSettings(recipe="gr1_nano_tiny", settings=["batch_size=16"]))
    assert train_run(run, print).outcome.state == "complete"
    folder, _ = publish_checkpoint(lake, GR1, run)
    assert {episode["kind"] for episode in Checkpoint.load(folder).episodes} == {"real", "simulated"}
