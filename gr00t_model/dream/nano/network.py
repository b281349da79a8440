"""The nano world model: a small video diffusion transformer that is trained from scratch on simulator episodes.

The transformer and the sampler are diffusers' own (Wan's, small). Around them: ``nano_codec`` in place of a video
autoencoder, and the project's small tokenizer with an embedding of its own in place of a text encoder. The first frame
enters as its codes beside the noisy ones, the words through cross attention.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gr00t_data.disk import read_json, write_json
from gr00t_data.integrity import require_intact
from gr00t_model.dream.nano.codec import Blocks, Codec
from gr00t_model.dream.nano.config import NANO_CONFIG, NanoConfig
from gr00t_model.dream.world_model import ClipShape, DreamError, Films, Pictures, Sampler, check_rows, check_shape
from gr00t_model.groot.prompt import Prompt

_TIMES = 1000.0
_WEIGHTS = "model.safetensors"


class NanoNetwork(nn.Module):
    """What trains: the transformer and the embedding of the words. ``codec`` is measured and has no parameters."""

    def __init__(self, config: NanoConfig):
        super().__init__()
        self.config = config
        blocks = Blocks(config.block_px, config.block_frames, config.codes, config.picture_codes)
        self.codec = Codec(blocks)
        self.words = nn.Embedding(config.vocabulary, config.text_width)
        self.places = nn.Embedding(config.most_words, config.text_width)
        self.transformer = WanTransformer3DModel(
            patch_size=(1, config.patch, config.patch),
            num_attention_heads=config.heads,
            attention_head_dim=config.width // config.heads,
            in_channels=config.codes + config.picture_codes,
            out_channels=config.codes,
            text_dim=config.text_width,
            freq_dim=128,
            ffn_dim=4 * config.width,
            num_layers=config.layers,
            rope_max_seq_len=256,
        )
        nn.init.zeros_(self.transformer.proj_out.weight)  # the first guess is that nothing happens
        nn.init.zeros_(self.transformer.proj_out.bias)

    def forward(
        self,
        noisy: Float[Tensor, "b c g y x"],
        time: Float[Tensor, " b"],
        picture: Float[Tensor, "b p y x"],
        ids: Int[Tensor, "b n"],
        mask: Int[Tensor, "b n"],
    ) -> Float[Tensor, "b c g y x"]:
        """The clean codes, told from noisy ones at ``time`` (0 is clean, 1 is noise).

        Told as a velocity they would hold the noise, and a token of noise has as many numbers as the network is wide
        (the finding of arXiv 2511.13720, at small size).
        """
        places = torch.arange(ids.shape[1], device=ids.device)
        text = (self.words(ids) + self.places(places)) * mask[..., None]
        scene = picture[:, :, None].expand(-1, -1, noisy.shape[2], -1, -1)
        stacked = torch.cat([noisy, scene], dim=1)
        return self.transformer(stacked, time * _TIMES, text, return_dict=False)[0]


def text_rows(prompt: Prompt, instructions: Sequence[str], most: int) -> tuple[Int[Tensor, "b n"], Int[Tensor, "b n"]]:
    """Ids and mask, always ``most`` wide and padded on the right, so that no row depends on its company.

    Raises:
        DreamError: an instruction is longer.
    """
    ids, mask = torch.zeros(len(instructions), most, dtype=torch.long), torch.zeros(len(instructions), most)
    for row, instruction in enumerate(instructions):
        found = prompt([instruction], 0)[0][0]
        if len(found) > most:
            raise DreamError(f"the instruction {instruction!r} has {len(found)} tokens, the model takes {most}; cut it")
        ids[row, : len(found)], mask[row, : len(found)] = found, 1
    return ids, mask.long()


@dataclass(frozen=True)
class Nano:
    """A trained folder as a WorldModel."""

    folder: Path
    config: NanoConfig
    sampler: Sampler
    digest: str

    @property
    def facts(self) -> dict[str, Any]:
        """Provenance; the model has no adapter."""
        return {
            "model": f"nano-{self.digest[:12]}",
            "model_sha256": self.digest,
            "adapter_sha256": None,
            "sampler": {
                **self.sampler.model_dump(exclude={"offload", "tiling", "guardrail", "negative_prompt"}),
                "steps": self.sampler.steps or self.config.sampling_steps,
                "guidance": 1.0,
                "scheduler": "FlowMatchEulerDiscreteScheduler",
                "shift": self.config.shift,
            },
        }

    @property
    def usual(self) -> ClipShape:
        return self.config.shape

    def check(self, shape: ClipShape) -> None:
        """Rate and size are those of its training; the length may differ."""
        trained = self.config.shape
        check_shape("nano", shape, self.config.block_px * self.config.patch, self.config.block_frames)
        for name in ("fps", "height", "width"):
            if (found := getattr(shape, name)) != (wanted := getattr(trained, name)):
                raise DreamError(f"{self.folder}: was trained with {name} {wanted:g}, asked for {found:g}")
        if self.sampler.guidance not in (None, 1.0):
            raise DreamError("the nano model was trained without an empty instruction, so it has no guidance; leave it")

    @torch.no_grad()
    def generate(
        self, first_frames: Pictures, instructions: Sequence[str], seeds: Sequence[int], shape: ClipShape
    ) -> Films:
        """One after the other: the last bits of a product depend on how many rows it has."""
        self.check(shape)
        check_rows(first_frames, instructions, seeds, shape)
        rows = zip(first_frames, instructions, seeds, strict=True)
        return np.concatenate([self._clip(picture, text, seed, shape) for picture, text, seed in rows])

    def _clip(self, picture: np.ndarray, instruction: str, seed: int, shape: ClipShape) -> Films:
        config, network, prompt = self.config, *self._loaded
        device = next(network.parameters()).device
        first = torch.from_numpy(picture.copy())[None].to(device)
        scene = network.codec.picture(first)
        ids, mask = (tensor.to(device) for tensor in text_rows(prompt, [instruction], config.most_words))
        groups = (shape.frames - 1) // config.block_frames
        size = (1, config.codes, groups, *scene.shape[-2:])
        codes = torch.randn(size, generator=torch.Generator().manual_seed(seed)).to(device)
        scheduler: Any = FlowMatchEulerDiscreteScheduler(shift=config.shift)
        scheduler.set_timesteps(self.sampler.steps or config.sampling_steps, device=device)
        for time in scheduler.timesteps:
            clean = network(codes, (time / _TIMES).expand(1), scene, ids, mask)
            codes = scheduler.step((codes - clean) / (time / _TIMES), time, codes, return_dict=False)[0]
        if not torch.isfinite(codes).all():
            raise DreamError(
                f"{self.folder}: the clip of {instruction!r} (seed {seed}) is not a number; train it again"
            )
        return network.codec.decode(codes, first).cpu().numpy()

    @cached_property
    def _loaded(self) -> tuple[NanoNetwork, Prompt]:
        network, prompt = load_nano(self.folder)
        return network.to("cuda" if torch.cuda.is_available() else "cpu"), prompt


def save_nano(network: NanoNetwork, tokenizer: Path, folder: Path, facts: dict[str, Any]) -> None:
    """Write ``nano.json``, the weights and the tokenizer of the folder ``tokenizer``."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    save_file(tensors, folder / _WEIGHTS, metadata={"format": "pt"})
    Prompt.load(tokenizer).save(folder / "tokenizer")
    write_json(folder / NANO_CONFIG, {"config": network.config.model_dump(mode="json"), **facts})


def load_nano(folder: Path) -> tuple[NanoNetwork, Prompt]:
    """The network in eval mode, and its tokenizer.

    Raises:
        DreamError: weights that are missing, broken or of another size.
        IntegrityError: a file is not the one that was recorded.
    """
    network = NanoNetwork(NanoConfig.model_validate(read_json(folder / NANO_CONFIG)["config"]))
    try:
        network.load_state_dict(load_file(folder / _WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DreamError(f"{folder / _WEIGHTS}: cannot be read as the model of {NANO_CONFIG} ({error})") from error
    require_intact(folder)  # after reading, which says more exactly what is wrong with what cannot be read
    return network.eval().requires_grad_(False), Prompt.load(folder)
