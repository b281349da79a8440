"""Tuning adapters of a published model: Wan image-to-video or Cosmos-Predict2 video-to-world.

Both predict the velocity of a rectified flow between clean latents and noise. They differ in how the first frame comes
in, in how times are drawn, and in the scale of the time they are told. Latents, conditions and text are computed once
by the pipeline's own functions, so that training sees what generation will.
"""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from gr00t_model.dream.adapter import add_adapter, save_adapter
from gr00t_model.dream.config import DreamTraining
from gr00t_model.dream.learner import Codes, Encoder, interpolated, shifted
from gr00t_model.dream.local_folder import folder_digest, part_config, read_index
from gr00t_model.dream.pipelines import family_of, load_pipeline
from gr00t_model.dream.run import DreamRun
from gr00t_model.dream.windows import Films, Windows
from gr00t_model.dream.world_model import DreamError, Sampler

_COSMOS_CONDITION_SIGMA = 1e-4
"""Noise level that Cosmos-Predict2 is told for the frames it is given (default of the pipeline)."""


class LoraLearner:
    """A published model with adapters.

    Raises:
        DreamError: a checkpoint or sizes that cannot be tuned.
    """

    def __init__(self, config: DreamTraining, run: DreamRun):
        self.config, self.run = config, run
        self.folder = Path(config.base)
        self.family = family_of(self.folder)
        self.family.check(self.folder, config.shape)
        self.cosmos = self.family.pipeline.startswith("Cosmos")
        _check_tunable(self.folder)

    def encoder(self, windows: Windows, films: Films) -> Encoder:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        narrow = torch.bfloat16 if device.type == "cuda" else torch.float32
        # No clip is shown to anybody here, so the guardrail has nothing to guard.
        pipeline = load_pipeline(self.folder, self.family, Sampler(guardrail="none"), narrow)
        for part in ("text_encoder", "image_encoder", "vae"):
            if getattr(pipeline, part, None) is not None:
                getattr(pipeline, part).to(device)

        @torch.no_grad()
        def encode(film: UInt8[np.ndarray, "t h w 3"], instruction: str) -> Codes:
            text, _ = pipeline.encode_prompt(instruction, do_classifier_free_guidance=False, device=device)
            codes = {"text": text[0], "clean": _latents(pipeline, film, device)}
            if not self.cosmos:
                codes |= _wan_conditions(pipeline, film, device)
            return {name: tensor.to("cpu", narrow).contiguous() for name, tensor in codes.items()}

        return encode

    def open(self, device: torch.device) -> nn.Module:
        import diffusers

        gc.collect()  # the encoders are gone by now; what they held must be free before the transformer comes
        kind = getattr(diffusers, "CosmosTransformer3DModel" if self.cosmos else "WanTransformer3DModel")
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        transformer = kind.from_pretrained(
            self.folder / "transformer", local_files_only=True, use_safetensors=True, dtype=dtype
        ).to(device)
        torch.manual_seed(self.config.seed)  # of the adapters' first weights
        add_adapter(transformer, self.config.rank, self.config.alpha)
        if self.config.machine.gradient_checkpointing:
            transformer.enable_gradient_checkpointing()
        if self.cosmos:
            return _CosmosLoss(transformer, self.config.shape.fps)
        scheduler = part_config(self.folder, "scheduler")  # it moves times towards noise, by as much as it says
        return _WanLoss(transformer, float(scheduler.get("flow_shift") or scheduler.get("shift") or 1.0))

    def export(self, module: nn.Module, folder: Path, facts: dict[str, Any]) -> None:
        assert isinstance(module, _WanLoss | _CosmosLoss)
        told = {"base": self.folder.name, "base_sha256": folder_digest(self.folder), "rank": self.config.rank}
        save_adapter(module.transformer, folder, {**facts, **told, "alpha": self.config.alpha})


def _check_tunable(folder: Path) -> None:
    index = read_index(folder)
    if index.get("boundary_ratio") is not None or index.get("expand_timesteps"):
        raise DreamError(
            f"{folder}: is of Wan 2.2 (two transformers, or times per token); adapters are tuned for Wan 2.1 and "
            "Cosmos-Predict2, clips can be generated with it as it is"
        )


