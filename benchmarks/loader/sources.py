"""What the benchmark reads: simulator episodes, the same with several cameras, and real teleoperation."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.curate.finding import Verdict
from gr00t_data.curate.index import Index
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages.ingest import simulate
from gr00t_data.stages.settings import Demonstrations
from gr00t_data.store.episode import Episode
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_data.video import files as video
from gr00t_data.video.spans import read_clip

SIDE_PX = 224


@dataclass(frozen=True)
class Setup:
    """A store ready to be read."""

    embodiment: Embodiment
    manifest: MixtureManifest
    statistics: NormStats


def simulated(folder: Path, episodes: int) -> Setup:
    """Episodes of the three tasks, 256 x 256, h264 GOP 10."""
    tasks = dict.fromkeys(("reach", "push", "pick_and_place"), episodes // 3)
    store = simulate(Lake(folder), load_embodiment("gr1"), Demonstrations.of(tasks, workers=2))
    return _setup(store, load_embodiment("gr1"))


def at_training_size(one: Setup, folder: Path, cameras: int) -> Setup:
    """The same episodes in h264 GOP 10 at 224 x 224; the picture of the one camera, turned, stands for further ones."""
    store = one.manifest.sources[0].open()
    camera = one.embodiment.cameras[0]
    names = [f"{camera.name}_{number}" for number in range(cameras)]
    views = tuple(replace(camera, name=name, column=f"observation.images.{name}") for name in names)
    selection = replace(one.embodiment.selection(None), cameras=tuple(names))
    robot = replace(one.embodiment, cameras=views, selections={selection.name: selection})
    writer = StoreWriter.create(folder, robot, kind="simulated", licence="Apache-2.0")
    for row in store.rows:
        frames = video.decode(store.video_path(row.index, camera.name), (SIDE_PX, SIDE_PX))
        turned: dict[str, np.ndarray | Path] = {
            name: np.ascontiguousarray(np.rot90(frames, number, (1, 2))) for number, name in enumerate(names)
        }
        rows = (store.times_s(row.index), store.state(row.index), store.action(row.index))
        writer.append(Episode(row.instruction, *rows, turned, True))
    return _setup(writer.seal(), robot)


def teleoperated(path: Path) -> Setup:
    """A folder of real teleoperation as it is."""
    return _setup(EpisodeStore.open(path), load_embodiment("gr1"))


def _setup(store: EpisodeStore, robot: Embodiment) -> Setup:
    verdicts = tuple(Verdict(r.index, True, r.length, ((0, r.length),), r.instruction, ()) for r in store.rows)
    index = Index(str(store.root), store.digest, robot.name, robot.digest, "", (), verdicts)
    manifest = build_manifest("benchmark", robot, [(store, index, 1.0)], held_out_share=0)
    return Setup(robot, manifest, measure([(store, index)], robot))


def published_samples(setup: Setup, count: int) -> int:
    """Samples as the published loader makes them: parquet read whole, decoder opened, one frame, for every sample."""
    store = setup.manifest.sources[0].open()
    for sample in setup.manifest.samples(0, count):
        table = polars.read_parquet(store.data_path(sample.episode))
        state = np.stack(table["observation.state"].to_list())[sample.frame]
        rows = np.minimum(np.arange(sample.frame, sample.frame + 16), len(table) - 1)
        action = np.stack(table["action"].to_list())[rows]
        picture = read_clip(store.video_path(sample.episode, store.cameras[0]), sample.frame, 1, (SIDE_PX, SIDE_PX))
        assert state.shape == (44,) and action.shape == (16, 44) and picture.shape == (1, SIDE_PX, SIDE_PX, 3)
    return count
