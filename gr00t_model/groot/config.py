"""GrootConfig: every size of the model, in the layout of the published config.json, and the rules between them.

``to_dict`` writes the published fields (``backbone_cfg``, ``action_head_cfg``, ``action_dim``, ...) and three of ours:
``eagle_cfg``, ``flare_cfg``, ``published_behaviour``. ``from_dict`` reads them back and keeps every field it does not
know in ``extra``. What a published config.json leaves out (it names the vision-language model by path only) takes the
published sizes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from gr00t_model.groot.denoising import DenoisingError, whole_steps
from gr00t_model.groot.flare.config import FlareConfig
from gr00t_model.groot.section import ConfigError, Section

MODEL_TYPE = "gr00t_n1_5"
OTHER_VERSIONS = {"gr00t_n1": "GR00T N1", "Gr00tN1d6": "GR00T N1.6", "Gr00tN1d7": "GR00T N1.7"}
"""``model_type`` of the released checkpoints of other versions; they share no layout with N1.5."""
_DERIVED = ("action_dim", "action_horizon", "hidden_size")
"""Written at the top of config.json as the published code does, and read from the sections instead."""


@dataclass(frozen=True)
class TextConfig(Section):
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
class SiglipConfig(Section):
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
class KeypointConfig(Section):
    """The small tower: keypoints that the instruction asks for, and a coarse grid of the whole image."""

    model_type: str = "keypoints"
    image_size: int = 120
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
class BackboneConfig(Section):
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
class DiTConfig(Section):
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
class AdapterConfig(Section):
    """Self-attention over the backbone's features; field names of the published ``vl_self_attention_cfg``."""

    num_attention_heads: int = 32
    attention_head_dim: int = 64
    num_layers: int = 4
    dropout: float = 0.2
    final_dropout: bool = True
    positional_embeddings: None = None  # written out: to the published class a file that is silent means "sinusoidal"

    def __post_init__(self) -> None:
        if self.positional_embeddings is not None:
            raise ConfigError(
                f"vl_self_attention_cfg must have positional_embeddings null, found {self.positional_embeddings!r}"
            )


def check_inference_steps(steps: object, buckets: int) -> None:
    """ConfigError unless ``num_inference_timesteps`` is a whole number from 1 to the times the model tells apart."""
    try:
        whole_steps(steps, buckets, "action_head_cfg.num_inference_timesteps")
    except DenoisingError as error:
        raise ConfigError(str(error)) from None


@dataclass(frozen=True)
class ActionHeadConfig(Section):
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
    missing_state_token: bool = False  # ours: a learned token where a row has no state (human or generated video)
    state_dropout: float = 0.0  # ours: share of the training rows whose state is withheld and replaced by that token

    def __post_init__(self) -> None:
        self._check_sizes()
        check_inference_steps(self.num_inference_timesteps, self.num_timestep_buckets)
        if self.noise_beta_beta != 1.0:
            raise ConfigError(f"action_head_cfg.noise_beta_beta must be 1.0 as published, found {self.noise_beta_beta}")
        width = self.diffusion_model_cfg.width
        if width != self.input_embedding_dim or self.diffusion_model_cfg.output_dim != self.hidden_size:
            raise ConfigError(
                f"the DiT is {width} wide and puts out {self.diffusion_model_cfg.output_dim}, but the action head has "
                f"input_embedding_dim {self.input_embedding_dim} and hidden_size {self.hidden_size}"
            )

    def _check_sizes(self) -> None:
        if self.add_pos_embed and not 1 <= self.action_horizon <= self.max_seq_len:
            raise ConfigError(
                f"action_head_cfg.action_horizon must be 1..{self.max_seq_len} (max_seq_len, the position embeddings "
                f"there are), found {self.action_horizon}; raise action_head_cfg.max_seq_len with it"
            )
        if not 0 <= self.state_dropout < 1 or (self.state_dropout and not self.missing_state_token):
            raise ConfigError(
                "action_head_cfg.state_dropout must be 0 <= share < 1, and above 0 only with missing_state_token true; "
                f"found {self.state_dropout} with missing_state_token {self.missing_state_token}"
            )

    def to_dict(self) -> dict[str, Any]:
        """``max_action_dim``, which the published data layer reads, follows ``action_dim``."""
        return super().to_dict() | {"max_action_dim": self.action_dim}


