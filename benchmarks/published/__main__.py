"""The published N1.5 code beside ours, in one run: equal sizes, weights, inputs, threads and type of numbers.

    python -m benchmarks.published --published CLONE --python PYTHON [--size full] [--dtype float32]

CLONE: of Isaac-GR00T at n1.5-release (tried: 4af2b62). PYTHON: one that can import it (tried: torch 2.13, transformers
4.51.3, diffusers 0.30.2, peft 0.17; without flash-attn).

Each runs in a process of its own. Both read one folder of random weights in the published layout. First they are
compared: the actions from the same noise, the loss from the same noise and time. Then actions, and training steps, are
taken in turn, and the medians of processor time compared. The operations of the matrix products are counted once, those
inside of fused attention left out on both sides.

Sizes: ``reduced`` has 4 layers each of vision tower, language model and DiT, 2 of the adapter, and 8 slots, at the
published widths (12 GB); ``full`` is the published model, of which actions alone are compared (10 GB; two trainings do
not fit into 24 GB).
Training is compared with theirs as shipped, and with theirs with AdamW fused and without the tower's pooling head,
which is slow on CPUs only and which nobody reads. Actions are the model's, from tensors: no camera or text is prepared.

The judge's bounds: relative to the largest action, 1e-5 in float32, and 0.02 in bf16, whose numbers have 8 bits and
whose denoised actions the published code rounds to bf16 after each step.
"""

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal, Self

import torch
from cyclopts import Parameter
from safetensors.torch import save_file

from benchmarks.command import Json, command, say, show, table
from benchmarks.gpu import random_batch
from benchmarks.size import random_model
from gr00t_model.groot.config import FlareConfig, GrootConfig
from gr00t_model.groot.presets import n1_5_3b
from gr00t_model.groot.weights.nvidia import save

BOUNDS = {"float32": 1e-5, "bfloat16": 0.02}
ROWS = 2
"""Of a training step."""
_PROGRAM = Path(__file__).with_name("published_program.py")


def config_of(size: str) -> GrootConfig:
    """The published model, or the same widths with fewer layers; without FLARE, which the published code lacks."""
    config = replace(n1_5_3b(), flare=FlareConfig(enabled=False))
    if size == "full":
        return config
    backbone, head = config.backbone, config.action_head
    return replace(
        config,
        backbone=replace(backbone, select_layer=4, vision=replace(backbone.vision, num_hidden_layers=4)),
        action_head=replace(
            head,
            max_num_embodiments=8,
            diffusion_model_cfg=replace(head.diffusion_model_cfg, num_layers=4),
            vl_self_attention_cfg=replace(head.vl_self_attention_cfg, num_layers=2),
        ),
    )


def write_case(config: GrootConfig, folder: Path) -> None:
    """Weights, and inputs of one camera with the noise and the times of the judge."""
    save(random_model(config), folder)
    torch.manual_seed(1)
    batch = random_batch(config, ROWS, cameras=1)
    named = ("state", "state_mask", "embodiment_id", "images", "input_ids", "action", "action_mask")
    given = {name: getattr(batch, name) for name in named}
    drawn = {"noise": torch.randn_like(given["action"]), "time": torch.linspace(0.25, 0.75, ROWS)}
    save_file(given | drawn, folder / "inputs.safetensors")


@dataclass(frozen=True)
class Side:
    """A process that answers words."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, words: list[str], stack: ExitStack) -> Self:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(process.wait)
        stack.callback(process.kill)
        return cls(process)

    def ask(self, word: str) -> dict[str, Any]:
        """RuntimeError when the process has ended."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        if not (line := self.process.stdout.readline()):
            raise RuntimeError(f"{' '.join(self.process.args)} ended at {word!r}; what it said is above")  # type: ignore[arg-type]
        return json.loads(line)


