"""Training an inverse dynamics model: every step is a function of (weights, seed, step), so resuming is exact."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch.nn.utils import clip_grad_norm_

from gr00t_data.disk import digest_json, read_json, write_json
from gr00t_data.embodiment.robot import Embodiment
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
from gr00t_model.loop.optimizer import AveragedWeights, build_optimizer, learning_rate, set_learning_rate
from gr00t_model.loop.state import list_states, load_state, save_state

LIBRARIES = ("accelerate", "av", "numpy", "pyarrow", "scipy", "torch")

Say = Callable[[str], None]
_SEED_OF_STEP = 1_000_003


class IdmTrainingError(ValueError):
    """A training that cannot go on where it stands; the message says what to do."""


def train_on(
    sources: Sequence[Source], embodiment: Embodiment, folder: Path, training: IdmTraining, say: Say = print
) -> Path:
    """Train on the accepted episodes of the stores, inside their keep ranges, and leave the model in ``folder``; what
    was begun there with the same inputs goes on.

    Args:
        sources: stores with their verdicts; of a store without verdicts every row is used.

    Raises:
        IdmTrainingError: the folder was begun with other inputs, or the gap is none.
        ExamplesError: nothing to learn from.
        FloatingPointError: the loss stopped being a number.
    """
    gap = training.frame_gap or embodiment.action_horizon
    if training.nearest_gap is not None and not 1 <= training.nearest_gap <= gap:
        raise IdmTrainingError(f"nearest_gap must be 1 to {gap}, the frame gap, found {training.nearest_gap}")
    stores = [source[0] if isinstance(source, tuple) else source for source in sources]
    _refuse_stores(stores, embodiment)
    _claim(folder, sources, embodiment, training)
    learn, held = split_episodes(sources, training.held_out_share, training.held_out)
    robot = Robot(embodiment, training.selection, measure_actions(learn, embodiment), training.standardise)
    horizon = embodiment.action_horizon
    timing = Timing(embodiment.control_hz, gap, embodiment.control_hz, horizon)
    facts = {
        "training": training.model_dump(mode="json"),
        "stores": [{"name": store.root.name, "digest": store.digest, "licence": of_store(store)} for store in stores],
        "learned": [list(take.key) for take in learn],
        "held_out": [list(take.key) for take in held],
    }
    with fast_products():
        model = _fit(learn, robot, timing, folder, training, say)
    artifact = Artifact(model.eval(), timing, robot, facts)
    save_artifact(artifact, folder / "model")
    return folder / "model"


def _refuse_stores(stores: Sequence[EpisodeStore], embodiment: Embodiment) -> None:
    for store in stores:
        if store.embodiment_name not in (None, embodiment.name):
            raise ExamplesError(f"{store.root}: is of {store.embodiment_name!r}, expected {embodiment.name!r}")
        if store.kind not in TAUGHT_BY:
            raise ExamplesError(
                f"{store.root}: is of kind {store.kind!r}, whose actions nobody recorded; a model that learns from "
                f"predicted ones repeats their errors: give stores of kind {' or '.join(TAUGHT_BY)}"
            )


def training_key(sources: Sequence[Source], embodiment: Embodiment, training: IdmTraining) -> str:
    """SHA-256 (hex) of what the training reads: episodes with their kept rows, the embodiment and the settings."""
    takes = [[*take.key, take.keep] for take in takes_of(sources)]
    return digest_json({"takes": takes, "embodiment": embodiment.digest, "training": training.model_dump(mode="json")})


def _claim(folder: Path, sources: Sequence[Source], embodiment: Embodiment, training: IdmTraining) -> None:
    key, path = training_key(sources, embodiment, training), folder / "run.json"
    if path.is_file() and read_json(path)["key"] != key:
        raise IdmTrainingError(f"{folder}: was begun with other stores or settings; give another folder (--into)")
    write_json(path, {"key": key, "embodiment": embodiment.digest, "training": training.model_dump(mode="json")})


def _fit(
    learn: Sequence[Take],
    robot: Robot,
    timing: Timing,
    folder: Path,
    training: IdmTraining,
    say: Say,
) -> Idm:
    accelerator = Accelerator()
    torch.manual_seed(training.seed)  # of the first weights; layers draw them from torch's own generator
    config = replace(PRESETS[training.preset](), action_horizon=timing.horizon)
    model = Idm(config).to(accelerator.device)
    optimizer = build_optimizer(model, training.optimizer)
    average = AveragedWeights(model, training.optimizer.ema_decay)
    states = list_states(folder / "states")
    first = states[-1] if states else 0
    if states:
        load_state(folder / "states", first, model, average, optimizer)
    recordings = [read_recording(take, robot, config.vision.image_size) for take in learn]
    starts = window_starts(recordings, timing)
    say(f"{len(starts)} windows of {len(recordings)} episodes; steps {first} to {training.steps}")
    wrapped, draw = accelerator.prepare_model(model), _Draw(recordings, starts, robot, timing, config.action_dim)
    wrapped.train()
    losses, draws = [], _draws(training, config)
    for step in range(first, training.steps):
        set_learning_rate(optimizer, learning_rate(step, training.steps, training.optimizer))
        pictures, action, mask = draw(training, step, accelerator.process_index)
        batch = batch_of(config, robot.embodiment.slot, *(x.to(accelerator.device) for x in (pictures, action, mask)))
        loss = wrapped(batch, _generator(training.seed, step, accelerator.process_index), **draws)
        accelerator.backward(loss)
        clip_grad_norm_(model.parameters(), training.optimizer.clip_norm or float("inf"))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
        losses.append(loss.detach())
        done = step + 1
        if done % training.log_every_steps == 0 or done == training.steps:
            _report(done, losses, training, say)
        if accelerator.is_main_process and (done % training.save_every_steps == 0 or done == training.steps):
            save_state(folder / "states", done, model, average, optimizer, keep=1)
    with torch.no_grad():
        for name, tensor in average.exported().items():
            model.get_parameter(name).copy_(tensor)
    return model.cpu()


def _draws(training: IdmTraining, config: IdmConfig) -> dict[str, int]:
    draws, mean_draws = (4, 0) if config.inference_noise else (2, 1)
    draws = draws if training.draws is None else training.draws
    mean_draws = min(mean_draws, draws) if training.mean_draws is None else training.mean_draws
    return {"draws": draws, "mean_draws": mean_draws}


def _report(done: int, losses: list[torch.Tensor], training: IdmTraining, say: Say) -> None:
    mean = float(torch.stack(losses).mean())
    losses.clear()
    if not np.isfinite(mean):
        raise FloatingPointError(f"the loss is {mean} at step {done}; lower the learning rate")
    say(f"step {done}/{training.steps}  loss {mean:.4f}")


def _generator(seed: int, step: int, rank: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * _SEED_OF_STEP + step) * 64 + rank)


@dataclass(frozen=True)
class _Draw:
    """The rows of a step."""

    recordings: list[Recording]
    starts: np.ndarray
    robot: Robot
    timing: Timing
    padded: int

    @cached_property
    def slowed(self) -> Slowed:
        """The same windows at other speeds."""
        return Slowed(self.recordings, self.robot.parts, self.timing)

    def __call__(self, training: IdmTraining, step: int, rank: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        generator = np.random.default_rng([training.seed, step, rank])
        chosen = self.starts[generator.integers(len(self.starts), size=training.batch_size)]
        if training.nearest_gap is None:
            pictures, action = gather(self.recordings, chosen, self.timing)
        else:
            gaps = generator.integers(training.nearest_gap, self.timing.frame_gap + 1, size=len(chosen))
            pictures, action = self.slowed.gather(chosen, gaps)
        transform = self.robot.transform(self.padded)
        normalised = transform(transform.concat.inverse(action)).astype(np.float32)
        mask = np.broadcast_to(transform.pad.mask, normalised.shape)
        return torch.from_numpy(pictures), torch.from_numpy(normalised), torch.from_numpy(mask.copy())
