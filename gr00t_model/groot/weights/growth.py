"""Growth: a model that takes more action or state dimensions, or longer chunks, than the weights it starts from.

The old values are copied, so the grown model computes what the old one did. What reads a new dimension starts at zero:
whatever stands there, noise included, changes no old prediction until training has taught it to. What writes a new
dimension, and a new position, is drawn as a fresh one would be.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_POSITION_STD = 0.02
"""Of a fresh position embedding, as in the published model."""


@dataclass(frozen=True)
class Axis:
    """Along which axis a tensor may grow, and what the new entries are (given their shape)."""

    axis: int
    fresh: Callable[[tuple[int, ...]], Tensor]


def _writing(shape: tuple[int, ...]) -> Tensor:
    """[slots, in, new out], as a fresh slot linear is drawn."""
    return shape[1] ** -0.5 * torch.randn(shape)


GROWING = {
    "action_head.state_encoder.layer1.W": Axis(1, torch.zeros),
    "action_head.action_encoder.W1.W": Axis(1, torch.zeros),
    "action_head.action_decoder.layer2.W": Axis(2, _writing),
    "action_head.action_decoder.layer2.b": Axis(1, torch.zeros),
    "action_head.position_embedding.weight": Axis(0, lambda shape: _POSITION_STD * torch.randn(shape)),
}
"""Every tensor that has a dimension of the state, of the action, or of time."""


def grown(tensors: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``tensors`` with those of ``GROWING`` widened to the shapes in ``model``, in the type they have.

    A tensor that would have to shrink, or to grow in another direction, is left as it is: ``compare`` reports it.
    """
    return {name: _grown(name, tensor, model) for name, tensor in tensors.items()}


def _grown(name: str, tensor: Tensor, model: Mapping[str, Tensor]) -> Tensor:
    rule, wanted = GROWING.get(name), model.get(name)
    if rule is None or wanted is None or tensor.ndim != wanted.ndim:
        return tensor
    shape = list(tensor.shape)
    shape[rule.axis] = wanted.shape[rule.axis] - tensor.shape[rule.axis]
    fits = all(a == b for i, (a, b) in enumerate(zip(tensor.shape, wanted.shape, strict=True)) if i != rule.axis)
    if shape[rule.axis] <= 0 or not fits:
        return tensor
    return torch.cat([tensor, rule.fresh(tuple(shape)).to(tensor)], dim=rule.axis)
