"""TrainConfig: everything a training run depends on, frozen, as JSON. The shell changes it (see ``settings``)."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from gr00t_data.settings import Settings
from gr00t_model.groot.flare.config import FlareConfig
from gr00t_model.loop.config import RANDOM_BASE, ConfigError, LoopConfig, validated


class Mixture(Settings):
    """One mixture with its robot. Paths only: what the run depends on is their content (see ``run.run_key``).

    Attributes:
        manifest: JSON of the mixture.
        statistics: JSON of the normalization statistics.
        embodiment: name of a bundled embodiment, or path of a YAML.
        weight: share of the rows that come from it, relative to the other mixtures of the run.
        acting_steps: steps of a chunk that this embodiment learns, the first ones; 0 is all the model has.
        foreign_statistics: take statistics that were not measured on this mixture, such as those of the base model.
    """

    manifest: str = ""
    statistics: str = ""
    embodiment: str = "gr1"
    weight: float = Field(default=1.0, gt=0)
    acting_steps: int = Field(default=0, ge=0)
    foreign_statistics: bool = False


class Data(Mixture):
    """Where the inputs lie.

    Attributes:
        also: further mixtures, of other embodiments, drawn into the same batches.
        cache: folder for decoded frames and frozen features; may be deleted at any time.
        order: ``frames`` draws every sample by itself, from decoded frames in the cache; ``clips`` shuffles the frames
            of a few clips at a time and decodes them as it goes, for data that does not fit the cache.
        cache_budget_gb: what decoded frames may take on disk; 0 is no limit.
        published_behaviour: count the steps past the end of an episode in the loss, as the published loader does.
        augment: crop the pictures at random to 0.95 and jitter their colours, as published; needs cache_features=false.
    """

    also: tuple[Mixture, ...] = ()
    cache: str = ""
    order: Literal["frames", "clips"] = "frames"
    cache_budget_gb: float = Field(default=0.0, ge=0)
    published_behaviour: bool = False
    augment: bool = False

    @property
    def mixtures(self) -> tuple[Mixture, ...]:
        """All of them, the first one first."""
        own = {name: getattr(self, name) for name in Mixture.model_fields}
        return (Mixture(**own), *self.also)


class Tune(Settings):
    """The published switches. Their defaults freeze the vision-language model and train the action head.

    A name of TUNE_CHOICES may stand in place of the four switches.
    """

    llm: bool = False
    visual: bool = False
    projector: bool = True
    diffusion_model: bool = True

    @property
    def backbone_frozen(self) -> bool:
        """True when the features of the backbone are the same at every step."""
        return not (self.llm or self.visual)


TUNE_CHOICES: dict[str, Tune] = {
    "action_head": Tune(),
    "low_memory": Tune(diffusion_model=False),
    "everything": Tune(llm=True, visual=True),
}
"""The stages of fine-tuning the published code describes, by name.

