"""A small vision tower that learns from scratch: what stands where, without a pretrained model."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gr00t_model.idm.config import ConvTowerConfig


class ConvTower(nn.Module):
    """Convolutions down to a sixteenth of the picture's side; the whole last map is then read into a few tokens.

    The map is flattened, so that a weight belongs to a place: the angle of a joint is read off from where things are.
    One token a cell, left to attention to mix, learns more slowly and costs more.
    """

    def __init__(self, config: ConvTowerConfig):
        super().__init__()
        first, second, third, last = config.channels
        self.layers = nn.Sequential(
            *_block(5, first, 6, stride=4, padding=1),  # red, green, blue, and the place: row and column from -1 to 1
            *_block(first, second, 3, stride=2, padding=1),
            *_block(second, third, 3, stride=1, padding=1),
            *_block(third, last, 3, stride=2, padding=1),
        )
        cells = (config.image_size // 16) ** 2
        self.readout = nn.Linear(last * cells, config.tokens * config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self._shape = config.tokens, config.hidden_size

    def patches(self, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n p e"]:
        """The tokens of each image; images in [-1, 1]."""
        line = torch.linspace(-1, 1, images.shape[-1], dtype=images.dtype, device=images.device)
        place = torch.stack(torch.meshgrid(line, line, indexing="ij")).expand(len(images), -1, -1, -1)
        flat = self.layers(torch.cat([images, place], dim=1)).flatten(1)
        return self.norm(self.readout(flat).unflatten(1, self._shape))


def _block(before: int, after: int, kernel: int, stride: int, padding: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, kernel, stride, padding), nn.GroupNorm(8, after), nn.GELU()]
