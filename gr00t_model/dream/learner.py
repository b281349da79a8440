"""What differs between ways to train a world model: encode clips, draw a loss, export."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from gr00t_data.disk import replacing
from gr00t_data.integrity import IntegrityError
from gr00t_model.dream.windows import Films, Windows

Codes = dict[str, Tensor]
_SUM = "crc32"
"""In the metadata of a file, of the codes and their place; of the codes alone in those of before. One entry:
safetensors writes several in any order.
"""


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


def save_codes(codes: Codes, path: Path) -> None:
    """Write the codes of a clip to its place in the folder of a run, with a checksum of them and of the place."""
    with replacing(path) as temporary:
        save_file(codes, temporary, metadata={_SUM: f"{_sum(codes)} {_place(path)}"})


def require_whole(path: Path) -> None:
    """Whether a file holds the codes that were written to it.

    Raises:
        FileNotFoundError: there is none.
        IntegrityError: it holds others, or cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            codes = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            whole = (file.metadata() or {}).get(_SUM) in (_sum(codes), f"{_sum(codes)} {_place(path)}")
    except SafetensorError:
        whole = False
    if not whole:
        raise IntegrityError(f"{path}: is not the file that was written")


def _place(path: Path) -> str:
    """Name of the run, which ends with its key, and of the clip in it."""
    return f"{path.parents[1].name}/{path.name}"


def _sum(codes: Codes) -> str:
    found = 0
    for name, tensor in sorted(codes.items()):
        found = zlib.crc32(f"{name} {tensor.dtype} {list(tensor.shape)}".encode(), found)
        found = zlib.crc32(tensor.contiguous().view(torch.uint8).numpy().data, found)
    return f"{found:08x}"
