"""The processes of one training: one, or a rank for each GPU (or CPU process)."""

from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor

from gr00t_model.loop.config import ConfigError, Machine

_RANKS_WAIT = timedelta(hours=12)
"""Other ranks wait this long for rank 0, which prepares what is read before the first step."""


def arithmetic(machine: Machine, on_gpu: bool) -> torch.dtype:
    """The dtype of matrix products: bf16 when asked for, or by default on a GPU."""
    bf16 = machine.precision == "bf16" or (machine.precision == "auto" and on_gpu)
    return torch.bfloat16 if bf16 else torch.float32


def open_ranks(machine: Machine, *, find_unused_parameters: bool = False) -> Accelerator:
    """The accelerator, with the number of processes checked: ``--cpu --num_processes 2`` would start one in silence.

    Raises:
        ConfigError: another number of processes than ``machine`` says.
    """
    if machine.threads:
        torch.set_num_threads(machine.threads)
    on_gpu = torch.cuda.is_available()
    accelerator = Accelerator(
        cpu=not on_gpu,
        mixed_precision="bf16" if arithmetic(machine, on_gpu) == torch.bfloat16 else "no",
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=_RANKS_WAIT),
            DistributedDataParallelKwargs(find_unused_parameters=find_unused_parameters),
        ],
    )
    wanted, found = machine.num_processes, accelerator.num_processes
    if found != wanted:
        raise ConfigError(
            f"the run wants {wanted} processes, {found} started; use accelerate launch --multi_gpu --num_processes "
            f"{wanted} (on a CPU with ACCELERATE_USE_CPU=true in the environment)"
        )
    return accelerator


def summed(accelerator: Accelerator, values: Tensor) -> Tensor:
    """The sum over all ranks, on each."""
    total = accelerator.reduce(values, reduction="sum")
    assert isinstance(total, Tensor)
    return total
