"""Batches by step: from the manifest through the loader, with cached features in place of images when asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.frames import FramesCache
from gr00t_data.batches.loader import Loader
from gr00t_data.batches.mixture import EpisodeEntry, MixtureManifest, MixtureSource
from gr00t_data.batches.statistics import NormStats
from gr00t_data.embodiment import load_embodiment
from gr00t_data.store import EpisodeStore
from gr00t_model.groot.prompt import Prompt
from gr00t_model.training.base import Base
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.features import Clip, FeatureCache, build_features, features_key
from gr00t_model.training.progress import say

_SAY_EVERY = 20
"""The building of caches speaks about twenty times."""


@dataclass(frozen=True)
class Batches:
    """Batch ``k`` of this rank, a pure function of ``k``.

    Attributes:
        features: cached features, or None when the batch carries images.
        horizon: frames between an observation and its future frame.
    """

    loader: Loader
    features: FeatureCache | None
    horizon: int

    @classmethod
    def open(cls, config: TrainConfig, base: Base, accelerator: Accelerator) -> "Batches":
        """Build what is cached (rank 0 first, the others wait for it) and open the loader."""
        manifest = MixtureManifest.load(Path(config.data.manifest))
        cached = config.cache_features and config.model.tune.backbone_frozen
        size = base.model.config.backbone.vision.image_size
        frames = FramesCache(Path(config.data.cache) / "frames", size=(size, size))
        with accelerator.main_process_first():
            frames.build(manifest, _cameras(config, manifest), _spoken("videos decoded"), config.machine.decoders)
            features = _features(config, base, manifest, frames, accelerator.device) if cached else None
        head, flare = base.model.config.action_head, base.model.config.flare
        loader = Loader(
            manifest,
            NormStats.load(Path(config.data.statistics)),
            load_embodiment(config.data.embodiment),
            cache=frames,
            tokenize=base.prompt,
            batch_size=config.batch_size,
            max_state_dim=head.max_state_dim,
            max_action_dim=head.action_dim,
            horizon=head.action_horizon,
            future_horizon=flare.horizon_frames if flare.enabled else None,
            with_images=not cached,
            rank=accelerator.process_index,
            world=accelerator.num_processes,
        )
        return cls(loader, features, flare.horizon_frames)

    def batch(self, step: int) -> Batch:
        """The batch of forward pass ``step`` of this rank."""
        batch = self.loader.batch_of(self.loader.samples(step))
        return batch if self.features is None else self.features.attach(batch, self.horizon)


def _features(
    config: TrainConfig, base: Base, manifest: MixtureManifest, frames: FramesCache, device: torch.device
) -> FeatureCache:
    """The features of every frame that can be drawn, and of the frames one horizon later."""
    cameras = _cameras(config, manifest)
    clips = training_clips(manifest, cameras, frames)
    view = {"cameras": cameras, "dtype": config.cache_dtype, "targets": config.model.flare.on}
    folder = Path(config.data.cache) / "features" / features_key(base.digest, clips, view)
    base.model.eval()
    return build_features(
        folder,
        base.model,
        _prompts(base.prompt, clips, len(cameras)),
        clips,
        dtype=config.cache_dtype,
        with_targets=config.model.flare.on,
        device=device,
        progress=_spoken("frames through the frozen backbone"),
    )


def _prompts(prompt: Prompt, clips: list[Clip], cameras: int) -> tuple[Tensor, Tensor]:
    """One padded prompt a clip, int64 [clips, N] twice."""
    texts = sorted({clip.instruction for clip in clips})
    ids, mask = prompt(texts, cameras)
    rows = [texts.index(clip.instruction) for clip in clips]
    return ids[rows], mask[rows]


def training_clips(manifest: MixtureManifest, cameras: tuple[str, ...], frames: FramesCache) -> list[Clip]:
    """The episodes that training may draw, held-out ones left out, in the order of the manifest."""
    held_out = set(manifest.held_out)
    clips = []
    for number, source in enumerate(manifest.sources):
        store = source.open()
        entries = [entry for entry in source.episodes if (number, entry.index) not in held_out]
        clips += [_clip(source, store, entry, cameras, frames) for entry in entries]
    return clips


def _clip(
    source: MixtureSource, store: EpisodeStore, entry: EpisodeEntry, cameras: tuple[str, ...], frames: FramesCache
) -> Clip:
    """Up to the end of the last kept range: beyond it rows or images may be missing."""
    length = entry.keep[-1][1]
    load = partial(_all_cameras, store, entry.index, cameras, frames, length)
    return Clip(source.digest, entry.index, length, entry.instruction, load)


def _all_cameras(
    store: EpisodeStore, episode: int, cameras: tuple[str, ...], frames: FramesCache, length: int
) -> np.ndarray:
    """uint8 [length, V, H, W, 3]."""
    return np.stack([frames.array(store, episode, camera)[:length] for camera in cameras], axis=1)


def _cameras(config: TrainConfig, manifest: MixtureManifest) -> tuple[str, ...]:
    return load_embodiment(config.data.embodiment).selection(manifest.selection).cameras


def _spoken(what: str) -> Callable[[int, int], None]:
    """A progress callback that says about twenty lines in all."""
    spoken = -1

    def tell(done: int, total: int) -> None:
        nonlocal spoken
        if total and (part := done * _SAY_EVERY // total) > spoken:
            spoken = part
            say(f"{done}/{total} {what}")

    return tell
