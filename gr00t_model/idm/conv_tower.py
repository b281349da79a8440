"""A small vision tower that learns from scratch: what moved where, without a pretrained model."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gr00t_model.idm.config import ConvTowerConfig


class ConvTower(nn.Module):
    """Four convolutions, each halving the picture; every cell of the last map is a token that knows its place."""

    def __init__(self, config: ConvTowerConfig):
        super().__init__()
        layers: list[nn.Module] = []
        before = 5  # red, green, blue, and the place: row and column from -1 to 1
        for channels in config.channels:
            layers += [nn.Conv2d(before, channels, 3, stride=2, padding=1), nn.GroupNorm(8, channels), nn.GELU()]
            before = channels
        self.layers = nn.Sequential(*layers)
        self.position = nn.Parameter(torch.zeros(config.tokens_per_image, config.hidden_size))
        nn.init.normal_(self.position, std=0.02)

    def patches(self, images: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n p e"]:
        """One token a cell, row by row; images in [-1, 1]."""
        line = torch.linspace(-1, 1, images.shape[-1], dtype=images.dtype, device=images.device)
        place = torch.stack(torch.meshgrid(line, line, indexing="ij")).expand(len(images), -1, -1, -1)
        return self.layers(torch.cat([images, place], dim=1)).flatten(2).transpose(1, 2) + self.position
