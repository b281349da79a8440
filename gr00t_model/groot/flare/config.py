"""The configuration of FLARE and of its action-aware embedding: ``flare_cfg`` of config.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from gr00t_model.groot.section import ConfigError, Section


@dataclass(frozen=True)
class EmbeddingConfig(Section):
    """FLARE's action-aware embedding (arXiv 2505.15659, section 3.2): four layers of self-attention over the tokens of
    image and text, then learned queries that compress them. It is as wide as the language model and has as many
    attention heads as the adapter. The paper does not say how many layers the queries go through; two is our choice.
    """

    fusion_layers: int = 4
    query_layers: int = 2
    words: bool = True  # False: only the image's tokens are read


@dataclass(frozen=True)
class FlareConfig(Section):
    """FLARE (arXiv 2505.15659): the future tokens, at one layer of the DiT, are drawn to the future frame's features.

    The paper aligns after layer 6 of 8 with coefficient 0.2 and a horizon of one action chunk; N1.5's own layer is
    not published, so the preset keeps the paper's share of the depth (12 of 16).
    """

    enabled: bool = True
    coefficient: float = 0.2
    align_layer: int = 12  # counted from 1: the hidden state after this DiT block
    projector_width: int = 2048
    horizon_frames: int = 16  # to the future frame, at the rate of the embodiment
    target: str = "vision"  # one of TARGETS
    target_ema: float = 1.0  # share of itself that the target encoder keeps at each step; 1: it is fixed
    control: str = "none"  # one of CONTROLS
    own_parts: tuple[str, ...] = ()  # parts of the backbone that the target encoder has copies of, see groot/target.py
    embedding: EmbeddingConfig | None = None  # of target action_aware, and of its pre-training
    pretraining: bool = False  # the action head reads the embedding, which learns from the actions; no alignment

    TARGETS: ClassVar[dict[str, str]] = {
        "vision": "gr00t_model.groot.flare.vision",
        "action_aware": "gr00t_model.groot.flare.action_aware",
    }
    """Name -> the module whose ``Target`` makes it (see groot/flare/target.py)."""
    CONTROLS: ClassVar[tuple[str, ...]] = ("none", "shuffled", "current")

    def __post_init__(self) -> None:
        for name, value, known in (("target", self.target, self.TARGETS), ("control", self.control, self.CONTROLS)):
            if value not in known:
                raise ConfigError(f"flare_cfg.{name} must be one of {', '.join(known)}, found {value!r}")
        if not 0 < self.target_ema <= 1:
            raise ConfigError(f"flare_cfg.target_ema must be above 0 and at most 1, found {self.target_ema}")
        if self.pretraining and self.enabled:
            raise ConfigError("flare_cfg.pretraining learns the target of the alignment: enabled must be false with it")
        if self.embedding is None and (self.pretraining or self.target == "action_aware"):
            raise ConfigError("flare_cfg.embedding must hold the sizes of the action-aware embedding, found null")

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "own_parts": list(self.own_parts)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        placed = dict(values)
        if placed.get("embedding") is not None:
            placed["embedding"] = EmbeddingConfig.from_dict(placed["embedding"])
        return super().from_dict({**placed, "own_parts": tuple(placed.get("own_parts", ()))})
