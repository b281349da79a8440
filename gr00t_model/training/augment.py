"""Crop, resize and colour jitter on the pictures of a batch, as published, on the device where the batch lies.

Pictures come as their cameras recorded them, so that crop and resize see what the published ones see. Training moves
crop and colours at random; evaluation takes the middle and leaves the colours (``PublishedVideo``).
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.published_video import PublishedVideo
from gr00t_data.batches.rows import Member
from gr00t_data.video.packets import probe
from gr00t_model.loop.progress import say

_STREAM = 1
"""Beside the seed of a step's noise: the numbers of the pictures are others, and leave those of the noise alone."""


def size_before_crop(members: Sequence[Member], side_px: int) -> tuple[int, int]:
    """(height, width) in pixels in which pictures are kept: as they were recorded (by the first episode of each store).

    Cameras of different sizes do not fit into one batch. Their pictures are brought to a square whose crop is
    ``side_px`` wide, and a line says so. (The published code stops there.)
    """
    sizes = {size for member in members for size in _recorded_sizes(member)}
    if len(sizes) == 1:
        return sizes.pop()
    side = math.ceil(side_px / PublishedVideo().crop_scale)
    found = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
    say(f"the cameras record {found}: pictures are resized to {side} x {side} before the crop, not after it")
    return side, side


def _recorded_sizes(member: Member) -> set[tuple[int, int]]:
    cameras = member.embodiment.selection(member.manifest.selection).cameras
    sources = [(source.open(), source.episodes[0].index) for source in member.manifest.sources if source.episodes]
    found = [probe(store.video_path(episode, camera)) for store, episode in sources for camera in cameras]
    return {(video.height, video.width) for video in found}


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
