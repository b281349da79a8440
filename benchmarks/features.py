"""Feature building: one look of the vision tower a frame for features and FLARE target, against two looks.

python -m benchmarks.features --frames 300
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter
from torch import Tensor

from benchmarks.clocks import elapsed
from benchmarks.command import command, heading, row
from gr00t_model.groot.flare.config import EmbeddingConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import nano
from gr00t_model.training.features import Clip, build_features

_CLIP = 50
_TOKENS_OF_TEXT = 12


class TwoLooks:
    """Features and target computed apart from each other: what a cache that knows only the two functions has to do."""

    def __init__(self, model: Groot) -> None:
        self.model, self.encode = model, model.encode

    def encode_with_target(self, images: Tensor, input_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features, kept = self.model.encode(images, input_ids, mask)
        return features, kept, self.model.flare_target(images, input_ids, mask)


def seconds(backbone: Groot | TwoLooks, frames: Tensor, prompt: Tensor) -> float:
    """CPU time of building the cache of some frames [n, 1, S, S, 3] from scratch."""
    clips = [Clip(f"{n:064}", n, len(part), "", part.numpy) for n, part in enumerate(frames.split(_CLIP))]
    prompts = prompt.expand(len(clips), -1), torch.ones(len(clips), len(prompt), dtype=torch.int64)
    settings = {"dtype": "float16", "with_targets": True, "device": torch.device("cpu")}
    with tempfile.TemporaryDirectory() as folder:
        return elapsed(lambda: build_features(Path(folder) / "cache", backbone, prompts, clips, **settings))


def measured(target: str, frames: Tensor, repeats: int) -> str:
    """One row of the table: CPU milliseconds a frame, the best of ``repeats``."""
    torch.manual_seed(0)
    config = nano()
    flare = replace(config.flare, target=target, embedding=EmbeddingConfig() if target == "action_aware" else None)
    model = Groot(replace(config, flare=flare)).eval()
    images = torch.full((config.backbone.vision.tokens_per_image,), config.backbone.image_token_index)
    prompt = torch.cat([images, torch.arange(10, 10 + _TOKENS_OF_TEXT)])
    pairs = [(seconds(TwoLooks(model), frames, prompt), seconds(model, frames, prompt)) for _ in range(repeats)]
    two, one = (1000 * min(column) / len(frames) for column in zip(*pairs, strict=True))
    return row(target, *map("{:.2f}".format, (two, one, one / two)))


@command
def main(
    frames: Annotated[int, Parameter(help="Random frames of 120 px.")] = 300,
    repeats: Annotated[int, Parameter(help="The best of so many builds counts.")] = 3,
) -> None:
    """Print CPU milliseconds a frame (nano, one thread) for both kinds of targets."""
    torch.set_num_threads(1)
    side = nano().backbone.vision.image_size
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (frames, 1, side, side, 3), generator=generator, dtype=torch.uint8)
    print(heading("target", "two looks, ms", "one look, ms", "ratio"))
    for target in ("vision", "action_aware"):
        print(measured(target, pictures, repeats), flush=True)
