"""Weights laid out once as oneDNN multiplies by them, for a model that only acts on a CPU.

A product by a plain matrix lays it out anew at every call. Where few tokens meet a large matrix, as in the DiT, that is
a good part of the time. The numbers are the same, bit for bit, which is why it is done for bf16 only: float32 products
go through another library, that rounds otherwise (see ``cpu_products``).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gr00t_model.groot.model import Groot
from gr00t_model.groot.vision import SiglipTower

_WORTH_IT = 1 << 20
"""Weights of the smallest matrix that is packed; products by small ones never went through oneDNN."""


class PackedLinear(nn.Module):
    """A linear layer whose weights no longer are a parameter: it can neither learn, nor be saved or converted."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        return torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")


def can_pack() -> bool:
    """Whether this processor multiplies bf16 numbers by itself; elsewhere there is nothing to gain."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def pack_linears(model: Groot) -> int:
    """Replace the large bf16 linears that an action runs, on a CPU that can (see ``can_pack``). Returns how many."""
    if model.device.type != "cpu" or not can_pack():
        return 0
    eagle, head = model.backbone.eagle_model, model.action_head
    stacks: list[nn.Module] = [eagle.language_model.model.layers, head.vl_self_attention, head.model.transformer_blocks]
    if isinstance(eagle.vision_model, SiglipTower):
        stacks.append(eagle.vision_model.vision_model.encoder)
    return sum(pack(stack) for stack in stacks)


def pack(module: nn.Module) -> int:
    """The same inside of one module."""
    packed = 0
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            if child.weight.dtype != torch.bfloat16 or child.weight.numel() < _WORTH_IT:
                continue
            setattr(module, name, PackedLinear(child))
            packed += 1
        else:
            packed += pack(child)
    return packed
