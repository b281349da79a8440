"""The training loop of world models, and its entry: ``accelerate launch -m gr00t_model.dream.train RUN.json``.

Every step is a pure function of (weights, seed, step, rank), so a resumed training ends where an uninterrupted one
would.
"""

import math
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from gr00t_data.disk import replacing, replacing_folder
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.store import EpisodeStore
from gr00t_model.dream.config import DreamTraining
from gr00t_model.dream.pictures import view_of
from gr00t_model.dream.run import DreamRun
from gr00t_model.dream.windows import Films, Window, Windows, plan_windows
from gr00t_model.loop.progress import Progress, say
from gr00t_model.loop.run import Outcome
from gr00t_model.loop.stop import INTERRUPTED_STATUS, StopRequest

LIBRARIES = (
    "accelerate",
    "av",
    "diffusers",
    "numpy",
    "peft",
    "pyarrow",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
)

USAGE = "usage: accelerate launch -m gr00t_model.dream.train RUN.json"


def train(run: DreamRun, stop: StopRequest) -> Outcome:
    """Train to the last step, or until ``stop`` says so, and leave model or adapter in ``run.product``.

    Raises:
        DreamError: inputs that cannot be trained on.
        FloatingPointError: the loss stopped being a number.
    """
    config = run.config()
    if former := run.finished():
        run.write_outcome(former)
        return former
    from gr00t_model.dream.learners import learner_of

    accelerator = _accelerator(config)
    if accelerator.is_main_process:
        run.clear_outcome()
    windows = plan_windows(
        [EpisodeStore.open(path) for path in config.stores], config.shape, config.stride_frames, config.held_out_share
    )
    learner = learner_of(config, run)
    with accelerator.main_process_first():
        finished = not accelerator.is_main_process or encode(learner, config, run, windows, stop)
    if not finished:
        return _stopped_early(run, config, stop)
    outcome = _Loop(accelerator, learner, config, run, windows).go(stop)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return outcome


def _accelerator(config: DreamTraining) -> Any:
    import torch
    from accelerate import Accelerator

    from gr00t_model.groot.cpu_products import use_fast_products

    if config.machine.threads:
        torch.set_num_threads(config.machine.threads)
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        use_fast_products()
    narrow = config.machine.precision == "bf16" or (config.machine.precision == "auto" and on_gpu)
    return Accelerator(cpu=not on_gpu, mixed_precision="bf16" if narrow else "no")


def encode(learner: Any, config: DreamTraining, run: DreamRun, windows: Windows, stop: StopRequest) -> bool:
    """Write the codes of every training clip that has none yet; False when asked to stop before the last one."""
    from safetensors.torch import save_file

    missing = [number for number in range(len(windows.learn)) if not code_path(run, number).is_file()]
    say(
        f"{len(windows.learn)} clips of {config.shape} to learn from, {len(windows.held_out)} held out; left out: "
        f"{windows.too_short} episodes too short, {windows.unsaid} without an instruction"
    )
    if not missing:
        return True
    films = Films(view_of(load_embodiment(config.embodiment), config.view), config.shape)
    encoder = learner.encoder(windows, films)
    for done, number in enumerate(missing, start=1):
        if stop.reason:
            return False
        window = windows.learn[number]
        with replacing(code_path(run, number)) as temporary:
            save_file(encoder(films(window), window.instruction), temporary)
        if done % 100 == 0 or done == len(missing):
            say(f"encoded {done} of {len(missing)} clips")
    return True


def code_path(run: DreamRun, number: int) -> Path:
    """The codes of a training clip."""
    return run.encoded / f"{number:06d}.safetensors"


