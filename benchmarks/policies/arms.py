"""One arm of a comparison: which stores, which settings; trained from the same base and tried in the same scenes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from benchmarks.command import heading, row, say
from gr00t_data.disk import digest_json, read_json, write_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages.mix import measure_statistics, mix
from gr00t_data.stages.settings import MixtureSettings
from gr00t_model.evaluate.closed_loop import evaluate_closed_loop
from gr00t_model.evaluate.rates import Rate
from gr00t_model.stages.base import base_model
from gr00t_model.stages.settings import FinetuneSettings, GroundSettings
from gr00t_model.stages.train import new_run, train_run

ROBOT = "gr1"


@dataclass(frozen=True)
class Arm:
    """What one policy learns from.

    Attributes:
        stores: their names in the lake.
        settings: changes to the recipe ``gr1_nano``, each ``a.b=c``.
        neural_per_real: samples of generated stores for one of a recorded one.
    """

    name: str
    stores: tuple[str, ...]
    settings: tuple[str, ...] = ()
    neural_per_real: float | None = None


@dataclass(frozen=True)
class Scenes:
    """Where policies are tried: one task and the seeds of its scenes."""

    task: str
    seeds: tuple[int, ...]


@Parameter(name="*")
@dataclass(frozen=True)
class Effort:
    """How much a comparison takes: what all of this folder can be told."""

    seeds: Annotated[int, Parameter(help="Policies an arm.")] = 3
    trials: Annotated[int, Parameter(help="Scenes each policy is tried in.")] = 50
    stills: Annotated[int, Parameter(help="Stills that ground the base.")] = 4000


Folder = Annotated[Path, Parameter(help="Where to work; what is there already is not done again.")]
EFFORT = Effort()


def successes(lake: Lake, arm: Arm, seed: int, scenes: Scenes) -> list[bool]:
    """Train one policy and try it in every scene; kept in the lake, so that a killed comparison goes on.

    Returns:
        For each scene whether the task was done.
    """
    robot = load_embodiment(ROBOT)
    mixture = MixtureSettings(stores=[*arm.stores], neural_per_real=arm.neural_per_real, held_out_share=0.0)
    _, statistics = measure_statistics(lake, robot, mixture)
    manifest, _ = mix(lake, robot, mixture)
    run = new_run(lake, robot, FinetuneSettings(settings=[*arm.settings, f"seed={seed}"], extend=False))
    kept = lake.root / "tried" / f"{digest_json([run.key, scenes.task, list(scenes.seeds)])[:16]}.json"
    if kept.is_file():
        return read_json(kept)["success"]
    say(f"{arm.name}, seed {seed}: {len(manifest.sources)} stores, statistics {statistics.name}")
    launched = train_run(run, lambda line: None)
    if launched.outcome.state != "complete":
        raise RuntimeError(f"{run.root}: {launched.outcome.message}")
    result = evaluate_closed_loop(run.checkpoint, scenes.task, scenes.seeds, swapped=False, processes=2)
    done = [trial.success for trial in result.trials]
    write_json(kept, {"arm": arm.name, "seed": seed, "success": done})
    say(f"{arm.name}, seed {seed}: {Rate.of(done)}")
    return done


def grounded(lake: Lake, stills: int) -> Path:
    """The base that every arm starts from."""
    say(f"grounding a base model on {stills} stills")
    return base_model(lake, GroundSettings(stills=stills))[0]


@dataclass(frozen=True)
class Outcome:
    """Success of an arm over seeds and scenes, and how far it lies from the first arm.

    Attributes:
        by_seed: share of the scenes done, one a seed.
        interval: 95 % interval of ``rate`` that allows for scenes of one seed being alike: bootstrap over seeds and
            scenes.
        difference: mean and 95 % interval of this arm minus the first, paired by seed and scene.
    """

    name: str
    by_seed: tuple[float, ...]
    rate: float
    interval: tuple[float, float]
    difference: tuple[float, float, float]


def compare(lake: Lake, arms: Sequence[Arm], seeds: int, scenes: Scenes) -> list[Outcome]:
    """Train every arm with every seed and try it in every scene; the first arm is the reference."""
    done = [[successes(lake, arm, seed, scenes) for arm in arms] for seed in range(seeds)]
    tables = np.array(done, dtype=float).swapaxes(0, 1)
    return [_outcome(arm.name, table, table - tables[0]) for arm, table in zip(arms, tables, strict=True)]


def _outcome(name: str, table: np.ndarray, difference: np.ndarray) -> Outcome:
    by_seed = tuple(table.mean(axis=1).tolist())
    against = (float(difference.mean()), *_interval(difference))
    return Outcome(name, by_seed, float(table.mean()), _interval(table), against)


def _interval(table: np.ndarray, draws: int = 4000) -> tuple[float, float]:
    """Bootstrap over rows (seeds) and columns (scenes) at once."""
    generator = np.random.default_rng(0)
    rows = generator.integers(len(table), size=(draws, len(table)))
    columns = generator.integers(table.shape[1], size=(draws, table.shape[1]))
    means = np.array([table[np.ix_(r, c)].mean() for r, c in zip(rows, columns, strict=True)])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def lines(found: Sequence[Outcome], title: str) -> list[str]:
    """A Markdown table."""
    rows = [heading(title, "success", "95 % interval", "by seed", "against the first")]
    for outcome in found:
        mean, low, high = (100 * value for value in outcome.difference)
        difference = "" if outcome is found[0] else f"{mean:+.0f} [{low:+.0f}, {high:+.0f}]"
        seeds = ", ".join(f"{100 * share:.0f}" for share in outcome.by_seed)
        interval = " to ".join(f"{100 * bound:.0f} %" for bound in outcome.interval)
        share = "-" if math.isnan(outcome.rate) else f"{100 * outcome.rate:.0f} %"
        rows.append(row(outcome.name, share, interval, seeds, difference))
    return rows
