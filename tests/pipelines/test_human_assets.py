"""human_clips in a real Dagster instance: footage in, clips and checks out, into the robot's mixture, and out again."""

from pathlib import Path

import dagster as dg
import pytest

from assets.human import HumanConfig, all_human_clips, human_clips
from assets.mixtures import MixtureConfig, StatisticsConfig, mixture_assets
from assets.teleop import all_teleop_episodes
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages.ingest import waiting_drops
from gr00t_data.terms.withdrawal import Withdrawal, add
from pipelines.sensors import human_landing_sensor, landing_sensor
from tests.data.sources.human.ego_films import calm_film, epic_csv
from tests.pipelines.drops import put

GR1 = load_embodiment("gr1")
NO_FACES = {"config": HumanConfig(faces="none").model_dump()}


def footage(lake: Lake, name: str = "kitchen") -> Path:
    """A drop in the layout of EPIC-KITCHENS-100: two videos, three narrations, one of them outside its video."""
    drop = lake.landing / name
    calm_film(drop / "P07_01.mp4", 4.0, seed=1)
    calm_film(drop / "P08_01.mp4", 3.0, seed=2)
    rows = [
        ("P07_01_0", "P07_01", 0.2, 1.8, "pick up cup"),
        ("P07_01_1", "P07_01", 2.0, 3.8, "put down cup"),
        ("P08_01_0", "P08_01", 0.5, 2.5, "open drawer"),
        ("P08_01_1", "P08_01", 8.0, 9.0, "close drawer"),
    ]
    table = epic_csv(drop / "EPIC_100_train.csv", rows)
    table.write_text("\n".join(_own(line) for line in table.read_text().splitlines()) + "\n")
    (drop / "_SUCCESS").write_text("kind: human\n")
    return drop


def _own(line: str) -> str:
    """The builder writes P07 for everybody; the second video is of P08."""
    return line.replace("P07", "P08") if line.startswith("P08") else line


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_one_drop_one_partition(lake: Lake) -> None:
    footage(lake)
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("human_drops", ["kitchen"])
        run = dg.materialize(
            [human_clips],
            partition_key="kitchen",
            resources={"lake": lake},
            instance=instance,
            run_config={"ops": {"human_clips": NO_FACES}},
        )
        assert run.success
        (event,) = run.asset_materializations_for_node("human_clips")
        facts = {name: value.value for name, value in event.metadata.items() if hasattr(value, "value")}
        assert facts["clips"] == facts["accepted"] == 3 and facts["participants"] == 2
        assert facts["licence"] == "CC-BY-NC-4.0" and "non-commercial" in facts["commercial use"]
        rows = [record.data for record in event.metadata["clip table"].records]
        assert {row["participant"] for row in rows} == {"P07", "P08"}
        assert rows[0]["instruction"] == "pick up the cup" or rows[0]["original"] == "pick up cup"
        sheet = Path(event.metadata["contact sheet"].value)
        assert sheet.is_file() and sheet.parent == lake.root / "sheets"
        assert event.metadata["clips, small"].value.startswith("![clips](data:image/png;base64,")
        reasons = [record.data["reason"] for record in event.metadata["refused, with reasons"].records]
        assert len(reasons) == 1 and "8" in reasons[0]
        checks = {check.check_name: check for check in run.get_asset_check_evaluations()}
        assert checks["clips_accepted"].passed and not checks["people_protected"].passed
        assert checks["people_protected"].severity == dg.AssetCheckSeverity.WARN
        assert "3 not searched for faces" in (checks["people_protected"].description or "")


