"""FLARE (arXiv 2505.15659): the DiT's future tokens learn what the camera will see one action chunk later.

At one layer of the DiT the hidden states of the future tokens go through a small MLP and are drawn, by cosine
similarity, to features of the future frame made by the frozen vision tower. Nothing of it runs at inference.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


def grid_of(tokens: int) -> tuple[int, int]:
    """Rows and columns of the squarest grid with that many cells (rows <= columns)."""
    rows = next(r for r in range(math.isqrt(tokens), 0, -1) if tokens % r == 0)
    return rows, tokens // rows


def pool(feature_map: Float[Tensor, "b e r c"], tokens: int) -> Float[Tensor, "b m e"]:
    """Average a feature map over a grid of ``tokens`` cells, row by row."""
    return F.adaptive_avg_pool2d(feature_map, grid_of(tokens)).flatten(2).transpose(1, 2)


class Flare(nn.Module):
    """The projector and the loss."""

    def __init__(self, width: int, projector_width: int, target_width: int):
        super().__init__()
        self.projector = nn.Sequential(
            nn.Linear(width, projector_width),
            nn.SiLU(),
            nn.Linear(projector_width, projector_width),
            nn.SiLU(),
            nn.Linear(projector_width, target_width),
        )

    def reset(self) -> None:
        """Draw fresh initial weights: a published checkpoint has none."""
        for layer in self.projector:
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()

    def cosine(self, hidden: Float[Tensor, "b m w"], target: Float[Tensor, "b m e"]) -> Float[Tensor, " b"]:
        """Mean cosine similarity of each row's tokens to its target, which gets no gradient."""
        predicted = self.projector(hidden).float()
        return F.cosine_similarity(predicted, target.detach().float(), dim=-1).mean(dim=1)

    def forward(
        self, hidden: Float[Tensor, "b m w"], target: Float[Tensor, "b m e"], mask: Bool[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """1 - cosine, averaged over the rows where ``mask`` is true; 0 when there is none."""
        weight = mask.float()
        distances = torch.where(mask, 1 - self.cosine(hidden, target), 0.0)
        return distances.sum() / weight.sum().clamp(min=1)
