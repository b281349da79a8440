"""A small real lake, made through the public stages: a drop, checks, statistics, a mixture, a run, its checkpoint, its
evaluation and release, an inverse dynamics model, a dream and its gate, a withdrawal."""

import contextlib
import shutil
import sys
from pathlib import Path

from benchmarks.command import say
from gr00t_data.lake import Lake
from gr00t_data.sources.landing.landing import take_in
from gr00t_data.sources.landing.marker import MARKER
from gr00t_data.store.store import SEAL
from gr00t_data.store.writing import StoreWriter
from gr00t_model.loop.config import Optimizer
from gr00t_model.loop.stop import StopRequest
from gr00t_model.stages.train import publish_checkpoint
from gr00t_model.training.config import Flare, Model
from gr00t_model.training.key import PolicyRun, prepare_run
from gr00t_model.training.train import train
from tests.model.service_lake import GR1, tiny_config
from tests.model.tiny import SMALL, episode
from tests.shell import invoke

STORE = "monday"
EVALUATE = ("eval", "--task", "none")
FORCED = ("release", "checkpoint_gr1", "--force")
AT_A_STEP = ("checkpoints", "run_gr1", "--at", "2")
GATE = ("gate", "dreams", "--idm", "idm_gr1", "--any-model", "--no-replay")
_EPISODES = 6
_APART = 7
"""Episodes between two lakes: every third one has the same pictures and the same text."""


def build(root: Path, seed: int = 0) -> None:
    """Make the lake at ``root``; another seed makes another one, of more, with files of the same kinds."""
    with contextlib.redirect_stdout(sys.stderr):
        _build(Lake(root), seed)


def _build(lake: Lake, seed: int) -> None:
    _drop(lake, seed)
    take_in(lake, STORE, GR1, licence="CC-BY-4.0")
    for words in (("check", STORE), ("stats",), ("mix", "--held-out-share", "0.3")):
        must(lake, *words)
    run = new_run(lake, seed=seed)
    lake.point("run_gr1", run.root, run.key)
    train(run, StopRequest())
    publish_checkpoint(lake, GR1, run)
    for words in (EVALUATE, FORCED, AT_A_STEP, ("idm", "train", "--steps", "2"), ("withdraw", "P07", "--ahead")):
        must(lake, *words)
    _forget_other_checkpoints(lake)
    must(lake, "dream", "generate", "--generator", "oracle", "--count", str(1 + seed), "--task", "reach")
    must(lake, "clips", str(dream_of(lake)), "--name", "dreams")
    must(lake, *GATE, "--calibrate", STORE)


def _forget_other_checkpoints(lake: Lake) -> None:
    """Of the checkpoints, the uses read the current one."""
    current = lake.pointed("checkpoint_gr1")
    for folder in lake.checkpoints.iterdir():
        if current is None or folder != current[0]:
            shutil.rmtree(folder)


def dream_of(lake: Lake) -> Path:
    """The folder of its dreamed clips."""
    return next(lake.root.glob("dreams/oracle-*"))


def must(lake: Lake, *words: str) -> str:
    """Run a verb on the lake; RuntimeError when it fails."""
    done = invoke([*words, "--lake", lake.root])
    if done.exit_code:
        raise RuntimeError(f"gr00t {' '.join(words)}: {done.output}")
    say(f"gr00t {' '.join(words)}")
    return done.output


def new_run(lake: Lake, base: str = "random", **changes: object) -> PolicyRun:
    """A run of a very small model on the lake's current mixture; ``changes`` replace fields of its configuration."""
    model = Model(base=base, changes=SMALL if base == "random" else {}, flare=Flare())
    config = tiny_config(lake, model=model, optimizer=Optimizer(lr=1e-2, ema_decay=0.9), **changes)
    return prepare_run(config, lake.runs)


def _drop(lake: Lake, seed: int) -> None:
    """A folder of episodes as a robot leaves it, without a seal."""
    place = lake.landing / STORE
    writer = StoreWriter.create(place, GR1, kind="real", licence="CC-BY-4.0")
    for number in range(seed * _APART, seed * (_APART + 1) + _EPISODES):
        writer.append(episode(number))
    writer.seal()
    (place / SEAL).unlink()
    (place / MARKER).touch()
