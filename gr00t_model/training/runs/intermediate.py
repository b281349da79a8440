"""Checkpoints of states that a run left on its way: they act, are evaluated and are trained on as its last one is."""

from pathlib import Path

import torch

from gr00t_model.loop.optimizer import AveragedWeights
from gr00t_model.loop.ranks import open_ranks
from gr00t_model.loop.run import NOT_LOSSES, Outcome, list_states, peak_memory_bytes
from gr00t_model.loop.state import StateError, load_learned
from gr00t_model.training.alignment_target import remember_usual
from gr00t_model.training.base import Base, open_base
from gr00t_model.training.batches import Batches
from gr00t_model.training.checkpoint import export_checkpoint, is_checkpoint
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.key import PolicyRun, require_inputs
from gr00t_model.training.objective import some_batches
from gr00t_model.training.precision import frozen_dtype, store_for_training


def checkpoint_at(run: PolicyRun, step: int) -> Path:
    """The checkpoint of a run after ``step`` steps: the weights that it would have left had it ended there, averaged
    where the run averages. Made from the state on disk when it is asked for the first time.

    Raises:
        StateError: there is no such state, or it cannot be read; names those that there are.
        ConfigError: what the run was made of is not as it was.
    """
    outcome, known = run.outcome(), list_states(run.states)
    if outcome and outcome.state == "complete" and outcome.step == step and is_checkpoint(run.checkpoint):
        return run.checkpoint
    into = run.exports / f"{step:08d}"
    if is_checkpoint(into):
        return into
    if step not in known:
        raise StateError(
            f"{run.root}: has no state at step {step}; there are {', '.join(map(str, known)) or 'none'} (keep_states "
            "says how many stay, checkpoint_every_steps how often one is written)"
        )
    config = run.config()
    require_inputs(run, config)
    base = open_base(config, run)
    _load_exported(base, config, run, step)
    return export_checkpoint(run, config, base.model, _outcome(run, step), config.machine.num_processes, into)


@torch.no_grad()
def _load_exported(base: Base, config: TrainConfig, run: PolicyRun, step: int) -> None:
    """Give the model the weights that a run which ended at ``step`` would export."""
    model = base.model
    store_for_training(model, frozen_dtype(config.machine, torch.cuda.is_available()))
    average = AveragedWeights(model, config.optimizer.ema_decay)
    load_learned(run.states, step, model, average)
    parameters = dict(model.named_parameters())
    for name, weight in average.exported().items():
        parameters[name].copy_(weight)
    if model.embedding is not None:
        accelerator = open_ranks(config.machine.model_copy(update={"num_processes": 1}))
        remember_usual(model, some_batches(Batches.open(config, base, accelerator), model.device))


def _outcome(run: PolicyRun, step: int) -> Outcome:
    losses = next((record for record in run.records() if record["step"] == step), {})
    return Outcome(
        state="interrupted",
        step=step,
        steps_done=0,
        message=f"{run.root}: as it was at step {step}",
        losses={name: value for name, value in losses.items() if name not in NOT_LOSSES},
        peak_memory_bytes=peak_memory_bytes(),
    )
