"""One start of the trainer: processes, model, data, optimizer, all brought to the first step that is to be done."""

from dataclasses import dataclass
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import nn

from gr00t_model.groot.cpu_products import use_fast_products
from gr00t_model.groot.model import Groot
from gr00t_model.loop.config import ConfigError
from gr00t_model.loop.optimizer import AveragedWeights, build_optimizer
from gr00t_model.loop.progress import say
from gr00t_model.loop.state import list_states, load_state
from gr00t_model.training.alignment_target import described
from gr00t_model.training.base import open_base
from gr00t_model.training.batches import Batches
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.key import PolicyRun
from gr00t_model.training.precision import arithmetic, frozen_dtype, store_for_training

_RANKS_WAIT = timedelta(hours=12)
"""Other ranks wait this long for rank 0, which computes the features of every frame before the first step."""


class ZeroStepError(RuntimeError):
    """The run would end without an optimizer step although it is not complete."""


@dataclass(frozen=True)
class Session:
    """What lives as long as one start of the trainer.

    Attributes:
        model: the network itself; ``wrapped`` is the same for several processes, to be called in a step.
        first_step: optimizer steps behind the weights it starts with.
    """

    accelerator: Accelerator
    config: TrainConfig
    run: PolicyRun
    model: Groot
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedWeights
    batches: Batches
    first_step: int

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.accelerator.is_main_process


def open_accelerator(config: TrainConfig) -> Accelerator:
    """The accelerator, with the number of processes checked: ``--cpu --num_processes 2`` would start one in silence.

    Raises:
        ConfigError: another number of processes than the configuration says.
    """
    if config.machine.threads:
        torch.set_num_threads(config.machine.threads)
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        use_fast_products()
    accelerator = Accelerator(
        cpu=not on_gpu,
        mixed_precision="bf16" if arithmetic(config.machine, on_gpu) == torch.bfloat16 else "no",
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=_RANKS_WAIT),
            DistributedDataParallelKwargs(find_unused_parameters=not config.model.backbone_frozen),
        ],
    )
    wanted, found = config.machine.num_processes, accelerator.num_processes
    if found != wanted:
        raise ConfigError(
            f"the run wants {wanted} processes, {found} started; use accelerate launch --multi_gpu --num_processes "
            f"{wanted} (on a CPU with ACCELERATE_USE_CPU=true in the environment)"
        )
    return accelerator


def open_session(run: PolicyRun, config: TrainConfig, accelerator: Accelerator) -> Session:
    """Everything in place for the first step, the last resumable state included.

    Raises:
        ZeroStepError: the last state lies beyond the last step.
    """
    with accelerator.main_process_first():
        base = open_base(config, run)
    model = base.model.to(accelerator.device)
    batches = Batches.open(config, base, accelerator)
    store_for_training(model, frozen_dtype(config.machine, accelerator.device.type == "cuda"))
    optimizer = build_optimizer(model, config.optimizer)
    average = AveragedWeights(model, config.optimizer.ema_decay)
    states = list_states(run.states)
    first_step = states[-1] if states else 0
    if first_step > config.steps:
        raise ZeroStepError(
            f"{run.states}: holds a state at step {first_step}, beyond the {config.steps} steps of this run, so "
            "there is nothing left to train; remove that state or prepare a run with more steps"
        )
    if states:
        load_state(run.states, first_step, model, average, optimizer)
    session = Session(
        accelerator, config, run, model, accelerator.prepare_model(model), optimizer, average, batches, first_step
    )
    if session.leads:
        say(_opening_line(session))
        say(described(model.config.flare))
    return session


def _opening_line(session: Session) -> str:
    config, parameters = session.config, list(session.model.parameters())
    count, learned = sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)
    start = f"resuming at step {session.first_step}" if session.first_step else "starting"
    return (
        f"{start}: {config.recipe}, {config.steps} steps of {config.batch_size} x {config.accumulate} rows on "
        f"{session.accelerator.num_processes} process(es), {learned / 1e6:.2f} of {count / 1e6:.2f} M parameters train"
    )
