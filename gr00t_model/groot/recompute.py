"""Gradient checkpointing: the activations inside a block are computed again when its gradient is (arXiv 1604.06174)."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

_RECOMPUTE = partial(checkpoint, use_reentrant=False)


class Recomputing(nn.Module):
    """A stack of blocks that can keep only their inputs for the backward pass."""

    recompute = False

    def run(self, block: nn.Module, x: Tensor, *others: Any) -> Any:
        """``block(x, *others)``. Dropout draws the same numbers in both passes, so gradients do not change.

        Where no gradient will be asked for, nothing is kept in the first place.
        """
        learns = x.requires_grad or any(parameter.requires_grad for parameter in block.parameters())
        if self.recompute and learns and torch.is_grad_enabled():
            return _RECOMPUTE(block, x, *others)
        return block(x, *others)


def enable_gradient_checkpointing(model: nn.Module) -> None:
    """Switch it on for every stack of blocks: DiT, adapter, vision tower and language model.

    The layers of the last two are the transformers library's: they recompute in training mode, that is where they (or
    adapters in them) train. A frozen language model behind a vision tower that trains keeps its activations.
    """
    for module in model.modules():
        if isinstance(module, Recomputing):
            module.recompute = True
        elif isinstance(module, GradientCheckpointingLayer):
            module.gradient_checkpointing = True
            module._gradient_checkpointing_func = _RECOMPUTE  # pyright: ignore[reportArgumentType] - no module
