"""The training loop. Every step is a pure function of (weights, seed, step, rank), which makes resuming exact."""

import math
import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from gr00t_data.batches.batch import Batch
from gr00t_model.groot.model import Loss
from gr00t_model.loop.config import ConfigError
from gr00t_model.loop.optimizer import learning_rate, set_learning_rate
from gr00t_model.loop.prefetch import prefetch
from gr00t_model.loop.progress import Progress, say
from gr00t_model.loop.run import Outcome
from gr00t_model.loop.state import save_state
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.alignment_target import remember_usual
from gr00t_model.training.checkpoint import export_checkpoint, is_checkpoint
from gr00t_model.training.key import PolicyRun, run_key
from gr00t_model.training.session import Session, open_accelerator, open_session

LIBRARIES = ("accelerate", "av", "numpy", "peft", "pyarrow", "safetensors", "tokenizers", "torch", "transformers")
"""Another version of one of these can change what is learnt, to the last bit: it is another run."""

_LOSSES = ("total", "flow", "flare")
_BATCHES_OF_A_MEAN = 32


def train(run: PolicyRun, stop: StopRequest) -> Outcome:
    """Train ``run`` to its last step, or until ``stop`` says so, and leave a checkpoint.

    Raises:
        ConfigError: the folder's key does not fit its inputs and code any more, or the number of processes is wrong.
        ZeroStepError: no step was left to do, and the run is not complete.
        FloatingPointError: the gradient stopped being a number.
    """
    config = run.config()
    former = run.outcome()
    if former and former.state == "complete" and is_checkpoint(run.checkpoint):
        outcome = replace(former, steps_done=0, message=f"{run.root}: complete already, nothing was done")
        run.write_outcome(outcome)
        return outcome
    if (found := run_key(config)) != run.key:
        raise ConfigError(
            f"{run.run_json}: made for key {run.key[:16]}, but its inputs, configuration and this code give "
            f"{found[:16]}; something changed since: prepare a new run with the same recipe"
        )
    accelerator = open_accelerator(config)
    if accelerator.is_main_process:
        run.clear_outcome()
    session = open_session(run, config, accelerator)
    losses, step = _loop(session, stop)
    outcome = _finish(session, losses, step, stop)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return outcome


def _loop(session: Session, stop: StopRequest) -> tuple[dict[str, float], int]:
    """Steps until the last one or a stop; returns the last logged losses and the number of steps behind the weights."""
    config, step = session.config, session.first_step
    meter, losses = _Meter(), {}
    progress = Progress(session.run, step, config.steps) if session.leads else None
    first, last = step * config.accumulate, config.steps * config.accumulate
    batches = prefetch(session.batches.batch, first, last, config.machine.prefetch_batches)
    session.wrapped.train()
    stop.working = True
    try:
        while step < config.steps and not _anyone_stopped(session, stop):
            rate = learning_rate(step, config.steps, config.optimizer)
            norm = _step(session, step, rate, batches, meter)
            step += 1
            if step % config.log_every_steps == 0 or step == config.steps:
                losses = meter.means(session.accelerator)
                _check_finite(step, losses, float(norm))
                if progress:
                    progress.log(step, losses, rate, float(norm))
            if step % config.checkpoint_every_steps == 0 and step < config.steps:
                _save(session, step)
    finally:
        if progress:
            progress.close()
    return losses, step


