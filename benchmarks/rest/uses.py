"""What is done with the files of a lake, as its users do it: verbs of the shell, and the functions of the library."""

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.rest.lake import EVALUATE, FORCED, STORE, new_run
from gr00t_data.lake import Lake
from gr00t_data.store.store import read_through
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.stages.checkpoints import run_named
from gr00t_model.training.train import train
from tests.shell import invoke

Use = Callable[[Lake], str]
"""Returns what was said; what is refused is raised, or an exit status that the text begins with."""


def _verb(*words: str, without: tuple[str, ...] = (), in_lake: bool = True) -> Use:
    """A verb; ``without`` are patterns of what is deleted before, so that it is made from what it is made of."""

    def use(lake: Lake) -> str:
        _delete(lake, *without)
        where = ["--lake", lake.root] if in_lake else []
        done = invoke([*(word.replace("LAKE", str(lake.root)) for word in words), *where])
        return f"exit status {done.exit_code}\n{done.output}"

    return use


def _delete(lake: Lake, *patterns: str) -> None:
    for path in [path for pattern in patterns for path in lake.root.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _trained(*, base: str = "random", without: tuple[str, ...] = ()) -> Use:
    def use(lake: Lake) -> str:
        _delete(lake, *without)
        folder = lake.pointed(base)
        train(new_run(lake, base=str(folder[0]) if folder else base, seed=1), StopRequest())
        return ""

    return use


def _resumed(lake: Lake) -> str:
    _delete(lake, "runs/*/checkpoint", "runs/*/outcome.json")
    train(run_named(lake, "run_gr1"), StopRequest())
    return ""


def _acting(lake: Lake) -> str:
    folder = lake.pointed("checkpoint_gr1")
    Policy.from_checkpoint(folder[0] if folder else Path())
    return ""


_TALLIES, _MOTIONS, _CACHES = "statistics/tallies/*", "cache/motions/*", "cache/*"
_MIX = ("mix", "--held-out-share", "0.3")
USES: dict[str, Use] = {
    "open": lambda lake: str(read_through(lake.stores / STORE)),
    "doctor": _verb("doctor", STORE),
    "check": _verb("check", STORE, without=("index/*",)),
    "stats": _verb("stats", without=(_TALLIES,)),
    "stats kept": _verb("stats"),
    "mix": _verb(*_MIX, without=(_MOTIONS,)),
    "mix kept": _verb(*_MIX),
    "preview": _verb("mix", "preview", "--manifest", "mixture_gr1"),
    "mix export": _verb("mix", "export", "mixture_gr1", "LAKE/exported", "--held-out"),
    "convert": _verb("convert", f"LAKE/stores/{STORE}", "LAKE/converted", "--to", "v3.0", in_lake=False),
    "train": _trained(without=(_CACHES,)),
    "train cached": _trained(),
    "resume": _resumed,
    "train on": _trained(base="checkpoint_gr1"),
    "at a step": _verb("checkpoints", "run_gr1", "--at", "2", without=("runs/*/exports",)),
    "states": _verb("checkpoints", "run_gr1"),
    "act": _acting,
    "eval": _verb(*EVALUATE),
    "release": _verb(*FORCED, without=("releases/*",)),
    "release again": _verb(*FORCED),
    "releases": _verb("release", "list"),
    "reproduce": _verb("reproduce", "checkpoint_gr1"),
    "lineage": _verb("lineage", "checkpoint_gr1"),
    "idm eval": _verb("idm", "eval"),
    "landing": _verb("landing"),
    "verify": _verb("verify"),
}
