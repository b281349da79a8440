"""Training a world model: its clips are encoded once, then adapters or a nano model learn from the codes."""

from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn

from gr00t_data.disk import replacing_folder
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.integrity import IntegrityError, write_record
from gr00t_data.store.store import EpisodeStore
from gr00t_model.dream.config import DreamTraining
from gr00t_model.dream.learner import Codes, Learner, require_whole, save_codes
from gr00t_model.dream.learners import learner_of
from gr00t_model.dream.pictures import view_of
from gr00t_model.dream.run import DreamRun
from gr00t_model.dream.windows import Films, Windows, plan_windows
from gr00t_model.groot.cpu_products import use_fast_products
from gr00t_model.loop.loop import Loop
from gr00t_model.loop.objective import Losses, Objective
from gr00t_model.loop.progress import say
from gr00t_model.loop.ranks import open_ranks
from gr00t_model.loop.run import Outcome, peak_memory_bytes
from gr00t_model.loop.seeds import pass_rows
from gr00t_model.loop.stop import StopRequest

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


@dataclass(frozen=True)
class DreamObjective(Objective[nn.Module, Codes]):
    """A world model, or adapters of one, that learns the velocity between clean codes and noise."""

    model: nn.Module
    learner: Learner
    config: DreamTraining
    run: DreamRun
    windows: Windows

    def batch(self, number: int) -> Codes:
        rows = pass_rows(len(self.windows.learn), self.config.batch_size, number, self.config.seed)
        read = [load_file(code_path(self.run, int(row))) for row in rows]
        return {name: torch.stack([one[name] for one in read]) for name in read[0]}

    def seen(self, batch: Codes, generator: torch.Generator) -> Codes:
        return {name: tensor.to(generator.device) for name, tensor in batch.items()}

    def losses(self, model: nn.Module, batch: Codes, generator: torch.Generator) -> Losses:
        loss = model(batch, generator)
        return {"loss": (loss, None), "flow": (loss, None)}

    def export(self, outcome: Outcome) -> None:
        """The model or the adapter, with what it was trained for."""
        config, stores = self.config, [EpisodeStore.open(path) for path in self.config.stores]
        facts = {
            "shape": config.shape.model_dump(),
            "view": view_of(load_embodiment(config.embodiment), config.view).name,
            "embodiment": config.embodiment,
            "stores": [{"name": store.root.name, "digest": store.digest} for store in stores],
            "licences": sorted({store.licence for store in stores}),
            "held_out": sorted({f"{window.store.digest}:{window.episode}" for window in self.windows.held_out}),
            "run_key": self.run.key,
            "steps": config.steps,
        }
        with replacing_folder(self.run.product, over=True) as temporary:
            self.learner.export(self.model, temporary, facts)
            write_record(temporary)  # last: it names every file


def train(run: DreamRun, stop: StopRequest) -> Outcome:
    """Train to the last step, or until ``stop`` says so, and leave model or adapter in ``run.product``.

    Raises:
        ConfigError: the number of processes is wrong.
        DreamError: inputs that cannot be trained on.
        FloatingPointError: the loss stopped being a number.
    """
    if former := run.finished():
        run.write_outcome(former)
        return former
    config = run.config()
    if not torch.cuda.is_available():
        use_fast_products()
    accelerator = open_ranks(config.machine)
    if accelerator.is_main_process:
        run.clear_outcome()
    windows = plan_windows(
        [EpisodeStore.open(path) for path in config.stores], config.shape, config.stride_frames, config.held_out_share
    )
    learner = learner_of(config, run)
    with accelerator.main_process_first():
        encoded = not accelerator.is_main_process or encode(learner, config, run, windows, stop)
    if not encoded:
        return _stopped_early(run, config, stop)
    outcome = _open_loop(accelerator, learner, config, run, windows).go(stop)
    accelerator.end_training()
    return outcome


def encode(learner: Learner, config: DreamTraining, run: DreamRun, windows: Windows, stop: StopRequest) -> bool:
    """Write the codes of every training clip that has none yet, or other ones than were written; False when asked to
    stop before the last one.
    """
    missing = [number for number in range(len(windows.learn)) if not _whole(code_path(run, number))]
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
        codes = encoder(films(window), window.instruction)
        save_codes(codes, code_path(run, number))
        if done % 100 == 0 or done == len(missing):
            say(f"encoded {done} of {len(missing)} clips")
    return True


def _whole(path: Path) -> bool:
    """Whether a file is there and holds the codes that were written to it."""
    try:
        require_whole(path)
    except FileNotFoundError:
        return False
    except IntegrityError as error:
        say(f"{error}; the clip is encoded again")
        return False
    return True


def code_path(run: DreamRun, number: int) -> Path:
    """The codes of a training clip."""
    return run.encoded / f"{number:06d}.safetensors"


def _open_loop(
    accelerator: Accelerator, learner: Learner, config: DreamTraining, run: DreamRun, windows: Windows
) -> Loop[DreamObjective]:
    objective = DreamObjective(learner.open(accelerator.device), learner, config, run, windows)
    loop = Loop.open(objective, config, run, accelerator)
    if loop.leads:
        learning = sum(p.numel() for p in loop.model.parameters() if p.requires_grad)
        say(f"step {loop.first_step} of {config.steps}: {learning / 1e6:.3f} M parameters train")
    return loop


def _stopped_early(run: DreamRun, config: DreamTraining, stop: StopRequest) -> Outcome:
    what = f"stopped ({stop.reason}) while encoding, what is encoded stays"
    outcome = Outcome(
        state="interrupted",
        step=0,
        steps_done=0,
        message=f"{run.root}: {what} at step 0 of {config.steps}",
        losses={},
        peak_memory_bytes=peak_memory_bytes(),
    )
    run.write_outcome(outcome)
    return outcome
