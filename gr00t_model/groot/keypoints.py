"""The small vision tower: where is what the instruction names?

A shallow CNN makes a feature map at a quarter of the image's resolution. A small attention encoder reads the prompt and
asks for a few keypoints; each is a spatial softmax over the map, and becomes a token made of the feature found there
and of Fourier features of its coordinates. A coarse grid of the whole map follows. (Patch tokens learned from scratch
find nothing within minutes of training; keypoints do. Spatial softmax: Levine et al. 2016, arXiv 1504.00702.)

The expectation is taken around the likeliest cell only: over the whole map, doubt between two objects would put the
point in the middle between them, where neither is.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gr00t_model.groot.attention import Attention, SelfAttentionStack
from gr00t_model.groot.config import KeypointConfig

_STRIDE = 4
_DILATIONS = (1, 2, 4, 1)
_TEXT_HEADS = 4
_WINDOW_CELLS = 2  # on each side of the likeliest cell


@dataclass(frozen=True)
class Keypoints:
    """Where the tower looked. K points per image."""

    log_heat: Float[Tensor, "n k c"]  # log-probability over the cells of the map, row by row
    points: Float[Tensor, "n k 2"]  # expected (x, y), 0 at the left/top edge of the image, 1 at the right/bottom edge
    found: Float[Tensor, "n k f"]  # expected feature of the map
    certainty: Float[Tensor, "n k 1"]  # share of the probability that lies around the likeliest cell


class ResidualConv(nn.Module):
    """Normalise, 3x3 convolution, SiLU, 1x1 convolution, added to the input."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.norm = nn.GroupNorm(4, channels)
        self.wide = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x + self.mix(F.silu(self.wide(self.norm(x))))


