"""The key of a grounded base model: what it depends on. No torch, so that one that is there is found at once."""

from pydantic import Field

from gr00t_data.code_key import code_key
from gr00t_data.disk import digest_json
from gr00t_data.settings import Settings
from gr00t_model.loop.config import TRACK, Optimizer


def _adamw(lr: float) -> Optimizer:
    return Optimizer(lr=lr, betas=(0.9, 0.98), weight_decay=0.01, warmup_share=0.1)


class GroundingConfig(Settings):
    """How the stage trains. With 4,000 stills it costs about 170 CPU-seconds, rendering included."""

    batch_size: int = Field(default=16, ge=1, description="Stills a step.")
    look_epochs: int = Field(default=4, ge=1, description="Passes over all stills in which the tower learns to look.")
    tell_epochs: int = Field(default=3, ge=1, description="Passes in which the language model learns to tell.")
    save_every_steps: int = Field(default=200, ge=1, description="How often a resumable state is written.")
    look: Optimizer = Field(default=_adamw(2e-3), description="Of the tower.")
    tell: Optimizer = Field(default=_adamw(1e-3), description="Of the language model.")
    gain: float = Field(default=0.1, ge=0, description="Largest relative change of contrast and of each colour.")
    noise: float = Field(default=0.02, ge=0, description="Standard deviation of the pixel noise, pixels being -1..1.")
    track: tuple[str, ...] = Field(default=(), description=TRACK)


def grounding_key(stills_count: int, seed: int, config: GroundingConfig) -> str:
    """SHA-256 of the arguments, of the code that renders, defines the model and teaches it, and of the libraries."""
    learnt = config.model_dump(mode="json", exclude={"track"})
    return digest_json([stills_count, seed, learnt, code_key("gr00t_model.grounding.ground")])
