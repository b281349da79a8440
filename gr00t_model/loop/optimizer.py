"""The optimizer as pure functions of the step: AdamW groups, the learning rate, the averaged weights."""

import importlib
import importlib.util
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gr00t_model.loop.config import ConfigError, Optimizer


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that receive gradients, by name, in the order of the model."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def build_optimizer(model: nn.Module, config: Optimizer) -> torch.optim.Optimizer:
    """AdamW over what is trainable; vectors (biases, norms) do not decay.

    Raises:
        ValueError: nothing is trainable.
        ConfigError: moments in 8 bits without the library or the GPU they need.
    """
    parameters = trainable(model)
    if not parameters:
        raise ValueError("no parameter of the model is trainable: switch one of model.tune.* on")
    decays = [p for p in parameters.values() if p.ndim > 1]
    rests = [p for p in parameters.values() if p.ndim <= 1]
    groups = [{"params": decays, "weight_decay": config.weight_decay}, {"params": rests, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    settings: dict[str, Any] = {"lr": config.lr, "betas": config.betas, "eps": config.eps}
    if config.kind == "adamw":
        return torch.optim.AdamW(groups, **settings, fused=True)
    return _in_8_bits(config.kind, next(iter(parameters.values())).device)(groups, **settings)


def _in_8_bits(kind: str, device: torch.device) -> type[torch.optim.Optimizer]:
    """The class of bitsandbytes for ``kind``."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ConfigError(
            f"optimizer.kind={kind} needs the library bitsandbytes, which is not installed: pip install bitsandbytes, "
            "or use --set optimizer.kind=adamw"
        )
    if kind == "paged_adamw_8bit" and device.type != "cuda":
        raise ConfigError(f"optimizer.kind={kind} needs an NVIDIA GPU, the model is on {device}; use adamw_8bit here")
    names = {"adamw_8bit": "AdamW8bit", "paged_adamw_8bit": "PagedAdamW8bit"}
    return getattr(importlib.import_module("bitsandbytes.optim"), names[kind])


def learning_rate(step: int, steps: int, config: Optimizer) -> float:
    """The rate of optimizer step ``step`` (0-based) of ``steps``.

    Linear from ``lr / warmup`` to ``lr`` during the warm-up, then the schedule down to ``final_lr_share * lr``.
    """
    warmup = round(config.warmup_share * steps)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    share = {
        "constant": 1.0,
        "linear": 1 - progress,
        "cosine": (1 + math.cos(math.pi * progress)) / 2,
    }[config.schedule]
    if config.schedule == "constant":
        return config.lr
    return config.lr * (config.final_lr_share + (1 - config.final_lr_share) * share)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the rate ``rate``."""
    for group in optimizer.param_groups:
        group["lr"] = rate


class AveragedWeights:
    """Exponential moving average of the trainable weights.

    The decay rises as (1 + step) / (10 + step) up to its set value, so that a short run is not dominated by the random
    start (the usual warm-up of weight averages).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        # The parameters themselves: their memory may be another one when the model was wrapped for several processes.
        self._live = list(trainable(model).values())
        self._names = list(trainable(model))
        copies = [p.detach().clone() for p in self._live] if decay else []
        self.weights: dict[str, Tensor] = dict(zip(self._names, copies, strict=False))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimizer step ``step`` (0-based); nothing to do without a decay."""
        if self.decay:
            decay = min(self.decay, (1 + step) / (10 + step))
            get_ema_multi_avg_fn(decay)(list(self.weights.values()), [p.detach() for p in self._live], step)

    @torch.no_grad()
    def exported(self) -> dict[str, Tensor]:
        """The weights a checkpoint should hold: the average, or the last ones when there is no decay."""
        return self.weights or {name: p.detach() for name, p in zip(self._names, self._live, strict=True)}