class PromptReader(nn.Module):
    """The prompt's words, mixed by one layer of attention, then pooled by one learned query per keypoint.

    Several heads per query let one point depend on several words at once (a colour and a shape).
    """

    def __init__(self, vocab_size: int, width: int, queries: int):
        super().__init__()
        self.words = nn.Embedding(vocab_size, width)
        self.mixing = SelfAttentionStack(1, width, _TEXT_HEADS, dropout=0.0, final_dropout=False)
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.pooling = Attention(width, width, _TEXT_HEADS, width // _TEXT_HEADS, dropout=0.0)

    def forward(self, input_ids: Int[Tensor, "b n"], real: Bool[Tensor, "b n"]) -> Float[Tensor, "b k w"]:
        mask = real[:, None, None]
        words = self.mixing(self.words(input_ids), mask)
        queries = self.queries.expand(words.shape[0], -1, -1)  # a graph keeps this open, ``len`` is a number
        return queries + self.pooling(queries, self.pooling.keys_values(words), mask)


class KeypointTower(nn.Module):
    """[n, 3, S, S] images and their prompts to [n, keypoints + grid cells, hidden_size] tokens."""

    usual_map: Tensor  # [channels, r, c], the mean feature map, stored when the tower has been trained

    def __init__(self, config: KeypointConfig, vocab_size: int):
        super().__init__()
        self.config = config
        channels, side = config.channels, config.image_size // _STRIDE
        self.stem = nn.Conv2d(3, channels, 2 * _STRIDE, stride=_STRIDE, padding=_STRIDE // 2)
        self.place = nn.Parameter(torch.zeros(channels, side, side))  # lets a cell know where it is
        self.register_buffer("usual_map", torch.zeros(channels, side, side))
        self.convs = nn.Sequential(*(ResidualConv(channels, dilation) for dilation in _DILATIONS))
        self.norm = nn.GroupNorm(1, channels)
        self.reader = PromptReader(vocab_size, config.text_width, config.keypoints)
        self.ask = nn.Linear(config.text_width, channels)
        point_width = channels + 2 + 4 * config.frequencies + 1
        self.point_token = nn.Linear(point_width, config.hidden_size)
        self.point_names = nn.Embedding(config.keypoints, config.hidden_size)
        self.grid_token = nn.Linear(channels, config.hidden_size)

    @property
    def map_width(self) -> int:
        return self.config.channels

    def feature_map(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n f r c"]:
        """The map before any question is asked."""
        return self.norm(self.convs(self.stem(pixels.to(self.place.dtype)) + self.place))

    def target_map(self, pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n f r c"]:
        """What FLARE's targets are pooled from: the map, less what is the same in every picture.

        (With it the pooled targets of unrelated pictures have a cosine of 0.92, and there is next to nothing to learn.)
        """
        return self.feature_map(pixels) - self.usual_map

    def forward(
        self,
        pixels: Float[Tensor, "n 3 h w"],
        input_ids: Int[Tensor, "b k"],
        attention_mask: Int[Tensor, "b k"],
        views: Int[Tensor, " b"] | None = None,
    ) -> tuple[Float[Tensor, "n p e"], Float[Tensor, "n f r c"]]:
        """Tokens and ``target_map`` of one look. Every image of a row is asked the same prompt; keypoint tokens come
        first, then the grid row by row.

        ``views``: images of each row; None: the same number in every row.
        """
        feature_map = self.feature_map(pixels)
        keypoints = self.look(feature_map, input_ids, attention_mask, views)
        return self.tokens(*self.sights(feature_map, keypoints)), feature_map - self.usual_map

    def look(
        self,
        feature_map: Float[Tensor, "n f r c"],
        input_ids: Int[Tensor, "b k"],
        attention_mask: Int[Tensor, "b k"],
        views: Int[Tensor, " b"] | None = None,
    ) -> Keypoints:
        """Ask the map for the keypoints of each row's prompt. ``views`` as in ``forward``."""
        images_of_row = len(feature_map) // len(input_ids) if views is None else views
        return self.find(feature_map, self.question(input_ids, attention_mask).repeat_interleave(images_of_row, dim=0))

    def question(self, input_ids: Int[Tensor, "b k"], attention_mask: Int[Tensor, "b k"]) -> Float[Tensor, "b q f"]:
        """What each prompt asks of a map: one feature a keypoint."""
        return self.ask(self.reader(input_ids, attention_mask.bool()))

    def find(self, feature_map: Float[Tensor, "n f r c"], asked: Float[Tensor, "n q f"]) -> Keypoints:
        """Where each map has what is asked of it."""
        cells = feature_map.flatten(2)
        log_heat = (asked @ cells / math.sqrt(self.config.channels)).log_softmax(dim=-1)
        rows, columns = feature_map.shape[2:]
        heat = log_heat.exp() * window(log_heat.argmax(dim=-1), rows, columns)
        certainty = heat.sum(dim=-1, keepdim=True)
        heat = heat / certainty
        centres = cell_centres(rows, columns).to(heat)
        return Keypoints(log_heat, heat @ centres, heat @ cells.transpose(1, 2), certainty)

    def sights(
        self, feature_map: Float[Tensor, "n f r c"], keypoints: Keypoints
    ) -> tuple[Float[Tensor, "n k p"], Float[Tensor, "n g f"]]:
        """What the tokens are made of: each keypoint's feature, place and certainty; the pooled cells of the grid."""
        place = fourier(keypoints.points, self.config.frequencies)
        grid = F.adaptive_avg_pool2d(feature_map, (self.config.grid_rows, self.config.grid_columns))
        return torch.cat([keypoints.found, place, keypoints.certainty], dim=-1), grid.flatten(2).transpose(1, 2)

    def tokens(self, points: Float[Tensor, "n k p"], grid: Float[Tensor, "n g f"]) -> Float[Tensor, "n t e"]:
        return torch.cat([self.point_token(points) + self.point_names.weight, self.grid_token(grid)], dim=1)


def cell_centres(rows: int, columns: int) -> Float[Tensor, "c 2"]:
    """(x, y) of each cell's centre, row by row, in fractions of the image."""
    y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def window(peak: Int[Tensor, "n k"], rows: int, columns: int) -> Bool[Tensor, "n k c"]:
    """The cells at most _WINDOW_CELLS away from the peak cell, in both directions."""
    cells = torch.arange(rows * columns, device=peak.device)
    down = (cells // columns - peak[..., None] // columns).abs()
    across = (cells % columns - peak[..., None] % columns).abs()
    return (down <= _WINDOW_CELLS) & (across <= _WINDOW_CELLS)


def fourier(points: Float[Tensor, "... 2"], frequencies: int) -> Float[Tensor, "... f"]:
    """The coordinates, and their sines and cosines at periods 2, 1, 1/2, ...: fine differences as large numbers."""
    scales = math.pi * 2.0 ** torch.arange(frequencies, device=points.device, dtype=points.dtype)
    angles = (points[..., None] * scales).flatten(-2)
    return torch.cat([points * 2 - 1, angles.sin(), angles.cos()], dim=-1)
