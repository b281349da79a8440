"""Grounding: the small backbone first learns, on simulator stills, to point at what the instruction names.

Two steps. The tower's keypoints are taught directly: the named object, where it is to go, the hands. Then the language
model is taught, on the finished tower's tokens, to hold the same positions and the kind of task so that they can be
read out linearly from its last token. Afterwards the backbone is frozen: its features can be cached, and only the
action head trains. (Trained end to end from scratch, a policy of this size finds nothing in minutes.)

The result is a folder like any other base model (config.json, model.safetensors, tokenizer/), with grounding.json: the
configuration, and the errors measured on stills that were held out.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from accelerate import Accelerator
from jaxtyping import Float, Int
from torch import Tensor, nn

from gr00t_data.disk import replacing_folder, write_json
from gr00t_data.integrity import write_record
from gr00t_data.progress import Progress
from gr00t_data.sources.sim.stills import render_stills
from gr00t_model.groot.cpu_products import fast_products
from gr00t_model.groot.keypoints import KeypointTower
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import nano
from gr00t_model.groot.prompt import train_tokenizer
from gr00t_model.groot.vision import pixels_of
from gr00t_model.groot.weights.nvidia import save
from gr00t_model.grounding import lessons
from gr00t_model.grounding.key import GroundingConfig, grounding_key
from gr00t_model.grounding.lessons import Lesson, Readout, augmented, lesson_of, pixel_errors, pointing_loss, tower_of
from gr00t_model.loop.config import LoopConfig, Machine, Optimizer
from gr00t_model.loop.loop import Loop
from gr00t_model.loop.objective import Item, Losses, Network, Objective
from gr00t_model.loop.run import Outcome, RunFolder
from gr00t_model.loop.seeds import pass_rows
from gr00t_model.loop.stop import StopRequest
from gr00t_model.loop.tracking import with_trackers

LIBRARIES = ("accelerate", "mujoco", "numpy", "safetensors", "tokenizers", "torch", "transformers")

_RENDERERS = 2
_HELD_OUT_SHARE = 0.1
_CHUNK = 100
_USUAL_STILLS = 1000


def ground(
    stills_count: int,
    seed: int,
    folder: Path | str,
    progress: Progress = lambda done, total: None,
    config: GroundingConfig | None = None,
    stop: StopRequest | None = None,
) -> Path:
    """Render stills, train, and leave the base model in ``folder/<key>``, where the key names everything it depends on.

    What was killed goes on: its states lie in ``folder/<key>-training`` until it is done; what named trackers were told
    stays there.

    Args:
        stills_count: how many; a tenth is held out to measure on.
        progress: called with the training steps done and their total; the first steps wait for the stills.

    Returns:
        The folder; at once when it is already there.

    Raises:
        Stopped: ``stop`` said so.
    """
    config = config or GroundingConfig()
    done = Path(folder) / grounding_key(stills_count, seed, config)[:16]
    if done.is_dir():
        return done
    work = done.with_name(f"{done.name}-training")
    model_config = nano()
    stills = render_stills(stills_count, seed, model_config.backbone.vision.image_size, _RENDERERS)
    with replacing_folder(done) as temporary:
        prompt = train_tokenizer(
            stills.instructions, temporary / "tokenizer", model_config.backbone.vision.tokens_per_image
        )
        lesson = lesson_of(stills, prompt)
        kept = len(lesson) - max(1, round(_HELD_OUT_SHARE * len(lesson)))
        with torch.random.fork_rng(devices=[]), fast_products():
            torch.manual_seed(seed)
            model = Groot(model_config)
            readout = teach(model, lesson.rows(slice(0, kept)), config, seed, work, progress, stop)
        errors = measure(model, readout, lesson.rows(slice(kept, None)))
        save(model, temporary)
        write_json(temporary / "grounding.json", {"stills": stills_count, "seed": seed, **errors})
        write_record(temporary)
    for forgotten in work.glob("*/states") if config.track else (work,):
        shutil.rmtree(forgotten)
    return done


def teach(
    model: Groot,
    lesson: Lesson,
    config: GroundingConfig,
    seed: int,
    folder: Path,
    progress: Progress = lambda done, total: None,
    stop: StopRequest | None = None,
) -> Readout:
    """Train the backbone of ``model`` in place and leave it frozen; returns the readout that was trained with it.

    The same arguments, initial weights and thread count give the same weights, also of a training that was killed and
    goes on with the states in ``folder``. It stays on the CPU, whatever the machine has: it is small.

    Raises:
        Stopped: ``stop`` said so.
    """
    readout = Readout(model.config.backbone.text.hidden_size)
    epoch = len(lesson) // config.batch_size
    look, total = config.look_epochs * epoch, (config.look_epochs + config.tell_epochs) * epoch
    model.backbone.requires_grad_(False)
    tower, eagle = tower_of(model).requires_grad_(True), model.backbone.eagle_model
    looking = Look(tower, lesson, config, seed, lambda done: progress(done, total))
    _learn(looking, config.look, look, folder / "look", stop)
    tower.requires_grad_(False)
    parts = [tower.point_token, tower.point_names, tower.grid_token, eagle.mlp1, eagle.language_model, readout]
    learning = nn.ModuleList(parts).requires_grad_(True)
    telling = Tell(learning, lesson, config, seed, lambda done: progress(look + done, total), model, readout)
    _learn(telling, config.tell, total - look, folder / "tell", stop)
    model.backbone.requires_grad_(False)
    remember_usual(model, lesson.rows(slice(0, _USUAL_STILLS)))
    return readout


def _learn(objective: "Look | Tell", optimizer: Optimizer, steps: int, folder: Path, stop: StopRequest | None) -> None:
    config = LoopConfig(
        steps=steps,
        seed=objective.seed,
        checkpoint_every_steps=objective.config.save_every_steps,
        keep_states=1,
        optimizer=optimizer,
        machine=with_trackers(Machine(prefetch_batches=0), objective.config.track),
    )
    loop = Loop.open(objective, config, RunFolder(folder), Accelerator(device_placement=False))
    loop.complete(stop, lambda line: None)


@torch.no_grad()
def remember_usual(model: Groot, lesson: Lesson) -> None:
    """Store the mean feature map: what FLARE's targets leave out."""
    tower, size_px = tower_of(model), model.config.backbone.vision.image_size
    chunks = lesson.images[:, None].split(_CHUNK)
    sums = [tower.feature_map(pixels_of(images, size_px)).sum(dim=0) for images in chunks]
    tower.usual_map.copy_(torch.stack(sums).sum(dim=0) / len(lesson))


