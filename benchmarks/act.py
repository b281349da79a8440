"""get_action of the nano preset at batch 1: four denoising steps against one, in the same run (bound 1.6).

Two views: the whole of ``Policy.get_action``, from the robot's observation (a 256 px picture a camera, the state, the
instruction) to actions in their units, which is what the bound is about, and for information the model alone, from
tensors, which leaves resizing, tokenizing and normalizing out of the one step it is compared with. Backbone, adapter,
keys and values, and what follows from the times alone are computed once for an action; a step costs the DiT and the
action's encoder and decoder. Medians of processor time, the variants taken in turn.

python -m benchmarks.act [--json] [--rounds 100] [--threads 1]
"""

import tempfile
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter

from benchmarks.clocks import medians
from benchmarks.command import Json, command, show
from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.embodiment.robot import Embodiment, Part, load_embodiment
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import nano
from gr00t_model.groot.prompt import train_tokenizer
from gr00t_model.policy import Policy

STEPS = (1, 2, 4, 8)
BOUND = 1.6
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


def nano_policy() -> Policy:
    """The small preset with random weights on the default robot, a tokenizer trained on one instruction."""
    torch.manual_seed(0)
    embodiment = load_embodiment("gr1")
    with tempfile.TemporaryDirectory() as folder:
        prompt = train_tokenizer([INSTRUCTION], folder)
    return Policy(Groot(nano()), prompt, embodiment, unit_statistics(embodiment))


def observation(policy: Policy) -> dict[str, Any]:
    """One picture a camera, one state, one instruction, with the published keys, as a robot sends them."""
    rng = np.random.default_rng(0)
    shape = (1, CAMERA_PX, CAMERA_PX, 3)
    seen = {f"video.{name}": rng.integers(256, size=shape, dtype=np.uint8) for name in policy.selection.cameras}
    parts = (policy.embodiment.state_part(name) for name in policy.selection.state)
    state = {f"state.{part.name}": rng.uniform(-1, 1, (1, part.dim)) for part in parts}
    return {**seen, **state, policy.selection.language: [INSTRUCTION]}


def measure(rounds: int) -> dict[str, Any]:
    """Milliseconds for each number of steps, and four steps over one."""
    policy = nano_policy()
    seen = observation(policy)
    views = {"policy": _policy_acts, "model": _model_acts}
    found = {view: _ratio(medians({n: acts(policy, seen, n) for n in STEPS}, rounds)) for view, acts in views.items()}
    return {**found, "bound": BOUND}


def _policy_acts(policy: Policy, seen: dict[str, Any], steps: int) -> Callable[[], object]:
    return lambda: policy.get_action(seen, denoising_steps=steps)


def _model_acts(policy: Policy, seen: dict[str, Any], steps: int) -> Callable[[], object]:
    batch = policy._batch(policy._rows(seen))
    head = policy.model.config.action_head
    noise = torch.zeros(len(batch), head.action_horizon, head.action_dim)
    return lambda: policy.model.get_action(batch, steps, noise=noise)


def _ratio(taken_s: dict[int, float]) -> dict[str, Any]:
    return {
        "ms": {steps: 1e3 * seconds for steps, seconds in taken_s.items()},
        "ms_a_step": 1e3 * (taken_s[STEPS[-1]] - taken_s[1]) / (STEPS[-1] - 1),
        "four_over_one": taken_s[4] / taken_s[1],
    }


def lines(found: dict[str, Any]) -> list[str]:
    """What is printed."""
    rows = []
    for view, bound in (("policy", f" (bound {BOUND})"), ("model", "")):
        times = ", ".join(f"{steps} steps {ms:.2f} ms" for steps, ms in found[view]["ms"].items())
        rows.append(f"{view}: {times}; one step more {found[view]['ms_a_step']:.2f} ms")
        rows.append(f"{view}: four steps over one {found[view]['four_over_one']:.2f}{bound}")
    return rows


@command
def main(
    rounds: Annotated[int, Parameter(help="Actions measured for each number of steps.")] = 100,
    threads: Annotated[int, Parameter(help="Threads of torch.")] = 1,
    as_json: Json = False,
) -> bool:
    """Print the times and the ratio; exit code 1 when the ratio is over its bound."""
    torch.set_num_threads(threads)
    found = measure(rounds)
    show(found, lines(found), as_json, indent=None)
    return found["policy"]["four_over_one"] <= BOUND
