"""GrootConfig: every size of the model, in the layout of the published config.json, and the rules between them.

``to_dict`` writes the published fields (``backbone_cfg``, ``action_head_cfg``, ``action_dim``, ...) and three of ours:
``eagle_cfg``, ``flare_cfg``, ``published_behaviour``. ``from_dict`` reads them back and keeps every field it does not
know in ``extra``. What a published config.json leaves out (it names the vision-language model by path only) takes the
published sizes.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Self

MODEL_TYPE = "gr00t_n1_5"


class ConfigError(ValueError):
    """A configuration this model cannot be built from; the message names the field and what it accepts."""


@dataclass(frozen=True)
class _Section:
    """A part of the configuration read from a JSON object; fields it does not know stay in ``extra``."""

    extra: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        known = {f.name for f in fields(cls)} - {"extra"}
        extra = {k: v for k, v in values.items() if k not in known}
        missing = {f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING} - set(values)
        if missing:
            raise ConfigError(f"{cls.__name__} needs the fields {sorted(missing)}, found {sorted(values)}")
        return cls(**{k: v for k, v in values.items() if k in known}, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        own = asdict(self)
        return {**own.pop("extra"), **own}


@dataclass(frozen=True)
class TextConfig(_Section):
    """Qwen3 decoder. Defaults: Qwen/Qwen3-1.7B with the vocabulary of Eagle 2.5."""

    vocab_size: int = 151_680
    hidden_size: int = 2048
    intermediate_size: int = 6144
    num_hidden_layers: int = 28  # of which BackboneConfig.select_layer are built
    num_attention_heads: int = 16
    num_key_value_heads: int = 8
    head_dim: int = 128
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1_000_000.0
    max_position_embeddings: int = 40_960


@dataclass(frozen=True)
class SiglipConfig(_Section):
    """SigLIP vision tower. Defaults: so400m, patch 14, 224 px: 256 tokens of width 1152 per image."""

    model_type: str = "siglip_vision_model"
    image_size: int = 224
    patch_size: int = 14
    hidden_size: int = 1152
    intermediate_size: int = 4304
    num_hidden_layers: int = 27
    num_attention_heads: int = 16
    layer_norm_eps: float = 1e-6

    @property
    def tokens_per_image(self) -> int:
        return (self.image_size // self.patch_size) ** 2


@dataclass(frozen=True)
class KeypointConfig(_Section):
    """The small tower: keypoints that the instruction asks for, and a coarse grid of the whole image."""

    model_type: str = "keypoints"
    image_size: int = 112
    hidden_size: int = 192  # width of the tokens
    channels: int = 48  # of the feature map, a quarter of the image on each side
    keypoints: int = 4
    grid_rows: int = 2
    grid_columns: int = 3
    text_width: int = 96
    frequencies: int = 5  # Fourier features per coordinate, finest period 2 / 2**(frequencies - 1) of the image side

    @property
    def tokens_per_image(self) -> int:
        return self.keypoints + self.grid_rows * self.grid_columns


@dataclass(frozen=True)
class BackboneConfig(_Section):
    """The vision-language model. Field names of the published ``backbone_cfg``; text and vision go to ``eagle_cfg``."""

    text: TextConfig = field(default_factory=TextConfig)
    vision: SiglipConfig | KeypointConfig = field(default_factory=SiglipConfig)
    image_token_index: int = 151_669
    select_layer: int = 12  # language layers that run; the features are what the final RMSNorm makes of the last one
    tune_llm: bool = False
    tune_visual: bool = True
    project_to_dim: int | None = None

    def __post_init__(self) -> None:
        if self.project_to_dim is not None:
            raise ConfigError(f"backbone_cfg.project_to_dim must be null as in N1.5, found {self.project_to_dim}")
        if not 1 <= self.select_layer <= self.text.num_hidden_layers:
            raise ConfigError(
                f"backbone_cfg.select_layer must be 1..{self.text.num_hidden_layers} "
                f"(the language model's layers), found {self.select_layer}"
            )


@dataclass(frozen=True)
class DiTConfig(_Section):
    """The diffusion transformer; field names of the published ``diffusion_model_cfg``."""

    num_attention_heads: int = 32
    attention_head_dim: int = 48
    num_layers: int = 16
    cross_attention_dim: int = 2048
    output_dim: int = 1024
    dropout: float = 0.2
    final_dropout: bool = True
    interleave_self_attention: bool = True
    norm_type: str = "ada_norm"
    positional_embeddings: None = None
    prompt_conditioning: bool = False  # ours: add the last token's feature to the time embedding

    def __post_init__(self) -> None:
        if self.norm_type != "ada_norm" or self.positional_embeddings is not None:
            raise ConfigError(
                "diffusion_model_cfg must have norm_type 'ada_norm' and positional_embeddings null, "
                f"found {self.norm_type!r} and {self.positional_embeddings!r}"
            )

    @property
    def width(self) -> int:
        return self.num_attention_heads * self.attention_head_dim


@dataclass(frozen=True)
class AdapterConfig(_Section):
    """Self-attention over the backbone's features; field names of the published ``vl_self_attention_cfg``."""

    num_attention_heads: int = 32
    attention_head_dim: int = 64
    num_layers: int = 4
    dropout: float = 0.2
    final_dropout: bool = True


