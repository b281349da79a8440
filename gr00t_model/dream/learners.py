"""Learners: what differs between training adapters of a published model and a nano model from scratch.

``train`` sees the same of either: encode every clip once, draw a loss from codes, export the product.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors.torch import load_file
from torch import Tensor, nn

from gr00t_data.disk import replacing_folder
from gr00t_data.integrity import require_intact, write_record
from gr00t_model.dream.config import DreamTraining
from gr00t_model.dream.learner import Codes, Encoder, Learner, interpolated, shifted
from gr00t_model.dream.nano.network import NanoNetwork, save_nano, text_rows
from gr00t_model.dream.run import DreamRun
from gr00t_model.dream.windows import Films, Windows
from gr00t_model.groot.prompt import Prompt, train_tokenizer

_FITTED_CLIPS = 800
_LEAST_TIME = 0.3


class NanoLearner:
    """The nano model: its basis is measured on the training clips, its tokenizer trained on their instructions."""

    def __init__(self, config: DreamTraining, run: DreamRun):
        self.config, self.run = config, run

    def encoder(self, windows: Windows, films: Films) -> Encoder:
        torch.manual_seed(self.config.seed)  # of the first weights; layers draw them from torch's own generator
        network = NanoNetwork(self.config.nano)
        if not (self.run.start / "nano.json").is_file():
            self._measure(network, windows, films)
        self._load_start(network)
        prompt = Prompt.load(self.run.start)

        def encode(film: UInt8[np.ndarray, "t h w 3"], instruction: str) -> Codes:
            pictures = torch.from_numpy(np.ascontiguousarray(film))[None]
            ids, mask = text_rows(prompt, [instruction], self.config.nano.most_words)
            codes = {"codes": network.codec.encode(pictures), "picture": network.codec.picture(pictures[:, 0])}
            return {name: tensor[0].half().contiguous() for name, tensor in codes.items()} | {
                "ids": ids[0],
                "mask": mask[0],
            }

        return encode

    def _measure(self, network: NanoNetwork, windows: Windows, films: Films) -> None:
        """The basis from evenly chosen clips, with random weights: a model that knows nothing yet."""
        every = max(len(windows.learn) // _FITTED_CLIPS, 1)
        network.codec.fit(torch.from_numpy(np.stack([films(window) for window in windows.learn[::every]])))
        tokenizer = self.run.root / "tokenizer"
        train_tokenizer([window.instruction for window in windows.learn], tokenizer)
        with replacing_folder(self.run.start) as folder:
            save_nano(network, tokenizer, folder, {})
            write_record(folder)

    def _load_start(self, network: NanoNetwork) -> None:
        require_intact(self.run.start, remedy=f"delete it and {self.run.encoded}, which the same command makes again")
        network.load_state_dict(load_file(self.run.start / "model.safetensors"))

    def open(self, device: torch.device) -> nn.Module:
        network = NanoNetwork(self.config.nano)
        self._load_start(network)
        return _NanoLoss(network.to(device))

    def export(self, module: nn.Module, folder: Path, facts: dict[str, Any]) -> None:
        assert isinstance(module, _NanoLoss)
        save_nano(module.network, self.run.start, folder, facts)


class _NanoLoss(nn.Module):
    def __init__(self, network: NanoNetwork):
        super().__init__()
        self.network = network

    def forward(self, codes: Codes, generator: torch.Generator) -> Float[Tensor, ""]:
        clean = codes["codes"].float()
        uniform = torch.rand(len(clean), generator=generator, device=clean.device)
        time = shifted(uniform, self.network.config.shift)
        noisy, _ = interpolated(clean, time, generator)
        found = self.network(noisy, time, codes["picture"].float(), codes["ids"], codes["mask"])
        # An error of the velocity is one of the clean codes over the time. Near zero it would drown all others.
        weight = time.clamp(min=_LEAST_TIME).square().reciprocal().view(-1, 1, 1, 1, 1)
        return (weight * (found - clean).square()).mean()


def learner_of(config: DreamTraining, run: DreamRun) -> Learner:
    """The learner of a configuration."""
    if config.preset == "nano":
        return NanoLearner(config, run)
    from gr00t_model.dream.lora_learner import LoraLearner

    return LoraLearner(config, run)
