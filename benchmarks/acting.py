"""A policy with random weights and observations as a robot sends them, for the benchmarks that act."""

import tempfile
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch

from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.embodiment.robot import Embodiment, Part, load_embodiment
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import nano
from gr00t_model.groot.prompt import Prompt, train_tokenizer
from gr00t_model.policy import Policy

INSTRUCTION = "pick the pear from the counter and place it in the plate"
CAMERA_PX = 256
"""Side of the pictures of the simulator, and of the published demonstrations."""


def unit_statistics(embodiment: Embodiment) -> NormStats:
    """Every value between -1 and 1: nothing is measured, and normalization costs what it always costs."""

    def of(parts: tuple[Part, ...]) -> dict[str, PartStatistics]:
        return {part.name: _between(part.dim) for part in parts}

    return NormStats(embodiment.name, embodiment.digest, "nothing", of(embodiment.state), of(embodiment.action))


def _between(width: int) -> PartStatistics:
    low, high, zero = ((value,) * width for value in (-1.0, 1.0, 0.0))
    return PartStatistics(count=0, mean=zero, std=high, min=low, max=high, q01=low, q99=high)


def nano_policy(seed: int = 0) -> Policy:
    """The small preset on the default robot, a tokenizer trained on one instruction."""
    torch.manual_seed(seed)
    embodiment = load_embodiment("gr1")
    with tempfile.TemporaryDirectory() as folder:
        prompt: Prompt = train_tokenizer([INSTRUCTION], folder)
    return Policy(Groot(nano()), prompt, embodiment, unit_statistics(embodiment))


def observation(policy: Policy, seed: int = 0) -> dict[str, Any]:
    """One picture a camera, one state, one instruction, with the published keys."""
    rng = np.random.default_rng(seed)
    shape = (1, CAMERA_PX, CAMERA_PX, 3)
    seen = {f"video.{name}": rng.integers(256, size=shape, dtype=np.uint8) for name in policy.selection.cameras}
    parts = (policy.embodiment.state_part(name) for name in policy.selection.state)
    state = {f"state.{part.name}": rng.uniform(-1, 1, (1, part.dim)) for part in parts}
    return {**seen, **state, policy.selection.language: [INSTRUCTION]}


def median_ms(acts: dict[Any, Callable[[], Any]], rounds: int, *, cpu: bool = True) -> dict[Any, float]:
    """Median milliseconds of each, taken in turn so that a slow moment of the machine hits all alike.

    Args:
        cpu: processor time of this process; false: wall time.
    """
    clock = process_time if cpu else perf_counter
    taken: dict[Any, list[float]] = {name: [] for name in acts}
    for turn in range(rounds + 3):
        for name, act in acts.items():
            start = clock()
            act()
            if turn >= 3:  # the first ones allocate
                taken[name].append(clock() - start)
    return {name: float(np.median(times)) * 1e3 for name, times in taken.items()}
