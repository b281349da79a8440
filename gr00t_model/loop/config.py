"""What every training is told: its steps, the optimizer, the machine, and how a wrong setting is named. No torch."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from gr00t_data.settings import Settings

RANDOM_BASE = "random"
"""Said in place of a folder by who wants to start from random weights. A folder of that name is ``./random``."""


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
        lines = [_complaint(kind, e) for e in wrong.errors()]
        raise error(f"{what}: " + "; ".join(lines)) from wrong


def _complaint(kind: type[BaseModel], error: Mapping[str, Any]) -> str:
    place = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"{place}: no such field; {nearest(place, field_names(kind))}"
    return f"{place}: {error['msg']}, found {error['input']!r}"


def field_names(kind: type[BaseModel], prefix: str = "") -> list[str]:
    """Every field of settings and of the settings in them, dotted."""
    names: list[str] = []
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += field_names(field.annotation, f"{prefix}{name}.")
        else:
            names.append(f"{prefix}{name}")
    return names


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested settings under dotted names; an empty section has none."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flattened(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint at the field that was meant: by another word for it, by its last part, or by its letters."""
    last = name.rpartition(".")[2]
    meant = [one for one in (_OTHER_WORDS.get(last),) if one in known]
    meant = meant or [one for one in known if one.rpartition(".")[2] == last]
    meant = meant or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    ends = {one.rpartition(".")[2]: one for one in known}
    meant = meant or [ends[one] for one in difflib.get_close_matches(last, ends, n=1, cutoff=0.6)]
    return f"did you mean {meant[0]}?" if meant else f"known fields: {', '.join(known)}"


_OTHER_WORDS = {
    "learning_rate": "optimizer.lr",
    "warmup_ratio": "optimizer.warmup_share",
    "warmup_steps": "optimizer.warmup_share",
    "max_grad_norm": "optimizer.clip_norm",
    "max_steps": "steps",
    "num_steps": "steps",
    "epochs": "steps",
    "num_train_epochs": "steps",
    "save_steps": "checkpoint_every_steps",
    "logging_steps": "log_every_steps",
    "gradient_accumulation_steps": "accumulate",
    "per_device_train_batch_size": "batch_size",
    "num_gpus": "machine.num_processes",
    "base_model_path": "model.base",
    "lora_rank": "model.lora.rank",
    "lora_alpha": "model.lora.alpha",
    "lora_dropout": "model.lora.dropout",
    "tune_llm": "model.tune.llm",
    "tune_visual": "model.tune.visual",
    "tune_projector": "model.tune.projector",
    "tune_diffusion_model": "model.tune.diffusion_model",
}
"""What other training scripts, the published one among them, call these fields."""
_Share = Annotated[float, Field(ge=0, lt=1)]
_MOST_STEPS = 10**9
_LARGEST_SEED = 2**63 - 1
"""torch's generators take no more."""


class Optimizer(Settings):
    """AdamW and its schedule. Defaults are those of the published GR00T N1.5 fine-tuning script."""

    kind: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = Field(
        default="adamw",
        description="adamw keeps its moments in float32; the others keep them in 8 bits (arXiv 2110.02861), paged ones "
        "in host memory when the GPU is full. Those two need the library bitsandbytes.",
    )
    lr: float = Field(default=1e-4, gt=0, le=1, description="Peak learning rate.")
    betas: tuple[_Share, _Share] = Field(default=(0.95, 0.999), description="Decay of the two moments.")
    eps: float = Field(default=1e-8, gt=0, le=1, description="Added to the root of the second moment.")
    weight_decay: float = Field(default=1e-5, ge=0, le=1, description="Of matrices; vectors do not decay.")
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

    steps: int = Field(gt=0, le=_MOST_STEPS, description="Optimizer steps in all.")
    earlier: tuple[tuple[int, int], ...] = Field(
        default=(),
        description="Of a run that was extended: up to which step it had how many steps in all. The learning rate of a "
        "step is that of the run it was done for.",
    )
    accumulate: int = Field(
        default=1, gt=0, le=_MOST_STEPS, description="Forward passes summed into one optimizer step."
    )
    seed: int = Field(default=42, ge=0, le=_LARGEST_SEED, description="Of weights, order, noise and dropout.")
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
