"""TrainConfig: everything a training run depends on, frozen, as JSON, and changed from the shell by ``--set a.b=c``."""

import difflib
import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class ConfigError(ValueError):
    """A training configuration that cannot be; the message names the field, what was found and what was expected."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Frozen):
    """Where the inputs lie. Paths only: what the run depends on is their content (see ``run.run_key``).

    Attributes:
        manifest: JSON of the mixture.
        statistics: JSON of the normalization statistics.
        embodiment: name of a bundled embodiment, or path of a YAML.
        cache: folder for decoded frames and frozen features; may be deleted at any time.
    """

    manifest: str = ""
    statistics: str = ""
    embodiment: str = "gr1"
    cache: str = ""


class Tune(_Frozen):
    """The published switches. Their defaults freeze the vision-language model and train the action head."""

    llm: bool = False
    visual: bool = False
    projector: bool = True
    diffusion_model: bool = True

    @property
    def backbone_frozen(self) -> bool:
        """True when the features of the backbone are the same at every step."""
        return not (self.llm or self.visual)


class Flare(_Frozen):
    """FLARE: align the future tokens with an embedding of the frame one horizon ahead.

    Attributes:
        on: whether the loss is computed at all.
        coefficient: weight of the alignment loss; 0.2 in the FLARE paper (arXiv 2505.15659).
    """

    on: bool = True
    coefficient: float = Field(default=0.2, ge=0)


class Model(_Frozen):
    """The network.

    Attributes:
        preset: sizes of a fresh model (``nano``, ``n1_5_3b``); used when ``base`` is empty.
        base: folder of the model to start from; empty for random weights from the seed.
        changes: fields of the preset to replace, dotted (``action_head.num_layers``), for small tests.
        tune: which parts train.
        flare: the alignment loss.
    """

    preset: str = "nano"
    base: str = ""
    changes: dict[str, Any] = Field(default_factory=dict)
    tune: Tune = Tune()
    flare: Flare = Flare()


class Optimizer(_Frozen):
    """AdamW and its schedule. Defaults are those of the published GR00T N1.5 fine-tuning script.

    Attributes:
        lr: peak learning rate.
        schedule: shape after the warm-up.
        warmup_share: share of all steps in which the rate rises linearly from zero.
        final_lr_share: rate at the last step as a share of ``lr`` (cosine and linear).
        clip_norm: gradients are scaled down to this global norm; 0 switches clipping off.
        ema_decay: decay of the averaged weights that the checkpoint exports; 0 exports the last weights.
    """

    lr: float = Field(default=1e-4, gt=0)
    betas: tuple[float, float] = (0.95, 0.999)
    eps: float = Field(default=1e-8, gt=0)
    weight_decay: float = Field(default=1e-5, ge=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_share: float = Field(default=0.05, ge=0, lt=1)
    final_lr_share: float = Field(default=0.0, ge=0, le=1)
    clip_norm: float = Field(default=1.0, ge=0)
    ema_decay: float = Field(default=0.0, ge=0, lt=1)


class Machine(_Frozen):
    """How the run is executed. Only ``num_processes`` changes what is learnt (it multiplies the batch).

    Attributes:
        num_processes: ranks, one GPU each, or CPU processes.
        threads: torch threads of a rank; 0 leaves the choice to torch.
        precision: ``auto`` is bf16 on a GPU and fp32 on a CPU (bf16 is slower there).
        decoders: processes that decode videos into the frames cache before training.
        prefetch_batches: batches that a thread prepares ahead of the step; 0 prepares them in the loop.
    """

    num_processes: int = Field(default=1, ge=1)
    threads: int = Field(default=0, ge=0)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    decoders: int = Field(default=1, ge=1)
    prefetch_batches: int = Field(default=2, ge=0)


class TrainConfig(_Frozen):
    """One training run, resolved.

    Attributes:
        recipe: name of the recipe it came from.
        steps: optimizer steps in all.
        batch_size: rows of one rank in one forward pass.
        accumulate: forward passes summed into one optimizer step.
        seed: of weights, noise, dropout.
        cache_features: keep what the frozen backbone returns per frame, so that a step costs the action head only.
        cache_dtype: precision of those features on disk.
        checkpoint_every_steps: a resumable state is written this often (and at the end, and when interrupted).
        keep_states: how many resumable states stay on disk.
        log_every_steps: how often a line of metrics is written.
    """

    recipe: str
    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    accumulate: int = Field(default=1, gt=0)
    seed: int = Field(default=42, ge=0)
    cache_features: bool = True
    cache_dtype: Literal["float16", "float32"] = "float16"
    checkpoint_every_steps: int = Field(default=1000, gt=0)
    keep_states: int = Field(default=2, ge=1)
    log_every_steps: int = Field(default=10, gt=0)
    data: Data = Data()
    model: Model = Model()
    optimizer: Optimizer = Optimizer()
    machine: Machine = Machine()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able dictionary; ``from_dict`` gives the same configuration back."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "TrainConfig":
        """The configuration written by ``to_dict``.

        Raises:
            ConfigError: an unknown field, a missing one, or a value outside its range.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, found {e['input']!r}" for e in error.errors()]
            raise ConfigError("training configuration: " + "; ".join(lines)) from error


def override(config: TrainConfig, settings: Sequence[str]) -> TrainConfig:
    """``config`` with each ``a.b=c`` applied in order; values are JSON, or plain text where JSON fails.

    Raises:
        ConfigError: not of that form, an unknown field (with the nearest known one), or a value that does not fit.
    """
    fields = config.to_dict()
    for setting in settings:
        dotted, sign, text = setting.partition("=")
        if not sign:
            raise ConfigError(f"--set {setting}: expected FIELD=VALUE, for example --set optimizer.lr=3e-4")
        _assign(fields, dotted.strip(), _value(text.strip()))
    return TrainConfig.from_dict(fields)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False}.get(text, text)


def _assign(fields: dict[str, Any], dotted: str, value: Any) -> None:
    if dotted.startswith("model.changes."):
        fields["model"]["changes"][dotted.removeprefix("model.changes.")] = value
        return
    known = list(_dotted(fields))
    if dotted not in known:
        near = difflib.get_close_matches(dotted, known, n=1, cutoff=0.5)
        near = near or [name for name in known if name.rsplit(".", 1)[-1] == dotted.rsplit(".", 1)[-1]]
        hint = f"did you mean {near[0]}?" if near else f"known fields: {', '.join(known)}"
        raise ConfigError(f"--set {dotted}: no such field; {hint}")
    *path, last = dotted.split(".")
    for name in path:
        fields = fields[name]
    fields[last] = value


def _dotted(fields: dict[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in fields.items():
        nested = isinstance(value, dict) and key != "changes"
        names += _dotted(value, f"{prefix}{key}.") if nested else [f"{prefix}{key}"]
    return names