@dataclass(frozen=True)
class Pair:
    """Ours and theirs."""

    ours: Side
    theirs: Side

    def compare(self, word: str, rounds: int) -> dict[str, Any]:
        """Medians of processor seconds after one round of warming up, and operations."""
        taken = [[side.ask(word)["cpu_s"] for side in (self.ours, self.theirs)] for _ in range(rounds + 1)][1:]
        ours, theirs = (median(column) for column in zip(*taken, strict=True))
        done, published = (side.ask(f"count-{word}")["operations"] for side in (self.ours, self.theirs))
        ratios = sorted(mine / other for mine, other in taken)
        found = {"ours_s": ours, "published_s": theirs, "ratio": ours / theirs, "ratios": [ratios[0], ratios[-1]]}
        return found | {
            "ours_operations": done,
            "published_operations": published,
            "operations_ratio": done / published,
        }

    def judged(self, bound: float) -> dict[str, Any]:
        """How far actions and losses lie apart, relative to the largest action and to the loss."""
        ours, theirs = self.ours.ask("judge"), self.theirs.ask("judge")
        mine, other = torch.tensor(ours["action"]), torch.tensor(theirs["action"])
        apart = ((mine - other).abs().max() / other.abs().max()).item()
        losses = abs(ours["loss"] / theirs["loss"] - 1)
        return {"action": apart, "loss": losses, "bound": bound, "holds": max(apart, losses) <= bound}


def measure(pair: Pair, steps: bool, dtype: str, rounds: int) -> dict[str, Any]:
    """The judgement, and the ratios of an action and, with ``steps``, of a training step."""
    found: dict[str, Any] = {"judged": pair.judged(BOUNDS[dtype])}
    say(f"judged: {found['judged']}")
    found["action"] = pair.compare("act", rounds)
    say(f"action: {found['action']}")
    if steps:
        for case, word in (("step", "prepare"), ("step, like for like", "prepare-alike")):
            pair.ours.ask(word)
            pair.theirs.ask(word)
            found[case] = pair.compare("step", rounds)
    return found


def lines(found: dict[str, Any]) -> list[str]:
    """What is printed."""
    judged, cases = found["judged"], [(name, one) for name, one in found.items() if "ratio" in one]
    verdict = "the same" if judged["holds"] else "NOT THE SAME"
    said = f"{verdict}: actions {judged['action']:.1e} apart, losses {judged['loss']:.1e} (bound {judged['bound']})"
    titles = ("case", "ours, CPU-s", "published", "ratio", "lowest, highest", "operations, 10^9", "published", "ratio")
    return [said, *table(titles, (_cells(name, one) for name, one in cases))]


def _cells(name: str, one: dict[str, Any]) -> list[str]:
    low, high = one["ratios"]
    times = [f"{one['ours_s']:.2f}", f"{one['published_s']:.2f}", f"{one['ratio']:.2f}", f"{low:.2f}, {high:.2f}"]
    counts = [f"{one[key] / 1e9:.0f}" for key in ("ours_operations", "published_operations")]
    return [name, *times, *counts, f"{one['operations_ratio']:.2f}"]


@command
def main(
    *,
    published: Annotated[Path, Parameter(help="Clone of Isaac-GR00T at n1.5-release.")],
    python: Annotated[Path, Parameter(help="Python of an environment in which it runs.")],
    size: Annotated[
        Literal["reduced", "full"], Parameter(help="Layers; the widths are the published ones.")
    ] = "reduced",
    dtype: Annotated[Literal["bfloat16", "float32"], Parameter(help="Of weights and products.")] = "bfloat16",
    threads: Annotated[int, Parameter(help="Threads of torch, of each.")] = 1,
    rounds: Annotated[int, Parameter(help="Actions, and steps, of each.")] = 5,
    steps: Annotated[bool, Parameter(help="Training steps too, at the reduced size.")] = True,
    as_json: Json = False,
) -> bool:
    """Print whether both are the same model, and the ratios; exit status 1 when they are not the same."""
    program = published / "gr00t" / "model" / "gr00t_n1.py"
    if not program.is_file():
        raise ValueError(f"{program} does not exist; --published is a clone of Isaac-GR00T at the tag n1.5-release")
    with tempfile.TemporaryDirectory() as here, ExitStack() as stack:
        write_case(config_of(size), Path(here))
        settings = [here, str(threads), dtype]
        ours = Side.start([sys.executable, "-m", "benchmarks.published.our_program", *settings], stack)
        theirs = Side.start([str(python), str(_PROGRAM), str(published.resolve()), *settings], stack)
        found = measure(Pair(ours, theirs), steps and size == "reduced", dtype, rounds)
    show(found, lines(found), as_json)
    return found["judged"]["holds"]