def _step(session: Session, step: int, rate: float, batches: Iterator[Batch], meter: "_Meter") -> Tensor:
    """One optimizer step; returns the norm of the gradient before clipping."""
    accelerator, config = session.accelerator, session.config
    set_learning_rate(session.optimizer, rate)
    for part in range(config.accumulate):
        generator = step_generator(config.seed, step * config.accumulate + part, accelerator)
        batch = session.batches.seen(next(batches).to(accelerator.device), generator)
        with _exchange(accelerator, session.wrapped, part == config.accumulate - 1), accelerator.autocast():
            loss: Loss = session.wrapped(batch, generator)
        accelerator.backward(loss.total / config.accumulate)
        meter.add(loss)
    parameters = [p for group in session.optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(parameters, config.optimizer.clip_norm or math.inf)
    session.optimizer.step()
    session.optimizer.zero_grad(set_to_none=True)
    session.average.update(step)
    session.model.follow_target()
    return norm


def _exchange(accelerator: Accelerator, model: nn.Module, now: bool) -> AbstractContextManager[None]:
    """Ranks exchange gradients only in the last pass of an accumulated step."""
    return nullcontext() if now else accelerator.no_sync(model)


def step_generator(seed: int, step: int, accelerator: Accelerator) -> torch.Generator:
    """The generator of noise and times for forward pass ``step`` of this rank.

    The key is (seed, number of the pass over all ranks), so that two ranks draw what one process with two passes a step
    would draw. Dropout uses torch's own generator, set from the same key: nothing random has to be saved.
    """
    number = step * accelerator.num_processes + accelerator.process_index
    words = np.random.SeedSequence([seed, number]).generate_state(2, np.uint64)
    noise, dropout = (int(word) >> 1 for word in words)
    torch.manual_seed(dropout)
    return torch.Generator(device=accelerator.device).manual_seed(noise)


def _anyone_stopped(session: Session, stop: StopRequest) -> bool:
    """All ranks must leave the loop at the same step, or the others would wait for gradients for ever."""
    asked = torch.tensor([float(stop.reason is not None)], device=session.accelerator.device)
    return float(_summed(session.accelerator, asked)) > 0


def _summed(accelerator: Accelerator, values: Tensor) -> Tensor:
    """The sum over all ranks, on each."""
    total = accelerator.reduce(values, reduction="sum")
    assert isinstance(total, Tensor)
    return total


class _Meter:
    """Sums of losses since the last report; each mean is over what the model counted, over all ranks."""

    def __init__(self) -> None:
        self._sums: Tensor | None = None

    def add(self, loss: Loss) -> None:
        counts = torch.stack([loss.flow_count, loss.flare_count]).float()
        values = torch.stack([getattr(loss, name).detach().float() for name in _LOSSES])
        weighted = torch.stack([values[0], values[1] * counts[0], values[2] * counts[1], values.new_ones(()), *counts])
        self._sums = weighted if self._sums is None else self._sums + weighted

    def means(self, accelerator: Accelerator) -> dict[str, float]:
        """``loss``, ``flow`` and ``flare`` (1 - cosine); forgets what was summed."""
        assert self._sums is not None
        total, flow, flare, steps, elements, rows = _summed(accelerator, self._sums).tolist()
        self._sums = None
        return {"loss": total / steps, "flow": flow / max(elements, 1), "flare": flare / max(rows, 1)}


def _check_finite(step: int, losses: dict[str, float], norm: float) -> None:
    if not all(map(math.isfinite, (*losses.values(), norm))):
        raise FloatingPointError(
            f"step {step}: losses {losses}, gradient norm {norm}: not a number any more; lower optimizer.lr and start "
            "again (the last saved state is from before)"
        )


def _save(session: Session, step: int) -> None:
    session.accelerator.wait_for_everyone()
    if session.leads:
        save_state(
            session.run.states, step, session.model, session.average, session.optimizer, session.config.keep_states
        )


def _finish(session: Session, losses: dict[str, float], step: int, stop: StopRequest) -> Outcome:
    """Save the state; after the last step also export the checkpoint. Leaves the outcome in the run folder."""
    done = step - session.first_step
    if done:
        _save(session, step)
    complete = step == session.config.steps
    what = "checkpoint exported" if complete else f"stopped ({stop.reason}), state saved"
    outcome = Outcome(
        state="complete" if complete else "interrupted",
        step=step,
        steps_done=done,
        message=f"{session.run.root}: {what} at step {step} of {session.config.steps}",
        losses=losses or _last_losses(session.run),
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )
    if session.leads:
        if complete:
            _use_average(session)
            if session.model.embedding is not None:
                remember_usual(session.model, _some_batches(session))
            export_checkpoint(session.run, session.config, session.model, outcome, session.accelerator.num_processes)
        session.run.write_outcome(outcome)
        say(outcome.message)
    return outcome


def _some_batches(session: Session) -> Iterator[Batch]:
    """Enough samples of the training data for a mean."""
    batches = session.batches
    return (batches.seen(batches.batch(n).to(session.accelerator.device)) for n in range(_BATCHES_OF_A_MEAN))


def _last_losses(run: PolicyRun) -> dict[str, float]:
    records = run.records()
    return {name: records[-1][name] for name in ("loss", "flow", "flare")} if records else {}


@torch.no_grad()
def _use_average(session: Session) -> None:
    """Put the averaged weights into the model: nothing trains after this."""
    parameters = dict(session.model.named_parameters())
    for name, weight in session.average.exported().items():
        parameters[name].copy_(weight)
