"""FLARE (arXiv 2505.15659): the DiT's future tokens learn what the camera will see one action chunk later.

At one layer of the DiT the hidden states of the future tokens go through a small MLP and are drawn, by cosine
similarity, to an embedding of the future frame (groot/target.py). Nothing of it runs at inference.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from gr00t_model.groot.flare.target import TargetEncoder


def shuffled(
    target: Float[Tensor, "b m e"], mask: Bool[Tensor, " b"], generator: torch.Generator | None
) -> Float[Tensor, "b m e"]:
    """Each row that counts gets the target of another one, drawn from ``generator``; a lone row keeps its own.

    The rows that count stand in a ring, in random order, and each takes from the next.
    """
    rows = len(target)
    device = target.device if generator is None else generator.device
    drawn = torch.randperm(rows, generator=generator, device=device).to(target.device)
    order = torch.where(mask, drawn, drawn + rows).argsort()
    place, counting = torch.arange(rows, device=target.device), mask.sum()
    following = torch.where(place < counting, (place + 1) % counting.clamp(min=1), place)
    return torch.empty_like(target).index_copy(0, order, target[order[following]])


class Flare(nn.Module):
    """The projector, the loss, and the encoder of the target (``target_width`` is the width of its tokens)."""

    def __init__(self, width: int, projector_width: int, target_width: int, target: TargetEncoder):
        super().__init__()
        self.target, self.width = target, target_width
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
