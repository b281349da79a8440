"""Wan image-to-video and Cosmos-Predict2 video-to-world behind one interface, through diffusers, from a local folder.

What the two need is stated once, in FAMILIES. The noise is drawn on the CPU, so a seed means the same on every device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from gr00t_model.dream.local_folder import folder_digest, part_config, read_index
from gr00t_model.dream.world_model import ClipShape, DreamError, Films, Pictures, Sampler, check_rows, check_shape

_LATENT_FRAMES = 4
"""Of the video autoencoders: one latent for the first frame and one for every four others."""


@dataclass(frozen=True)
class Family:
    """A published pipeline.

    Attributes:
        pipeline: name of the class in diffusers.
        title: what people call it.
        steps, guidance: defaults of the class.
        usual: what its publisher generates (Wan 2.1 at 480p; Cosmos-Predict2 at 480p and 16 fps, as DreamGen used it).
        fixed_fps: it has no input for the rate: clips run at the rate it was trained on.
    """

    pipeline: str
    title: str
    steps: int
    guidance: float
    usual: ClipShape
    fixed_fps: bool

    def check(self, folder: Path, shape: ClipShape) -> None:
        """Whether a checkpoint of it can make such clips: see ``check_shape``.

        Height and width must be multiples of one patch of the transformer: 16 pixels in both families (32 in Wan 2.2
        with 5 B parameters, whose autoencoder shrinks pictures 16 times).
        """
        patch = part_config(folder, "transformer").get("patch_size", [1, 2, 2])
        shrinks = part_config(folder, "vae").get("scale_factor_spatial") or 8
        check_shape(self.title, shape, int(shrinks) * max(int(patch[1]), int(patch[2]), 2), _LATENT_FRAMES)


FAMILIES = {
    "WanImageToVideoPipeline": Family(
        "WanImageToVideoPipeline",
        "Wan image-to-video",
        50,
        5.0,
        ClipShape(frames=81, fps=16, height=480, width=832),
        True,
    ),
    "Cosmos2VideoToWorldPipeline": Family(
        "Cosmos2VideoToWorldPipeline",
        "Cosmos-Predict2 video-to-world",
        35,
        7.0,
        ClipShape(frames=93, fps=16, height=432, width=768),
        False,
    ),
}


class Unguarded:
    """Stands where Cosmos-Predict2 wants its guardrail when the user chose none; lets everything pass."""

    def to(self, device: object) -> "Unguarded":
        return self

    def check_text_safety(self, prompt: str) -> bool:
        return True

    def check_video_safety(self, frames: np.ndarray) -> np.ndarray:
        return frames


def family_of(folder: Path) -> Family:
    """The family that a checkpoint belongs to.

    Raises:
        DreamError: none of FAMILIES, or an incomplete folder.
    """
    name = read_index(folder)["_class_name"]
    if name not in FAMILIES:
        raise DreamError(f"{folder}: is a {name}; expected one of {', '.join(FAMILIES)}")
    return FAMILIES[name]


def load_pipeline(folder: Path, family: Family, sampler: Sampler, dtype: Any, **parts: Any) -> Any:
    """The pipeline of diffusers, from the folder alone: safetensors only, no network, no code of the checkpoint.

    Args:
        parts: components to take in place of those of the folder.

    Raises:
        DreamError: a library that the family needs is missing, or a file does not fit.
    """
    import diffusers
    import torch

    if family.pipeline.startswith("Cosmos"):
        parts |= {"safety_checker": _guardrail(sampler)}
        if part_config(folder, "transformer").get("concat_padding_mask", True):
            _needs("torchvision", f"{family.title} resizes its padding mask with it")
    else:
        _needs("ftfy", f"{family.title} cleans prompts with it")
    try:
        return getattr(diffusers, family.pipeline).from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype={"default": dtype, "vae": torch.float32},
            **parts,
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        raise DreamError(f"{folder}: cannot be loaded as {family.pipeline}: {error}") from error


def _guardrail(sampler: Sampler) -> Any:
    if sampler.guardrail == "none":
        return Unguarded()
    _needs("cosmos_guardrail", "Cosmos-Predict2's licence asks for its guardrail (or say --set sampler.guardrail=none)")
    from importlib import import_module

    return import_module("cosmos_guardrail").CosmosSafetyChecker()


def _needs(package: str, why: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise DreamError(f"the package {package} is not installed: {why}; pip install {package}")


@dataclass(frozen=True)
class Published:
    """A WorldModel of FAMILIES. Made by ``open_published``; the weights are read at the first clip.

    Attributes:
        adapter: folder of a LoRA adapter that goes onto the transformer; None for the model as published.
    """

    folder: Path
    family: Family
    sampler: Sampler
    adapter: Path | None
    digest: str
    adapter_facts: dict[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """Sampler settings resolved, so that nobody has to know the defaults of a version of diffusers."""
        return {
            "model": self.folder.name,
            "model_sha256": self.digest,
            "adapter_sha256": self.adapter_facts.get("sha256"),
            "sampler": {
                **self.sampler.model_dump(),
                "steps": self.sampler.steps or self.family.steps,
                "guidance": self.family.guidance if self.sampler.guidance is None else self.sampler.guidance,
                "scheduler": part_config(self.folder, "scheduler").get("_class_name"),
                "pipeline": self.family.pipeline,
            },
        }

    @property
    def usual(self) -> ClipShape:
        shape = self.adapter_facts.get("shape")
        return ClipShape.model_validate(shape) if shape else self.family.usual

    def check(self, shape: ClipShape) -> None:
        """What divides; the rate must be the adapter's, or the published one where the model has no input
        for it: another number in the manifest would mislabel the time step."""
        self.family.check(self.folder, shape)
        fixed = self.usual.fps if self.adapter_facts or self.family.fixed_fps else shape.fps
        if shape.fps != fixed:
            raise DreamError(
                f"{self.adapter or self.folder}: makes clips at {fixed:g} frames a second, asked for {shape.fps:g}; "
                f"take {fixed:g}, or tune an adapter at the other rate (gr00t dream train --fps {shape.fps:g})"
            )

    def generate(
        self, first_frames: Pictures, instructions: Sequence[str], seeds: Sequence[int], shape: ClipShape
    ) -> Films:
        """One after the other: at published sizes a single clip fills a GPU, and so no clip depends on its company."""
        self.check(shape)
        check_rows(first_frames, instructions, seeds, shape)
        rows = zip(first_frames, instructions, seeds, strict=True)
        return np.stack([self._clip(picture, text, seed, shape) for picture, text, seed in rows])

    def _clip(
        self, picture: UInt8[np.ndarray, "h w 3"], instruction: str, seed: int, shape: ClipShape
    ) -> UInt8[np.ndarray, "t h w 3"]:
        import torch
        from PIL import Image

        settings = self.facts["sampler"]
        rate = {} if self.family.fixed_fps else {"fps": round(shape.fps)}
        film = self._pipeline(
            image=Image.fromarray(picture),
            prompt=instruction,
            negative_prompt=self.sampler.negative_prompt,
            height=shape.height,
            width=shape.width,
            num_frames=shape.frames,
            num_inference_steps=settings["steps"],
            guidance_scale=settings["guidance"],
            generator=torch.Generator().manual_seed(seed),
            output_type="np",
            **rate,
        ).frames[0]
        if not np.isfinite(film).all():
            raise DreamError(
                f"{self.folder}: the clip of {instruction!r} (seed {seed}) is not a number; compute in float32 "
                "(--set sampler.precision=fp32)"
            )
        return np.rint(np.asarray(film) * 255).astype(np.uint8)

    @cached_property
    def _pipeline(self) -> Any:
        import torch

        from gr00t_model.dream.adapter import attach_adapter

        gpu = torch.cuda.is_available()
        if self.sampler.offload != "none" and not gpu:
            raise DreamError(f"offload={self.sampler.offload} keeps a GPU free, and there is none; leave it out")
        pipeline = load_pipeline(self.folder, self.family, self.sampler, transformer_dtype(self.sampler, gpu))
        if self.adapter:
            attach_adapter(pipeline.transformer, self.adapter, self.folder, self.digest)
        pipeline.set_progress_bar_config(disable=True)
        if self.sampler.tiling:
            pipeline.vae.enable_tiling()
        place: dict[str, Callable[[], Any]] = {
            "none": lambda: pipeline.to("cuda" if gpu else "cpu"),
            "model": pipeline.enable_model_cpu_offload,
            "layers": pipeline.enable_sequential_cpu_offload,
        }
        place[self.sampler.offload]()
        return pipeline


def transformer_dtype(sampler: Sampler, gpu: bool) -> Any:
    """torch.bfloat16 or torch.float32."""
    import torch

    narrow = sampler.precision == "bf16" or (sampler.precision == "auto" and gpu)
    return torch.bfloat16 if narrow else torch.float32


def open_published(
    folder: Path, adapter: Path | None = None, sampler: Sampler = Sampler(), kept: Path | None = None
) -> Published:
    """A checkpoint in Diffusers layout as a WorldModel, everything about its files checked, no weight read.

    Args:
        kept: where digests of files are remembered, see ``folder_digest``.

    Raises:
        DreamError: not such a folder, or an adapter of another model.
    """
    from gr00t_model.dream.adapter import adapter_facts

    folder, family = Path(folder), family_of(Path(folder))
    digest = folder_digest(folder, kept)
    told = adapter_facts(adapter, folder, digest) if adapter else {}
    return Published(folder, family, sampler, adapter, digest, told)
