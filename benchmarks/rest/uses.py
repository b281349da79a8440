"""What is done with the files of a lake, as its users do it: verbs of the shell, and the functions of the library."""

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.rest.further import BASELINE, DREAM_ADAPTED, DREAM_NANO, JUDGED, MERGED, PUBLISHED, world_model
from benchmarks.rest.lake import dream_of
from benchmarks.rest.steps import AT_A_STEP, EVALUATE, FORCED, GATE, HERE, STORE, new_run
from gr00t_data.lake import Lake
from gr00t_data.sources.landing.landing import take_in
from gr00t_data.store.store import read_through
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.stages.checkpoints import run_named
from gr00t_model.training.train import train
from tests.model.service_lake import GR1
from tests.shell import invoke

STATUS = "exit status "
Use = Callable[[Lake], str]
"""Returns what was said, of a verb with its exit status first; what is refused may be raised."""


def _verb(*words: str, without: tuple[str, ...] = ()) -> Use:
    """A verb; ``without`` are patterns of what is deleted before, so that it is made from what it is made of."""

    def use(lake: Lake) -> str:
        _delete(lake, *without)
        done = invoke([word.replace(HERE, str(lake.root)) for word in (*words, "--json")])
        return f"{STATUS}{done.exit_code}\n{done.output}"

    return use


def _in_lake(*words: str, without: tuple[str, ...] = ()) -> Use:
    return _verb(*words, "--lake", "LAKE", without=without)


def _delete(lake: Lake, *patterns: str) -> None:
    for path in [path for pattern in patterns for path in lake.root.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _trained(*, base: str = "random", without: tuple[str, ...] = ()) -> Use:
    """A run that the lake does not have yet, from the same base where that is random; else by pointer or folder."""

    def use(lake: Lake) -> str:
        _delete(lake, *without)
        pointed, folder = lake.pointed(base), lake.root / base
        at = str(pointed[0] if pointed else folder if folder.is_dir() else base)
        train(new_run(lake, base=at, steps=5), StopRequest())
        return ""

    return use


def _resumed(*without: str) -> Use:
    """The run of the lake goes on without its checkpoint, and what else is deleted."""

    def use(lake: Lake) -> str:
        _delete(lake, f"{_RUN}/checkpoint", f"{_RUN}/outcome.json", *without)
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
    (thresholds,) = lake.root.glob("gate/dreams-accepted-*/thresholds.json")
    return _in_lake(*GATE, "--thresholds", str(thresholds), "--name", "again")(lake)


def _world_model(base: str, *without: str) -> Use:
    """A training of a world model goes on without its product, and what else is deleted."""

    def use(lake: Lake) -> str:
        product = "adapter" if base else "model"
        kind = "lora" if base else "nano"
        _delete(lake, *(f"runs/dream_{kind}-*/{name}" for name in (product, "outcome.json", *without)))
        world_model(lake, base)
        return ""

    return use


def _merge(lake: Lake) -> str:
    (adapted,) = lake.root.glob("checkpoints/adapted-*")
    return _in_lake("merge", str(adapted), "checkpoint_gr1", "LAKE/again")(lake)


def _taken_in(lake: Lake) -> str:
    take_in(lake, STORE, GR1, licence="CC-BY-4.0")
    return ""


_ACCEPTED = ("gate/dreams-accepted-*", "stores/dreams-accepted*")
_TALLIES, _MOTIONS, _CACHES = "statistics/tallies/*", "cache/motions/*", "cache/*"
_RUN = "runs/tiny-*"
_BEGUN = (f"{_RUN}/states", f"{_RUN}/metrics.jsonl")
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
    "at a step": _in_lake(*AT_A_STEP, without=(f"{_RUN}/exports",)),
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
    "gate": _in_lake(*GATE, "--calibrate", STORE, without=_ACCEPTED),
    "gate anew": _in_lake(*GATE, "--calibrate", STORE, without=(*_ACCEPTED, "cache/gate/scores/*")),
    "gate thresholds": _by_thresholds,
    "landing": _in_lake("landing"),
    "doctor known": _in_lake("doctor", STORE, "--baseline", f"LAKE/{BASELINE}"),
    "take in": _taken_in,
    "runs": _in_lake("checkpoints"),
    "train merged": _trained(base=MERGED),
    "merge": _merge,
    "dream on": _world_model(""),
    "dream anew": _world_model("", "states", "metrics.jsonl"),
    "dream adapter": _world_model(PUBLISHED),
    "dream nano": _in_lake(*DREAM_NANO, without=("dreams/nano-*",)),
    "dream adapted": _in_lake(*DREAM_ADAPTED),
    "idm train": _in_lake("idm", "train", "--steps", "2", without=("idm/*/model",)),
    "gate judged": _in_lake(*JUDGED, without=("gate/asked-*", "stores/asked")),
    "verify": _in_lake("verify"),
}
