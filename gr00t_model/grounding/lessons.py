"""What the grounding stage teaches and how it is judged: stills as tensors, losses on keypoints, a linear readout."""

from dataclasses import dataclass, fields
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from gr00t_data.sources.sim.stills import Stills
from gr00t_model.groot.keypoints import Keypoints, KeypointTower
from gr00t_model.groot.model import Groot
from gr00t_model.groot.prompt import Prompt
from gr00t_model.groot.vision import pixels_of

POINTS = ("target", "place", "left_hand", "right_hand")
"""What the tower's keypoints are taught, in order: the named object, where it is to go, and the hands."""
CHOICES = {
    "tasks": ("reach", "push", "pick_and_place"),
    "hands": ("left", "right"),
    "directions": ("", "left", "right"),
}
"""What the last token must tell beside positions: fields of the stills and their values."""
_FAR = 0.05  # of the picture: beyond it a keypoint is on the wrong thing, which only the heat can mend
_CHOICE_WEIGHT = 0.3


@dataclass(frozen=True)
class Lesson:
    """Stills as tensors. Positions in pictures are 0..1 from the top left corner, NaN where there is nothing."""

    images: UInt8[Tensor, "n h w 3"]
    input_ids: Int[Tensor, "n k"]
    attention_mask: Int[Tensor, "n k"]
    points: Float[Tensor, "n 4 2"]  # POINTS; of the hands only the acting one is known
    choices: Int[Tensor, "n 3"]  # indices into CHOICES

    def rows(self, chosen: Int[Tensor, " m"] | slice) -> "Lesson":
        return Lesson(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.images)


def lesson_of(stills: Stills, prompt: Prompt) -> Lesson:
    """The stills as tensors, their instructions as prompts with one image."""
    input_ids, attention_mask = prompt(stills.instructions, 1)
    choices = [[values.index(value) for value in getattr(stills, name)] for name, values in CHOICES.items()]
    acting = np.array(stills.hands)[:, None]
    hands = [np.where(acting == side, stills.hand_px, np.nan) for side in ("left", "right")]
    return Lesson(
        images=torch.from_numpy(stills.images),
        input_ids=input_ids,
        attention_mask=attention_mask,
        points=torch.from_numpy(np.stack([stills.target_px, stills.place_px, *hands], axis=1)).float(),
        choices=torch.tensor(choices).T,
    )


def tower_of(model: Groot) -> KeypointTower:
    """The keypoint tower of a small model."""
    return cast(KeypointTower, model.backbone.eagle_model.vision_model)


def augmented(
    images: UInt8[Tensor, "b h w 3"], gain: float, noise: float, generator: torch.Generator
) -> Float[Tensor, "b 3 h w"]:
    """Pixels with a random contrast, colour balance and noise. Never moved: the camera does not move either."""
    pixels = pixels_of(images[:, None], images.shape[1])
    gains = 1 + gain * (2 * torch.rand(len(images), 4, 1, 1, generator=generator) - 1)
    pixels = ((pixels + 1) * gains[:, :1] * gains[:, 1:] - 1).clamp(-1, 1)
    return pixels + noise * torch.randn(pixels.shape, generator=generator)


def distance(
    points: Float[Tensor, "b p 2"], taught: Float[Tensor, "b p 2"], far: float = float("inf")
) -> Float[Tensor, ""]:
    """Mean absolute difference over the points that exist, in tenths of the picture; no more than ``far`` counts."""
    exists = ~taught.isnan()
    return 10 * (points - taught.nan_to_num())[exists].abs().clamp(max=far).mean()


def pointing_loss(keypoints: Keypoints, taught: Float[Tensor, "b p 2"], side: int) -> Float[Tensor, ""]:
    """Cross-entropy of the heat against the four cells around each true position, and the distance where it is near."""
    inside = ((taught > 0) & (taught < 1)).all(dim=-1)  # false for NaN
    cells, weights = _corners(taught.nan_to_num().clamp(0, 1), side)
    entropy = -(keypoints.log_heat[:, : len(POINTS)].gather(-1, cells) * weights).sum(dim=-1)
    return entropy[inside].mean() + distance(keypoints.points[:, : len(POINTS)], taught, _FAR)


def _corners(points: Float[Tensor, "b p 2"], side: int) -> tuple[Int[Tensor, "b p 4"], Float[Tensor, "b p 4"]]:
    """The cells around each point and their bilinear weights, on a square map of ``side`` cells."""
    place = (points * side - 0.5).clamp(0, side - 1.001)
    low = place.floor()
    (fx, fy), (x, y) = (place - low).unbind(-1), low.long().unbind(-1)
    corner = y * side + x
    cells = torch.stack([corner, corner + 1, corner + side, corner + side + 1], dim=-1)
    weights = torch.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], dim=-1)
    return cells, weights


class Readout(nn.Module):
    """Linear from the language model's last token: what that token must know. Thrown away after the stage."""

    def __init__(self, width: int):
        super().__init__()
        self.points = nn.Linear(width, 2 * len(POINTS))
        self.choices = nn.ModuleList(nn.Linear(width, len(values)) for values in CHOICES.values())

    def positions(self, last: Float[Tensor, "b d"]) -> Float[Tensor, "b p 2"]:
        return self.points(last).unflatten(-1, (len(POINTS), 2))

    def loss(self, last: Float[Tensor, "b d"], lesson: Lesson) -> Float[Tensor, ""]:
        losses = [F.cross_entropy(layer(last), lesson.choices[:, i]) for i, layer in enumerate(self.choices)]
        return distance(self.positions(last), lesson.points) + _CHOICE_WEIGHT * torch.stack(losses).sum()

    def right(self, last: Float[Tensor, "b d"], lesson: Lesson) -> Float[Tensor, " c"]:
        """Share of rows in which each choice is right."""
        told = torch.stack([layer(last).argmax(dim=-1) for layer in self.choices], dim=1)
        return (told == lesson.choices).float().mean(dim=0)


def pixel_errors(found: Float[Tensor, "n p 2"], taught: Float[Tensor, "n p 2"], size_px: int) -> dict[str, float]:
    """For each of POINTS that occurs: median error in pixels, and the share that is off by more than half an object."""
    errors = {}
    for index, name in enumerate(POINTS):
        error_px = (found[:, index] - taught[:, index]).norm(dim=-1) * size_px
        error_px = error_px[~error_px.isnan()]
        if len(error_px):
            errors[f"{name}_median_px"] = round(float(error_px.median()), 3)
            errors[f"{name}_lost_share"] = round(float((error_px > _FAR * size_px).float().mean()), 4)
    return errors
