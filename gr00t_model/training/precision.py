"""How weights are stored while training: float32 where they train, bf16 where they do not and the arithmetic is bf16.

As in the published trainer: a float32 copy of what trains takes the small updates that bf16 would round away, and
autocast rounds it in each product. Vectors (norms, biases) stay float32: they cost next to nothing. Frozen norms of the
language model are the exception: they multiply what they have normalized, and a float32 factor would make float32 of
everything after it, to be rounded again before each product (12 % of the language model's time).
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from gr00t_model.groot.model import Groot
from gr00t_model.groot.weights.nvidia import read_tensors
from gr00t_model.loop.config import ConfigError, Machine
from gr00t_model.loop.ranks import arithmetic

_PARTS = (
    "backbone.eagle_model.vision_model",
    "backbone.eagle_model.mlp1",
    "backbone.eagle_model.language_model",
    "action_head",
    "flare",
)
"""Each of these runs in one dtype when there is no autocast."""


def frozen_dtype(machine: Machine, on_gpu: bool) -> torch.dtype:
    """The dtype in which frozen matrices are stored.

    Raises:
        ConfigError: bf16 storage under float32 arithmetic, which no layer could multiply.
    """
    products = arithmetic(machine, on_gpu)
    if machine.frozen_dtype == "bf16" and products == torch.float32:
        raise ConfigError(
            "machine.frozen_dtype=bf16 needs bf16 arithmetic; add --set machine.precision=bf16 or leave it at auto"
        )
    return {"auto": products, "fp32": torch.float32, "bf16": torch.bfloat16}[machine.frozen_dtype]


def store_for_training(model: nn.Module, frozen: torch.dtype) -> None:
    """Give every parameter its dtype: float32 to what trains and to vectors, ``frozen`` to matrices that do not, and to
    norms of the language model that do not.
    """
    norms = {module.weight for module in model.modules() if isinstance(module, Qwen3RMSNorm)}
    for parameter in model.parameters():
        narrow = not parameter.requires_grad and (parameter.ndim > 1 or parameter in norms)
        parameter.data = parameter.data.to(frozen if narrow else torch.float32)


def restore_stored(model: nn.Module, base: Path) -> None:
    """Give frozen parameters that training held in another dtype the numbers of the base folder again. What a model has
    grown beyond its base keeps its own numbers.
    """
    stored = None
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter.requires_grad:
            continue
        stored = read_tensors(base) if stored is None else stored
        found = stored.get(name.replace(".base_layer.", "."))
        if found is not None and found.ndim == parameter.ndim and found.dtype != parameter.dtype:
            parameter.data = _with_corner(parameter.data, found.to(parameter.device))


def _with_corner(values: Tensor, found: Tensor) -> Tensor:
    """``found``, and the ``values`` beyond it where the model has grown beyond its base."""
    whole = values.to(found.dtype)
    whole[tuple(slice(length) for length in found.shape)] = found
    return whole


def widen(model: Groot, learned: set[str]) -> None:
    """Bring every part of the model that holds one of the parameters ``learned`` to float32, as checkpoints keep it."""
    for part in _PARTS:
        if any(name.startswith(f"{part}.") for name in learned):
            model.get_submodule(part).float()
