"""The four trainings at the size of a test, in processes that are killed at a step."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from gr00t_data.store.store import EpisodeStore
from gr00t_model.dream.config import nano_training
from gr00t_model.dream.run import prepare_run as prepare_dream
from gr00t_model.dream.train import train as train_dream
from gr00t_model.grounding.ground import teach
from gr00t_model.idm.config import IdmTraining
from gr00t_model.idm.train import train_on
from gr00t_model.loop.config import Machine
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.data.builders import GR1
from tests.model import tiny
from tests.model.dream.test_dream_nano import SHAPE, SMALL
from tests.model.grounding.test_grounding import QUICK, lesson_with_room, small_nano, squares

NEVER = sys.maxsize
"""So many steps none of them has."""


class KilledBefore(StopRequest):
    """The loop asks it before every step: at question ``steps`` (from 0) the process is killed."""

    def __init__(self, steps: int):
        self.left = steps

    @property
    def reason(self) -> str | None:  # type: ignore[override]
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return None


Trains = Callable[[Path, Path, StopRequest], None]
"""Trains on the ``inputs`` in the first folder, in the second one, until told to stop."""


def policy(inputs: Path, root: Path, stop: StopRequest) -> None:
    """Four steps, a state after two; dropout and averaged weights, and batches prepared ahead."""
    lake = tiny.TinyLake(inputs / "manifest.json", inputs / "statistics.json", inputs / "cache", inputs / "store")
    train(prepare_run(lake.config(machine=Machine(threads=1, prefetch_batches=2)), root / "runs"), stop)


def idm(inputs: Path, root: Path, stop: StopRequest) -> None:
    """Four steps, a state after two; motions of several speeds."""
    training = IdmTraining(steps=4, batch_size=2, save_every_steps=2, held_out_share=0.5, nearest_gap=4)
    train_on([EpisodeStore.open(inputs / "recorded")], GR1, root / "idm", training, lambda line: None, stop)


def dream(inputs: Path, root: Path, stop: StopRequest) -> None:
    """Four steps of two passes, a state after two."""
    fields = {"stores": [str(inputs / "films")], "shape": SHAPE.model_dump(), "nano": SMALL, "steps": 4}
    fields |= {"batch_size": 2, "accumulate": 2, "checkpoint_every_steps": 2, "held_out_share": 0.0}
    train_dream(prepare_dream(nano_training(**fields), root / "runs"), stop)


def grounding(inputs: Path, root: Path, stop: StopRequest) -> None:
    """Two steps of looking, then four of telling, a state after each."""
    model = small_nano()
    lesson = lesson_with_room(squares(16), model.config.backbone.vision.tokens_per_image)
    config = QUICK.model_copy(update={"look_epochs": 1, "tell_epochs": 2, "save_every_steps": 1})
    teach(model, lesson, config, 3, root / "training", stop=stop)
    tensors = {name: tensor.clone().contiguous() for name, tensor in model.backbone.state_dict().items()}
    save_file(tensors, root / "backbone.safetensors")


def victim(trains: Trains, inputs: Path, root: Path, before_step: int) -> None:
    torch.set_num_threads(1)
    trains(inputs, root, KilledBefore(before_step))


def status(trains: Trains, inputs: Path, root: Path, before_step: int) -> int | None:
    """Exit status of a training in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.model.killed"])
    process = context.Process(target=victim, args=(trains, inputs, root, before_step))
    process.start()
    process.join()
    return process.exitcode
