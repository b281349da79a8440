"""Grounding: the small backbone first learns, on simulator stills, to point at what the instruction names.

Two steps. The tower's keypoints are taught directly: the named object, where it is to go, the hands. Then the language
model is taught, on the finished tower's tokens, to hold the same positions and the kind of task so that they can be
read out linearly from its last token. Afterwards the backbone is frozen: its features can be cached, and only the
action head trains. (Trained end to end from scratch, a policy of this size finds nothing in minutes.)

The result is a folder like any other base model (config.json, model.safetensors, tokenizer/), with grounding.json: the
configuration, and the errors measured on stills that were held out.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gr00t_data.disk import replacing_folder, write_json
from gr00t_data.sources.sim.stills import render_stills
from gr00t_model.groot.cpu_products import fast_products
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import nano
from gr00t_model.groot.prompt import train_tokenizer
from gr00t_model.groot.vision import pixels_of
from gr00t_model.groot.weights.nvidia import save
from gr00t_model.grounding import lessons
from gr00t_model.grounding.key import GroundingConfig, grounding_key
from gr00t_model.grounding.lessons import Lesson, Readout, augmented, lesson_of, pixel_errors, pointing_loss, tower_of
from gr00t_model.loop.config import Optimizer
from gr00t_model.loop.optimizer import build_optimizer, learning_rate, set_learning_rate

LIBRARIES = ("mujoco", "numpy", "safetensors", "tokenizers", "torch", "transformers")

Progress = Callable[[int, int], None]
_RENDERERS = 2
_HELD_OUT_SHARE = 0.1
_CHUNK = 100
_USUAL_STILLS = 1000


def ground(
    stills_count: int,
    seed: int,
    folder: Path | str,
    progress: Progress | None = None,
    config: GroundingConfig | None = None,
) -> Path:
    """Render stills, train, and leave the base model in ``folder/<key>``, where the key names everything it depends on.

    Args:
        stills_count: how many; a tenth is held out to measure on.
        progress: called with the training steps done and their total; the first steps wait for the stills.

    Returns:
        The folder; at once when it is already there.
    """
    config = config or GroundingConfig()
    done = Path(folder) / grounding_key(stills_count, seed, config)[:16]
    if done.is_dir():
        return done
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
            readout = teach(model, lesson.rows(slice(0, kept)), config, seed, progress)
        errors = measure(model, readout, lesson.rows(slice(kept, None)))
        save(model, temporary)
        write_json(temporary / "grounding.json", {"stills": stills_count, "seed": seed, **errors})
    return done


def teach(
    model: Groot, lesson: Lesson, config: GroundingConfig, seed: int, progress: Progress | None = None
) -> Readout:
    """Train the backbone of ``model`` in place and leave it frozen; returns the readout that was trained with it.

    The same arguments, initial weights and thread count give the same weights.
    """
    generator = torch.Generator().manual_seed(seed)
    readout = Readout(model.config.backbone.text.hidden_size)
    model.backbone.requires_grad_(False)
    losses = chain(
        teach_to_look(model, lesson, config, generator), teach_to_tell(model, readout, lesson, config, generator)
    )
    total = (config.look_epochs + config.tell_epochs) * (len(lesson) // config.batch_size)
    for done, _ in enumerate(losses, start=1):
        if progress is not None:
            progress(done, total)
    model.backbone.requires_grad_(False)
    remember_usual(model, lesson.rows(slice(0, _USUAL_STILLS)))
    return readout


@torch.no_grad()
def remember_usual(model: Groot, lesson: Lesson) -> None:
    """Store the mean feature map: what FLARE's targets leave out."""
    tower, size_px = tower_of(model), model.config.backbone.vision.image_size
    chunks = lesson.images[:, None].split(_CHUNK)
    sums = [tower.feature_map(pixels_of(images, size_px)).sum(dim=0) for images in chunks]
    tower.usual_map.copy_(torch.stack(sums).sum(dim=0) / len(lesson))


def teach_to_look(model: Groot, lesson: Lesson, config: GroundingConfig, generator: torch.Generator) -> Iterator[float]:
    """Train the tower to put its keypoints where they belong; yields the loss of each step."""
    tower = tower_of(model).requires_grad_(True)
    trainer = _Trainer(tower, config.look, config.look_epochs * (len(lesson) // config.batch_size))
    for rows in _shuffled(len(lesson), config.look_epochs, config.batch_size, generator):
        batch = lesson.rows(rows)
        feature_map = tower.feature_map(augmented(batch.images, config.gain, config.noise, generator))
        keypoints = tower.look(feature_map, batch.input_ids, batch.attention_mask)
        yield trainer.step(pointing_loss(keypoints, batch.points, feature_map.shape[-1]))
    tower.requires_grad_(False)


def teach_to_tell(
    model: Groot, readout: Readout, lesson: Lesson, config: GroundingConfig, generator: torch.Generator
) -> Iterator[float]:
    """Train what follows the tower's feature map, on maps and keypoints computed once; yields each step's loss."""
    tower, eagle = tower_of(model), model.backbone.eagle_model
    parts = [tower.point_token, tower.point_names, tower.grid_token, eagle.mlp1, eagle.language_model, readout]
    steps = config.tell_epochs * (len(lesson) // config.batch_size)
    trainer = _Trainer(nn.ModuleList(parts).requires_grad_(True), config.tell, steps)
    _, points, grid = look_at(model, lesson)
    for rows in _shuffled(len(lesson), config.tell_epochs, config.batch_size, generator):
        batch = lesson.rows(rows)
        tokens = tower.tokens(points[rows], grid[rows])
        features = model.backbone.think(tokens, batch.input_ids, batch.attention_mask)
        yield trainer.step(readout.loss(features[:, -1], batch))


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


class _Trainer:
    """One optimizer over what is trainable in a module, with its schedule."""

    def __init__(self, module: nn.Module, config: Optimizer, steps: int):
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        self._optimizer, self._config = build_optimizer(module, config), config
        self._steps, self._step = steps, 0

    def step(self, loss: Float[Tensor, ""]) -> float:
        set_learning_rate(self._optimizer, learning_rate(self._step, self._steps, self._config))
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, self._config.clip_norm)
        self._optimizer.step()
        self._step += 1
        return loss.item()


def _shuffled(count: int, epochs: int, batch_size: int, generator: torch.Generator) -> Iterator[Int[Tensor, " m"]]:
    for _ in range(epochs):
        order = torch.randperm(count, generator=generator)
        yield from order[: count // batch_size * batch_size].split(batch_size)


@torch.no_grad()
def measure(model: Groot, readout: Readout, lesson: Lesson) -> dict[str, float]:
    """Errors on held-out stills: ``shown_*`` of the keypoints, ``told_*`` of what the last token tells."""
    positions, points, grid = look_at(model, lesson)
    tokens = tower_of(model).tokens(points, grid)
    last = model.backbone.think(tokens, lesson.input_ids, lesson.attention_mask)[:, -1]
    size_px = model.config.backbone.vision.image_size
    shown, told = (
        pixel_errors(positions, lesson.points, size_px),
        pixel_errors(readout.positions(last), lesson.points, size_px),
    )
    right = zip(lessons.CHOICES, readout.right(last, lesson).tolist(), strict=True)
    return {
        **{f"shown_{name}": error for name, error in shown.items()},
        **{f"told_{name}": error for name, error in told.items()},
        **{f"told_{name}_right": round(share, 4) for name, share in right},
    }
