"""What FLARE aligns to: the frozen encoder g of the future frame, and how it may follow the policy's own encoder.

Two kinds (arXiv 2505.15659). ``vision``: the vision tower's feature map of the first camera, pooled to M cells.
``action_aware``: M tokens of an embedding that was trained to act. The parts before them (vision tower, its linear,
word embeddings) are the policy's own as long as those stay as they are; copies take the place of the parts that train.
"""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gr00t_model.groot.backbone import Encoder
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


class TargetEncoder(nn.Module):
    """No gradient ever flows through it.

    Copies that move are buffers, so that every resumable state holds them; copies that stay as they are were made of
    the base and are parameters, which a state leaves out.

    Args:
        parts: copies, by their name in PARTS.
        embedding: of the kind ``action_aware``; None for ``vision``.
        tokens: M.
        moves: whether the copies will ``follow`` the policy's parts.
    """

    def __init__(self, parts: Mapping[str, nn.Module], embedding: Embedding | None, tokens: int, moves: bool):
        super().__init__()
        self.tokens = tokens
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

    def of_map(self, first_view: Float[Tensor, "b e r c"]) -> Float[Tensor, "b m e"]:
        """The target of kind ``vision`` from the feature map of each row's first camera."""
        return pool(first_view.float(), self.tokens)

    def of_tokens(
        self,
        policy: Encoder,
        tokens: Float[Tensor, "n p e"],
        input_ids: Int[Tensor, "b k"],
        attention_mask: Int[Tensor, "b k"],
    ) -> Float[Tensor, "b m d"]:
        """The target of kind ``action_aware`` from the tokens of the target's vision tower."""
        assert self.embedding is not None
        sequence = self.encoder(policy).sequence(tokens, input_ids)
        return self.embedding.target(sequence, self.embedding.seen(input_ids, attention_mask, policy.image_token_index))

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
