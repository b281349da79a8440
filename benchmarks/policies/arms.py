"""One arm of a comparison: which stores, which settings; trained from the same base and tried in the same scenes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gr00t_data.disk import digest_json, read_json, write_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.progress import Say
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


def successes(lake: Lake, arm: Arm, seed: int, scenes: Scenes, say: Say, processes: int = 2) -> list[bool]:
    """Train one policy and try it in every scene; kept in the lake, so that a killed comparison goes on.

    Returns:
        For each scene whether the task was done.
    """
    robot = load_embodiment(ROBOT)
    mixture = MixtureSettings(stores=[*arm.stores], neural_per_real=arm.neural_per_real, held_out_share=0.0)
    _, statistics = measure_statistics(lake, robot, mixture)
    manifest, _ = mix(lake, robot, mixture)
    run = new_run(lake, robot, FinetuneSettings(settings=[*arm.settings, f"seed={seed}"]))
    kept = lake.root / "tried" / f"{digest_json([run.key, scenes.task, list(scenes.seeds)])[:16]}.json"
    if kept.is_file():
        return read_json(kept)["success"]
    say(f"{arm.name}, seed {seed}: {len(manifest.sources)} stores, statistics {statistics.name}")
    launched = train_run(run, lambda line: None)
    if launched.outcome.state != "complete":
        raise RuntimeError(f"{run.root}: {launched.outcome.message}")
    result = evaluate_closed_loop(run.checkpoint, scenes.task, scenes.seeds, swapped=False, processes=processes)
    done = [trial.success for trial in result.trials]
    write_json(kept, {"arm": arm.name, "seed": seed, "success": done})
    say(f"{arm.name}, seed {seed}: {Rate.of(done)}")
    return done


def grounded(lake: Lake, stills: int, say: Say) -> Path:
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


def outcomes(tried: dict[str, list[list[bool]]], draws: int = 4000, seed: int = 0) -> list[Outcome]:
    """Compare arms.

    Args:
        tried: arm -> for each seed, for each scene, whether the task was done; the first arm is the reference.
    """
    tables = {name: np.array(rows, dtype=float) for name, rows in tried.items()}
    reference = next(iter(tables.values()))
    return [_outcome(name, table, reference, draws, seed) for name, table in tables.items()]


def _outcome(name: str, table: np.ndarray, reference: np.ndarray, draws: int, seed: int) -> Outcome:
    low, high = _interval(table, draws, seed)
    difference = table - reference
    return Outcome(
        name,
        tuple(float(share) for share in table.mean(axis=1)),
        float(table.mean()),
        (low, high),
        (float(difference.mean()), *_interval(difference, draws, seed)),
    )


def _interval(table: np.ndarray, draws: int, seed: int) -> tuple[float, float]:
    """Bootstrap over rows (seeds) and columns (scenes) at once."""
    generator = np.random.default_rng(seed)
    rows = generator.integers(len(table), size=(draws, len(table)))
    columns = generator.integers(table.shape[1], size=(draws, table.shape[1]))
    means = np.array([table[np.ix_(r, c)].mean() for r, c in zip(rows, columns, strict=True)])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def lines(found: Sequence[Outcome], title: str) -> list[str]:
    """A Markdown table."""
    rows = [f"| {title} | success | 95 % interval | by seed | against the first |", "|---|---|---|---|---|"]
    for outcome in found:
        mean, low, high = (100 * value for value in outcome.difference)
        difference = "" if outcome is found[0] else f"{mean:+.0f} [{low:+.0f}, {high:+.0f}]"
        seeds = ", ".join(f"{100 * share:.0f}" for share in outcome.by_seed)
        interval = " to ".join(f"{100 * bound:.0f} %" for bound in outcome.interval)
        share = "-" if math.isnan(outcome.rate) else f"{100 * outcome.rate:.0f} %"
        rows.append(f"| {outcome.name} | {share} | {interval} | {seeds} | {difference} |")
    return rows
