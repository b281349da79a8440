"""Grounding: the small backbone first learns, on simulator stills, to point at what the instruction names.

Its keypoints are taught directly (the named object, where it is to go, the hand that should act), and what the language
model makes of them must still hold the same positions, read out linearly from the last token. Afterwards the backbone
is frozen: its features can be cached, and only the action head trains. The result is a folder like any other base
model (config.json, model.safetensors, tokenizer/) and grounding.json with the errors measured on held-out stills.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

import gr00t_model.groot
from gr00t_data.disk import digest_file, digest_json, replacing_folder, write_json
from gr00t_data.sources import sim
from gr00t_data.sources.sim.stills import Stills, render_stills
from gr00t_model.groot.keypoints import Keypoints, KeypointTower
from gr00t_model.groot.model import Groot
from gr00t_model.groot.nvidia_weights import save
from gr00t_model.groot.presets import nano
from gr00t_model.groot.prompt import Prompt, train_tokenizer
from gr00t_model.groot.vision import pixels_of

POINTS = ("target", "place", "left_hand", "right_hand")
"""What the first keypoints are taught: the named object, where it is to go, and the hands."""
_CHOICES = {
    "tasks": ("reach", "push", "pick_and_place"),
    "hands": ("left", "right"),
    "directions": ("", "left", "right"),
}
"""What the last token must tell, beside positions: fields of the stills and their values."""
_HELD_OUT_SHARE = 0.1
_RENDERERS = 2


@dataclass(frozen=True)
class GroundingConfig:
    """How the stage trains."""

    epochs: int = 4
    batch_size: int = 16
    thinking_share: float = 0.5  # of the steps, at the end, in which the language model learns too
    lr: float = 2e-3
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    gain: float = 0.1  # largest relative change of contrast and of each colour channel
    noise: float = 0.02  # standard deviation of pixel noise, pixels being -1..1


@dataclass(frozen=True)
class Lesson:
    """Stills as tensors. Positions in pictures are 0..1 from the top left corner, NaN where there is nothing."""

    images: UInt8[Tensor, "n h w 3"]
    input_ids: Int[Tensor, "n k"]
    attention_mask: Int[Tensor, "n k"]
    points: Float[Tensor, "n 4 2"]  # POINTS; of the hands only the acting one is known
    choices: Int[Tensor, "n 3"]  # indices into _CHOICES

    def rows(self, chosen: Int[Tensor, " m"] | slice) -> "Lesson":
        return Lesson(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.images)


def lesson_of(stills: Stills, prompt: Prompt) -> Lesson:
    """The stills as tensors, their instructions as prompts with one image."""
    input_ids, attention_mask = prompt(stills.instructions, 1)
    choices = [[values.index(v) for v in getattr(stills, name)] for name, values in _CHOICES.items()]
    hands = [np.where([[hand == side] for hand in stills.hands], stills.hand_px, np.nan) for side in ("left", "right")]
    points = np.stack([stills.target_px, stills.place_px, *hands], axis=1)
    return Lesson(
        images=torch.from_numpy(stills.images),
        input_ids=input_ids,
        attention_mask=attention_mask,
        points=torch.from_numpy(points).float(),
        choices=torch.tensor(choices).T,
    )


class Readout(nn.Module):
    """Linear from the language model's last token: what it must know. Thrown away after the stage."""

    def __init__(self, width: int):
        super().__init__()
        self.points = nn.Linear(width, 2 * len(POINTS))
        self.choices = nn.ModuleList(nn.Linear(width, len(values)) for values in _CHOICES.values())

    def forward(self, last: Float[Tensor, "b d"], lesson: Lesson) -> tuple[Float[Tensor, ""], Float[Tensor, "b p 2"]]:
        """The loss, and the positions read out."""
        points = self.points(last).unflatten(-1, (len(POINTS), 2))
        loss = _distance(points, lesson.points)
        for index, layer in enumerate(self.choices):
            loss = loss + 0.1 * F.cross_entropy(layer(last), lesson.choices[:, index])
        return loss, points


def _distance(points: Float[Tensor, "b p 2"], taught: Float[Tensor, "b p 2"]) -> Float[Tensor, ""]:
    """Mean absolute difference over the points that exist, in tenths of the picture."""
    exists = ~taught.isnan()
    return 10 * (points - taught.nan_to_num())[exists].abs().mean()


