"""The estimate of a step in `gr00t train --dry-run` beside what a real process takes: nano on the CPU.

    python -m benchmarks.memory

Each case runs in a process of its own: real weights, optimizer, averaged weights and a few real steps on random
batches. Its figure is the rise of the largest resident memory over what stood before the model was made.
"""

import gc
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from typing import Annotated

import psutil
import torch
from cyclopts import Parameter
from torch import nn

from benchmarks.command import command, heading, row
from gr00t_data.batches.batch import Batch
from gr00t_model.groot.model import Groot
from gr00t_model.groot.recompute import enable_gradient_checkpointing
from gr00t_model.loop.optimizer import AveragedWeights, build_optimizer
from gr00t_model.training.base import add_own_weights
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.memory import batch_maker, model_without_values, plan
from gr00t_model.training.recipes import recipe
from gr00t_model.training.runs.changes import preset_sizes
from gr00t_model.training.settings import override

CASES: dict[str, list[str]] = {
    "batch 256": ["batch_size=256"],
    "batch 512": ["batch_size=512"],
    "batch 512, gradient checkpointing": ["batch_size=512", "machine.gradient_checkpointing=true"],
    "batch 512, LoRA rank 16": ["batch_size=512", "model.lora.rank=16"],
}
_STEPS = 2
_RETURN_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""Freed tensors go back to the system at once, so that resident memory is what is in use (glibc)."""


def real_batch(like: Batch) -> Batch:
    """Random numbers in the shapes of a batch without values."""

    def values(tensor: torch.Tensor | None) -> torch.Tensor | None:
        if tensor is None or not tensor.is_meta:
            return tensor
        real = tensor.dtype == torch.float32
        return torch.randn(tensor.shape) if real else torch.ones(tensor.shape, dtype=tensor.dtype)

    fields = {name: values(getattr(like, name)) for name in like.__dataclass_fields__ if name != "sample_ids"}
    return replace(like, **fields)


def train(config: TrainConfig) -> None:
    """A few steps of a real model."""
    model = Groot(preset_sizes(config.model.preset, config.model.changes))
    tune = config.model.tune
    model.freeze(tune.visual, tune.llm, tune.projector, tune.diffusion_model)
    if config.machine.gradient_checkpointing:
        enable_gradient_checkpointing(model)
    add_own_weights(model, config)
    model.train()
    optimizer, average = build_optimizer(model, config.optimizer), AveragedWeights(model, config.optimizer.ema_decay)
    make = batch_maker(config, model_without_values(config))
    parameters = [p for p in model.parameters() if p.requires_grad]
    for step in range(_STEPS):
        model(real_batch(make()), torch.Generator().manual_seed(step)).total.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)


def rise(settings: list[str]) -> int:
    """Bytes by which training raises the largest resident memory of this process."""
    config = override(recipe("gr1_nano"), settings)
    train(override(config, ["batch_size=2"]))  # what the libraries load on first use is not the model's
    gc.collect()
    before = psutil.Process().memory_info().rss
    train(config)
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


@command
def main(of: Annotated[str, Parameter(show=False)] = "") -> None:
    """Print one row a case."""
    if of:
        print(rise(json.loads(of)))
        return
    print(heading("nano", "estimate MB", "simulated peak MB", "measured MB", "estimate / measured"))
    for name, settings in CASES.items():
        estimate = plan(override(recipe("gr1_nano"), settings), on_gpu=False)
        words = [sys.executable, "-m", "benchmarks.memory", "--of", json.dumps(settings)]
        measured = int(subprocess.check_output(words, text=True, env=os.environ | _RETURN_MEMORY))
        standing = estimate.step - estimate.gradients - estimate.activations
        megabytes = [estimate.step / 1e6, (standing + estimate.step_peak) / 1e6, measured / 1e6]
        print(row(name, *map("{:.0f}".format, megabytes), f"{estimate.step / measured:.2f}"))
