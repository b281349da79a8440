"""Loader: batches of a mixture. Which samples a batch holds depends on manifest, step, rank and world, nothing else."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.clips import ClipOrder, ClipReader
from gr00t_data.batches.frames import FramesCache
from gr00t_data.batches.known_parts import KnownParts
from gr00t_data.batches.masks import action_mask, state_mask
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.rows import MixtureRows
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.batches.transforms.transforms import build_transforms
from gr00t_data.embodiment.robot import Embodiment

Order = Literal["frames", "clips"]
Tokens = np.ndarray | torch.Tensor
Tokenize = Callable[[list[str], int | list[int]], tuple[Tokens, Tokens]]
"""Texts and images a row (one number, or one for each) to ids int64 [B, N] and mask int64 [B, N], left-padded."""


class LoaderError(RuntimeError):
    """A sample that could not be made; the message names it."""


class Loader:
    """An endless iterator of batches.

    Step k of rank r holds the samples ``(k * world + r) * batch_size`` up to ``+ batch_size`` of the manifest, so the
    ranks together see what one process with ``world * batch_size`` rows would see, and resuming needs ``start_step``
    only.
    """

    def __init__(
        self,
        manifest: MixtureManifest,
        statistics: NormStats,
        embodiment: Embodiment,
        *,
        batch_size: int,
        max_state_dim: int,
        max_action_dim: int,
        horizon: int,
        acting_steps: int | None = None,
        future_horizon: int | None = None,
        published_behaviour: bool = False,
        cache: FramesCache | None = None,
        order: Order = "frames",
        image_size: tuple[int, int] | None = None,
        decoders: int = 2,
        tokenize: Tokenize | None = None,
        with_images: bool = True,
        start_step: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Read the states and actions of the mixture into memory.

        Args:
            horizon: steps in an action chunk.
            acting_steps: how many of them this embodiment learns, the first ones; None is all.
            future_horizon: steps of the embodiment from the observation to the future frame (FLARE); None leaves it
                out.
            published_behaviour: also count the steps past the end of an episode in the loss (they repeat the last
                action), as the published loader does.
            cache: decoded frames; needed with images unless ``image_size`` is given.
            order: ``frames`` draws every sample by itself; ``clips`` shuffles the frames of a few clips at a time, for
                data that is decoded as it goes (see ``clips.ClipOrder``).
            image_size: (height, width) in pixels of images that are decoded as they are needed, without a cache.
            decoders: threads that do so.
            tokenize: makes the prompt; None leaves the tokens out.
            with_images: False leaves images and tokens out, for training on cached features.

        Raises:
            ValueError: manifest, statistics and embodiment do not belong together, or numbers out of range.
            RateError: a store records too slowly for the embodiment's rate; names it.
        """
        _check_belonging(manifest, embodiment)
        if with_images and cache is None and (image_size is None or order != "clips"):
            raise ValueError(
                "images need a frames cache: give cache=, or with_images=False for cached features, or decode while "
                'training with order="clips" and image_size='
            )
        acting_steps = horizon if acting_steps is None else acting_steps
        if batch_size < 1 or not 1 <= acting_steps <= horizon or not 0 <= rank < world:
            raise ValueError(
                f"expected batch_size > 0, 0 < acting_steps <= horizon and 0 <= rank < world, found {batch_size}, "
                f"{acting_steps}, {horizon}, {rank} and {world}"
            )
        self.manifest, self.embodiment = manifest, embodiment
        self.batch_size, self.horizon, self.future_horizon = batch_size, horizon, future_horizon
        self.start_step, self.rank, self.world = start_step, rank, world
        self.cameras = embodiment.selection(manifest.selection).cameras
        self.state_transform, self.action_transform = build_transforms(
            embodiment, manifest.selection, statistics, max_state_dim, max_action_dim
        )
        self._cache, self._tokenize, self._with_images = cache, tokenize, with_images
        self._counted = np.arange(horizon) < acting_steps
        self._count_padding = published_behaviour
        self._stores = [source.open() for source in manifest.sources]
        self._slots = np.array(manifest.slots(embodiment.slot), dtype=np.int64)
        self._state_masks = np.stack([state_mask(store, self.state_transform) for store in self._stores])
        self._action_masks = np.stack([action_mask(store, self.action_transform) for store in self._stores])
        transforms = (self.state_transform, self.action_transform)
        self._rows = MixtureRows(manifest, self._stores, embodiment, transforms)
        self._known = KnownParts(manifest, self._stores, transforms, self._rows.paces)
        self.order = ClipOrder(manifest) if order == "clips" else manifest
        self._reader = self._clip_reader(image_size, decoders) if with_images and cache is None else None

    def _clip_reader(self, size: tuple[int, int] | None, decoders: int) -> ClipReader | None:
        if size is None or not isinstance(self.order, ClipOrder):
            return None
        beyond = max(pace.rows(self.future_horizon or 0) for pace in self._rows.paces)
        return ClipReader(self.order, self._stores, self.cameras, size, beyond=beyond, threads=decoders)

    def __iter__(self) -> Iterator[Batch]:
        """Batches from ``start_step`` on, without end."""
        step = self.start_step
        while True:
            yield self.batch_of(self.samples(step))
            step += 1

    def samples(self, step: int) -> list[SampleId]:
        """The samples of this rank at one step."""
        first = (step * self.world + self.rank) * self.batch_size
        self.expect(first)
        return self.order.samples(first, self.batch_size)

    def expect(self, sample: int) -> None:
        """Begin to decode what samples from this one on will need; nothing to do with a cache."""
        if self._reader is not None:
            self._reader.expect(sample)

    def close(self) -> None:
        """Stop the threads that decode, where there are any."""
        if self._reader is not None:
            self._reader.close()

    def sample_name(self, sample: SampleId) -> str:
        """``<store digest 12>/<episode>/<frame>``."""
        return f"{self.manifest.sources[sample.source].digest[:12]}/{sample.episode}/{sample.frame}"

    def batch_of(self, samples: Sequence[SampleId]) -> Batch:
        """The batch of any samples of the manifest, held-out ones included.

        Raises:
            LoaderError: a sample is not in the manifest, or its images cannot be read; names the sample.
        """
        try:
            states, chunks, valid = self._rows.gather(samples, self.horizon)
        except (KeyError, IndexError) as error:
            raise LoaderError(f"mixture {self.manifest.name!r}: no such sample {error}") from error
        frames = np.array([sample.frame for sample in samples], dtype=np.int64)
        valid = (valid | self._count_padding) & self._counted
        sources = [sample.source for sample in samples]
        known = self._known.action(samples, self.horizon)
        told = valid[:, :, None] & self._action_masks[sources][:, None] & known
        real = self._state_masks[sources][:, None] & self._known.state(samples)
        return Batch(
            state=torch.from_numpy(np.where(real, states, np.float32(0))),
            state_mask=torch.from_numpy(real),
            embodiment_id=torch.from_numpy(self._slots[sources]),
            action=torch.from_numpy(np.where(known, chunks, np.float32(0))),
            action_mask=torch.from_numpy(told),
            control_hz=torch.full((len(samples),), self.embodiment.control_hz, dtype=torch.float32),
            sample_ids=tuple(self.sample_name(sample) for sample in samples),
            **self._prompt(samples),
            **self._views(samples, frames),
        )

    def instructions(self, samples: Sequence[SampleId]) -> list[str]:
        """The text of each sample."""
        return [self.manifest.entry(sample.source, sample.episode).instruction for sample in samples]

    def rows_ahead(self, sample_ids: Sequence[str], steps: int) -> list[int]:
        """Rows of its store that a number of steps of the embodiment take, for each ``Batch.sample_ids``."""
        rows = {
            source.digest[:12]: pace.rows(steps)
            for source, pace in zip(self.manifest.sources, self._rows.paces, strict=True)
        }
        return [rows[name.partition("/")[0]] for name in sample_ids]

    @property
    def stateless(self) -> list[str]:
        """The stores of the mixture whose rows have no state at all."""
        return [str(store.root) for store, mask in zip(self._stores, self._state_masks, strict=True) if not mask.any()]

    def _prompt(self, samples: Sequence[SampleId]) -> dict[str, torch.Tensor]:
        if self._tokenize is None or not self._with_images:
            return {}
        ids, mask = self._tokenize(self.instructions(samples), len(self.cameras))
        return {"input_ids": torch.as_tensor(ids), "attention_mask": torch.as_tensor(mask)}

    def _views(self, samples: Sequence[SampleId], frames: np.ndarray) -> dict[str, torch.Tensor]:
        views = {}
        if self._with_images:
            views["images"] = self._images(samples, frames)
        if self.future_horizon is not None:
            # The last kept range ends where rows or images end, whichever comes first.
            ends = np.array([self.manifest.entry(s.source, s.episode).keep[-1][1] for s in samples], dtype=np.int64)
            future = frames + [self._rows.paces[sample.source].rows(self.future_horizon) for sample in samples]
            views["future_mask"] = torch.from_numpy(future < ends)
            if self._with_images:
                views["future_images"] = self._images(samples, np.minimum(future, ends - 1))
        return views

    def _images(self, samples: Sequence[SampleId], frames: np.ndarray) -> torch.Tensor:
        """uint8 [B, V, H, W, 3]: the cameras at ``frames``, which are those of the samples or later ones."""
        size = self._reader.size if self._reader else self._cache.size if self._cache else None
        if size is None:
            raise LoaderError("images need a frames cache")
        images = np.empty((len(samples), len(self.cameras), *size, 3), dtype=np.uint8)
        for row, (sample, frame) in enumerate(zip(samples, frames.tolist(), strict=True)):
            for view, camera in enumerate(self.cameras):
                try:
                    images[row, view] = self._image(sample, camera, frame)
                except (ValueError, IndexError, OSError) as error:
                    name = self.sample_name(sample)
                    raise LoaderError(f"sample {name}, camera {camera!r}, frame {frame}: {error}") from error
        return torch.from_numpy(images)

    def _image(self, sample: SampleId, camera: str, frame: int) -> np.ndarray:
        if self._reader is not None:
            return self._reader.frame(sample, camera, frame - sample.frame)
        assert self._cache is not None
        return self._cache.array(self._stores[sample.source], sample.episode, camera)[frame]


def _check_belonging(manifest: MixtureManifest, embodiment: Embodiment) -> None:
    if manifest.embodiment_digest != embodiment.digest:
        raise ValueError(
            f"mixture {manifest.name!r} is for embodiment {manifest.embodiment!r} "
            f"{manifest.embodiment_digest[:12]}, expected {embodiment.name!r} {embodiment.digest[:12]}; "
            "make the mixture again"
        )
