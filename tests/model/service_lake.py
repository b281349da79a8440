"""A real lake with very small stores, runs and checkpoints, for tests of the service."""

import shutil
from pathlib import Path

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages.mix import measure_statistics, mix
from gr00t_data.stages.settings import MixtureSettings
from gr00t_data.stages.stores import check
from gr00t_data.store.provenance import StoreSource
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_model.loop.config import Machine, Optimizer
from gr00t_model.loop.stop import StopRequest
from gr00t_model.stages.train import publish_checkpoint
from gr00t_model.training.config import Data, Flare, Model, TrainConfig
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.tiny import SMALL, episode

GR1 = load_embodiment("gr1")


def add_store(lake: Lake, name: str, numbers: range, licence: str = "CC-BY-4.0") -> EpisodeStore:
    """A sealed, checked store of episodes of a moving square."""
    writer = StoreWriter.create(lake.stores / name, GR1, kind="real", licence=licence, source=StoreSource(drop=name))
    for number in numbers:
        writer.append(episode(number))
    store = writer.seal()
    check(lake, store, GR1)
    return store


def tiny_config(lake: Lake, **changes) -> TrainConfig:
    """Four steps of a very small model on the lake's mixture."""
    mixture, statistics = lake.pointed("mixture_gr1"), lake.pointed("norm_stats_gr1")
    assert mixture and statistics
    fields = {
        "recipe": "tiny",
        "steps": 4,
        "batch_size": 3,
        "checkpoint_every_steps": 2,
        "log_every_steps": 1,
        "data": Data(manifest=str(mixture[0]), statistics=str(statistics[0]), cache=str(lake.cache)),
        "model": Model(base="random", changes=SMALL, flare=Flare()),
        "optimizer": Optimizer(lr=1e-2),
        "machine": Machine(threads=1, prefetch_batches=1),
    }
    return TrainConfig(**(fields | changes))


def train_tiny(lake: Lake, **changes) -> Path:
    """Measure, mix, train and publish; returns the checkpoint."""
    measure_statistics(lake, GR1)
    mix(lake, GR1, MixtureSettings(held_out_share=0.3))
    run = prepare_run(tiny_config(lake, **changes), lake.runs)
    lake.point("run_gr1", run.root, run.key)
    train(run, StopRequest())
    return publish_checkpoint(lake, GR1, run)[0]


def copy_of(lake: Lake, folder: Path) -> Lake:
    """A lake of a test's own in its folder, as that one was left."""
    return Lake(shutil.copytree(lake.root, folder / "lake", symlinks=True))
