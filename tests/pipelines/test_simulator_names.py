"""A name is never a type: a drop named like the simulator's store is read, and only what is asked for is recorded."""

from pathlib import Path

import dagster as dg
import pytest

from assets.teleop import all_teleop_episodes, teleop_episodes
from gr00t_data.lake import Lake
from gr00t_data.stages.ingest import recorded_here, simulator_name
from gr00t_data.store.store import EpisodeStore
from tests.pipelines.drops import put

TINY = {"reach": 1, "push": 0, "pick_and_place": 0, "workers": 1}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def materialize(lake: Lake, key: str | None, **config: object) -> dg.ExecuteInProcessResult:
    asset = all_teleop_episodes if key is None else teleop_episodes
    with dg.instance_for_test() as instance:
        if key:
            instance.add_dynamic_partitions("drops", [key])
        return dg.materialize(
            [asset],
            partition_key=key,
            resources={"lake": lake},
            instance=instance,
            run_config={"ops": {"teleop_episodes": {"config": {**TINY, **config}}}},
            raise_on_error=False,
        )


def metadata(result: dg.ExecuteInProcessResult) -> dict:
    (event,) = result.asset_materializations_for_node("teleop_episodes")
    return {name: value.value for name, value in event.metadata.items()}


@pytest.mark.parametrize("name", ["simulator", "simulator-7", "simulators of monday", "Simulator", "simulator.tar"])
def test_a_drop_of_that_name_is_read(lake: Lake, name: str) -> None:
    drop = put(lake, "monday", episodes=1)
    if name.endswith(".tar"):
        import shutil

        shutil.make_archive(str(lake.landing / "simulator"), "tar", drop.parent, "monday")
        shutil.rmtree(drop)
    else:
        drop.rename(lake.landing / name)
    from gr00t_data.sources.landing.landing import drops

    (found,) = drops(lake)
    told = metadata(materialize(lake, found.key))
    assert (told["data_source"], told["episodes"]) == ("real", 1)
    assert EpisodeStore.open(lake.stores / found.key).about.source.simulator is None
    assert not recorded_here(lake, found.key)


def test_nothing_is_recorded_for_a_drop_that_is_gone(lake: Lake) -> None:
    lake.landing.mkdir(parents=True)
    assert not materialize(lake, "simulator-9").success and not list(lake.root.glob("stores/simulator*"))


def test_what_is_asked_for_is_recorded_and_found_again(lake: Lake) -> None:
    told = metadata(materialize(lake, "kitchen", simulate=True))
    assert (told["data_source"], told["episodes"]) == ("simulator", 1) and recorded_here(lake, "kitchen")
    assert metadata(materialize(lake, "kitchen"))["content"] == told["content"]


def test_an_empty_lake_records_beside_a_drop_that_waits(lake: Lake) -> None:
    put(lake, "simulator", episodes=1, marked=False)
    assert simulator_name(lake) == "simulator-2"
    assert materialize(lake, None).success and recorded_here(lake, "simulator-2")
    (lake.landing / "simulator/_SUCCESS").touch()
    assert metadata(materialize(lake, "simulator"))["data_source"] == "real"
    assert not materialize(lake, "simulator", simulate=True).success  # the name of a drop


def test_a_bad_drop_stops_no_other(lake: Lake) -> None:
    put(lake, "a-bad", episodes=1)
    (lake.landing / "a-bad/meta/info.json").write_text("{")
    (put(lake, "b-bad", episodes=1, seed=1) / "_SUCCESS").write_text("licence: 2024-13-45\n")
    put(lake, "good", episodes=1, seed=2)
    (put(lake, "z-bad", episodes=1, seed=3) / "_SUCCESS").write_text("embodiment: nobody\n")
    result = materialize(lake, None)
    assert result.success
    (whole,) = [one for one in result.asset_materializations_for_node("teleop_episodes") if not one.partition]
    assert whole.metadata["new drops"].value == 1
    failed = {record.data["drop"]: record.data["reason"] for record in whole.metadata["failed drops"].records}
    assert set(failed) == {"a-bad", "b-bad", "z-bad"} and "info.json" in failed["a-bad"]
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert not checks["store_consistent"].passed and "b-bad" in (checks["store_consistent"].description or "")


def test_bad_drops_and_nothing_else_fail(lake: Lake) -> None:
    (put(lake, "bad", episodes=1) / "_SUCCESS").write_text("- 1\n")
    assert not materialize(lake, None).success
