"""The published image chain: which frame belongs to a time, and crop, resize, jitter to the model's bytes.

Training crops and jitters at random, once a row, so that all cameras and frames of a row keep their relation;
evaluation crops the centre. (GR00T N1.5 data configurations: crop 0.95, bilinear resize with antialiasing to 224 x 224,
colour jitter of brightness 0.3, contrast 0.4, saturation 0.5, hue 0.08; the jitter is that of torchvision.)
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

_LUMINANCE = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in a grey picture (ITU-R BT.601, as torchvision rounds them)."""


def frame_played_at(starts_s: Float[np.ndarray, " n"], times_s: Float[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """The frame on screen at each time: the last that starts no later. (torchcodec, the default of N1.5.)

    Times before the first frame give the first.
    """
    return np.maximum(np.searchsorted(starts_s, times_s, side="right") - 1, 0)


def frame_nearest(starts_s: Float[np.ndarray, " n"], times_s: Float[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
    """The frame whose start is nearest to each time. (decord; one frame later than torchcodec on PickNPlace.)"""
    return np.abs(np.asarray(times_s)[:, None] - starts_s).argmin(axis=1)


FRAME_RULES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "torchcodec": frame_played_at,
    "decord": frame_nearest,
}


@dataclass(frozen=True)
class Jitter:
    """Strengths of the colour jitter. Each of the first three factors is drawn from [max(0, 1 - s), 1 + s]; the hue
    turns by a share of the circle in [-hue, hue].
    """

    brightness: float = 0.3
    contrast: float = 0.4
    saturation: float = 0.5
    hue: float = 0.08


@dataclass(frozen=True)
class PublishedVideo:
    """Pictures of any one size to the model's bytes.

    Attributes:
        crop_scale: share of height and width that is kept.
        size: (height, width) in pixels of the result.
        jitter: None leaves the colours alone in training too.
    """

    crop_scale: float = 0.95
    size: tuple[int, int] = (224, 224)
    jitter: Jitter | None = Jitter()

    def __call__(
        self, images: UInt8[Tensor, "b v h w 3"], generator: torch.Generator | None = None
    ) -> UInt8[Tensor, "b v y x 3"]:
        """Crop, resize, jitter. Without a generator as in evaluation: the centre, colours as they are.

        ValueError when ``images`` are not uint8 [B, V, H, W, 3].
        """
        if images.dtype != torch.uint8 or images.ndim != 5 or images.shape[-1] != 3:
            raise ValueError(f"images must be uint8 [B, V, H, W, 3], found {images.dtype} {list(images.shape)}")
        rows = [self._row(row, generator) for row in images]
        return torch.stack(rows)

    def _row(self, views: UInt8[Tensor, "v h w 3"], generator: torch.Generator | None) -> UInt8[Tensor, "v y x 3"]:
        pictures = self._cropped(views, generator).permute(0, 3, 1, 2).float() / 255
        pictures = F.interpolate(pictures, size=self.size, mode="bilinear", align_corners=False, antialias=True)
        if generator is not None and self.jitter is not None:
            pictures = jitter(pictures, self.jitter, generator)
        # Truncation, not rounding: as published. The bounds hold what the resize may round past them.
        return (pictures * 255).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)

    def _cropped(self, views: UInt8[Tensor, "v h w 3"], generator: torch.Generator | None) -> UInt8[Tensor, "v y x 3"]:
        height, width = views.shape[1:3]
        kept_height, kept_width = int(height * self.crop_scale), int(width * self.crop_scale)
        free = height - kept_height, width - kept_width
        if generator is None:
            top, left = (round(space / 2) for space in free)
        else:
            top, left = (int(torch.randint(space + 1, (), generator=generator)) for space in free)
        return views[:, top : top + kept_height, left : left + kept_width]


def jitter(
    pictures: Float[Tensor, "v 3 h w"], strengths: Jitter, generator: torch.Generator
) -> Float[Tensor, "v 3 h w"]:
    """Change brightness, contrast, saturation and hue of all pictures alike, in a random order. Values in [0, 1]."""

    def factor(strength: float) -> float:
        return _between(max(0.0, 1 - strength), 1 + strength, generator)

    brightness, contrast, saturation = map(factor, (strengths.brightness, strengths.contrast, strengths.saturation))
    turn = _between(-strengths.hue, strengths.hue, generator)
    changes: list[Callable[[Tensor], Tensor]] = [
        lambda x: blend(x, torch.zeros_like(x), brightness),
        lambda x: blend(x, grey(x).mean(dim=(-3, -2, -1), keepdim=True), contrast),
        lambda x: blend(x, grey(x), saturation),
        lambda x: turn_hue(x, turn),
    ]
    for number in torch.randperm(len(changes), generator=generator).tolist():
        pictures = changes[number](pictures)
    return pictures


def _between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def blend(x: Float[Tensor, "v 3 h w"], other: Float[Tensor, "v c y x"], factor: float) -> Float[Tensor, "v 3 h w"]:
    """``factor`` of x and the rest of ``other``, cut to [0, 1]; a factor over 1 moves away from ``other``."""
    return (factor * x + (1 - factor) * other).clamp(0, 1)


def grey(x: Float[Tensor, "v 3 h w"]) -> Float[Tensor, "v 1 h w"]:
    """Luminance."""
    weights = torch.tensor(_LUMINANCE, dtype=x.dtype, device=x.device)[:, None, None]
    return (x * weights).sum(dim=-3, keepdim=True)


def turn_hue(x: Float[Tensor, "v 3 h w"], turn: float) -> Float[Tensor, "v 3 h w"]:
    """Turn the hue by a share of the circle; value and saturation (of HSV) stay.

    With hue angle h in sixths, each channel is value - chroma * clamp(min(k, 4 - k), 0, 1), k = (n + h) mod 6 and
    n = 5, 3, 1 for red, green, blue.
    """
    value, low = x.amax(dim=-3), x.amin(dim=-3)
    chroma = value - low
    red, green, blue = x.unbind(dim=-3)
    over = torch.where(chroma == 0, 1.0, chroma)
    sixths = torch.where(value == green, (blue - red) / over + 2, (red - green) / over + 4)
    sixths = torch.where(value == red, (green - blue) / over, sixths)
    sixths = (sixths + 6 * turn) % 6
    return torch.stack([_channel(value, chroma, (n + sixths) % 6) for n in (5, 3, 1)], dim=-3)


def _channel(value: Float[Tensor, "v h w"], chroma: Float[Tensor, "v h w"], k: Tensor) -> Float[Tensor, "v h w"]:
    return value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)


def tile_count(width_px: int, height_px: int, *, side_px: int = 224, most: int = 12, thumbnail: bool = True) -> int:
    """Pieces the published image processor cuts a picture into; each costs the language model 256 tokens.

    It picks the grid of at most ``most`` tiles whose shape and area fit best, and adds a thumbnail of the whole when
    there is more than one. A picture of side_px x side_px stays whole, which is why images are resized first.
    """
    grids = sorted(
        ((i, j) for i in range(1, most + 1) for j in range(1, most // i + 1)), key=lambda grid: grid[0] * grid[1]
    )
    shape, area = width_px / height_px, width_px * height_px

    def fit(grid: tuple[int, int]) -> float:
        tiles, wanted = grid[0] * grid[1], grid[0] / grid[1]
        return min(tiles * side_px**2 / area, 0.6) * min(wanted / shape, shape / wanted)

    columns, rows = max(grids, key=fit)
    tiles = columns * rows
    return tiles + 1 if thumbnail and tiles > 1 else tiles


__all__ = ["FRAME_RULES", "Jitter", "PublishedVideo", "frame_nearest", "frame_played_at", "jitter", "tile_count"]
