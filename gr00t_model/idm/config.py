"""How the inverse dynamics model is trained, and its sizes in the layout of the published configuration."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from pydantic import Field

from gr00t_data.settings import Settings
from gr00t_model.groot.config import AdapterConfig, ConfigError, DiTConfig, SiglipConfig, check_inference_steps
from gr00t_model.loop.config import TRACK, Optimizer

IMAGE_TOKEN, PAD_TOKEN = 1, 0
"""What the published collator writes into ``vl_token_ids``: an image token, and padding on its left."""


class IdmTraining(Settings):
    """One training, complete. Defaults are the published ones where those fit a small model.

    Where all demonstrations have one speed, the first picture alone nearly tells the motion, and a model says what it
    expects instead of what both pictures show: ``nearest_gap`` shows it slower motions (``examples.Slowed``).
    """

    preset: Literal["nano", "published"] = Field(default="nano", description="Sizes of the model.")
    selection: str | None = Field(default=None, description="Of the embodiment; by default its first one.")
    steps: int = Field(default=2000, ge=1, description="Optimizer steps.")
    batch_size: int = Field(default=32, ge=1, description="Windows a step and process.")
    draws: int | None = Field(
        default=None,
        ge=1,
        description="Times and noises for each row; by default 2, or 4 of a model that samples.",
    )
    mean_draws: int | None = Field(
        default=None,
        ge=0,
        description="How many have no noise; by default 1, or 0 of a model that samples.",
    )
    frame_gap: int | None = Field(
        default=None, ge=1, description="Frames between the two pictures; by default the horizon."
    )
    nearest_gap: int | None = Field(
        default=None,
        ge=1,
        description="Learn slower motions too: pictures this close up to the gap pass for a whole gap.",
    )
    standardise: bool = Field(
        default=True, description="Actions have deviation 1; false: scaled by extremes, as published."
    )
    held_out_share: float = Field(
        default=0.15, ge=0, le=0.9, description="Of the episodes, kept to measure on; one at the least."
    )
    held_out: tuple[str, ...] = Field(
        default=(), description="Measure on these instead: <first 12 of the store's digest>/<episode>."
    )
    seed: int = Field(default=42, ge=0, description="Of weights, rows and noise.")
    save_every_steps: int = Field(default=200, ge=1, description="How often a resumable state is written.")
    log_every_steps: int = Field(default=50, ge=1, description="How often the loss is told.")
    optimizer: Optimizer = Field(default=Optimizer(lr=1e-3, ema_decay=0.98), description="AdamW and its schedule.")
    track: tuple[str, ...] = Field(default=(), description=TRACK)

    @property
    def learnt(self) -> dict[str, Any]:
        """What the weights depend on, JSON-able: all but who is told of the losses."""
        return self.model_dump(mode="json", exclude={"track"})


@dataclass(frozen=True)
class ConvTowerConfig:
    """The small tower: four convolutions, then a linear readout of the whole map into a few tokens.

    Attributes:
        image_size: pixels of a side, a multiple of 16; the last map has a sixteenth of it on each side.
        channels: of the four feature maps, multiples of 8.
        tokens: of an image.
        hidden_size: width of a token.
    """

    image_size: int = 80
    channels: tuple[int, int, int, int] = (48, 64, 64, 64)
    tokens: int = 4
    hidden_size: int = 128

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        if self.image_size % 16 or len(self.channels) != 4 or any(number % 8 for number in self.channels):
            raise ConfigError(
                f"expected image_size in steps of 16 and four channels in steps of 8, found {asdict(self)}"
            )

    @property
    def tokens_per_image(self) -> int:
        """Tokens the model reads of an image."""
        return self.tokens


@dataclass(frozen=True)
class IdmConfig:
    """Two frames of up to three cameras in, the chunk of actions between them out.

    ``inference_noise`` is the width of the noise that inference begins with: 1 samples an action, as published; 0, with
    one step, gives the mean action, for a model whose training had draws without noise.

    The defaults are the published base configuration of GR00T-Dreams (about 612 M parameters): SigLIP2-large at 256 px
    with patch 16, 16 tokens an image, four layers of mixing, a DiT of eight layers.
    """

    vision: SiglipConfig | ConvTowerConfig = field(
        default_factory=lambda: SiglipConfig(
            image_size=256,
            patch_size=16,
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
        )
    )
    mixer: AdapterConfig = field(default_factory=lambda: AdapterConfig(num_attention_heads=16, attention_head_dim=64))
    diffusion: DiTConfig = field(
        default_factory=lambda: DiTConfig(
            num_attention_heads=16, attention_head_dim=64, num_layers=8, cross_attention_dim=1024, output_dim=1024
        )
    )
    hidden_size: int = 1024
    action_dim: int = 32
    action_horizon: int = 16
    max_num_embodiments: int = 32
    max_num_views: int = 6  # images a row: frames times cameras
    max_seq_len: int = 1024
    add_pos_embed: bool = True
    add_view_embed: bool = True
    num_inference_timesteps: int = 16
    inference_noise: float = 1.0
    num_timestep_buckets: int = 1000
    noise_beta_alpha: float = 1.5
    noise_s: float = 0.999
    tune_vision_tower: bool = True
    tune_diffusion_model: bool = True

    def __post_init__(self) -> None:
        widths = {
            "mixer": self.mixer.num_attention_heads * self.mixer.attention_head_dim,
            "diffusion": self.diffusion.width,
            "diffusion.cross_attention_dim": self.diffusion.cross_attention_dim,
            "diffusion.output_dim": self.diffusion.output_dim,
        }
        if wrong := {name: width for name, width in widths.items() if width != self.hidden_size}:
            raise ConfigError(f"every part must be hidden_size {self.hidden_size} wide, found {wrong}")
        check_inference_steps(self.num_inference_timesteps, self.num_timestep_buckets)

    @property
    def tokens_per_image(self) -> int:
        """What is left of the patches after the two halvings of their grid (an odd grid grows by one first)."""
        if isinstance(self.vision, ConvTowerConfig):
            return self.vision.tokens_per_image
        side = self.vision.image_size // self.vision.patch_size
        return ((((side + 1) // 2) + 1) // 2) ** 2

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read the published constructor arguments, or a config.json that holds them under ``action_head_cfg``.

        Raises:
            ConfigError: an option that this model does not have.
        """
        values = values.get("action_head_cfg", values)
        _refuse_other_models(values)
        width = values["hidden_size"]
        diffusion = {"cross_attention_dim": width, **values["diffusion_model_cfg"]}
        own = set(cls.__dataclass_fields__) - {"vision", "mixer", "diffusion"}
        small = values.get("conv_tower_cfg")
        return cls(
            vision=ConvTowerConfig(**small)
            if small
            else SiglipConfig.from_dict(values["siglip_model_cfg"]["vision_config"]),
            mixer=AdapterConfig.from_dict(values["vl_self_attention_cfg"]),
            diffusion=DiTConfig.from_dict(diffusion),
            **{name: value for name, value in values.items() if name in own},
        )

    def to_dict(self) -> dict[str, Any]:
        """The published constructor arguments; ``from_dict`` reads them. The small tower has a key of its own."""
        own = set(self.__dataclass_fields__) - {"vision", "mixer", "diffusion"}
        values: dict[str, Any] = {name: getattr(self, name) for name in sorted(own)}
        if isinstance(self.vision, ConvTowerConfig):
            values["conv_tower_cfg"] = asdict(self.vision)
        else:
            values["siglip_model_cfg"] = {"vision_config": self.vision.to_dict()}
        sections = {"vl_self_attention_cfg": self.mixer, "diffusion_model_cfg": self.diffusion}
        return values | {name: section.to_dict() for name, section in sections.items()}