@dataclass(frozen=True)
class ActionHeadConfig(_Section):
    """Everything after the backbone; field names of the published ``action_head_cfg``."""

    diffusion_model_cfg: DiTConfig = field(default_factory=DiTConfig)
    vl_self_attention_cfg: AdapterConfig = field(default_factory=AdapterConfig)
    action_dim: int = 32
    action_horizon: int = 16
    max_state_dim: int = 64
    max_num_embodiments: int = 32
    input_embedding_dim: int = 1536
    hidden_size: int = 1024
    backbone_embedding_dim: int = 2048
    max_seq_len: int = 1024
    add_pos_embed: bool = True
    use_vlln: bool = True
    num_target_vision_tokens: int = 32
    num_inference_timesteps: int = 4
    num_timestep_buckets: int = 1000
    noise_beta_alpha: float = 1.5
    noise_beta_beta: float = 1.0
    noise_s: float = 0.999
    tune_projector: bool = True
    tune_diffusion_model: bool = True

    def __post_init__(self) -> None:
        if self.noise_beta_beta != 1.0:
            raise ConfigError(f"action_head_cfg.noise_beta_beta must be 1.0 as published, found {self.noise_beta_beta}")
        width = self.diffusion_model_cfg.width
        if width != self.input_embedding_dim or self.diffusion_model_cfg.output_dim != self.hidden_size:
            raise ConfigError(
                f"the DiT is {width} wide and puts out {self.diffusion_model_cfg.output_dim}, but the action head has "
                f"input_embedding_dim {self.input_embedding_dim} and hidden_size {self.hidden_size}"
            )


@dataclass(frozen=True)
class FlareConfig(_Section):
    """FLARE (arXiv 2505.15659): the future tokens, at one layer of the DiT, are drawn to the future frame's features.

    The paper aligns after layer 6 of 8 with coefficient 0.2 and a horizon of one action chunk; N1.5's own layer is
    not published, so the preset keeps the paper's share of the depth (12 of 16).
    """

    enabled: bool = True
    coefficient: float = 0.2
    align_layer: int = 12  # counted from 1: the hidden state after this DiT block
    projector_width: int = 2048
    horizon_frames: int = 16


