"""Crop and colour jitter on the pictures of a batch, as published, on the device where the batch lies.

Pictures are kept a little larger than the model takes them, so that the crop gives its size without enlarging anything.
Training moves crop and colours at random; evaluation takes the middle and leaves the colours (``PublishedVideo``).
"""

import math
from dataclasses import replace

import numpy as np
import torch

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.published_video import PublishedVideo

_STREAM = 1
"""Beside the seed of a step's noise: the numbers of the pictures are others, and leave those of the noise alone."""


def stored_side(side_px: int) -> int:
    """Pixels of a side before the crop."""
    return math.ceil(side_px / PublishedVideo().crop_scale)


def picture_generator(noise: torch.Generator) -> torch.Generator:
    """The generator of crops and colours that belongs to a step's generator of noise. On the CPU: they are few."""
    words = np.random.SeedSequence([noise.initial_seed(), _STREAM]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(words[0]) >> 1)


def augmented(batch: Batch, side_px: int, generator: torch.Generator | None) -> Batch:
    """The batch with cropped pictures; one draw a row, for all its views and its future frame alike.

    Args:
        side_px: height and width of the result.
        generator: of ``picture_generator``; None as in evaluation.
    """
    if batch.images is None:
        return batch
    video = PublishedVideo(size=(side_px, side_px))
    if batch.future_images is None:
        return replace(batch, images=video(batch.images, generator))
    views = batch.images.shape[1]
    both = video(torch.cat([batch.images, batch.future_images], dim=1), generator)
    return replace(batch, images=both[:, :views].contiguous(), future_images=both[:, views:].contiguous())