@dataclass(frozen=True)
class GrootConfig(Section):
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

    def to_dict(self, *, with_defaults: bool = False) -> dict[str, Any]:
        """The content of config.json.

        Args:
            with_defaults: also name the fields of ours inside ``action_head_cfg`` that are switched off. The published
                classes take no argument they do not know, so a file leaves them out.
        """
        backbone = self.backbone.to_dict()
        eagle = {
            "image_token_index": backbone.pop("image_token_index"),
            "text_config": backbone.pop("text"),
            "vision_config": backbone.pop("vision"),
        }
        head = self.action_head.to_dict()
        if not with_defaults:
            _drop_defaults(head)
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
        """Read a published or one of our config.json; ConfigError on another model type, or none."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"config.json is a JSON object, found {type(values).__name__}; fetch it again")
        found = values.get("model_type", MODEL_TYPE)
        if found != MODEL_TYPE:
            version = f" ({OTHER_VERSIONS[found]})" if found in OTHER_VERSIONS else ""
            raise ConfigError(
                f"this is a {found!r}{version} checkpoint; only {MODEL_TYPE!r} (GR00T N1.5) can be read, and weights "
                "of other versions cannot be converted: start from nvidia/GR00T-N1.5-3B"
            )
        ours = {"backbone_cfg", "action_head_cfg", "eagle_cfg", "flare_cfg", "published_behaviour"}
        derived = {"model_type", *_DERIVED}
        for name in ours - {"published_behaviour"}:
            if not isinstance(values.get(name, {}), Mapping):
                raise ConfigError(f"{name} is a JSON object, found {type(values[name]).__name__}; fetch it again")
        return cls(
            backbone=_backbone(values.get("backbone_cfg", {}), values.get("eagle_cfg", {})),
            action_head=_action_head(values.get("action_head_cfg", {})),
            flare=FlareConfig.from_dict(values.get("flare_cfg", {})),
            published_behaviour=values.get("published_behaviour", True),
            extra={k: v for k, v in values.items() if k not in ours | derived},
        )


def _drop_defaults(head: dict[str, Any]) -> None:
    """Remove the fields of ours that are off from a written ``action_head_cfg``."""
    diffusion = head["diffusion_model_cfg"]
    ours = ((head, "missing_state_token"), (head, "state_dropout"), (diffusion, "prompt_conditioning"))
    for section, name in ours:
        if not section[name]:
            del section[name]


def _backbone(backbone: Mapping[str, Any], eagle: Mapping[str, Any]) -> BackboneConfig:
    vision = eagle.get("vision_config", {})
    keypoints = isinstance(vision, Mapping) and vision.get("model_type") == "keypoints"
    vision_class = KeypointConfig if keypoints else SiglipConfig
    placed = {"text": TextConfig.from_dict(eagle.get("text_config", {})), "vision": vision_class.from_dict(vision)}
    if "image_token_index" in eagle:
        placed["image_token_index"] = eagle["image_token_index"]
    return BackboneConfig.from_dict({**backbone, **placed})


def _action_head(values: Mapping[str, Any]) -> ActionHeadConfig:
    parts = {
        "diffusion_model_cfg": DiTConfig.from_dict(values.get("diffusion_model_cfg", {})),
        "vl_self_attention_cfg": AdapterConfig.from_dict(values.get("vl_self_attention_cfg", {})),
    }
    kept = {name: value for name, value in values.items() if name != "max_action_dim"}
    return ActionHeadConfig.from_dict({**kept, **parts})
