"""What FLARE aligns to: the frozen encoder g of the future frame, and how it may follow the policy's own encoder.

A kind is a module of its own, named in ``FlareConfig.TARGETS``; its ``Target`` is a ``TargetEncoder``. The parts before
it (vision tower, its linear, word embeddings) are the policy's own as long as those stay as they are; copies take the
place of the parts that train.
"""

import math
from copy import deepcopy
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from gr00t_model.groot.backbone import Encoder
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.flare.embedding import Embedding

PARTS = ("vision_model", "mlp1", "words")
"""The fields of ``Encoder`` of which a target may have copies."""


def grid_of(tokens: int) -> tuple[int, int]:
    """Rows and columns of the squarest grid with that many cells (rows <= columns)."""
    rows = next(r for r in range(math.isqrt(tokens), 0, -1) if tokens % r == 0)
    return rows, tokens // rows


def pool(feature_map: Float[Tensor, "b e r c"], tokens: int) -> Float[Tensor, "b m e"]:
    """Average a feature map over a grid of ``tokens`` cells, row by row."""
    return F.adaptive_avg_pool2d(feature_map, grid_of(tokens)).flatten(2).transpose(1, 2)


class Prompt(NamedTuple):
    """Token ids and mask, int64 [B, K] each."""

    input_ids: Int[Tensor, "b k"]
    attention_mask: Int[Tensor, "b k"]


class Look(NamedTuple):
    """What the vision tower returned for a batch of images: tokens [N, P, E], and each row's first map [B, F, R, C]."""

    tokens: Float[Tensor, "n p e"]
    first_map: Float[Tensor, "b f r c"]


class TargetEncoder(nn.Module):
    """No gradient ever flows through it.

    Copies that move are buffers, so that every resumable state holds them; copies that stay as they are were made of
    the base and are parameters, which a state leaves out.

    Args:
        config: of the model; its ``flare`` says which copies there are and whether they move.
        policy: the parts to copy from.
    """

    embedding: Embedding | None

    def __init__(self, config: GrootConfig, policy: Encoder):
        super().__init__()
        self.tokens, self.width = config.action_head.num_target_vision_tokens, self.width_of(config, policy)
        moves, parts = config.flare.target_ema < 1, {name: getattr(policy, name) for name in config.flare.own_parts}
        embedding = self.new_embedding(config)
        self.parts = nn.ModuleDict({name: deepcopy(part) for name, part in parts.items()})
        self.embedding = embedding
        self.requires_grad_(False)
        if moves:
            _hold_as_buffers(self.parts.float())  # 0.5 % of a step is less than bfloat16 can add to a weight
        self.eval()

    def encoder(self, policy: Encoder) -> Encoder:
        """The policy's parts, with its own copies in their places."""
        copies: dict[str, Any] = dict(self.parts.items())
        return replace(policy, **copies)

    @property
    def shares_sight(self) -> bool:
        """Whether the policy's vision tower is the target's as well, so that one look serves both."""
        return "vision_model" not in self.parts

    @staticmethod
    def new_embedding(config: GrootConfig) -> Embedding | None:
        """A network behind the policy's parts, with fresh weights; None where there is none."""
        return None

    @staticmethod
    def width_of(config: GrootConfig, policy: Encoder) -> int:
        """E, the width of the target's tokens."""
        raise NotImplementedError

    def of_look(self, policy: Encoder, look: Look, prompt: Prompt | None) -> Float[Tensor, "b m e"]:
        """The target from a look of the policy's own tower, which serves both (``shares_sight``)."""
        raise NotImplementedError

    def of_images(
        self,
        policy: Encoder,
        images: UInt8[Tensor, "b v h w 3"],
        prompt: Prompt | None,
        view_mask: Bool[Tensor, "b v"] | None,
        image_size: int,
    ) -> Float[Tensor, "b m e"]:
        """The target of pictures that nothing else looks at. ValueError where it needs the prompt and there is none."""
        raise NotImplementedError

    @torch.no_grad()
    def follow(self, policy: Encoder, keep: float) -> None:
        """Move each copy towards the policy's part: ``keep`` of itself, the rest of what now trains there."""
        for name, copied in self.parts.items():
            held = dict(copied.named_buffers())
            part: nn.Module = getattr(policy, name)
            for key, parameter in part.named_parameters():
                if parameter.requires_grad:
                    held[key].lerp_(parameter.to(held[key].dtype), 1 - keep)


def _hold_as_buffers(module: nn.Module) -> None:
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, parameter.detach())


def first_views(views: Int[Tensor, " b"] | None, rows: int, images: int, device: torch.device) -> Int[Tensor, " b"]:
    """Where each row's first image stands among ``images``, the images of row 0 first."""
    if views is None:
        return torch.arange(rows, device=device) * (images // rows)
    return views.cumsum(0) - views


def new_target(config: GrootConfig, policy: Encoder) -> TargetEncoder:
    """The configured target: copies of parts of the policy, and what stands behind them with fresh weights."""
    kind: type[TargetEncoder] = import_module(config.flare.TARGETS[config.flare.target]).Target
    return kind(config, policy)
