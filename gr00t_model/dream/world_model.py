"""What a world model is: first frames and instructions in, videos out. No torch at import."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from jaxtyping import UInt8
from pydantic import Field

from gr00t_data.settings import Settings

Pictures = UInt8[np.ndarray, "b h w 3"]
Films = UInt8[np.ndarray, "b t h w 3"]


class DreamError(ValueError):
    """A model, a request or a result that cannot be; the message says what was found, expected, and what to do."""


class ClipShape(Settings):
    """What every clip of a job or of a training looks like.

    Attributes:
        frames: pictures in a clip, the first one included.
        fps: pictures a second of the robot's own time. Nothing is played slower or faster than it was.
        height, width: pixels.
    """

    frames: int = Field(ge=2)
    fps: float = Field(gt=0, le=240)
    height: int = Field(ge=16)
    width: int = Field(ge=16)

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.width}x{self.height} px at {self.fps:g} fps"


class Sampler(Settings):
    """How a clip is drawn from a model. All of it goes into the provenance of every clip.

    Attributes:
        steps: denoising steps; None is the model's usual number.
        guidance: scale of classifier-free guidance; None is the model's usual one, 1 switches it off.
        negative_prompt: what guidance moves away from.
        precision: of the transformer and the text encoder. ``auto`` is bf16 on a GPU and fp32 on a CPU. The video
            autoencoder always computes in float32.
        offload: what waits in host memory while a GPU works: ``none``, whole parts of the model (``model``), or single
            layers (``layers``: least memory, slowest).
        tiling: decode pictures in tiles, for sizes that would not fit the memory otherwise.
        guardrail: of Cosmos-Predict2. ``cosmos`` runs NVIDIA's text and video checks (package cosmos_guardrail);
            ``none`` runs no check, and whoever says so answers for the terms of the model's licence.
    """

    steps: int | None = Field(default=None, ge=1, strict=True)
    guidance: float | None = Field(default=None, ge=1)
    negative_prompt: str = ""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    offload: Literal["none", "model", "layers"] = "none"
    tiling: bool = False
    guardrail: Literal["cosmos", "none"] = "cosmos"


class WorldModel(Protocol):
    """A model that continues a picture. Opening one reads no weights; the first ``generate`` does."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a clip owes to the model: ``model``, ``model_sha256``, ``adapter_sha256``, ``sampler``; JSON-able."""
        ...

    @property
    def usual(self) -> ClipShape:
        """The clips it was trained on, or what its publisher recommends."""
        ...

    def check(self, shape: ClipShape) -> None:
        """Raises DreamError where the model cannot make such clips; the message holds sizes that it can."""
        ...

    def generate(
        self, first_frames: Pictures, instructions: Sequence[str], seeds: Sequence[int], shape: ClipShape
    ) -> Films:
        """One clip a row. A clip depends on its own row only: on picture, instruction and seed.

        Raises:
            DreamError: a shape it cannot make, or a result that is not a number.
        """
        ...


def check_rows(first_frames: Pictures, instructions: Sequence[str], seeds: Sequence[int], shape: ClipShape) -> None:
    """Refuse rows that do not belong together, or pictures of another size than the clips.

    Raises:
        DreamError: says both numbers.
    """
    counts = {len(first_frames), len(instructions), len(seeds)}
    if len(counts) != 1:
        raise DreamError(
            f"{len(first_frames)} first frames, {len(instructions)} instructions and {len(seeds)} seeds: give one of "
            "each for every clip"
        )
    if first_frames.shape[1:] != (shape.height, shape.width, 3) or first_frames.dtype != np.uint8:
        raise DreamError(
            f"first frames are {first_frames.dtype} {list(first_frames.shape[1:])}, the clips are to be uint8 "
            f"[{shape.height}, {shape.width}, 3]; fit them first"
        )


def check_shape(title: str, shape: ClipShape, step_px: int, group_frames: int) -> None:
    """Refuse what does not divide into tokens, and what diffusers would round in silence.

    Args:
        step_px: what height and width must be multiples of.
        group_frames: pictures of a latent, behind the first one, which is alone in its own.

    Raises:
        DreamError: says which numbers would do.
    """
    sides = (("height", shape.height), ("width", shape.width))
    tried = [(f"{name} {value} is no multiple of {step_px}", value, step_px, 0) for name, value in sides]
    tried.append((f"{shape.frames} frames are not {group_frames} k + 1", shape.frames, group_frames, 1))
    for fault, value, multiple, offset in tried:
        if value % multiple != offset:
            below = max(offset + (value - offset) // multiple * multiple, multiple + offset)
            raise DreamError(f"{title}: {fault}; take {below} or {below + multiple}")