def _latents(pipeline: Any, film: np.ndarray, device: torch.device) -> Float[Tensor, "c t h w"]:
    """Normalised latents of a clip: each channel minus its mean, over its deviation, as both pipelines do."""
    vae = pipeline.vae
    pixels = torch.from_numpy(np.ascontiguousarray(film)).to(device, vae.dtype) / 127.5 - 1
    latents = vae.encode(pixels.permute(3, 0, 1, 2)[None]).latent_dist.mode()
    mean, deviation = (
        torch.tensor(values, device=device, dtype=latents.dtype).view(1, -1, 1, 1, 1)
        for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    return ((latents - mean) / deviation)[0]


def _wan_conditions(pipeline: Any, film: np.ndarray, device: torch.device) -> Codes:
    """What Wan is given of the first frame: its latents with a mask and, in Wan 2.1, an embedding of the picture."""
    frames, height, width, _ = film.shape
    first = Image.fromarray(film[0])
    pixels = pipeline.video_processor.preprocess(first, height=height, width=width).to(device, torch.float32)
    channels = pipeline.vae.config.z_dim
    _, condition = pipeline.prepare_latents(
        pixels, 1, channels, height, width, frames, torch.float32, device, torch.Generator()
    )
    codes = {"condition": condition[0]}
    if pipeline.transformer.config.image_dim is not None:
        codes["image"] = pipeline.encode_image(first, device)[0]
    return codes


class _WanLoss(nn.Module):
    """Times are uniform, then shifted as the model's scheduler shifts its own; the model is told 1000 times them."""

    def __init__(self, transformer: nn.Module, shift: float):
        super().__init__()
        self.transformer, self.shift = transformer, shift

    def forward(self, codes: Codes, generator: torch.Generator) -> Float[Tensor, ""]:
        clean = codes["clean"].float()
        time = shifted(torch.rand(len(clean), generator=generator, device=clean.device), self.shift)
        noisy, velocity = interpolated(clean, time, generator)
        stacked = torch.cat([noisy, codes["condition"].float()], dim=1).to(codes["clean"].dtype)
        image = codes.get("image")
        found = self.transformer(stacked, time * 1000, codes["text"], image, return_dict=False)[0]
        return (found.float() - velocity).square().mean()


class _CosmosLoss(nn.Module):
    """The logarithm of noise over signal is normal with deviation 1; the first latent is given, and not learnt.

    The pipeline's noise levels ``sigma`` are times ``sigma / (1 + sigma)`` of the same flow; it is told those.
    """

    def __init__(self, transformer: nn.Module, fps: float):
        super().__init__()
        self.transformer, self.fps = transformer, fps

    def forward(self, codes: Codes, generator: torch.Generator) -> Float[Tensor, ""]:
        clean = codes["clean"].float()
        time = torch.sigmoid(torch.randn(len(clean), generator=generator, device=clean.device))
        noisy, velocity = interpolated(clean, time, generator)
        given = torch.zeros_like(clean[:, :1, :, :1, :1])
        given[:, :, 0] = 1
        told = given * (_COSMOS_CONDITION_SIGMA / (1 + _COSMOS_CONDITION_SIGMA)) + (1 - given) * time.view(
            -1, 1, 1, 1, 1
        )
        dtype = codes["clean"].dtype
        mask = given.expand(-1, -1, -1, *clean.shape[-2:]).to(dtype)
        found = self.transformer(
            (given * clean + (1 - given) * noisy).to(dtype),
            told.to(dtype),
            codes["text"],
            fps=round(self.fps),
            condition_mask=mask,
            padding_mask=clean.new_zeros(1, 1, *(8 * side for side in clean.shape[-2:])).to(dtype),
            return_dict=False,
        )[0]
        return ((found.float() - velocity) * (1 - given)).square().sum() / ((1 - given).expand_as(clean).sum())
