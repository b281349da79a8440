"""The published size without a GPU: random weights of 2.7 billion parameters act, train, are exported and read again.

    nice python -m benchmarks.size

Needs 24 GB of memory, 30 GB of disk, and about ten minutes of two cores with bf16. Each case trains two steps through
the loop of `gr00t train` in a process of its own, whose peak memory (mapped files included) stands beside the estimate
of `gr00t train --dry-run`; then another process reads the exported folder and acts. Its actions must be those of the
model that was exported, bit for bit. A third process acts in bf16.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import torch
from cyclopts import Parameter

from benchmarks.clocks import cpu_s
from benchmarks.command import command, heading, row, say
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.cpu_products import use_fast_products
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import n1_5_3b
from gr00t_model.groot.prompt import train_tokenizer
from gr00t_model.groot.weights.nvidia import save
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.stages.settings import FinetuneSettings
from gr00t_model.stages.train import new_run
from gr00t_model.training.checkpoint import Checkpoint
from gr00t_model.training.key import PolicyRun
from gr00t_model.training.memory import plan
from gr00t_model.training.objective import open_accelerator, open_loop

CASES: dict[str, tuple[str, ...]] = {
    "LoRA rank 32": ("model.lora.rank=32",),
    "low_memory": ("model.tune=low_memory",),
    "action head": ("model.tune=action_head",),
}
_STEPS = 2
"""The optimizer's moments exist from the end of the first step on: the second is the largest."""
_THREADS = 2
_COMMON = (
    f"steps={_STEPS}",
    "batch_size=1",
    "checkpoint_every_steps=10",
    "machine.precision=bf16",
    f"machine.threads={_THREADS}",
)
_DENOISING_STEPS = 4
_IMAGE_TOKEN = 1
"""Of a tokenizer that is trained here: the published one is not part of this repository."""
_BOUND = 0.15
_TITLES = (
    "batch 1", "open, s", "step, s", "in all, s", "peak GB", "estimate GB", "ratio", "read, s", "act, s", "peak GB",
    "actions",
)  # fmt: skip


