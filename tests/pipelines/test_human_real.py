"""The kitchen clip and real teleoperation in one mixture: the graph from both drops to one training step of both."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from assets.human import HumanConfig, all_human_clips
from assets.mixtures import MixtureConfig, StatisticsConfig, mixture_assets
from assets.teleop import all_teleop_episodes
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.human.detector.environment import mediapipe_python
from gr00t_model.loop.stop import StopRequest
from gr00t_model.stages.train import publish_checkpoint
from gr00t_model.training.config import Flare, Model
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.service_lake import tiny_config
from tests.model.tiny import SMALL

GR1 = load_embodiment("gr1")
DATA = Path(__file__).parents[2].parent / "shared/data"


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "ego/kitchen_plate.mp4").is_file(), reason="needs the real data beside the project")
def test_one_step_learns_from_robot_and_people(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    shutil.copytree(DATA / "ego", lake.landing / "kitchen", copy_function=shutil.copyfile)
    shutil.copytree(DATA / "teleop/robot_sim.PickNPlace", lake.landing / "teleop", copy_function=shutil.copyfile)
    for name, text in (("kitchen", "kind: human\nlicence: CC-BY-NC-ND-4.0\n"), ("teleop", "licence: Apache-2.0\n")):
        lake.landing.joinpath(name).chmod(0o755)
        (lake.landing / name / "_SUCCESS").write_text(text)
    shares = {"norm_stats_gr1": {"config": StatisticsConfig(human=0.5).model_dump()}}
    shares |= {"mixture_gr1": {"config": MixtureConfig(human=0.5, selection="").model_dump()}}
    faces = HumanConfig(faces="auto" if mediapipe_python() else "none")
    config = {"ops": {"human_clips": {"config": faces.model_dump()}, **shares}}
    assets = [all_teleop_episodes, all_human_clips, *mixture_assets(GR1)]
    with dg.instance_for_test() as instance:
        run = dg.materialize(assets, resources={"lake": lake}, instance=instance, run_config=config)
        clips = run.asset_materializations_for_node("human_clips")[0].metadata
        assert clips["clips"].value == 3
    pointed = lake.pointed("mixture_gr1")
    assert pointed
    sources = {Path(one.store).name: one for one in MixtureManifest.load(pointed[0]).sources}
    assert sources["kitchen"].kind == "human" and len(sources["kitchen"].episodes) == 3
    assert sources["kitchen"].licence == "CC-BY-NC-4.0 AND CC-BY-NC-ND-4.0"
    trained = prepare_run(
        tiny_config(lake, steps=1, batch_size=8, model=Model(base="random", changes=SMALL, flare=Flare())), lake.runs
    )
    train(trained, StopRequest())
    (record,) = trained.records()
    assert record["loss"] > 0
    folder, _ = publish_checkpoint(lake, GR1, trained)
    seen = {entry["kind"]: 0 for entry in read_json(folder / "episodes.json")["episodes"]}
    for entry in read_json(folder / "episodes.json")["episodes"]:
        seen[entry["kind"]] += entry["samples"]
    assert set(seen) == {"real", "human"} and sum(seen.values()) == 8
