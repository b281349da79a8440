"""A small real lake, made through the public stages: a drop, checks, statistics, a mixture, a run, its checkpoint, its
evaluation and release, an inverse dynamics model, a dream and its gate, a withdrawal; and what ``further`` adds."""

import contextlib
import shutil
import sys
from pathlib import Path

from benchmarks.rest.further import add_further
from benchmarks.rest.steps import AT_A_STEP, EVALUATE, FORCED, GATE, STORE, must, new_run
from gr00t_data.lake import Lake
from gr00t_data.sources.landing.landing import take_in
from gr00t_data.sources.landing.marker import MARKER
from gr00t_data.store.store import SEAL
from gr00t_data.store.writing import StoreWriter
from gr00t_model.loop.stop import StopRequest
from gr00t_model.stages.train import publish_checkpoint
from gr00t_model.training.train import train
from tests.model.service_lake import GR1
from tests.model.tiny import episode

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
    add_further(lake, seed)


def _forget_other_checkpoints(lake: Lake) -> None:
    """Of the checkpoints, the uses read the current one."""
    current = lake.pointed("checkpoint_gr1")
    for folder in lake.checkpoints.iterdir():
        if current is None or folder != current[0]:
            shutil.rmtree(folder)


def dream_of(lake: Lake) -> Path:
    """The folder of its dreamed clips."""
    return next(lake.root.glob("dreams/oracle-*"))


def _drop(lake: Lake, seed: int) -> None:
    """A folder of episodes as a robot leaves it, without a seal."""
    place = lake.landing / STORE
    writer = StoreWriter.create(place, GR1, kind="real", licence="CC-BY-4.0")
    for number in range(seed * _APART, seed * (_APART + 1) + _EPISODES):
        writer.append(episode(number))
    writer.seal()
    (place / SEAL).unlink()
    (place / MARKER).touch()
