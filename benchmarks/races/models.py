"""Pairs of what has weights: exports, trainings, releases, and the whole graph in an empty lake."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yaml

from benchmarks.races.contest import Ended, Work, gr00t
from benchmarks.races.pair import Pair, both_well, nothing_left, pointed, require, whole
from gr00t_data.disk import read_json, write_json
from gr00t_data.integrity import require_intact
from gr00t_data.lake import Lake

_ROOT = Path(__file__).parents[2]
_GRAPH = ("teleop_episodes", "base_nano", "finetune_gr1")


def _trained(root: Path) -> None:
    from tests.model.service_lake import add_store, train_tiny

    lake = Lake(root / "lake")
    add_store(lake, "monday", range(6))
    train_tiny(lake)


def _exported(lake: Lake, ended: Sequence[Ended]) -> None:
    """Both name the same whole checkpoint."""
    both_well(lake, ended)
    nothing_left(lake, ended)
    made = [path for path in lake.checkpoints.iterdir() if not path.samefile(pointed(lake, "checkpoint_gr1")[0])]
    require(len(made) == 1 and all(made[0].name in one.said for one in ended), f"made {made}", ended)
    require(all(map(require_intact, lake.checkpoints.iterdir())), "a checkpoint without a record", ended)


def _prepared(root: Path) -> None:
    """A run that nobody has trained, and beside the lake the digest of the checkpoint that a lone training leaves."""
    _trained(root)
    lake = Lake(root / "lake")
    write_json(root / "alone.json", pointed(lake, "checkpoint_gr1")[1])
    shutil.rmtree(lake.checkpoints)
    for path in pointed(lake, "run_gr1")[0].iterdir():
        if path.name != "RUN.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _train(root: Path) -> None:
    from gr00t_model.stages.train import publish_checkpoint, train_run
    from gr00t_model.training.key import PolicyRun
    from tests.model.service_lake import GR1

    lake = Lake(root)
    run = PolicyRun(pointed(lake, "run_gr1")[0])
    train_run(run, print)
    publish_checkpoint(lake, GR1, run)


def _trained_once(lake: Lake, ended: Sequence[Ended]) -> None:
    from gr00t_model.training.key import PolicyRun

    both_well(lake, ended)
    nothing_left(lake, ended)
    (made,) = lake.checkpoints.iterdir()
    require(require_intact(made), "a checkpoint without a record", ended)
    steps = [record["step"] for record in PolicyRun(pointed(lake, "run_gr1")[0]).records()]
    require(steps == [1, 2, 3, 4], f"steps {steps}", ended)
    alone = read_json(lake.root.parent / "made/alone.json")
    digest = pointed(lake, "checkpoint_gr1")[1]
    require(digest == alone, f"weights {digest}, a lone training leaves {alone}", ended)


def _judged(root: Path) -> None:
    """Two checkpoints with their reports, none released."""
    from gr00t_model.stages.evaluate import evaluate_checkpoint
    from gr00t_model.stages.settings import EvaluationSettings
    from gr00t_model.training.checkpoint import Checkpoint
    from tests.model.service_lake import GR1, add_store, train_tiny

    lake = Lake(root / "lake")
    add_store(lake, "monday", range(6))
    settings = EvaluationSettings(tasks=[], trials=1, swapped=False, processes=1)
    for name, steps in (("first", 4), ("second", 6)):
        folder = train_tiny(lake, steps=steps)
        evaluate_checkpoint(lake, GR1, settings, lambda line: None)
        lake.point(name, folder, Checkpoint.load(folder).digest)


def _releases(lake: Lake) -> list[Work]:
    return [gr00t("release", name, "--force", "--lake", lake.root) for name in ("first", "second")]


def _both_released(lake: Lake, ended: Sequence[Ended]) -> None:
    """Two events one after the other, each with its card, the pointer at the last one."""
    from gr00t_model.release.history import folder_of, history

    both_well(lake, ended)
    nothing_left(lake, ended)
    past = history(lake, "gr1")
    require([one.number for one in past.events] == [1, 2], f"{past}", ended)
    wanted = {pointed(lake, name)[1] for name in ("first", "second")}
    require({one.digest for one in past.events} == wanted, f"{past}", ended)
    for number in (1, 2):
        card = folder_of(lake, "gr1") / f"{number:04d}/MODEL_CARD.md"
        require(f"elease {number} at" in card.read_text(), f"{card} is of another release", ended)
    digest = pointed(lake, "released_gr1")[1]
    require(past.current and digest == past.current.digest, "the pointer is at another one", ended)


def _graph(root: Path) -> None:
    """The small graph up to a checkpoint; neither a lake nor a home of Dagster."""
    tiny = yaml.safe_load((_ROOT / "pipelines/tiny.yaml").read_text())
    (root / "tiny.yaml").write_text(yaml.safe_dump({"ops": {name: tiny["ops"][name] for name in _GRAPH}}))


def _materialize(root: Path) -> None:
    """As ``make finetune_gr1`` does, in a lake and a home of Dagster that are not there yet."""
    command = "source ./env.sh && exec dagster asset materialize --select '*checkpoint_gr1' --config"
    places = {"GR00T_LAKE": str(root), "DAGSTER_HOME": str(root / "dagster"), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        ["bash", "-c", f"{command} {root.parent / 'made/tiny.yaml'}"],
        cwd=_ROOT,
        env={**os.environ, **places},
        check=True,
    )


def _materialized(lake: Lake, ended: Sequence[Ended]) -> None:
    both_well(lake, ended)
    whole(lake, ended, stores=1, episodes=6, checked=False)
    require(require_intact(pointed(lake, "checkpoint_gr1")[0]), "a checkpoint without a record", ended)
    require(len(list(lake.runs.glob("*/RUN.json"))) == 1, "more than one run", ended)


MODELS = [
    Pair(
        "a checkpoint exported twice",
        _trained,
        lambda lake: [gr00t("checkpoints", "run_gr1", "--at", 2, "--lake", lake.root)] * 2,
        _exported,
        seconds=15,
    ),
    Pair("a training twice", _prepared, lambda lake: [partial(_train, lake.root)] * 2, _trained_once, seconds=30),
    Pair("two releases", _judged, _releases, _both_released, seconds=15),
    Pair(
        "dagster asset materialize twice in an empty lake",
        _graph,
        lambda lake: [partial(_materialize, lake.root)] * 2,
        _materialized,
        seconds=120,
    ),
]
