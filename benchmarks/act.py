"""get_action of the nano preset at batch 1: four denoising steps against one, in the same run (bound 1.6).

Two views: the whole of ``Policy.get_action``, from the robot's observation (a 256 px picture a camera, the state, the
instruction) to actions in their units, which is what the bound is about, and for information the model alone, from
tensors, which leaves resizing, tokenizing and normalizing out of the one step it is compared with. Backbone, adapter,
keys and values, and what follows from the times alone are computed once for an action; a step costs the DiT and the
action's encoder and decoder. Medians of processor time, the variants taken in turn.

python -m benchmarks.act [--json] [--rounds 100] [--threads 1]
"""

import json
from typing import Annotated, Any

import torch
import typer

from benchmarks.acting import median_ms, nano_policy, observation
from gr00t_model.policy import Policy

STEPS = (1, 2, 4, 8)
BOUND = 1.6


def measure(rounds: int, *, cpu: bool = True) -> dict[str, Any]:
    """Milliseconds for each number of steps, and four steps over one."""
    policy = nano_policy()
    seen = observation(policy)
    return {
        "policy": _ratio(median_ms({steps: _policy_acts(policy, seen, steps) for steps in STEPS}, rounds, cpu=cpu)),
        "model": _ratio(median_ms({steps: _model_acts(policy, seen, steps) for steps in STEPS}, rounds, cpu=cpu)),
        "bound": BOUND,
    }


def _policy_acts(policy: Policy, seen: dict[str, Any], steps: int):
    return lambda: policy.get_action(seen, denoising_steps=steps)


def _model_acts(policy: Policy, seen: dict[str, Any], steps: int):
    batch = policy._batch(policy._rows(seen))
    head = policy.model.config.action_head
    noise = torch.zeros(len(batch), head.action_horizon, head.action_dim)
    return lambda: policy.model.get_action(batch, steps, noise=noise)


def _ratio(taken_ms: dict[int, float]) -> dict[str, Any]:
    return {
        "ms": taken_ms,
        "ms_a_step": (taken_ms[STEPS[-1]] - taken_ms[1]) / (STEPS[-1] - 1),
        "four_over_one": taken_ms[4] / taken_ms[1],
    }


def main(
    rounds: Annotated[int, typer.Option(help="Actions measured for each number of steps.")] = 100,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
) -> None:
    """Print the times and the ratio; exit code 1 when the ratio is over its bound."""
    torch.set_num_threads(threads)
    found = measure(rounds)
    if as_json:
        print(json.dumps(found))
    else:
        for view, values in found.items():
            if isinstance(values, dict):
                times = ", ".join(f"{steps} steps {ms:.2f} ms" for steps, ms in values["ms"].items())
                print(f"{view}: {times}; one step more {values['ms_a_step']:.2f} ms")
                bound = f" (bound {BOUND})" if view == "policy" else ""
                print(f"{view}: four steps over one {values['four_over_one']:.2f}{bound}")
    if found["policy"]["four_over_one"] > BOUND:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
