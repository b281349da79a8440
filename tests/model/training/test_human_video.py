"""Human video without actions beside a robot in one batch: the robot's rows teach actions, the person's rows FLARE."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.curate.build import build_index
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.human.ingest import ingest_human
from gr00t_data.sources.human.settings import HumanSettings
from gr00t_data.sources.ingest import ingest
from gr00t_data.store.store import EpisodeStore
from gr00t_model.loop.loop import Loop
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.config import Data, Mixture, TrainConfig
from gr00t_model.training.key import prepare_run
from gr00t_model.training.objective import PolicyObjective, open_accelerator, open_loop
from gr00t_model.training.train import train
from tests.data.sources.human.ego_films import calm_film, epic_csv
from tests.model.tiny import TinyLake, build

REAL = Path(__file__).parents[4] / "shared/data"
ROBOT, HANDS = load_embodiment("gr1"), load_embodiment("human_hands")
NO_FACES = HumanSettings(faces="none")


def mixture(store: EpisodeStore, embodiment: Embodiment, folder: Path) -> Mixture:
    """Check, measure and write down a store; nothing is held out."""
    index = build_index(store, embodiment, folder / "index")
    manifest = build_manifest(store.root.name, embodiment, [(store, index, 1.0)], held_out_share=0.0)
    manifest.save(folder / f"{store.root.name}-manifest.json")
    measure([(store, index)], embodiment).save(folder / f"{store.root.name}-statistics.json")
    return Mixture(
        manifest=str(folder / f"{store.root.name}-manifest.json"),
        statistics=str(folder / f"{store.root.name}-statistics.json"),
        embodiment=embodiment.name,
    )


def two_steps(robot: TinyLake, person: Mixture) -> TrainConfig:
    data = Data(manifest=str(robot.manifest), statistics=str(robot.statistics), cache=str(robot.cache), also=(person,))
    return robot.config(data=data, steps=2, batch_size=8, cache_features=False)


def of_one(loop: Loop[PolicyObjective], member: int):
    """A batch of eight rows of one member."""
    loader = loop.objective.batches.loader
    samples = [sample for step in range(8) for sample in loader.samples(step) if sample.member == member]
    return loader.batch_of(samples[:8])


def assert_both_teach_their_part(config: TrainConfig, runs: Path) -> None:
    loop = open_loop(prepare_run(config, runs), config, open_accelerator(config))
    robot, person = of_one(loop, 0), of_one(loop, 1)
    assert robot.action_mask is not None and person.action_mask is not None
    assert robot.state_mask is not None and person.state_mask is not None
    assert robot.action_mask.any() and robot.state_mask.any()
    assert not person.action_mask.any() and not person.state_mask.any()
    assert (person.embodiment_id == HANDS.slot).all() and (robot.embodiment_id == ROBOT.slot).all()
    model = loop.accelerator.unwrap_model(loop.model)
    seeded = torch.Generator().manual_seed(0)
    taught, seen = (model(batch, seeded) for batch in (robot, person))
    assert taught.flow.item() > 0 and seen.flow.item() == 0
    assert np.isfinite(seen.flare.item()) and seen.flare.item() > 0
    assert seen.total.item() == pytest.approx(0.2 * seen.flare.item())
    run = prepare_run(config, runs)
    assert train(run, StopRequest()).steps_done == 2
    assert all(np.isfinite(record["loss"]) for record in run.records())


def test_a_person_and_a_robot_in_one_batch(tmp_path: Path) -> None:
    calm_film(tmp_path / "drop/v.mp4", 3.0)
    epic_csv(tmp_path / "drop/a.csv", [("a", "v", 0.0, 3.0, "#C C picks up the cup")])
    store = ingest_human(tmp_path / "drop", HANDS, Lake(tmp_path), settings=NO_FACES)
    person = mixture(store, HANDS, tmp_path)
    assert_both_teach_their_part(two_steps(build(tmp_path / "robot"), person), tmp_path / "runs")


@pytest.mark.slow
@pytest.mark.skipif(not (REAL / "ego").is_dir(), reason="the real footage is not here (../shared/data)")
def test_the_kitchen_and_pick_and_place_in_one_batch(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    kitchen = mixture(ingest_human(REAL / "ego", HANDS, lake, settings=NO_FACES), HANDS, tmp_path)
    robot = mixture(ingest(REAL / "teleop/robot_sim.PickNPlace", ROBOT, lake, licence="Apache-2.0"), ROBOT, tmp_path)
    tiny = TinyLake(Path(robot.manifest), Path(robot.statistics), tmp_path / "cache", tmp_path)
    assert_both_teach_their_part(two_steps(tiny, kitchen), tmp_path / "runs")