@dataclass(frozen=True)
class _Half(Objective[Network, Item]):
    """What both trainings have in common: rows of the lesson, in a new order every epoch."""

    model: Network
    lesson: Lesson
    config: GroundingConfig
    seed: int
    told: Callable[[int], None]

    def rows(self, number: int) -> Int[Tensor, " m"]:
        """Those of a pass."""
        return torch.from_numpy(pass_rows(len(self.lesson), self.config.batch_size, number, self.seed))

    def follow(self, step: int) -> None:
        self.told(step + 1)

    def export(self, outcome: Outcome) -> None:
        """What was learnt stays in memory; ``ground`` saves the whole model."""


@dataclass(frozen=True)
class Look(_Half[KeypointTower, Lesson]):
    """The tower learns to put its keypoints where they belong."""

    def batch(self, number: int) -> Lesson:
        return self.lesson.rows(self.rows(number))

    def losses(self, model: nn.Module, batch: Lesson, generator: torch.Generator) -> Losses:
        feature_map = self.model.feature_map(augmented(batch.images, self.config.gain, self.config.noise, generator))
        keypoints = self.model.look(feature_map, batch.input_ids, batch.attention_mask)
        return {"loss": (pointing_loss(keypoints, batch.points, feature_map.shape[-1]), None)}


@dataclass(frozen=True)
class Tell(_Half[nn.ModuleList, tuple[Lesson, Tensor, Tensor]]):
    """What follows the tower's feature map, in ``model``, learns to tell, on maps and keypoints computed once."""

    whole: Groot
    readout: Readout

    @cached_property
    def sights(self) -> tuple[Float[Tensor, "n k p"], Float[Tensor, "n g f"]]:
        """What the tower's tokens are made of, for every still; nothing that learns here changes it."""
        return look_at(self.whole, self.lesson)[1:]

    def batch(self, number: int) -> tuple[Lesson, Tensor, Tensor]:
        rows, (points, grid) = self.rows(number), self.sights
        return self.lesson.rows(rows), points[rows], grid[rows]

    def losses(self, model: nn.Module, batch: tuple[Lesson, Tensor, Tensor], generator: torch.Generator) -> Losses:
        lesson, points, grid = batch
        tokens = tower_of(self.whole).tokens(points, grid)
        features = self.whole.backbone.think(tokens, lesson.input_ids, lesson.attention_mask)
        return {"loss": (self.readout.loss(features[:, -1], lesson), None)}


@torch.no_grad()
def look_at(
    model: Groot, lesson: Lesson
) -> tuple[Float[Tensor, "n k 2"], Float[Tensor, "n k p"], Float[Tensor, "n g f"]]:
    """The keypoints' positions, and what the tower's tokens are made of, for every still."""
    tower, seen = tower_of(model), []
    for start in range(0, len(lesson), _CHUNK):
        batch = lesson.rows(slice(start, start + _CHUNK))
        feature_map = tower.feature_map(pixels_of(batch.images[:, None], tower.config.image_size))
        keypoints = tower.look(feature_map, batch.input_ids, batch.attention_mask)
        seen.append((keypoints.points, *tower.sights(feature_map, keypoints)))
    positions, points, grid = (torch.cat(parts) for parts in zip(*seen, strict=True))
    return positions, points, grid


@torch.no_grad()
def measure(model: Groot, readout: Readout, lesson: Lesson) -> dict[str, float]:
    """Errors on held-out stills: ``shown_*`` of the keypoints, ``told_*`` of what the last token tells."""
    positions, points, grid = look_at(model, lesson)
    tokens = tower_of(model).tokens(points, grid)
    last = model.backbone.think(tokens, lesson.input_ids, lesson.attention_mask)[:, -1]
    size_px = model.config.backbone.vision.image_size
    shown = pixel_errors(positions, lesson.points, size_px)
    told = pixel_errors(readout.positions(last), lesson.points, size_px)
    right = zip(lessons.CHOICES, readout.right(last, lesson).tolist(), strict=True)
    return {
        **{f"shown_{name}": error for name, error in shown.items()},
        **{f"told_{name}": error for name, error in told.items()},
        **{f"told_{name}_right": round(share, 4) for name, share in right},
    }
