"""The key of a grounded base model: what it depends on. No torch, so that one that is there is found at once."""

from dataclasses import asdict, dataclass, field

from gr00t_data.code_key import code_key
from gr00t_data.disk import digest_json
from gr00t_model.loop.config import Optimizer


@dataclass(frozen=True)
class GroundingConfig:
    """How the stage trains. With 4,000 stills it costs about 170 CPU-seconds, rendering included."""

    batch_size: int = 16
    look_epochs: int = 4
    tell_epochs: int = 3
    look: Optimizer = field(default_factory=lambda: _adamw(2e-3))
    tell: Optimizer = field(default_factory=lambda: _adamw(1e-3))
    gain: float = 0.1  # largest relative change of contrast and of each colour channel
    noise: float = 0.02  # standard deviation of the pixel noise, pixels being -1..1


def _adamw(lr: float) -> Optimizer:
    return Optimizer(lr=lr, betas=(0.9, 0.98), weight_decay=0.01, warmup_share=0.1)


def grounding_key(stills_count: int, seed: int, config: GroundingConfig) -> str:
    """SHA-256 of the arguments, of the code that renders, defines the model and teaches it, and of the libraries."""
    settings = {**asdict(config), "look": config.look.model_dump(), "tell": config.tell.model_dump()}
    return digest_json([stills_count, seed, settings, code_key("gr00t_model.grounding.ground")])
