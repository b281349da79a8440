"""One resumable training of anything.

Every step is a pure function of (weights, seed, step, rank), so a training that was killed at any step ends where an
undisturbed one would, bit for bit. What learns, and from what, is an ``Objective``.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from gr00t_model.loop.config import LoopConfig
from gr00t_model.loop.objective import Losses, Objective
from gr00t_model.loop.optimizer import AveragedWeights, build_optimizer, learning_rate, set_learning_rate
from gr00t_model.loop.prefetch import prefetch
from gr00t_model.loop.progress import Progress, say
from gr00t_model.loop.ranks import summed
from gr00t_model.loop.run import Outcome, RunFolder, list_states, peak_memory_bytes
from gr00t_model.loop.seeds import pass_generator
from gr00t_model.loop.state import load_state, save_state
from gr00t_model.loop.stop import Stopped, StopRequest

Aim = TypeVar("Aim", bound=Objective[Any, Any])


class ZeroStepError(RuntimeError):
    """The run would end without an optimizer step although it is not complete."""


@dataclass(frozen=True)
class Loop(Generic[Aim]):
    """What lives as long as one start of a training, brought to the first step that is to be done.

    Attributes:
        wrapped: the objective's model for several processes, to be called in a step.
        first_step: optimizer steps behind the weights it starts with.
    """

    accelerator: Accelerator
    config: LoopConfig
    run: RunFolder
    objective: Aim
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedWeights
    first_step: int

    @classmethod
    def open(cls, objective: Aim, config: LoopConfig, run: RunFolder, accelerator: Accelerator) -> "Loop[Aim]":
        """Everything in place for the next step, the last resumable state included.

        Raises:
            ZeroStepError: the last state lies beyond the last step.
            StateError: the last state cannot be read, or is one of another model.
        """
        model = objective.model
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
        return cls(
            accelerator, config, run, objective, accelerator.prepare_model(model), optimizer, average, first_step
        )

    @property
    def leads(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.accelerator.is_main_process

    @property
    def model(self) -> nn.Module:
        """The network itself."""
        return self.objective.model

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    def go(self, stop: StopRequest, out: Callable[[str], None] | None = None) -> Outcome:
        """Steps until the last one or a stop; saves the state, after the last step also exports what was learnt, and
        leaves the outcome in the run folder.

        Args:
            out: takes the lines of progress; by default they go to standard output.

        Raises:
            FloatingPointError: a loss or the gradient stopped being a number.
        """
        losses, step = self._steps(stop, out)
        done = step - self.first_step
        if done:
            self._save(step)
        complete = step == self.config.steps
        what = "finished" if complete else f"stopped ({stop.reason}), state saved"
        outcome = Outcome(
            state="complete" if complete else "interrupted",
            step=step,
            steps_done=done,
            message=f"{self.run.root}: {what} at step {step} of {self.config.steps}",
            losses=losses or self.run.last_losses(),
            peak_memory_bytes=peak_memory_bytes(),
        )
        if complete:
            self._use_average()
        if self.leads:
            if complete:
                self.objective.export(outcome)
            self.run.write_outcome(outcome)
            (out or say)(outcome.message)
        self.accelerator.wait_for_everyone()
        return outcome

    def complete(self, stop: StopRequest | None, out: Callable[[str], None]) -> None:
        """``go`` to the last step, in a process that does other things too: it hears ``stop`` only here.

        Raises:
            Stopped: ``stop`` said so, and the state is saved.
        """
        with stop or nullcontext(StopRequest()) as request:
            outcome = self.go(request, out)
        if outcome.state != "complete":
            raise Stopped(outcome.message)

    def _steps(self, stop: StopRequest, out: Callable[[str], None] | None) -> tuple[dict[str, float], int]:
        """The last logged losses and the number of steps behind the weights."""
        config, step = self.config, self.first_step
        meter, losses = Meter(), {}
        progress = Progress(self.run, step, config.steps, out, config.machine.track) if self.leads else None
        batches = self._batches()
        self.wrapped.train()
        stop.working = True
        try:
            while step < config.steps and not self._anyone_stopped(stop):
                norm = self.step(step, batches, meter)
                step += 1
                if step % config.log_every_steps == 0 or step == config.steps:
                    losses = meter.means(self.accelerator)
                    _check_finite(step, losses, float(norm))
                    if progress:
                        rate = self._learning_rate(step - 1)
                        progress.log(step, losses, rate, float(norm))
                if step % config.checkpoint_every_steps == 0 and step < config.steps:
                    self._save(step)
        finally:
            if progress:
                progress.close()
        return losses, step

    def _batches(self) -> Iterator[Any]:
        """Those of this rank, from the first step on."""
        accelerator, passes = self.accelerator, self.config.accumulate

        def make(number: int) -> Any:
            return self.objective.batch(number * accelerator.num_processes + accelerator.process_index)

        ahead = self.config.machine.prefetch_batches
        return prefetch(make, self.first_step * passes, self.config.steps * passes, ahead)

    def step(self, step: int, batches: Iterator[Any], meter: "Meter") -> Tensor:
        """Optimizer step ``step`` (0-based); returns the norm of the gradient before clipping."""
        accelerator, config = self.accelerator, self.config
        set_learning_rate(self.optimizer, self._learning_rate(step))
        for part in range(config.accumulate):
            number = (step * config.accumulate + part) * accelerator.num_processes + accelerator.process_index
            generator = pass_generator(config.seed, number, self.device)
            batch = self.objective.seen(next(batches), generator)
            with self._exchange(part == config.accumulate - 1), accelerator.autocast():
                losses = self.objective.losses(self.wrapped, batch, generator)
            accelerator.backward(losses["loss"][0] / config.accumulate)
            meter.add(losses)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        norm = nn.utils.clip_grad_norm_(parameters, config.optimizer.clip_norm or math.inf)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(step)
        self.objective.follow(step)
        return norm

    def _learning_rate(self, step: int) -> float:
        return learning_rate(step, self.config.steps_of(step), self.config.optimizer)

    def _exchange(self, now: bool) -> AbstractContextManager[None]:
        """Ranks exchange gradients only in the last pass of an accumulated step."""
        return nullcontext() if now else self.accelerator.no_sync(self.wrapped)

    def _anyone_stopped(self, stop: StopRequest) -> bool:
        """All ranks must leave the loop at the same step, or the others would wait for gradients for ever."""
        asked = torch.tensor([float(stop.reason is not None)], device=self.device)
        return float(summed(self.accelerator, asked)) > 0

    def _save(self, step: int) -> None:
        self.accelerator.wait_for_everyone()
        if self.leads:
            save_state(self.run.states, step, self.model, self.average, self.optimizer, self.config.keep_states)

    @torch.no_grad()
    def _use_average(self) -> None:
        """Put the averaged weights into the model: nothing trains after this."""
        parameters = dict(self.model.named_parameters())
        for name, weight in self.average.exported().items():
            parameters[name].copy_(weight)


class Meter:
    """Sums of losses since the last report; each mean is over what the objective counted, over all ranks."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._sums: Tensor | None = None

    def add(self, losses: Losses) -> None:
        """Take in the losses of one pass."""
        values = torch.stack([value.detach().float() for value, _ in losses.values()])
        one = values.new_ones(())
        counts = torch.stack([one if count is None else count.float() for _, count in losses.values()])
        weighted = torch.stack([values * counts, counts])
        self._names = tuple(losses)
        self._sums = weighted if self._sums is None else self._sums + weighted

    def means(self, accelerator: Accelerator) -> dict[str, float]:
        """The mean of each loss; forgets what was summed."""
        assert self._sums is not None
        sums, counts = summed(accelerator, self._sums).tolist()
        self._sums = None
        return {name: total / max(count, 1) for name, total, count in zip(self._names, sums, counts, strict=True)}


def _check_finite(step: int, losses: dict[str, float], norm: float) -> None:
    if not all(map(math.isfinite, (*losses.values(), norm))):
        raise FloatingPointError(
            f"step {step}: losses {losses}, gradient norm {norm}: not a number any more; lower optimizer.lr and start "
            "again (the last saved state is from before)"
        )
