"""Statistics as LeRobot v3.0 keeps them: min, max, mean, std, count and five quantiles, for each feature.

Quantiles over the whole dataset are exact: values are kept, and pixels are counted in 256 bins. LeRobot 0.4.4 averages
the quantiles of the episodes instead, which is not a quantile.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
_VALUES_AT_ONCE = 4_000_000
_LONGEST_SIDE_PX = 150
"""Pixels of larger pictures are thinned out to about this side, as LeRobot does."""

Stats = dict[str, dict[str, Any]]
"""Feature -> statistic -> nested lists in the shape of the feature; ``count`` is [n]."""


@dataclass
class DatasetStats:
    """Statistics gathered episode by episode.

    Attributes:
        values: column -> its values, one array an episode.
        pixels: camera column -> int64 [3, 256], how often each level occurs.
        pictures: camera column -> number of pictures counted.
    """

    values: dict[str, list[np.ndarray]] = field(default_factory=dict)
    pixels: dict[str, np.ndarray] = field(default_factory=dict)
    pictures: dict[str, int] = field(default_factory=dict)

    def add_rows(self, table: pa.Table) -> Stats:
        """Take in the rows of one episode; returns their statistics. Texts and images are left out."""
        stats: Stats = {}
        for name in table.column_names:
            values = column_values(table.column(name))
            if values is not None and len(values):
                self.values.setdefault(name, []).append(values)
                stats[name] = _of_values(values)
        return stats

    def add_pictures(self, camera: str, pictures: np.ndarray) -> dict[str, Any]:
        """Take in sampled pictures of one episode, uint8 [n, H, W, 3]; returns their statistics, levels in [0, 1]."""
        step = max(1, round(max(pictures.shape[1:3]) / _LONGEST_SIDE_PX))
        thin = pictures[:, ::step, ::step]
        counts = np.stack([np.bincount(thin[..., c].ravel(), minlength=256) for c in range(3)])
        self.pixels[camera] = self.pixels.get(camera, np.zeros_like(counts)) + counts
        self.pictures[camera] = self.pictures.get(camera, 0) + len(pictures)
        return _of_levels(counts, len(pictures))

    def total(self) -> Stats:
        """Statistics over everything taken in."""
        stats = {camera: _of_levels(counts, self.pictures[camera]) for camera, counts in self.pixels.items()}
        return stats | {name: _of_values(np.concatenate(parts)) for name, parts in self.values.items()}


def column_values(column: pa.ChunkedArray) -> np.ndarray | None:
    """A numeric column as an array [T, ...] in its own type; None for texts, images, and rows of unequal shapes."""
    array, shape = column.combine_chunks(), [len(column)]
    while isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray | pa.ExtensionArray):
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
            continue
        inner = array.flatten()
        if array.null_count or not len(array) or len(inner) % len(array) or not _equal_lengths(array):
            return None
        shape.append(len(inner) // len(array))
        array = inner
    kind = array.type
    if array.null_count or not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return None
    return array.to_numpy(zero_copy_only=False).reshape(shape)


def _equal_lengths(array: pa.Array) -> bool:
    if isinstance(array, pa.FixedSizeListArray):
        return True
    lengths = array.value_lengths().to_numpy()
    return bool((lengths == lengths[0]).all())


def _of_values(values: np.ndarray) -> dict[str, Any]:
    """Statistics of rows [T, ...]; a few dimensions at a time, so that not all of them are in memory as float64."""
    rows = values.reshape(len(values), -1)
    step = max(1, _VALUES_AT_ONCE // len(rows))
    blocks = [_of_block(rows[:, start : start + step].astype(np.float64)) for start in range(0, rows.shape[1], step)]
    shape = values.shape[1:] or (1,)
    found = {name: np.concatenate([block[name] for block in blocks]).reshape(shape).tolist() for name in blocks[0]}
    return found | {"count": [len(values)]}


def _of_block(rows: np.ndarray) -> dict[str, np.ndarray]:
    found = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    return found | dict(zip(QUANTILES, np.quantile(rows, list(QUANTILES.values()), axis=0), strict=True))


def _of_levels(counts: np.ndarray, pictures: int) -> dict[str, Any]:
    """Statistics of pixel levels from their histogram [3, 256], in the shape (3, 1, 1)."""
    levels, total = np.arange(256) / 255, counts.sum(1)
    mean = counts @ levels / total
    spread = np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0))
    found: dict[str, Any] = {
        "min": [levels[np.flatnonzero(channel)[0]] for channel in counts],
        "max": [levels[np.flatnonzero(channel)[-1]] for channel in counts],
        "mean": mean,
        "std": spread,
    }
    below = np.cumsum(counts, axis=1)
    for name, share in QUANTILES.items():
        found[name] = [levels[np.searchsorted(channel, share * channel[-1])] for channel in below]
    return {name: [[[float(value)]] for value in values] for name, values in found.items()} | {"count": [pictures]}
