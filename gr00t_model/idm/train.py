"""Training an inverse dynamics model: on what, and what it leaves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.integrity import read_sealed, write_sealed
from gr00t_data.progress import Say
from gr00t_data.store.store import EpisodeStore
from gr00t_data.terms.licences import of_store
from gr00t_model.groot.cpu_products import fast_products
from gr00t_model.idm.artifact import Artifact, Robot, batch_of, save_artifact
from gr00t_model.idm.config import PRESETS, IdmConfig, IdmTraining
from gr00t_model.idm.examples import (
    TAUGHT_BY,
    ExamplesError,
    Recording,
    Slowed,
    Source,
    Take,
    gather,
    measure_actions,
    read_recording,
    split_episodes,
    takes_of,
    window_starts,
)
from gr00t_model.idm.model import Idm
from gr00t_model.idm.timing import Timing
from gr00t_model.loop.config import LoopConfig, Machine
from gr00t_model.loop.loop import Loop
from gr00t_model.loop.objective import Losses, Objective
from gr00t_model.loop.run import Outcome, RunFolder
from gr00t_model.loop.seeds import pass_draws
from gr00t_model.loop.stop import StopRequest
from gr00t_model.loop.tracking import with_trackers

LIBRARIES = ("accelerate", "av", "numpy", "pyarrow", "scipy", "torch")


class IdmTrainingError(ValueError):
    """A training that cannot go on where it stands; the message says what to do."""


def train_on(
    sources: Sequence[Source],
    embodiment: Embodiment,
    folder: Path,
    training: IdmTraining,
    say: Say = print,
    stop: StopRequest | None = None,
) -> Path:
    """Train on the accepted episodes of the stores, inside their keep ranges, and leave the model in ``folder``; what
    was begun there with the same inputs goes on.

    Args:
        sources: stores with their verdicts; of a store without verdicts every row is used.

    Raises:
        IdmTrainingError: the folder was begun with other inputs, or the gap is none.
        ExamplesError: nothing to learn from.
        FloatingPointError: the loss stopped being a number.
        Stopped: ``stop`` said so.
    """
    gap = training.frame_gap or embodiment.action_horizon
    if training.nearest_gap is not None and not 1 <= training.nearest_gap <= gap:
        raise IdmTrainingError(f"nearest_gap must be 1 to {gap}, the frame gap, found {training.nearest_gap}")
    stores = [source[0] if isinstance(source, tuple) else source for source in sources]
    with_trackers(Machine(), training.track)  # one that is not there is told before anything is read
    _refuse_stores(stores, embodiment)
    _claim(folder, sources, embodiment, training)
    learn, held = split_episodes(sources, training.held_out_share, training.held_out)
    robot = Robot(embodiment, training.selection, measure_actions(learn, embodiment), training.standardise)
    timing = Timing(embodiment.control_hz, gap, embodiment.control_hz, embodiment.action_horizon)
    facts = {
        "training": training.learnt,
        "stores": [{"name": store.root.name, "digest": store.digest, "licence": of_store(store)} for store in stores],
        "learned": [list(take.key) for take in learn],
        "held_out": [list(take.key) for take in held],
    }
    with fast_products():
        loop = _open_loop(learn, robot, timing, training, folder, facts)
        windows, episodes = len(loop.objective.starts), len(loop.objective.recordings)
        say(f"{windows} windows of {episodes} episodes; steps {loop.first_step} to {training.steps}")
        loop.complete(stop, say)
    return folder / "model"


def _open_loop(
    learn: Sequence[Take], robot: Robot, timing: Timing, training: IdmTraining, folder: Path, facts: dict[str, Any]
) -> "Loop[IdmObjective]":
    accelerator = Accelerator()
    torch.manual_seed(training.seed)  # of the first weights; layers draw them from torch's own generator
    sizes = replace(PRESETS[training.preset](), action_horizon=timing.horizon)
    model = Idm(sizes).to(accelerator.device)
    recordings = [read_recording(take, robot, sizes.vision.image_size) for take in learn]
    starts = window_starts(recordings, timing)
    objective = IdmObjective(model, recordings, starts, robot, timing, training, folder, facts)
    config = LoopConfig(
        steps=training.steps,
        seed=training.seed,
        checkpoint_every_steps=training.save_every_steps,
        keep_states=1,
        log_every_steps=training.log_every_steps,
        optimizer=training.optimizer,
        machine=with_trackers(Machine(), training.track),
    )
    return Loop.open(objective, config, RunFolder(folder / "run"), accelerator)


def _refuse_stores(stores: Sequence[EpisodeStore], embodiment: Embodiment) -> None:
    for store in stores:
        if store.about.embodiment not in (None, embodiment.name):
            raise ExamplesError(f"{store.root}: is of {store.about.embodiment!r}, expected {embodiment.name!r}")
        if store.kind not in TAUGHT_BY:
            raise ExamplesError(
                f"{store.root}: is of kind {store.kind!r}, whose actions nobody recorded; a model that learns from "
                f"predicted ones repeats their errors: give stores of kind {' or '.join(TAUGHT_BY)}"
            )


def training_key(sources: Sequence[Source], embodiment: Embodiment, training: IdmTraining) -> str:
    """SHA-256 (hex) of what the training reads: episodes with their kept rows, the embodiment and the settings."""
    takes = [[*take.key, take.keep] for take in takes_of(sources)]
    return digest_json({"takes": takes, "embodiment": embodiment.digest, "training": training.learnt})


def _claim(folder: Path, sources: Sequence[Source], embodiment: Embodiment, training: IdmTraining) -> None:
    key, path = training_key(sources, embodiment, training), folder / "run.json"
    if path.is_file() and read_sealed(path, "delete it, and train again")["key"] != key:
        raise IdmTrainingError(f"{folder}: was begun with other stores or settings; give another folder (--into)")
    write_sealed(path, {"key": key, "embodiment": embodiment.digest, "training": training.learnt})


@dataclass(frozen=True)
class IdmObjective(Objective[Idm, tuple[torch.Tensor, ...]]):
    """An inverse dynamics model that learns the actions between two frames, drawn with replacement from all windows.

    Attributes:
        starts: (recording, row) of each window.
        facts: how the model is made, for its ``idm.json``.
    """

    model: Idm
    recordings: list[Recording]
    starts: np.ndarray
    robot: Robot
    timing: Timing
    training: IdmTraining
    folder: Path
    facts: dict[str, Any]

    @cached_property
    def slowed(self) -> Slowed:
        """The same windows at other speeds."""
        return Slowed(self.recordings, self.robot.parts, self.timing)

    def batch(self, number: int) -> tuple[torch.Tensor, ...]:
        """Pictures, actions, and where these count."""
        training, draws = self.training, pass_draws(self.training.seed, number)
        chosen = self.starts[draws.integers(len(self.starts), size=training.batch_size)]
        if training.nearest_gap is None:
            pictures, action = gather(self.recordings, chosen, self.timing)
        else:
            gaps = draws.integers(training.nearest_gap, self.timing.frame_gap + 1, size=len(chosen))
            pictures, action = self.slowed.gather(chosen, gaps)
        transform = self.robot.transform(self.model.config.action_dim)
        normalised = transform(transform.concat.inverse(action)).astype(np.float32)
        mask = np.broadcast_to(transform.pad.mask, normalised.shape)
        return torch.from_numpy(pictures), torch.from_numpy(normalised), torch.from_numpy(mask.copy())

    def losses(self, model: nn.Module, batch: tuple[torch.Tensor, ...], generator: torch.Generator) -> Losses:
        placed = (tensor.to(generator.device) for tensor in batch)
        rows = batch_of(self.model.config, self.robot.embodiment.slot, *placed)
        return {"loss": (model(rows, generator, **_draws(self.training, self.model.config)), None)}

    def export(self, outcome: Outcome) -> None:
        artifact = Artifact(self.model.cpu().eval(), self.timing, self.robot, self.facts)
        save_artifact(artifact, self.folder / "model")


def _draws(training: IdmTraining, config: IdmConfig) -> dict[str, int]:
    draws, mean_draws = (4, 0) if config.inference_noise else (2, 1)
    draws = draws if training.draws is None else training.draws
    mean_draws = min(mean_draws, draws) if training.mean_draws is None else training.mean_draws
    return {"draws": draws, "mean_draws": mean_draws}
