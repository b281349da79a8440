"""Our model as a worker, for ``benchmarks.published``: the same words and answers as ``published_program``.

python -m benchmarks.published.our_program FOLDER THREADS DTYPE
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gr00t_data.batches.batch import Batch
from gr00t_model.groot.cpu_products import use_fast_products
from gr00t_model.groot.packed import pack_linears
from gr00t_model.groot.weights.nvidia import load
from gr00t_model.groot.weights.own_slots import train_slots
from gr00t_model.loop.config import Optimizer
from gr00t_model.loop.optimizer import build_optimizer, trainable
from gr00t_model.training.precision import store_for_training


def _packed_operations(x: torch.Size, weights: torch.Size, *_: object, **__: object) -> int:
    """Of a product by packed weights, which torch does not count."""
    return 2 * x.numel() * weights[0]


class Worker:
    """Answers one word a line with one JSON object a line. Weights are packed until ``prepare`` asks for training."""

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        self.folder, self.dtype, self.given = folder, dtype, load_file(folder / "inputs.safetensors")
        self.model = load(folder, backbone_dtype=dtype, head_dtype=dtype)
        pack_linears(self.model)
        self.optimizer: torch.optim.Optimizer | None = None
        given = {name: tensor for name, tensor in self.given.items() if name not in ("noise", "time")}
        given["attention_mask"] = torch.ones_like(given["input_ids"])
        self.batch, self.row = Batch(**given), Batch(**{name: tensor[:1] for name, tensor in given.items()})

    def act(self) -> Tensor:
        """Of the first row."""
        return self.model.get_action(self.row, noise=self.given["noise"][:1])

    def prepare(self) -> None:
        """As our trainer does: of the embodiments' slots, those of the data train."""
        if self.dtype == torch.float32:
            use_fast_products()
        self.optimizer = None  # of the model before: both do not fit into memory
        del self.model
        self.model = load(self.folder)
        self.model.freeze(tune_visual=False, tune_llm=False)
        train_slots(self.model, self.given["embodiment_id"].unique().tolist())
        store_for_training(self.model, self.dtype)
        self.optimizer = build_optimizer(self.model.train(), Optimizer())

    def step(self) -> None:
        assert self.optimizer is not None
        with torch.autocast("cpu", torch.bfloat16, enabled=self.dtype == torch.bfloat16):
            loss = self.model(self.batch).total
        loss.backward()
        nn.utils.clip_grad_norm_(trainable(self.model).values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def judge(self) -> dict[str, Any]:
        """The action of the first row and the loss of all, from given noise and times, without dropout."""
        loss = self.model(self.batch, noise=self.given["noise"], time=self.given["time"]).total
        return {"action": self.act().tolist(), "loss": loss.item()}

    def answer(self, word: str) -> dict[str, Any]:
        """ValueError on another word."""
        if word == "judge":
            return self.judge()
        if word.startswith("prepare"):
            self.prepare()
            return {}
        acts = {"act": self.act, "step": self.step}
        act = acts.get(word.removeprefix("count-"))
        if act is None:
            raise ValueError(f"unknown word {word!r}; known: judge, prepare, {', '.join(acts)}, count-act, count-step")
        if word.startswith("count-"):
            counted = {torch.ops.mkldnn._linear_pointwise: _packed_operations}
            with FlopCounterMode(display=False, custom_mapping=counted) as counter:
                act()
            return {"operations": counter.get_total_flops()}
        started = time.process_time()
        act()
        return {"cpu_s": time.process_time() - started}


def main() -> None:
    """Read words until the end of the input."""
    folder, threads, dtype = sys.argv[1:]
    torch.set_num_threads(int(threads))
    worker = Worker(Path(folder), getattr(torch, dtype))
    for line in sys.stdin:
        print(json.dumps(worker.answer(line.strip())), flush=True)


if __name__ == "__main__":
    main()
