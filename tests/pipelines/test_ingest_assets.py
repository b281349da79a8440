"""teleop_episodes in a real Dagster instance: drops in, verdicts and checks out."""

import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from assets.mixtures import mixture_assets
from assets.teleop import all_teleop_episodes, teleop_episodes
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.store.episode import Episode
from gr00t_data.store.writing import StoreWriter
from pipelines.sensors import landing_sensor

GR1 = load_embodiment("gr1")


def land(lake: Lake, name: str, bad: tuple[int, ...] = ()) -> None:
    """A complete drop of three episodes; those in ``bad`` have a NaN action."""
    writer = StoreWriter.create(lake.landing / name, GR1, kind="real", licence="x")
    rng = np.random.default_rng(len(name))  # drops of equal content are one
    for number in range(3):
        action = rng.uniform(-0.1, 0.1, (20, 44))
        action[5, 3] = np.nan if number in bad else 0
        frames = rng.integers(0, 255, (20, 32, 32, 3), dtype=np.uint8)
        state = rng.uniform(-0.1, 0.1, (20, 44))
        writer.append(Episode("reach the red cube", np.arange(20) / 20, state, action, {"ego_view": frames}, True))
    root = writer.seal().root
    (root / "meta/seal.json").unlink()
    (root / "_SUCCESS").touch()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_one_drop_one_partition(lake: Lake) -> None:
    land(lake, "monday", bad=(1,))
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("drops", ["monday"])
        result = dg.materialize([teleop_episodes], partition_key="monday", resources={"lake": lake}, instance=instance)
        assert result.success
        (event,) = result.asset_materializations_for_node("teleop_episodes")
        assert event.metadata["accepted"].value == 2 and event.metadata["rejected"].value == 1
        reasons = [record.data["reason"] for record in event.metadata["verdicts"].records]
        assert "frame 5" in reasons[1] and "left_arm" in reasons[1] and reasons[0] == reasons[2] == ""
        checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
        assert not checks["episodes_accepted"].passed
        assert checks["episodes_accepted"].severity == dg.AssetCheckSeverity.WARN
        assert "2 of 3" in (checks["episodes_accepted"].description or "")


def test_command_line_takes_in_every_complete_drop(lake: Lake) -> None:
    land(lake, "monday")
    land(lake, "tuesday")
    land(lake, "half-copied")
    (lake.landing / "half-copied/_SUCCESS").unlink()
    assets = [all_teleop_episodes, *mixture_assets(GR1)]
    with dg.instance_for_test() as instance:
        result = dg.materialize(assets, resources={"lake": lake}, instance=instance)
        assert result.success
        assert set(instance.get_dynamic_partitions("drops")) == {"monday", "tuesday"}
        key = dg.AssetKey("teleop_episodes")
        assert set(instance.get_materialized_partitions(key)) == {"monday", "tuesday"}
        mixture = result.asset_materializations_for_node("mixture_gr1")[0]
        assert mixture.metadata["episodes"].value == 6 and mixture.metadata["data_source"].value == "real"
        statistics = result.asset_materializations_for_node("norm_stats_gr1")[0]
        assert statistics.metadata["frames"].value == 120
        again = dg.materialize(assets, resources={"lake": lake}, instance=instance)
        assert again.asset_materializations_for_node("mixture_gr1")[0].metadata["digest"] == mixture.metadata["digest"]


def test_sensor_asks_once_for_each_complete_drop(lake: Lake) -> None:
    land(lake, "monday")
    land(lake, "half-copied")
    (lake.landing / "half-copied/_SUCCESS").unlink()
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"lake": lake})
        answer = landing_sensor(context)
        assert isinstance(answer, dg.SensorResult)
        (request,) = answer.run_requests or []
        assert request.partition_key == "monday" and (request.run_key or "").startswith("monday:")
    shutil.rmtree(lake.landing)
    with dg.instance_for_test() as instance:
        answer = landing_sensor(dg.build_sensor_context(instance=instance, resources={"lake": lake}))
        assert isinstance(answer, dg.SensorResult) and not answer.run_requests