def test_footage_enters_the_robots_mixture_and_leaves_it_after_a_withdrawal(lake: Lake) -> None:
    footage(lake)
    put(lake, "monday")
    assert waiting_drops(lake) == ["monday"] and waiting_drops(lake, ("human",)) == ["kitchen"]
    assets = [all_teleop_episodes, all_human_clips, *mixture_assets(GR1)]
    shares = {"norm_stats_gr1": {"config": StatisticsConfig(human=0.25).model_dump()}}
    shares |= {"mixture_gr1": {"config": MixtureConfig(human=0.25, held_out_share=0).model_dump()}}
    config = {"ops": {"human_clips": NO_FACES, **shares}}
    with dg.instance_for_test() as instance:
        run = dg.materialize(assets, resources={"lake": lake}, instance=instance, run_config=config)
        assert run.success and set(instance.get_dynamic_partitions("human_drops")) == {"kitchen"}
        key = dg.AssetKey("human_clips")
        assert set(instance.get_materialized_partitions(key)) == {"kitchen"}
        sources = {Path(s.store).name: s for s in _mixture(lake).sources}
        assert sources["kitchen"].kind == "human" and sources["kitchen"].weight == pytest.approx(0.25)
        assert len(sources["kitchen"].episodes) == 3 and sources["monday"].weight == pytest.approx(0.75)
        statistics = read_json(lake.pointed("norm_stats_gr1")[0])  # type: ignore[index]
        assert statistics["action"]["left_arm"]["count"] == 60  # zeros of footage are no actions
        add(lake, Withdrawal("P07", reason="asked"))
        again = dg.materialize(assets, resources={"lake": lake}, instance=instance, run_config=config)
        assert again.success
        (left,) = {Path(s.store).name: s for s in _mixture(lake).sources}["kitchen"].episodes
        assert left.index == 2
        before, after = (one.asset_materializations_for_node("human_clips")[0].metadata for one in (run, again))
        assert before["digest"] != after["digest"]  # so that the mixture shows as stale


def test_a_commercial_mixture_refuses_footage_by_name(lake: Lake) -> None:
    footage(lake)
    put(lake, "monday")
    assets = [all_teleop_episodes, all_human_clips, *mixture_assets(GR1)]
    mixture = {"mixture_gr1": {"config": MixtureConfig(licence_profile="commercial").model_dump()}}
    with dg.instance_for_test() as instance:
        run = dg.materialize(
            assets,
            resources={"lake": lake},
            instance=instance,
            run_config={"ops": {"human_clips": NO_FACES, **mixture}},
            raise_on_error=False,
        )
        (failure,) = [event for event in run.all_events if event.is_step_failure]
        text = str(failure.event_specific_data)
        assert "kitchen: 3 episodes (0, 1, 2), licence CC-BY-NC-4.0" in text and "monday" in text


def test_without_footage_the_step_does_nothing(lake: Lake) -> None:
    with dg.instance_for_test() as instance:
        run = dg.materialize([all_human_clips], resources={"lake": lake}, instance=instance)
        (event,) = run.asset_materializations_for_node("human_clips")
        assert event.metadata["clips"].value == 0
        assert all(check.passed for check in run.get_asset_check_evaluations())
    assert not lake.root.exists() or not list(lake.root.iterdir())


def test_without_a_face_detector_nothing_is_written(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GR00T_MEDIAPIPE", str(tmp_path / "none"))
    monkeypatch.delenv("GR00T_FACE_MODEL", raising=False)
    footage(lake)
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("human_drops", ["kitchen"])
        run = dg.materialize(
            [human_clips], partition_key="kitchen", resources={"lake": lake}, instance=instance, raise_on_error=False
        )
        (failure,) = [event for event in run.all_events if event.is_step_failure]
        assert "gr00t hands setup" in str(failure.event_specific_data)
    assert not list(lake.stores.rglob("*.mp4"))


def test_each_sensor_takes_its_own_drops(lake: Lake) -> None:
    footage(lake)
    put(lake, "monday")
    with dg.instance_for_test() as instance:
        for sensor, key in ((landing_sensor, "monday"), (human_landing_sensor, "kitchen")):
            answer = sensor(dg.build_sensor_context(instance=instance, resources={"lake": lake}))
            assert isinstance(answer, dg.SensorResult)
            assert [request.partition_key for request in answer.run_requests or []] == [key]
            (added,) = answer.dynamic_partitions_requests or []
            assert added.partition_keys == [key]
            assert added.partitions_def_name == ("human_drops" if key == "kitchen" else "drops")


def _mixture(lake: Lake) -> MixtureManifest:
    pointed = lake.pointed("mixture_gr1")
    assert pointed
    return MixtureManifest.load(pointed[0])
