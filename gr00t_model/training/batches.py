"""Batches by step: from the mixtures through the loader, with cached features in place of images when asked for."""

import hashlib
from collections.abc import Callable, Sequence
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
from gr00t_data.batches.mixture.manifest import EpisodeEntry, MixtureManifest, MixtureSource, SampleId
from gr00t_data.batches.rows import Member
from gr00t_data.store.store import EpisodeStore
from gr00t_model.groot.prompt import Prompt
from gr00t_model.loop.progress import say
from gr00t_model.training.alignment_target import target_view
from gr00t_model.training.augment import augmented, picture_generator, size_before_crop
from gr00t_model.training.base import Base
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.features import Clip, FeatureCache, build_features, features_key
from gr00t_model.training.members import open_members

LIBRARIES = ("av", "numpy", "pyarrow", "scipy", "tokenizers", "torch", "transformers")

_SAY_EVERY = 20
"""The building of caches speaks about twenty times."""


@dataclass(frozen=True)
class Batches:
    """Batch ``k`` of this rank, a pure function of ``k``.

    Attributes:
        features: cached features of each mixture, or nothing when the batch carries images.
        augmented_px: side of the pictures after the crop, where they are augmented; 0 where they are not.
        current: the cached target of a row is that of its own frame instead of the future one.
    """

    loader: Loader
    features: tuple[FeatureCache, ...]
    current: bool
    augmented_px: int = 0

    @classmethod
    def open(cls, config: TrainConfig, base: Base, accelerator: Accelerator) -> "Batches":
        """Build what is cached (rank 0 first, the others wait for it) and open the loader."""
        members = open_members(config.data)
        cached = config.cache_features and config.model.backbone_frozen
        taken = base.model.config.backbone.vision.image_size
        size = size_before_crop(members, taken) if config.data.augment else (taken, taken)
        budget_bytes = round(config.data.cache_budget_gb * 1e9) or None
        frames = FramesCache(Path(config.data.cache) / "frames", size, budget_bytes)
        decoding = config.data.order == "clips" and not cached
        with accelerator.main_process_first():
            for member in () if decoding else members:
                frames.build(member.manifest, _cameras(member), _spoken("videos decoded"), config.machine.decoders)
            features = [_features(config, base, member, frames, accelerator.device) for member in members if cached]
        head, flare = base.model.config.action_head, base.model.config.flare
        loader = Loader(
            members,
            cache=None if decoding else frames,
            order=config.data.order,
            image_size=size,
            decoders=config.machine.decoders,
            tokenize=base.prompt,
            batch_size=config.batch_size,
            max_state_dim=head.max_state_dim,
            max_action_dim=head.action_dim,
            horizon=head.action_horizon,
            horizon_frames=flare.horizon_frames if flare.enabled else None,
            published_behaviour=config.data.published_behaviour,
            with_images=not cached,
            rank=accelerator.process_index,
            world=accelerator.num_processes,
        )
        _tell_of_masked_states(loader, base)
        return cls(loader, tuple(features), flare.control == "current", taken if config.data.augment else 0)

    def batch(self, step: int) -> Batch:
        """The batch of forward pass ``step`` of this rank."""
        return self.loader.batch_of(self.loader.samples(step), self._attach if self.features else None)

    def seen(self, batch: Batch, noise: torch.Generator | None = None) -> Batch:
        """The batch as the model sees it: augmented where the configuration says so.

        Args:
            noise: the generator of the step; None leaves chance out, as in evaluation.
        """
        if not self.augmented_px:
            return batch
        return augmented(batch, self.augmented_px, None if noise is None else picture_generator(noise))

    def _attach(self, samples: Sequence[SampleId], batch: Batch) -> Batch:
        frames, ahead, member = [sample.frame for sample in samples], self.loader.horizon_frames, samples[0].member
        if ahead is not None and not self.current:
            frames = self.loader.rows[member].future(samples, ahead)[0].tolist()
        return self.features[member].attach(batch, frames)


def _tell_of_masked_states(loader: Loader, base: Base) -> None:
    """Rows without a state are never zeros in silence."""
    stores = [store for one in loader.rows for store in one.stateless]
    if stores and not base.model.config.action_head.missing_state_token:
        say(
            f"{', '.join(stores)}: have no state, and the base has no token for that: the state encoder reads zeros; "
            "give it one with --set model.changes.action_head_cfg.missing_state_token=true"
        )


def _features(
    config: TrainConfig, base: Base, member: Member, frames: FramesCache, device: torch.device
) -> FeatureCache:
    """The features of every frame of a mixture that can be drawn, and of the frames one horizon later."""
    cameras = _cameras(member)
    clips = training_clips(member.manifest, cameras, frames)
    prompts = _prompts(base.prompt, clips, len(cameras))
    view = {
        "cameras": cameras,
        "dtype": config.cache_dtype,
        "targets": target_view(config.model.flare),
        # A tokenizer from elsewhere, and changes to the base, are not in the digest of its folder.
        "prompts": hashlib.sha256(prompts[0].numpy().tobytes()).hexdigest(),
        "backbone": base.model.config.backbone.to_dict(),
    }
    folder = Path(config.data.cache) / "features" / features_key(base.digest, clips, view)
    base.model.eval()
    return build_features(
        folder,
        base.model,
        prompts,
        clips,
        dtype=config.cache_dtype,
        with_targets=base.model.flare is not None,
        device=device,
        progress=_spoken("frames through the frozen backbone"),
    )


def _prompts(prompt: Prompt, clips: list[Clip], cameras: int) -> tuple[Tensor, Tensor]:
    """One padded prompt for each text of each clip in turn, int64 [texts, N] twice."""
    said = [text for clip in clips for *_, text in clip.spans]
    texts = sorted(set(said))
    ids, mask = prompt(texts, cameras)
    rows = [texts.index(text) for text in said]
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
    load = partial(_all_cameras, store, entry.index, cameras, frames, entry.end)
    return Clip(source.digest, entry.index, entry.end, entry.instruction, load, entry.text_changes or ())


def _all_cameras(
    store: EpisodeStore, episode: int, cameras: tuple[str, ...], frames: FramesCache, length: int
) -> np.ndarray:
    """uint8 [length, V, H, W, 3]."""
    return np.stack([frames.array(store, episode, camera)[:length] for camera in cameras], axis=1)


def _cameras(member: Member) -> tuple[str, ...]:
    return member.embodiment.selection(member.manifest.selection).cameras


def _spoken(what: str) -> Callable[[int, int], None]:
    """A progress callback that says about twenty lines in all."""
    spoken = -1

    def tell(done: int, total: int) -> None:
        nonlocal spoken
        if total and (part := done * _SAY_EVERY // total) > spoken:
            spoken = part
            say(f"{done}/{total} {what}")

    return tell