def peak_gb() -> float:
    """The most this process had in memory, mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def random_model(config: GrootConfig) -> Groot:
    """Random weights in bf16, drawn once: making the model alone would draw them too, in float32."""
    with torch.device("meta"):
        model = Groot(config).bfloat16()
    model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.ndim > 1:
            tensor.normal_(std=0.02, generator=generator)
        else:
            tensor.fill_(1.0 if name.endswith("weight") else 0.0)
    return model


def make(folder: Path) -> dict[str, Any]:
    """A folder as published with random weights in bf16, and a tokenizer."""
    started = perf_counter()
    config = n1_5_3b().from_dict(_fields())
    model = random_model(config)
    train_tokenizer(["reach the red cube"], folder / "tokenizer", config.backbone.vision.tokens_per_image)
    save(model, folder)
    return {"case": "make and save", "seconds": perf_counter() - started, "peak": peak_gb()}


def _fields() -> dict[str, Any]:
    fields = n1_5_3b().to_dict(with_defaults=True)
    fields["eagle_cfg"]["image_token_index"] = _IMAGE_TOKEN
    fields["flare_cfg"]["enabled"] = False
    return fields


def observation(policy: Policy) -> dict[str, Any]:
    """One row of random numbers."""
    numbers, chosen = np.random.default_rng(0), policy.selection
    seen: dict[str, Any] = {
        f"video.{name}": numbers.integers(0, 256, (1, 256, 256, 3), dtype=np.uint8) for name in chosen.cameras
    }
    seen |= {f"state.{name}": np.full((1, policy.embodiment.state_part(name).dim), 0.1) for name in chosen.state}
    return seen | {chosen.language: ["reach the red cube"]}


def acted(policy: Policy) -> tuple[np.ndarray, float]:
    """The actions [horizon, D] of one observation, and seconds."""
    seen, started = observation(policy), perf_counter()
    chunk = policy.get_action(seen, denoising_steps=_DENOISING_STEPS)
    return np.concatenate([chunk[name] for name in sorted(chunk)], axis=-1), perf_counter() - started


def train(root: Path) -> dict[str, Any]:
    """Two steps, export, and the actions of the model that was exported."""
    run = PolicyRun(root)
    config = run.config()
    estimate = plan(config, on_gpu=False)
    started = perf_counter()
    loop = open_loop(run, config, open_accelerator(config))
    opened = perf_counter()
    with StopRequest() as stop:
        loop.go(stop)
    done, peak = perf_counter(), peak_gb()
    checkpoint = Checkpoint.load(run.checkpoint)
    member = checkpoint.member()
    crop = config.data.augment
    policy = Policy(loop.objective.model, checkpoint.prompt(), member.embodiment, member.statistics, centre_crop=crop)
    np.save(root / "actions.npy", acted(policy)[0])
    (step_s,) = [1 / record["steps_per_s"] for record in run.records()[-1:]]
    return {
        "open": opened - started,
        "step": step_s,
        "seconds": done - started,
        "peak": peak,
        "estimate": estimate.total / 1e9,
    }


def reload(root: Path) -> dict[str, Any]:
    """Read the exported folder and act, with the products of training: others round otherwise."""
    torch.set_num_threads(_THREADS)
    use_fast_products()
    started = perf_counter()
    policy = Policy.from_checkpoint(PolicyRun(root).checkpoint)
    opened = perf_counter() - started
    actions, seconds = acted(policy)
    return {
        "open": opened,
        "act": seconds,
        "peak": peak_gb(),
        "equal": bool(np.array_equal(actions, np.load(root / "actions.npy"))),
        "finite": bool(np.isfinite(actions).all()),
    }


def narrow(root: Path) -> dict[str, Any]:
    """Read the exported folder in bf16, as on a robot, and act."""
    torch.set_num_threads(_THREADS)
    started = cpu_s(resource.RUSAGE_SELF)
    policy = Policy.from_checkpoint(PolicyRun(root).checkpoint, dtype=torch.bfloat16)
    opened = cpu_s(resource.RUSAGE_SELF)
    actions, _ = acted(policy)
    wide = np.load(root / "actions.npy")
    return {
        "open_cpu_s": opened - started,
        "act_cpu_s": cpu_s(resource.RUSAGE_SELF) - opened,
        "peak": peak_gb(),
        "apart": float(np.abs(actions - wide).max() / np.abs(wide).max()),
        "finite": bool(np.isfinite(actions).all()),
    }


STAGES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "make": make,
    "train": train,
    "reload": reload,
    "narrow": narrow,
}


def child(stage: str, folder: Path) -> dict[str, Any]:
    """A stage in a process of its own; its last line is its report."""
    words = [sys.executable, "-m", "benchmarks.size", "--stage", stage, "--folder", str(folder)]
    return json.loads(subprocess.check_output(words, text=True).splitlines()[-1])


def lake_with_demonstrations(root: Path) -> Lake:
    """Three episodes of the simulator, measured and mixed."""
    for verb in (
        ["demo", "--task", "reach", "--episodes", "3", "--workers", "1"],
        ["stats"],
        ["mix", "--held-out-share", "0"],
    ):
        words = [str(Path(sys.executable).with_name("gr00t")), *verb, "--lake", str(root)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return Lake(root)


def case(name: str, lake: Lake, base: Path) -> tuple[str, bool]:
    """A row of the table, and whether it holds."""
    settings = FinetuneSettings(recipe="gr1_n1_5_3b", settings=[f"model.base={base}", *_COMMON, *CASES[name]])
    run = new_run(lake, load_embodiment("gr1"), settings)
    trained, again = child("train", run.root), child("reload", run.root)
    acted_in_bf16 = child("narrow", run.root)
    say(f"{name}, in bf16: {json.dumps(acted_in_bf16)}")
    shutil.rmtree(run.root)
    ratio = trained["estimate"] / trained["peak"]
    cells = [f"{trained[field]:.0f}" for field in ("open", "step", "seconds")]
    cells += [f"{trained['peak']:.1f}", f"{trained['estimate']:.1f}", f"{ratio:.2f}"]
    cells += [f"{again[field]:.0f}" for field in ("open", "act")] + [f"{again['peak']:.1f}"]
    holds = again["equal"] and again["finite"] and acted_in_bf16["finite"] and abs(ratio - 1) <= _BOUND
    return row(name, *cells, "the same" if again["equal"] else "OTHERS"), holds


@command
def main(
    only: Annotated[list[str] | None, Parameter(help=f"Cases: {', '.join(CASES)}; default: all.")] = None,
    *,
    stage: Annotated[str, Parameter(show=False)] = "",
    folder: Annotated[Path | None, Parameter(show=False)] = None,
) -> bool:
    """Print a row a case; exit status 1 when a peak lies beyond 15 % of its estimate, or actions differ."""
    if stage and folder is not None:
        print(json.dumps(STAGES[stage](folder)))
        return True
    with tempfile.TemporaryDirectory() as here:
        lake, base = lake_with_demonstrations(Path(here, "lake")), Path(here, "base")
        made = child("make", base)
        say(f"weights made and saved in {made['seconds']:.0f} s, peak {made['peak']:.1f} GB")
        print(heading(*_TITLES))
        kept = True
        for name in only or CASES:
            line, holds = case(name, lake, base)
            print(line, flush=True)
            kept = kept and holds
    return kept