@dataclass(frozen=True)
class GrootConfig(_Section):
    """The whole model. ``published_behaviour`` keeps a known defect of the published code for exact compatibility:
    padding tokens are attended to by the adapter and by the DiT, so a row's result depends on its batch mates' prompts.
    """

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    action_head: ActionHeadConfig = field(default_factory=ActionHeadConfig)
    flare: FlareConfig = field(default_factory=FlareConfig)
    published_behaviour: bool = True

    def __post_init__(self) -> None:
        width, head = self.backbone.text.hidden_size, self.action_head
        reads = {head.backbone_embedding_dim, head.diffusion_model_cfg.cross_attention_dim}
        adapter = head.vl_self_attention_cfg
        reads.add(adapter.num_attention_heads * adapter.attention_head_dim)
        if reads != {width}:
            raise ConfigError(f"the language model is {width} wide, but the action head reads widths {sorted(reads)}")
        if self.flare.enabled and not 1 <= self.flare.align_layer <= head.diffusion_model_cfg.num_layers:
            layers = head.diffusion_model_cfg.num_layers
            raise ConfigError(f"flare_cfg.align_layer must be 1..{layers}, found {self.flare.align_layer}")

    def to_dict(self) -> dict[str, Any]:
        backbone = self.backbone.to_dict()
        eagle = {
            "image_token_index": backbone.pop("image_token_index"),
            "text_config": _flat(backbone.pop("text")),
            "vision_config": _flat(backbone.pop("vision")),
        }
        head = self.action_head.to_dict()
        for name in ("diffusion_model_cfg", "vl_self_attention_cfg"):
            head[name] = _flat(head[name])
        return {
            "model_type": MODEL_TYPE,
            **self.extra,
            "action_dim": self.action_head.action_dim,
            "action_horizon": self.action_head.action_horizon,
            "hidden_size": self.backbone.text.hidden_size,
            "backbone_cfg": backbone,
            "action_head_cfg": head,
            "eagle_cfg": eagle,
            "flare_cfg": self.flare.to_dict(),
            "published_behaviour": self.published_behaviour,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read a published or one of our config.json; ConfigError on another model type."""
        found = values.get("model_type", MODEL_TYPE)
        if found != MODEL_TYPE:
            raise ConfigError(f"this is a {found!r} checkpoint; only {MODEL_TYPE!r} (GR00T N1.5) can be read")
        ours = {"backbone_cfg", "action_head_cfg", "eagle_cfg", "flare_cfg", "published_behaviour"}
        derived = {"model_type", "action_dim", "action_horizon", "hidden_size"}
        return cls(
            backbone=_backbone(values.get("backbone_cfg", {}), values.get("eagle_cfg", {})),
            action_head=_action_head(values.get("action_head_cfg", {})),
            flare=FlareConfig.from_dict(values.get("flare_cfg", {})),
            published_behaviour=values.get("published_behaviour", True),
            extra={k: v for k, v in values.items() if k not in ours | derived},
        )


def _flat(section: dict[str, Any]) -> dict[str, Any]:
    """A nested section as JSON: what ``extra`` holds beside the fields."""
    section = dict(section)
    return {**section.pop("extra"), **section}


def _backbone(backbone: Mapping[str, Any], eagle: Mapping[str, Any]) -> BackboneConfig:
    vision = eagle.get("vision_config", {})
    vision_class = KeypointConfig if vision.get("model_type") == "keypoints" else SiglipConfig
    placed = {"text": TextConfig.from_dict(eagle.get("text_config", {})), "vision": vision_class.from_dict(vision)}
    if "image_token_index" in eagle:
        placed["image_token_index"] = eagle["image_token_index"]
    return BackboneConfig.from_dict({**backbone, **placed})


def _action_head(values: Mapping[str, Any]) -> ActionHeadConfig:
    parts = {
        "diffusion_model_cfg": DiTConfig.from_dict(values.get("diffusion_model_cfg", {})),
        "vl_self_attention_cfg": AdapterConfig.from_dict(values.get("vl_self_attention_cfg", {})),
    }
    return ActionHeadConfig.from_dict({**values, **parts})
