"""The nano model's picture code: what changes after the first frame, on a basis that is measured and not trained.

A clip is its first frame, kept as it is, and the difference of every later frame from it. Differences of a few frames
in a row are cut into blocks, and each block is written as its coordinates on the principal axes of all blocks of the
training clips. So the basis costs seconds in place of an autoencoder's hours, what never moves stays sharp, and a code
of zeros means that nothing happens.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Blocks:
    """How pictures are cut.

    Attributes:
        side_px: height and width of a block; frames: later frames in a block.
        codes: axes kept of a block of differences; picture_codes: of a block of the first frame.
    """

    side_px: int = 8
    frames: int = 4
    codes: int = 48
    picture_codes: int = 32


class Codec(nn.Module):
    """Blocks to codes and back. Everything is a buffer: nothing here trains."""

    axes: Tensor
    scale: Tensor
    picture_axes: Tensor
    picture_mean: Tensor
    picture_scale: Tensor

    def __init__(self, blocks: Blocks):
        super().__init__()
        self.blocks = blocks
        still = blocks.side_px**2 * 3
        self.register_buffer("axes", torch.zeros(still * blocks.frames, blocks.codes))
        self.register_buffer("scale", torch.ones(blocks.codes))
        self.register_buffer("picture_axes", torch.zeros(still, blocks.picture_codes))
        self.register_buffer("picture_mean", torch.zeros(still))
        self.register_buffer("picture_scale", torch.ones(blocks.picture_codes))

    def encode(self, film: UInt8[Tensor, "b t h w 3"]) -> Float[Tensor, "b c g y x"]:
        """Codes of what comes after the first frame; t must be 1 + a multiple of ``blocks.frames``."""
        codes = self._differences(film) @ self.axes / self.scale
        return codes.permute(0, 4, 1, 2, 3)

    def picture(self, first: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b p y x"]:
        """Codes of the first frame: what the network knows of the scene."""
        codes = (self._stills(first) - self.picture_mean) @ self.picture_axes / self.picture_scale
        return codes.permute(0, 3, 1, 2)

    def decode(self, codes: Float[Tensor, "b c g y x"], first: UInt8[Tensor, "b h w 3"]) -> UInt8[Tensor, "b t h w 3"]:
        """The clip that begins with ``first`` and goes on as the codes say."""
        side, group = self.blocks.side_px, self.blocks.frames
        blocks = (codes.permute(0, 2, 3, 4, 1) * self.scale) @ self.axes.T
        rows, groups, y, x, _ = blocks.shape
        blocks = blocks.reshape(rows, groups, y, x, group, side, side, 3).permute(0, 1, 4, 2, 5, 3, 6, 7)
        changes = blocks.reshape(rows, groups * group, y * side, x * side, 3) * 127.5
        later = (first[:, None].float() + changes).round().clamp(0, 255).to(torch.uint8)
        return torch.cat([first[:, None], later], dim=1)

    @torch.no_grad()
    def fit(self, films: UInt8[Tensor, "b t h w 3"]) -> None:
        """Measure the axes on clips. Scales are the square roots of the standard deviations along the axes: between
        equal weight for every axis, which spends the network on grain, and none, which leaves only the largest."""
        differences = self._differences(films).flatten(0, -2)
        axes, spread = _principal(differences, self.blocks.codes)
        self.axes.copy_(axes)
        self.scale.copy_((spread / spread.square().mean().sqrt()).sqrt())
        self.scale.mul_(self._spread_of_codes(differences))
        stills = self._stills(films[:, 0]).flatten(0, -2)
        self.picture_mean.copy_(stills.mean(0))
        axes, spread = _principal(stills - self.picture_mean, self.blocks.picture_codes)
        self.picture_axes.copy_(axes)
        self.picture_scale.copy_(spread.clamp(min=float(spread[0]) / 20))

    def _spread_of_codes(self, differences: Tensor) -> Tensor:
        return (differences @ self.axes / self.scale).square().mean().sqrt()

    def _differences(self, film: Tensor) -> Float[Tensor, "b g y x d"]:
        side, group = self.blocks.side_px, self.blocks.frames
        changes = (film[:, 1:].float() - film[:, :1].float()) / 127.5
        rows, frames, height, width, _ = changes.shape
        cut = changes.reshape(rows, frames // group, group, height // side, side, width // side, side, 3)
        return cut.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4)

    def _stills(self, first: Tensor) -> Float[Tensor, "b y x d"]:
        side = self.blocks.side_px
        rows, height, width, _ = first.shape
        cut = (first.float() / 127.5 - 1).reshape(rows, height // side, side, width // side, side, 3)
        return cut.permute(0, 1, 3, 2, 4, 5).flatten(3)


def _principal(rows: Float[Tensor, "n d"], count: int) -> tuple[Float[Tensor, "d c"], Float[Tensor, " c"]]:
    """The axes of largest spread about zero and the spread along each. Signs are fixed: equal data, equal axes."""
    moment = (rows.T.double() @ rows.double()) / len(rows)
    values, vectors = torch.linalg.eigh(moment)
    values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
    heaviest = vectors.abs().argmax(dim=0)
    vectors = vectors * vectors[heaviest, torch.arange(count)].sign()
    return vectors.float(), values.clamp(min=_ROUNDING).sqrt().float()
