"""Statistics of images: exact histograms of 256 bins a channel, merged by addition."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video

Array = np.ndarray
_LEVELS = np.arange(256) / 255


@dataclass(frozen=True)
class ImageStatistics:
    """What the pixels of many pictures add up to; the values are 0..1 (level / 255).

    Attributes:
        pictures: how many were counted.
        histogram: int64 [3, 256], pixels of each level in red, green and blue.
    """

    pictures: int
    histogram: Int[Array, "3 256"]

    @classmethod
    def of(cls, pictures: Iterable[UInt8[Array, "h w 3"]]) -> Self:
        """Count RGB pictures, at least one.

        Raises:
            ValueError: no picture, or one that is not uint8 [H, W, 3].
        """
        number, histogram = 0, np.zeros(3 * 256, dtype=np.int64)
        for number, picture in enumerate(pictures, start=1):  # noqa: B007 - the count is used after the loop
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
                raise ValueError(f"expected uint8 [H, W, 3], found {picture.dtype} {list(picture.shape)}")
            histogram += Image.fromarray(picture).histogram()
        if not number:
            raise ValueError("no picture to measure")
        return cls(number, histogram.reshape(3, 256))

    def __add__(self, other: "ImageStatistics") -> "ImageStatistics":
        """What both have counted."""
        return ImageStatistics(self.pictures + other.pictures, self.histogram + other.histogram)

    @property
    def mean(self) -> Float[Array, "3"]:
        """Of each channel."""
        return self._shares @ _LEVELS

    @property
    def std(self) -> Float[Array, "3"]:
        """Of each channel, of the population."""
        return np.sqrt((self._shares * np.square(_LEVELS - self.mean[:, None])).sum(axis=1))

    def quantile(self, rank: float) -> Float[Array, "3"]:
        """The smallest level of each channel that at least a share of ``rank`` of the pixels does not exceed."""
        return (np.cumsum(self._shares, axis=1) < rank - 1e-12).sum(axis=1).clip(max=255) / 255

    @property
    def _shares(self) -> Float[Array, "3 256"]:
        return self.histogram / self.histogram.sum(axis=1, keepdims=True)


def measure_images(store: EpisodeStore, episodes: Iterable[int], camera: str, every: int = 1) -> ImageStatistics:
    """Count every ``every``-th frame of a camera over some episodes of a store.

    Raises:
        VideoError: a video is missing or cannot be decoded.
        ValueError: there is no frame.
    """
    return ImageStatistics.of(
        frame
        for episode in episodes
        for number, frame in enumerate(video.frames(store.video_path(episode, camera)))
        if number % every == 0
    )
