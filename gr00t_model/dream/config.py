"""How a world model is trained, as data. No torch."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from gr00t_model.dream.nano.config import NanoConfig
from gr00t_model.dream.world_model import ClipShape, DreamError, check_shape
from gr00t_model.loop.config import LoopConfig, validated


class DreamTraining(LoopConfig):
    """One training, resolved."""

    preset: Literal["lora", "nano"] = Field(
        description="lora tunes low-rank adapters of a published model; nano trains a small model from scratch."
    )
    base: str = Field(default="", description="Folder of the published model (Diffusers layout), for lora.")
    embodiment: str = Field(default="gr1", description="Name, or path of a YAML.")
    stores: tuple[str, ...] = Field(
        min_length=1, description="Folders of sealed stores with video. What counts is their content."
    )
    view: str = Field(default="", description="Camera shown, or grid_2x2 for three tiled ones; empty: the first one.")
    shape: ClipShape = Field(description="Of the clips.")
    stride_frames: int = Field(
        default=0, ge=0, description="A clip begins at every so many rows of an episode; 0: only at its start."
    )
    held_out_share: float = Field(default=0.1, ge=0, lt=1, description="Of the episodes, kept to measure on.")
    batch_size: int = Field(default=1, gt=0, description="Clips of one process in one forward pass.")
    rank: int = Field(
        default=4, ge=1, description="Of the adapters; 4 for every run of WAN2.1 in DreamGen (arXiv 2505.12705)."
    )
    alpha: float = Field(default=4.0, gt=0, description="Of the adapters, scaled by alpha / rank; 4 in DreamGen.")
    checkpoint_every_steps: int = Field(default=500, gt=0, description="How often a resumable state is written.")
    nano: NanoConfig = Field(default=NanoConfig(), description="Sizes of the nano model; its shape is the clips'.")

    @model_validator(mode="after")
    def _fits(self) -> "DreamTraining":
        if (self.preset == "lora") != bool(self.base):
            raise ValueError("lora tunes a published model (give base), nano starts from scratch (leave base empty)")
        if self.preset == "nano":
            check_shape("nano", self.shape, self.nano.block_px * self.nano.patch, self.nano.block_frames)
            object.__setattr__(self, "nano", self.nano.model_copy(update={"shape": self.shape}))
        return self

    @property
    def recipe(self) -> str:
        """First part of the names of its runs."""
        return f"dream_{self.preset}"

    @classmethod
    def of(cls, fields: Mapping[str, object]) -> "DreamTraining":
        """From a dictionary.

        Raises:
            DreamError: an unknown field, a missing one, or a value outside its range.
        """
        return validated(cls, fields, "training of a world model", DreamError)


def nano_training(**changes: Any) -> DreamTraining:
    """The nano preset. A step of 16 clips of 64 px costs about 0.6 s of one CPU core, all of them 3.5 hours."""
    fields: dict[str, Any] = {
        "preset": "nano",
        "shape": NanoConfig().shape.model_dump(),
        "stride_frames": 3,
        "steps": 20_000,
        "batch_size": 16,
        "optimizer": {"lr": 1e-3, "betas": (0.9, 0.98), "weight_decay": 0.01, "ema_decay": 0.995},
    }
    return DreamTraining.of({**fields, **changes})


def lora_training(base: str, shape: ClipShape, **changes: Any) -> DreamTraining:
    """Adapters of a published model with DreamGen's rank, alpha and learning rate."""
    fields: dict[str, Any] = {
        "preset": "lora",
        "base": base,
        "shape": shape.model_dump(),
        "steps": 1_000,
        "optimizer": {"lr": 1e-4, "schedule": "constant"},
        "machine": {"gradient_checkpointing": True},
    }
    return DreamTraining.of({**fields, **changes})
