"""What a policy's training hands to the loop: network, batches, flow-matching and FLARE losses, a checkpoint."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn

from gr00t_data.batches.batch import Batch
from gr00t_model.groot.cpu_products import use_fast_products
from gr00t_model.groot.model import Groot, Loss
from gr00t_model.lineage.chain import described_base
from gr00t_model.loop.loop import Loop
from gr00t_model.loop.objective import Losses, Objective
from gr00t_model.loop.progress import say
from gr00t_model.loop.ranks import open_ranks
from gr00t_model.loop.run import Outcome
from gr00t_model.training.alignment_target import described, remember_usual
from gr00t_model.training.base import Base, open_base
from gr00t_model.training.batches import Batches
from gr00t_model.training.checkpoint import export_checkpoint
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.key import PolicyRun
from gr00t_model.training.precision import frozen_dtype, store_for_training

_BATCHES_OF_A_MEAN = 32


@dataclass(frozen=True)
class PolicyObjective(Objective[Groot, Batch]):
    """A policy that learns actions, and the future frame where FLARE is on."""

    model: Groot
    batches: Batches
    run: PolicyRun
    config: TrainConfig
    accelerator: Accelerator

    def batch(self, number: int) -> Batch:
        return self.batches.batch(number // self.accelerator.num_processes)  # the loader knows its rank

    def seen(self, batch: Batch, generator: torch.Generator) -> Batch:
        return self.batches.seen(batch.to(self.accelerator.device), generator)

    def losses(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Losses:
        loss: Loss = model(batch, generator)
        flow, flare = (loss.flow, loss.flow_count), (loss.flare, loss.flare_count)
        return {"loss": (loss.total, None), "flow": flow, "flare": flare}

    def follow(self, step: int) -> None:
        self.model.follow_target()

    def export(self, outcome: Outcome) -> None:
        if self.model.embedding is not None:
            remember_usual(self.model, some_batches(self.batches, self.accelerator.device))
        export_checkpoint(self.run, self.config, self.model, outcome, self.accelerator.num_processes)


def some_batches(batches: Batches, device: torch.device) -> Iterator[Batch]:
    """Enough samples of the training data for a mean."""
    return (batches.seen(batches.batch(n).to(device)) for n in range(_BATCHES_OF_A_MEAN))


def open_accelerator(config: TrainConfig) -> Accelerator:
    """The processes of a policy's training.

    Raises:
        ConfigError: another number of processes than the configuration says.
    """
    if not torch.cuda.is_available():
        use_fast_products()
    return open_ranks(config.machine, find_unused_parameters=not config.model.backbone_frozen)


def open_loop(run: PolicyRun, config: TrainConfig, accelerator: Accelerator) -> Loop[PolicyObjective]:
    """Everything in place for the next step, the last resumable state included.

    Raises:
        ZeroStepError: the last state lies beyond the last step.
    """
    with accelerator.main_process_first():
        base = open_base(config, run)
    model = base.model.to(accelerator.device)
    batches = Batches.open(config, base, accelerator)
    store_for_training(model, frozen_dtype(config.machine, accelerator.device.type == "cuda"))
    loop = Loop.open(PolicyObjective(model, batches, run, config, accelerator), config, run, accelerator)
    if loop.leads:
        say(_opening_line(loop, base))
        say(described(model.config.flare))
    return loop


def _opening_line(loop: Loop[PolicyObjective], base: Base) -> str:
    config, parameters = loop.objective.config, list(loop.model.parameters())
    count, learned = sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)
    start = f"resuming at step {loop.first_step}" if loop.first_step else "starting"
    return (
        f"{start}: {config.recipe}, {config.steps} steps of {config.batch_size} x {config.accumulate} rows on "
        f"{loop.accelerator.num_processes} process(es), {learned / 1e6:.2f} of {count / 1e6:.2f} M parameters train; "
        f"base: {described_base(config.model.base, base.digest)}"
    )
