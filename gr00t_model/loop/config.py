"""What every training is told: its steps, the optimizer, the machine, and how a wrong setting is named. No torch."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from gr00t_data.settings import Settings


class ConfigError(ValueError):
    """A training configuration that cannot be; the message names the field, what was found and what was expected."""


Checked = TypeVar("Checked", bound=BaseModel)


def validated(
    kind: type[Checked], fields: Mapping[str, object], what: str, error: Callable[[str], ValueError] = ConfigError
) -> Checked:
    """``fields`` as a ``kind``.

    Raises:
        error: an unknown field, a missing one, or a value outside its range; one line for everything that is wrong.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as wrong:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, found {e['input']!r}" for e in wrong.errors()]
        raise error(f"{what}: " + "; ".join(lines)) from wrong


class Optimizer(Settings):
    """AdamW and its schedule. Defaults are those of the published GR00T N1.5 fine-tuning script."""

    kind: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = Field(
        default="adamw",
        description="adamw keeps its moments in float32; the others keep them in 8 bits (arXiv 2110.02861), paged ones "
        "in host memory when the GPU is full. Those two need the library bitsandbytes.",
    )
    lr: float = Field(default=1e-4, gt=0, description="Peak learning rate.")
    betas: tuple[float, float] = Field(default=(0.95, 0.999), description="Decay of the two moments.")
    eps: float = Field(default=1e-8, gt=0, description="Added to the root of the second moment.")
    weight_decay: float = Field(default=1e-5, ge=0, description="Of matrices; vectors do not decay.")
    schedule: Literal["cosine", "linear", "constant"] = Field(default="cosine", description="Shape after the warm-up.")
    warmup_share: float = Field(
        default=0.05, ge=0, lt=1, description="Share of all steps in which the rate rises linearly from zero."
    )
    final_lr_share: float = Field(
        default=0.0, ge=0, le=1, description="Rate at the last step as a share of lr (cosine and linear)."
    )
    clip_norm: float = Field(
        default=1.0, ge=0, description="Gradients are scaled down to this global norm; 0 switches clipping off."
    )
    ema_decay: float = Field(
        default=0.0, ge=0, lt=1, description="Decay of the averaged weights that are exported; 0 exports the last ones."
    )


TrackerName = Literal["tensorboard", "wandb", "mlflow"]
TRACK = (
    "Where metrics go beside metrics.jsonl: tensorboard, wandb, mlflow; repeat for several. They write into the run "
    "folder; WANDB_MODE=online and MLFLOW_TRACKING_URI send them elsewhere."
)


class Machine(Settings):
    """How the run is executed. What is learnt depends on ``num_processes`` (it multiplies the batch) and, by rounding,
    on ``precision`` and ``frozen_dtype``; on nothing else here.
    """

    num_processes: int = Field(default=1, ge=1, description="Ranks, one GPU each, or CPU processes.")
    threads: int = Field(default=0, ge=0, description="Torch threads of a rank; 0 leaves the choice to torch.")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="Of the arithmetic. auto is bf16 on a GPU and fp32 on a CPU (bf16 is slower there). What trains is "
        "stored in float32 either way.",
    )
    frozen_dtype: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="Storage of what does not train. auto is bf16 where the arithmetic is, as published, else float32.",
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="Compute the activations of each block again in the backward pass in place of keeping them: the "
        "same gradients, less memory, and the time of a second forward pass.",
    )
    decoders: int = Field(
        default=1, ge=1, description="Processes that decode videos into the frames cache before training."
    )
    track: tuple[TrackerName, ...] = Field(default=("tensorboard",), description=TRACK)
    prefetch_batches: int = Field(
        default=2, ge=0, description="Batches that a thread prepares ahead of the step; 0 prepares them in the loop."
    )


class LoopConfig(Settings):
    """What the loop is told of a training, whatever it trains."""

    steps: int = Field(gt=0, description="Optimizer steps in all.")
    earlier: tuple[tuple[int, int], ...] = Field(
        default=(),
        description="Of a run that was extended: up to which step it had how many steps in all. The learning rate of a "
        "step is that of the run it was done for.",
    )
    accumulate: int = Field(default=1, gt=0, description="Forward passes summed into one optimizer step.")
    seed: int = Field(default=42, ge=0, description="Of weights, order, noise and dropout.")
    checkpoint_every_steps: int = Field(
        default=1000,
        gt=0,
        description="A resumable state is written this often (and at the end, and when interrupted).",
    )
    keep_states: int = Field(default=2, ge=1, description="How many resumable states stay on disk.")
    log_every_steps: int = Field(default=10, gt=0, description="How often a line of metrics is written.")
    optimizer: Optimizer = Field(default=Optimizer(), description="AdamW and its schedule.")
    machine: Machine = Field(default=Machine(), description="How the training is executed.")

    @model_validator(mode="after")
    def _earlier_steps_come_first(self) -> Self:
        ends = [0, *(until for until, _ in self.earlier), self.steps]
        if any(one >= other for one, other in pairwise(ends)) or any(until > steps for until, steps in self.earlier):
            raise ValueError(
                f"earlier={list(self.earlier)}: expected pairs (up to which step, steps in all) that rise and end "
                f"below the {self.steps} steps of the run"
            )
        return self

    def steps_of(self, step: int) -> int:
        """The steps in all of the run that optimizer step ``step`` (0-based) was, or will be, done for."""
        return next((steps for until, steps in self.earlier if step < until), self.steps)