def rows_of_step(count: int, batch_size: int, step: int, seed: int) -> Int[np.ndarray, " b"]:
    """Which clips a pass sees: every epoch is a new order of all, whatever the number of ranks."""
    wanted = np.arange(step * batch_size, (step + 1) * batch_size)
    orders = {epoch: np.random.default_rng([seed, int(epoch)]).permutation(count) for epoch in set(wanted // count)}
    return np.array([orders[number // count][number % count] for number in wanted])


def pass_generator(seed: int, number: int, device: Any) -> Any:
    """The torch generator of times and noise of pass ``number`` over all ranks: nothing random has to be saved."""
    import torch

    word = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0]
    return torch.Generator(device=device).manual_seed(int(word) >> 1)


class _Loop:
    """Model, optimizer and states of one start."""

    def __init__(self, accelerator: Any, learner: Any, config: DreamTraining, run: DreamRun, windows: Windows):
        from gr00t_model.loop.optimizer import AveragedWeights, build_optimizer
        from gr00t_model.loop.state import list_states, load_state

        self.accelerator, self.learner, self.config, self.run, self.windows = accelerator, learner, config, run, windows
        self.module = learner.open(accelerator.device)
        self.optimizer = build_optimizer(self.module, config.optimizer)
        self.average = AveragedWeights(self.module, config.optimizer.ema_decay)
        states = list_states(run.states)
        self.first = states[-1] if states else 0
        if states:
            load_state(run.states, self.first, self.module, self.average, self.optimizer)
        self.wrapped = accelerator.prepare_model(self.module)

    def go(self, stop: StopRequest) -> Outcome:
        """Steps until the last one or a stop."""
        config, leads = self.config, self.accelerator.is_main_process
        learning = sum(p.numel() for p in self.module.parameters() if p.requires_grad)
        say(f"step {self.first} of {config.steps}: {learning / 1e6:.3f} M parameters train") if leads else None
        progress = Progress(self.run, self.first, config.steps) if leads else None
        step, losses, last = self.first, list[float](), {}
        self.wrapped.train()
        try:
            while step < config.steps and not self._anyone_stopped(stop):
                loss, norm, rate = self._step(step)
                losses.append(loss)
                step += 1
                if step % config.log_every_steps == 0 or step == config.steps:
                    last = _means(losses, step)
                    if progress:
                        progress.log(step, last, rate, norm)
                if step % config.checkpoint_every_steps == 0 and step < config.steps:
                    self._save(step)
        finally:
            if progress:
                progress.close()
        return self._finish(step, last, stop)

    def _step(self, step: int) -> tuple[float, float, float]:
        """One optimizer step: its loss, the norm of its gradient, its learning rate."""
        from torch.nn.utils import clip_grad_norm_

        from gr00t_model.loop.optimizer import learning_rate, set_learning_rate

        config, accelerator, total = self.config, self.accelerator, 0.0
        rate = learning_rate(step, config.steps, config.optimizer)
        set_learning_rate(self.optimizer, rate)
        for part in range(config.accumulate):
            number = (step * config.accumulate + part) * accelerator.num_processes + accelerator.process_index
            generator, codes = pass_generator(config.seed, number, accelerator.device), self._codes(number)
            with accelerator.autocast():
                loss = self.wrapped(codes, generator)
            accelerator.backward(loss / config.accumulate)
            total += float(loss.detach()) / config.accumulate
        learning = [p for p in self.module.parameters() if p.requires_grad]
        norm = clip_grad_norm_(learning, config.optimizer.clip_norm or math.inf)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(step)
        return total, float(norm), rate

    def _codes(self, number: int) -> dict[str, Any]:
        import torch
        from safetensors.torch import load_file

        rows = rows_of_step(len(self.windows.learn), self.config.batch_size, number, self.config.seed)
        read = [load_file(code_path(self.run, int(row))) for row in rows]
        return {name: torch.stack([one[name] for one in read]).to(self.accelerator.device) for name in read[0]}

    def _anyone_stopped(self, stop: StopRequest) -> bool:
        import torch

        asked = torch.tensor([float(stop.reason is not None)], device=self.accelerator.device)
        return float(self.accelerator.reduce(asked, reduction="sum")) > 0

    def _save(self, step: int) -> None:
        from gr00t_model.loop.state import save_state

        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            save_state(self.run.states, step, self.module, self.average, self.optimizer, self.config.keep_states)

    def _finish(self, step: int, losses: dict[str, float], stop: StopRequest) -> Outcome:
        if step > self.first:
            self._save(step)
        complete = step == self.config.steps
        what = "finished" if complete else f"stopped ({stop.reason}), state saved"
        outcome = _outcome(self.run, self.config, step, step - self.first, what, losses)
        if self.accelerator.is_main_process:
            if complete:
                self._export()
            self.run.write_outcome(outcome)
            say(outcome.message)
        return outcome

    def _export(self) -> None:
        """The averaged weights, where there is an average, with what they were trained for."""
        import torch

        with torch.no_grad():
            for name, tensor in self.average.exported().items():
                self.module.get_parameter(name).copy_(tensor)
        stores = [EpisodeStore.open(path) for path in self.config.stores]
        facts = {
            "shape": self.config.shape.model_dump(),
            "view": view_of(load_embodiment(self.config.embodiment), self.config.view).name,
            "embodiment": self.config.embodiment,
            "stores": [{"name": store.root.name, "digest": store.digest} for store in stores],
            "licences": sorted({store.licence for store in stores}),
            "held_out": sorted({f"{window.store.digest}:{window.episode}" for window in self.windows.held_out}),
            "run_key": self.run.key,
            "steps": self.config.steps,
        }
        with replacing_folder(self.run.product) as temporary:
            self.learner.export(self.module, temporary, facts)


def _means(losses: list[float], step: int) -> dict[str, float]:
    """The mean since the last report, which empties the list."""
    mean = float(np.mean(losses))
    losses.clear()
    if not math.isfinite(mean):
        raise FloatingPointError(f"step {step}: the loss is {mean}; lower optimizer.lr and start again")
    return {"loss": mean, "flow": mean}


def _outcome(
    run: DreamRun, config: DreamTraining, step: int, done: int, what: str, losses: dict[str, float]
) -> Outcome:
    return Outcome(
        state="complete" if step == config.steps else "interrupted",
        step=step,
        steps_done=done,
        message=f"{run.root}: {what} at step {step} of {config.steps}",
        losses=losses,
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def _stopped_early(run: DreamRun, config: DreamTraining, stop: StopRequest) -> Outcome:
    outcome = _outcome(run, config, 0, 0, f"stopped ({stop.reason}) while encoding, what is encoded stays", {})
    run.write_outcome(outcome)
    return outcome


def main(arguments: list[str]) -> int:
    """Exit status: 0 complete, 75 stopped with its state saved, 2 wrong usage; errors are raised."""
    if len(arguments) != 1 or not arguments[0].endswith("RUN.json"):
        say(f"{USAGE}\n(the file is made by `gr00t dream train`, one for each run folder)")
        return 2
    with StopRequest() as stop:
        outcome = train(DreamRun(Path(arguments[0]).absolute().parent), stop)
    return 0 if outcome.state == "complete" else INTERRUPTED_STATUS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))


__all__ = ["Window", "code_path", "encode", "main", "rows_of_step", "train"]
