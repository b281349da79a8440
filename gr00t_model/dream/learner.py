"""What differs between ways to train a world model: encode clips, draw a loss, export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from gr00t_model.dream.windows import Films, Windows

Codes = dict[str, Tensor]


Encoder = Callable[[UInt8[np.ndarray, "t h w 3"], str], Codes]


class Learner(Protocol):
    """One way to train a world model."""

    def encoder(self, windows: Windows, films: Films) -> Encoder:
        """Loads what encoding takes (autoencoder, text encoder); gone when the returned function is let go."""
        ...

    def open(self, device: torch.device) -> nn.Module:
        """The module whose trainable parameters learn; its ``forward`` is ``loss(codes, generator)``."""
        ...

    def export(self, module: nn.Module, folder: Path, facts: dict[str, Any]) -> None:
        """Leave the product in ``folder``."""
        ...


def interpolated(
    clean: Float[Tensor, "b c t y x"], time: Float[Tensor, " b"], generator: torch.Generator
) -> tuple[Float[Tensor, "b c t y x"], Float[Tensor, "b c t y x"]]:
    """A rectified flow: the point at ``time`` between clean codes (0) and noise (1), and the velocity there."""
    noise = torch.randn(clean.shape, generator=generator, device=clean.device)
    along = time.view(-1, *[1] * (clean.ndim - 1))
    return (1 - along) * clean + along * noise, noise - clean


def shifted(time: Float[Tensor, " b"], shift: float) -> Float[Tensor, " b"]:
    """Uniform times moved towards the noisy end as the flow-matching schedulers of diffusers move theirs."""
    return shift * time / (1 + (shift - 1) * time)