``action_head`` is its default (projector and diffusion model); ``low_memory`` leaves the diffusion model as it is, for
cards of 24 GB; ``everything`` adds the vision tower, its linear and the language model. The adapter, the future tokens
and FLARE train in all three.
"""


class Lora(Settings):
    """Low-rank adapters (arXiv 2106.09685) on the linears that make queries, keys and values.

    Attributes:
        rank: width of the adapters; 0 switches them off. 32 makes 6,553,600 parameters in N1.5's action head.
        alpha: the adapters' output is scaled by ``alpha / rank``.
        dropout: on the adapters' input.
        scope: ``action_head`` (DiT and adapter), or ``whole`` (also vision tower and language model).
        train_slots: also train the embodiment's own encoders and decoder. False freezes them, as the published code
            does: an embodiment the base has not seen then acts through random projectors.
    """

    rank: int = Field(default=0, ge=0, le=4096)
    alpha: float = Field(default=16.0, gt=0)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    scope: Literal["action_head", "whole"] = "action_head"
    train_slots: bool = True

    @property
    def on(self) -> bool:
        """Whether adapters take the place of ``tune``."""
        return self.rank > 0


def _known_target(name: str) -> str:
    if name not in FlareConfig.TARGETS:
        raise ValueError(f"expected one of {', '.join(FlareConfig.TARGETS)}")
    return name


class Flare(Settings):
    """FLARE (arXiv 2505.15659): align the future tokens with an embedding of the frame one horizon ahead.

    Attributes:
        on: whether the loss is computed at all.
        coefficient: weight of the alignment loss; 0.2 in the paper.
        target: what the future frame is turned into. ``vision``: the vision tower's features, pooled.
            ``action_aware``: the embedding in the folder ``embedding``.
        embedding: checkpoint of a run with ``pretrain_embedding`` (recipe gr1_nano_embedding).
        target_ema: share of itself that the target encoder keeps at each step while it follows the policy's own
            encoder; 1 keeps it fixed, 0.995 is the paper's best. Below 1 the policy's encoder must train.
        horizon_frames: frames from the observation to the future frame; null is the model's (16).
        align_layer: block of the DiT after which the future tokens are aligned, from 1; null is the model's.
        control: ``shuffled`` exchanges the targets of the rows, ``current`` takes the frame of the observation: what
            the policy gains from the future must be gone with them.
        pretrain_embedding: learn an embedding instead: M tokens made of image and text are all that a policy sees,
            and only the actions teach. The other fields then do nothing.
    """

    on: bool = True
    coefficient: float = Field(default=0.2, ge=0)
    target: Annotated[str, AfterValidator(_known_target)] = "vision"
    embedding: str = ""
    target_ema: float = Field(default=1.0, gt=0, le=1)
    horizon_frames: int | None = Field(default=None, ge=1)
    align_layer: int | None = Field(default=None, ge=1)
    control: Literal["none", "shuffled", "current"] = "none"
    pretrain_embedding: bool = False


class Model(Settings):
    """The network.

    Attributes:
        preset: sizes of a fresh model (``nano``, ``n1_5_3b``); used when ``base`` is RANDOM_BASE.
        base: folder of the model to start from, or RANDOM_BASE for random weights from the seed. Empty: nobody has said
            so yet, and no run is made. (Runs of former versions were made then, from random weights.)
        tokenizer: folder of its tokenizer, for a base that comes without one (nvidia/GR00T-N1.5-3B does).
        changes: fields of the preset to replace, dotted (``action_head.num_layers``), for small tests.
        tune: which parts train, switch by switch or as a name of TUNE_CHOICES.
        train_all_slots: train the encoders and decoders of all embodiments, also of those that no mixture of the run
            has, as the published code does: they get no gradient, but weight decay shrinks them. False leaves them as
            they are in the base, and spares their gradients, moments and averages.
        lora: adapters that train in place of those parts.
        flare: the alignment loss.
    """

    preset: str = "nano"
    base: str = ""
    tokenizer: str = ""
    changes: dict[str, Any] = Field(default_factory=dict)
    tune: Tune = Tune()
    train_all_slots: bool = False
    lora: Lora = Lora()
    flare: Flare = Flare()

    @field_validator("tune", mode="before")
    @classmethod
    def _tune_by_name(cls, value: Any) -> Any:
        return tune_named(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _adapters_or_parts(self) -> "Model":
        if self.lora.on and self.tune != Tune():
            raise ValueError(
                f"lora.rank={self.lora.rank} freezes every part, so tune must stay as it is by default; what the "
                "adapters cover is lora.scope (action_head or whole)"
            )
        if self.lora.on and self.train_all_slots:
            raise ValueError(
                f"lora.rank={self.lora.rank} trains the slots of the run's embodiments (lora.train_slots), no others; "
                "set model.train_all_slots=false, or train without adapters (model.lora.rank=0)"
            )
        return self

    @model_validator(mode="after")
    def _target_follows_something(self) -> "Model":
        if self.flare.target_ema == 1 or not self.flare.on or self.flare.pretrain_embedding:
            return self
        trains = self.tune.visual or (self.tune.llm and self.flare.target == "action_aware")
        if self.lora.on or not trains:
            why = "its weights do not move under lora" if self.lora.on else "tune.visual=false freezes it"
            raise ValueError(
                f"flare.target_ema={self.flare.target_ema} lets the target follow the policy's own encoder, but {why}, "
                "so it would do nothing; set model.flare.target_ema=1.0, or train the encoder (model.tune.visual=true)"
            )
        return self

    @property
    def base_folder(self) -> Path | None:
        """The folder of the base; None for random weights."""
        return None if self.base in ("", RANDOM_BASE) else Path(self.base)

    @property
    def backbone_frozen(self) -> bool:
        """True when the features of the backbone are the same at every step."""
        return self.tune.backbone_frozen and not (self.lora.on and self.lora.scope == "whole")


class TrainConfig(LoopConfig):
    """One training run of a policy, resolved.

    Attributes:
        recipe: name of the recipe it came from.
        batch_size: rows of one rank in one forward pass.
        cache_features: keep what the frozen backbone returns per frame, so that a step costs the action head only.
        cache_dtype: precision of those features on disk.
    """

    recipe: str
    batch_size: int = Field(gt=0, le=1_000_000)
    cache_features: bool = True
    cache_dtype: Literal["float16", "float32"] = "float16"
    data: Data = Data()
    model: Model = Model()

    @model_validator(mode="after")
    def _augmented_pictures_are_not_cached(self) -> "TrainConfig":
        if self.data.augment and self.cache_features:
            raise ValueError(
                "data.augment=true changes the pictures at every step, and cache_features=true keeps what the backbone "
                "saw once; set cache_features=false, or data.augment=false"
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """JSON-able dictionary; ``from_dict`` gives the same configuration back."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "TrainConfig":
        """The configuration written by ``to_dict``.

        Raises:
            ConfigError: an unknown field, a missing one, or a value outside its range.
        """
        return validated(cls, fields, "training configuration")


def tune_named(name: str) -> dict[str, bool]:
    """The four switches of a name in TUNE_CHOICES.

    Raises:
        ConfigError: no such name.
    """
    if name not in TUNE_CHOICES:
        raise ConfigError(f"model.tune: expected one of {', '.join(TUNE_CHOICES)}, found {name!r}")
    return TUNE_CHOICES[name].model_dump()