def _heat_loss(keypoints: Keypoints, taught: Float[Tensor, "b p 2"], side: int) -> Float[Tensor, ""]:
    """Cross-entropy of the taught keypoints against the four cells around each true position."""
    exists = (~taught.isnan()).all(-1) & (taught > 0).all(-1) & (taught < 1).all(-1)
    cells, weights = _corners(taught.nan_to_num().clamp(0, 1), side)
    log_heat = keypoints.log_heat[:, : len(POINTS)].gather(-1, cells)
    return -(log_heat * weights).sum(-1)[exists].mean()


def _corners(points: Float[Tensor, "b p 2"], side: int) -> tuple[Int[Tensor, "b p 4"], Float[Tensor, "b p 4"]]:
    """The cells around each point and their bilinear weights, on a square map."""
    place = (points * side - 0.5).clamp(0, side - 1.001)
    low = place.floor()
    (fx, fy), (x, y) = (place - low).unbind(-1), low.long().unbind(-1)
    cells = torch.stack([y * side + x, y * side + x + 1, (y + 1) * side + x, (y + 1) * side + x + 1], dim=-1)
    weights = torch.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], dim=-1)
    return cells, weights


def teach(
    model: Groot, lesson: Lesson, config: GroundingConfig, seed: int, progress: Callable[[str], None]
) -> "Readout":
    """Train the backbone of ``model`` in place; the same arguments and thread count give the same weights.

    First the tower alone, then the language model with it.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    backbone = model.backbone.requires_grad_(True).train()
    readout = Readout(model.config.backbone.text.hidden_size)
    parameters = [*backbone.parameters(), *readout.parameters()]
    optimizer = torch.optim.AdamW(
        parameters, lr=config.lr, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True
    )
    steps = config.epochs * (len(lesson) // config.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps, config.warmup_share))
    for step, rows in enumerate(_shuffled(len(lesson), config, generator)):
        batch = lesson.rows(rows)
        pixels = _augmented(batch.images, config, generator)
        thinking = step >= steps * (1 - config.thinking_share)
        loss = _loss(model, batch, pixels, readout if thinking else None)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            progress(f"grounding step {step}/{steps}, loss {loss.item():.2f}")
    return readout


def _rate(step: int, steps: int, warmup_share: float) -> float:
    """Linear rise, then a cosine to zero."""
    share = step / steps
    return share / warmup_share if share < warmup_share else 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


def _shuffled(count: int, config: GroundingConfig, generator: torch.Generator) -> Iterator[Int[Tensor, " m"]]:
    for _ in range(config.epochs):
        order = torch.randperm(count, generator=generator)
        yield from order[: count // config.batch_size * config.batch_size].split(config.batch_size)


def _augmented(
    images: UInt8[Tensor, "b h w 3"], config: GroundingConfig, generator: torch.Generator
) -> Float[Tensor, "b 3 h w"]:
    """Pixels with a random contrast, colour balance and noise. Never moved: the camera does not move either."""
    pixels = pixels_of(images[:, None], images.shape[1])
    gains = 1 + config.gain * (2 * torch.rand(len(images), 4, 1, 1, generator=generator) - 1)
    pixels = ((pixels + 1) * gains[:, :1] * gains[:, 1:] - 1).clamp(-1, 1)
    return pixels + config.noise * torch.randn(pixels.shape, generator=generator)


def _loss(model: Groot, batch: Lesson, pixels: Float[Tensor, "b 3 h w"], readout: Readout | None) -> Float[Tensor, ""]:
    """What the keypoints miss, and with ``readout`` what the language model's last token misses."""
    tower = cast(KeypointTower, model.backbone.eagle_model.vision_model)
    feature_map = tower.feature_map(pixels)
    keypoints = tower.look(feature_map, batch.input_ids, batch.attention_mask)
    loss = _heat_loss(keypoints, batch.points, feature_map.shape[-1]) + _distance(
        keypoints.points[:, : len(POINTS)], batch.points
    )
    if readout is None:
        return loss
    tokens = tower.tokens(feature_map, keypoints)
    features = model.backbone.think(tokens, batch.input_ids, batch.attention_mask)
    return loss + readout(features[:, -1], batch)[0]