def published() -> IdmConfig:
    """The published base configuration: about 612 M parameters, 256 px."""
    return IdmConfig()


def nano() -> IdmConfig:
    """The same wiring at about 4 M parameters and 80 px, for a CPU: convolutions for SigLIP, no dropout."""
    width, heads = 128, 4
    return IdmConfig(
        vision=ConvTowerConfig(),
        mixer=AdapterConfig(num_attention_heads=heads, attention_head_dim=width // heads, num_layers=1, dropout=0.0),
        diffusion=DiTConfig(
            num_attention_heads=heads,
            attention_head_dim=width // heads,
            num_layers=2,
            cross_attention_dim=width,
            output_dim=width,
            dropout=0.0,
        ),
        hidden_size=width,
        num_inference_timesteps=1,
        inference_noise=0.0,
    )


PRESETS = {"published": published, "nano": nano}


def _refuse_other_models(values: Mapping[str, Any]) -> None:
    tower = "conv_tower_cfg" if "conv_tower_cfg" in values else "siglip_model_cfg"
    needed = ("hidden_size", tower, "vl_self_attention_cfg", "diffusion_model_cfg")
    if missing := [name for name in needed if name not in values]:
        raise ConfigError(f"an inverse dynamics configuration needs {missing}, found {sorted(values)}")
    projector = values.get("mm_projector_cfg", {}).get("config", {}).get("mm_projector_type", "mlp_doubledownsample")
    if projector != "mlp_doubledownsample":
        raise ConfigError(f"mm_projector_type must be 'mlp_doubledownsample', found {projector!r}")
    if values.get("noise_beta_beta", 1.0) != 1.0:
        raise ConfigError(f"noise_beta_beta must be 1.0 as published, found {values['noise_beta_beta']}")
