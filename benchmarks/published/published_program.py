"""The published N1.5 model as a worker, for ``benchmarks.published``. Imports nothing of ours: it runs in an
environment of the published code's own (torch, transformers 4.51.3, diffusers 0.30.2, peft 0.17, dm-tree).

What is changed of it, so that it runs on a CPU: the attention of the vision tower and of the language model is torch's
own in place of flash-attn, and the RADIO tower, which N1.5 does not have, is not imported. Sizes come from the folder.

python published_program.py CLONE FOLDER THREADS DTYPE
"""

import importlib
import json
import shutil
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

NO_TOWER = "class RADIOConfig: ...\n\n\nclass RADIOModel: ...\n"


def eagle_folder(clone: Path, sizes: dict, into: Path) -> Path:
    """The clone's vision-language model with torch's attention and with the sizes of the benchmark."""
    shutil.copytree(clone / "gr00t" / "model" / "backbone" / "eagle2_hg_model", into / "eagle")
    folder = into / "eagle"
    (folder / "radio_model.py").write_text(NO_TOWER)
    modeling = folder / "modeling_eagle2_5_vl.py"
    modeling.write_text(modeling.read_text().replace('"flash_attention_2"', '"sdpa"'))
    config = json.loads((folder / "config.json").read_text())
    config["_attn_implementation"] = "sdpa"
    config["vision_config"]["num_hidden_layers"] = sizes["eagle_cfg"]["vision_config"]["num_hidden_layers"]
    layers = sizes["backbone_cfg"]["select_layer"]
    config["text_config"] |= {"num_hidden_layers": layers, "_attn_implementation": "sdpa"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def open_model(clone: Path, folder: Path, dtype: torch.dtype):
    """The published model with the folder's weights. ``gr00t.model`` itself is not run: it imports the data layer."""
    sys.path.insert(0, str(clone))
    package = types.ModuleType("gr00t.model")
    package.__path__ = [str(clone / "gr00t" / "model")]
    importlib.import_module("gr00t")
    sys.modules["gr00t.model"] = package
    with tempfile.TemporaryDirectory() as here:
        sizes = json.loads((folder / "config.json").read_text())
        backbone = importlib.import_module("gr00t.model.backbone.eagle_backbone")
        backbone.DEFAULT_EAGLE_PATH = str(eagle_folder(clone, sizes, Path(here)))
        groot = importlib.import_module("gr00t.model.gr00t_n1").GR00T_N1_5
        return groot.from_pretrained(str(folder), tune_visual=False, torch_dtype=dtype)


class Worker:
    """Answers one word a line with one JSON object a line."""

    def __init__(self, clone: Path, folder: Path, dtype: torch.dtype) -> None:
        self.dtype, self.given = dtype, load_file(folder / "inputs.safetensors")
        self.model = open_model(clone, folder, dtype).to(dtype)
        self.model.compute_dtype = str(dtype).removeprefix("torch.")
        self.optimizer: torch.optim.Optimizer | None = None

    def inputs(self, rows: int | None = None) -> dict[str, torch.Tensor]:
        """The first rows; None: all."""
        names = ("state", "state_mask", "embodiment_id", "action", "action_mask")
        given = {name: self.given[name][:rows] for name in names}
        pixels = (self.given["images"][:rows].flatten(0, 1).permute(0, 3, 1, 2).float() - 127.5) / 127.5
        ids = self.given["input_ids"][:rows]
        eagle = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}
        return given | {f"eagle_{name}": tensor for name, tensor in eagle.items()} | {"eagle_image_sizes": ids[:, :2]}

    def autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def drawn(self, act: Callable[[], torch.Tensor]) -> torch.Tensor:
        """``act`` with the noise and the time of the benchmark in place of fresh ones."""
        draw, head = torch.randn, self.model.action_head
        torch.randn = lambda *shape, size=None, dtype=None, **_: self.given["noise"][: (size or shape[0])[0]].to(dtype)
        head.sample_time = lambda *_, dtype, **__: self.given["time"].to(dtype)
        try:
            return act()
        finally:
            torch.randn = draw
            del head.sample_time

    def act(self) -> torch.Tensor:
        """Of the first row."""
        self.model.eval()
        with torch.inference_mode(), self.autocast():
            return self.model.get_action(self.inputs(1))["action_pred"].float()

    def loss(self) -> torch.Tensor:
        with self.autocast():
            return self.model(self.inputs())["loss"]

    def prepare(self, fused: bool, pooling_head: bool) -> None:
        """For training as published: the action head in float32, the backbone as it is, AdamW without fusing.

        Like for like with ours: AdamW fused, and the tower's pooling head, which nobody reads, left out.
        """
        self.optimizer = None  # of the steps before: its moments and those of the next do not fit into memory
        head = self.model.action_head.float()
        head.beta_dist = torch.distributions.Beta(head.config.noise_beta_alpha, head.config.noise_beta_beta)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-5, fused=fused)
        self.model.backbone.eagle_model.vision_model.vision_model.use_head = pooling_head

    def step(self) -> torch.Tensor:
        assert self.optimizer is not None
        self.model.train()
        loss = self.loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def answer(self, word: str) -> dict:
        started = time.process_time()
        if word.startswith("prepare"):
            self.prepare(fused=word == "prepare-alike", pooling_head=word != "prepare-alike")
            return {}
        if word == "judge":
            self.model.eval()
            with torch.no_grad():
                action, loss = self.drawn(self.act), self.drawn(self.loss)
            return {"action": action.tolist(), "loss": loss.item()}
        act = {"act": self.act, "step": self.step}[word.removeprefix("count-")]
        if not word.startswith("count-"):
            act()
            return {"cpu_s": time.process_time() - started}
        with FlopCounterMode(display=False) as counter:
            act()
        return {"operations": counter.get_total_flops()}


def main() -> None:
    """Read words until the end of the input."""
    clone, folder, threads, dtype = sys.argv[1:]
    torch.set_num_threads(int(threads))
    answers, sys.stdout = sys.stdout, sys.stderr  # the published code prints
    worker = Worker(Path(clone), Path(folder), getattr(torch, dtype))
    for line in sys.stdin:
        print(json.dumps(worker.answer(line.strip())), file=answers, flush=True)


if __name__ == "__main__":
    main()
