"""A training step of the nano preset on cached features against the same step on images (bound 0.4).

Both loops train the ``gr1_nano`` recipe on the same simulated episodes from the same weights, and take their steps
in turn, so that a slow moment of the machine hits both. A step is everything between two batches: reading the batch
(cached features, or decoded frames), forward, backward, clipping, optimizer, averaged weights. Processor time, all
threads. Filling the caches is not part of it and is printed by itself. The multiplications and additions of both steps
(torch's counter of matrix products and convolutions) are printed too: their ratio is what the times tend to on a
processor that does all of them at the same speed.

python -m benchmarks.step [--json] [--steps 12] [--batch-size 64] [--threads 1]
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from time import process_time
from typing import Annotated, Any

import torch
from cyclopts import Parameter
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.clocks import medians
from benchmarks.command import Json, command, show
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.stages.ingest import simulate
from gr00t_data.stages.mix import Lake, measure_statistics, mix
from gr00t_data.stages.settings import Demonstrations
from gr00t_model.loop.config import RANDOM_BASE
from gr00t_model.loop.loop import Loop, Meter
from gr00t_model.training.config import Data, TrainConfig
from gr00t_model.training.key import prepare_run
from gr00t_model.training.objective import PolicyObjective, open_accelerator, open_loop
from gr00t_model.training.recipes import gr1_nano

BOUND = 0.4
_WARM_UP = 2  # steps that are not counted: they allocate


def demonstrations(folder: Path, episodes: int) -> Data:
    """A mixture of simulated episodes in a lake of its own."""
    lake, robot = Lake(folder), load_embodiment("gr1")
    simulate(lake, robot, Demonstrations.of({"reach": episodes}, workers=1))
    _, statistics = measure_statistics(lake, robot)
    _, manifest = mix(lake, robot)
    return Data(manifest=str(manifest), statistics=str(statistics), embodiment="gr1", cache=str(lake.cache))


def configuration(data: Data, steps: int, batch_size: int, threads: int, cached: bool) -> TrainConfig:
    """The ``gr1_nano`` recipe with fresh weights."""
    recipe = gr1_nano()
    machine = recipe.machine.model_copy(update={"threads": threads})
    changes = {"data": data, "steps": steps, "batch_size": batch_size, "cache_features": cached, "machine": machine}
    changes["model"] = recipe.model.model_copy(update={"base": RANDOM_BASE})
    return recipe.model_copy(update=changes)


def measure(steps: int, batch_size: int, threads: int, episodes: int = 4) -> dict[str, Any]:
    """Median seconds of processor time of a step with and without cached features, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        data = demonstrations(Path(folder), episodes)
        loops, opening_s = {}, {}
        for cached in (True, False):
            start = process_time()
            config = configuration(data, steps + _WARM_UP, batch_size, threads, cached)
            loops[cached] = open_loop(prepare_run(config, Path(folder, "runs")), config, open_accelerator(config))
            opening_s[cached] = process_time() - start
            loops[cached].wrapped.train()
        acts = {cached: partial(take, loop, count()) for cached, loop in loops.items()}
        taken_s = medians(acts, steps, _WARM_UP)
        operations = {cached: _operations(loop, steps) for cached, loop in loops.items()}
    return {
        "cached_s": taken_s[True],
        "images_s": taken_s[False],
        "cached_over_images": taken_s[True] / taken_s[False],
        "cached_operations": operations[True],
        "images_operations": operations[False],
        "bound": BOUND,
        "batch_size": batch_size,
        "filling_caches_s": opening_s[True],
    }


def take(loop: Loop[PolicyObjective], numbers: Iterator[int]) -> None:
    """The next step of the trainer, its batch made in the same process."""
    step = next(numbers)
    loop.step(step, iter([loop.objective.batches.batch(step)]), Meter())


def _operations(loop: Loop[PolicyObjective], step: int) -> int:
    with FlopCounterMode(display=False) as counter:
        take(loop, count(step))
    return counter.get_total_flops()


@command
def main(
    steps: Annotated[int, Parameter(help="Steps measured of each kind.")] = 12,
    batch_size: Annotated[int, Parameter(help="Rows a step.")] = 64,
    threads: Annotated[int, Parameter(help="Threads of torch.")] = 1,
    as_json: Json = False,
) -> bool:
    """Print the times and the ratio; exit code 1 when the ratio is over its bound."""
    torch.set_num_threads(threads)
    found = measure(steps, batch_size, threads)
    cached, images = found["cached_operations"] / 1e9, found["images_operations"] / 1e9
    line = (
        f"nano, batch {batch_size}: {found['cached_s']:.3f} s a step on cached features, {found['images_s']:.3f} s "
        f"on images: {found['cached_over_images']:.2f} (bound {BOUND}); {cached:.1f}, {images:.1f} G operations: "
        f"{cached / images:.2f}; caches filled in {found['filling_caches_s']:.1f} s"
    )
    show(found, [line], as_json, indent=None)
    return found["cached_over_images"] <= BOUND
