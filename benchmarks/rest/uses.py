"""What is done with the files of a lake, as its users do it: verbs of the shell, and the functions of the library."""

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.rest.lake import AT_A_STEP, EVALUATE, FORCED, GATE, STORE, dream_of, new_run
from gr00t_data.lake import Lake
from gr00t_data.store.store import read_through
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.stages.checkpoints import run_named
from gr00t_model.training.train import train
from tests.shell import invoke

STATUS = "exit status "
Use = Callable[[Lake], str]
"""Returns what was said, of a verb with its exit status first; what is refused may be raised."""


def _verb(*words: str, without: tuple[str, ...] = ()) -> Use:
    """A verb; ``without`` are patterns of what is deleted before, so that it is made from what it is made of."""

    def use(lake: Lake) -> str:
        _delete(lake, *without)
        done = invoke([word.replace("LAKE", str(lake.root)) for word in (*words, "--json")])
        return f"{STATUS}{done.exit_code}\n{done.output}"

    return use


def _in_lake(*words: str, without: tuple[str, ...] = ()) -> Use:
    return _verb(*words, "--lake", "LAKE", without=without)


def _delete(lake: Lake, *patterns: str) -> None:
    for path in [path for pattern in patterns for path in lake.root.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _trained(*, base: str = "random", without: tuple[str, ...] = ()) -> Use:
    """A run that the lake does not have yet, from the same base where that is random."""

    def use(lake: Lake) -> str:
        _delete(lake, *without)
        folder = lake.pointed(base)
        train(new_run(lake, base=str(folder[0]) if folder else base, steps=5), StopRequest())
        return ""

    return use


def _resumed(*without: str) -> Use:
    """The run of the lake goes on without its checkpoint, and what else is deleted."""

    def use(lake: Lake) -> str:
        _delete(lake, "runs/*/checkpoint", "runs/*/outcome.json", *without)
        train(run_named(lake, "run_gr1"), StopRequest())
        return ""

    return use


def _acting(lake: Lake) -> str:
    folder = lake.pointed("checkpoint_gr1")
    Policy.from_checkpoint(folder[0] if folder else Path())
    return ""


def _clips(lake: Lake) -> str:
    return _in_lake("clips", str(dream_of(lake)), "--name", "again")(lake)


def _by_thresholds(lake: Lake) -> str:
    (thresholds,) = lake.root.glob("gate/*/thresholds.json")
    return _in_lake(*GATE, "--thresholds", str(thresholds), "--name", "again")(lake)


_JUDGED = ("gate/*", "stores/dreams-accepted*")
_TALLIES, _MOTIONS, _CACHES = "statistics/tallies/*", "cache/motions/*", "cache/*"
_BEGUN = ("runs/*/states", "runs/*/metrics.jsonl")
_MIX = ("mix", "--held-out-share", "0.3")
USES: dict[str, Use] = {
    "open": lambda lake: str(read_through(lake.stores / STORE)),
    "doctor": _in_lake("doctor", STORE),
    "check": _in_lake("check", STORE, without=("index/*",)),
    "stats": _in_lake("stats", without=(_TALLIES,)),
    "stats kept": _in_lake("stats"),
    "mix": _in_lake(*_MIX, without=(_MOTIONS,)),
    "mix kept": _in_lake(*_MIX),
    "preview": _in_lake("mix", "preview", "--manifest", "mixture_gr1"),
    "mix export": _in_lake("mix", "export", "mixture_gr1", "LAKE/exported", "--held-out"),
    "convert": _verb("convert", f"LAKE/stores/{STORE}", "LAKE/converted", "--to", "v3.0"),
    "train": _trained(without=(_CACHES,)),
    "train framed": _resumed(*_BEGUN, "cache/features/*"),
    "train cached": _resumed(*_BEGUN),
    "resume": _resumed(),
    "train on": _trained(base="checkpoint_gr1"),
    "at a step": _in_lake(*AT_A_STEP, without=("runs/*/exports",)),
    "at a step kept": _in_lake(*AT_A_STEP),
    "states": _in_lake("checkpoints", "run_gr1"),
    "act": _acting,
    "eval": _in_lake(*EVALUATE),
    "release": _in_lake(*FORCED, without=("releases/*",)),
    "release again": _in_lake(*FORCED),
    "releases": _in_lake("release", "list"),
    "reproduce": _in_lake("reproduce", "checkpoint_gr1"),
    "lineage": _in_lake("lineage", "checkpoint_gr1"),
    "idm eval": _in_lake("idm", "eval"),
    "clips": _clips,
    "gate": _in_lake(*GATE, "--calibrate", STORE, without=_JUDGED),
    "gate anew": _in_lake(*GATE, "--calibrate", STORE, without=(*_JUDGED, "cache/gate/scores/*")),
    "gate thresholds": _by_thresholds,
    "landing": _in_lake("landing"),
    "verify": _in_lake("verify"),
}
