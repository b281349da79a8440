"""Verbs and trainings by which the lake is made, and used."""

from benchmarks.command import say
from gr00t_data.lake import Lake
from gr00t_model.loop.config import Optimizer
from gr00t_model.training.config import Flare, Lora, Model
from gr00t_model.training.key import PolicyRun, prepare_run
from tests.model.service_lake import tiny_config
from tests.model.tiny import SMALL
from tests.shell import invoke

HERE = "LAKE"
"""In the words of a verb: the folder of the lake."""
STORE = "monday"
EVALUATE = ("eval", "--task", "none")
FORCED = ("release", "checkpoint_gr1", "--force")
AT_A_STEP = ("checkpoints", "run_gr1", "--at", "2")
GATE = ("gate", "dreams", "--idm", "idm_gr1", "--any-model", "--no-replay")


def must(lake: Lake, *words: str) -> str:
    """Run a verb on the lake; RuntimeError when it fails."""
    done = invoke([*(word.replace(HERE, str(lake.root)) for word in words), "--lake", lake.root])
    if done.exit_code:
        raise RuntimeError(f"gr00t {' '.join(words)}: {done.output}")
    say(f"gr00t {' '.join(words)}")
    return done.output


def new_run(lake: Lake, base: str = "random", lora: Lora = Lora(), **changes: object) -> PolicyRun:
    """A run of a very small model on the lake's current mixture; ``changes`` replace fields of its configuration."""
    model = Model(base=base, changes=SMALL if base == "random" else {}, flare=Flare(), lora=lora)
    config = tiny_config(lake, model=model, optimizer=Optimizer(lr=1e-2, ema_decay=0.9), **changes)
    return prepare_run(config, lake.runs)
