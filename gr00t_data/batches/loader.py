"""Loader: batches of a mixture. Which samples a batch holds depends on manifest, step, rank and world, nothing else."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.frames import FramesCache
from gr00t_data.batches.mixture import MixtureManifest, SampleId
from gr00t_data.batches.rows import MixtureRows
from gr00t_data.batches.statistics import NormStats
from gr00t_data.batches.transforms import build_transforms
from gr00t_data.embodiment import Embodiment

Tokens = np.ndarray | torch.Tensor
Tokenize = Callable[[list[str], int], tuple[Tokens, Tokens]]
"""Instructions and images a row to ids int64 [B, N] and mask int64 [B, N], left-padded."""


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
        future_horizon: int | None = None,
        cache: FramesCache | None = None,
        tokenize: Tokenize | None = None,
        with_images: bool = True,
        start_step: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Read the states and actions of the mixture into memory.

        Args:
            horizon: steps in an action chunk.
            future_horizon: frames from the observation to the future frame (FLARE); None leaves it out.
            cache: decoded frames; needed with images.
            tokenize: makes the prompt; None leaves the tokens out.
            with_images: False leaves images and tokens out, for training on cached features.

        Raises:
            ValueError: manifest, statistics and embodiment do not belong together, or numbers out of range.
        """
        if manifest.embodiment_digest != embodiment.digest:
            raise ValueError(
                f"mixture {manifest.name!r} is for embodiment {manifest.embodiment!r} "
                f"{manifest.embodiment_digest[:12]}, expected {embodiment.name!r} {embodiment.digest[:12]}; "
                "make the mixture again"
            )
        if with_images and cache is None:
            raise ValueError("images need a frames cache: give cache=, or with_images=False for cached features")
        if batch_size < 1 or horizon < 1 or not 0 <= rank < world:
            raise ValueError(
                f"expected batch_size and horizon > 0 and 0 <= rank < world, found {batch_size}, "
                f"{horizon}, {rank} and {world}"
            )
        self.manifest, self.embodiment = manifest, embodiment
        self.batch_size, self.horizon, self.future_horizon = batch_size, horizon, future_horizon
        self.start_step, self.rank, self.world = start_step, rank, world
        self.cameras = embodiment.selection(manifest.selection).cameras
        self.state_transform, self.action_transform = build_transforms(
            embodiment, manifest.selection, statistics, max_state_dim, max_action_dim
        )
        self._cache, self._tokenize, self._with_images = cache, tokenize, with_images
        self._stores = [source.open() for source in manifest.sources]
        transforms = (self.state_transform, self.action_transform)
        self._rows = MixtureRows.load(manifest, self._stores, embodiment, transforms)

    def __iter__(self) -> Iterator[Batch]:
        """Batches from ``start_step`` on, without end."""
        step = self.start_step
        while True:
            yield self.batch_of(self.samples(step))
            step += 1

    def samples(self, step: int) -> list[SampleId]:
        """The samples of this rank at one step."""
        return self.manifest.samples((step * self.world + self.rank) * self.batch_size, self.batch_size)

    def sample_name(self, sample: SampleId) -> str:
        """``<store digest 12>/<episode>/<frame>``."""
        return f"{self.manifest.sources[sample.source].digest[:12]}/{sample.episode}/{sample.frame}"

    def batch_of(self, samples: Sequence[SampleId]) -> Batch:
        """The batch of any samples of the manifest, held-out ones included.

        Raises:
            LoaderError: a sample is not in the manifest, or its images cannot be read; names the sample.
        """
        try:
            positions = self._rows.positions(samples)
        except (KeyError, IndexError) as error:
            raise LoaderError(f"mixture {self.manifest.name!r}: no such sample {error}") from error
        frames = np.array([sample.frame for sample in samples], dtype=np.int64)
        chunks, valid = self._rows.chunks(positions, frames, self.horizon)
        acting = np.array([self.manifest.sources[sample.source].kind != "human" for sample in samples])
        action_mask = (valid & acting[:, None])[:, :, None] & self.action_transform.pad.mask
        batch_mask = np.broadcast_to(self.state_transform.pad.mask, (len(samples), 1, self.state_transform.pad.padded))
        return Batch(
            state=torch.from_numpy(self._rows.states(positions, frames)),
            state_mask=torch.from_numpy(batch_mask.copy()),
            embodiment_id=torch.full((len(samples),), self.embodiment.slot, dtype=torch.int64),
            action=torch.from_numpy(chunks),
            action_mask=torch.from_numpy(action_mask),
            sample_ids=tuple(self.sample_name(sample) for sample in samples),
            **self._prompt(samples),
            **self._views(samples, frames),
        )

    def _prompt(self, samples: Sequence[SampleId]) -> dict[str, torch.Tensor]:
        if self._tokenize is None or not self._with_images:
            return {}
        instructions = [self.manifest.entry(sample.source, sample.episode).instruction for sample in samples]
        ids, mask = self._tokenize(instructions, len(self.cameras))
        return {"input_ids": torch.as_tensor(ids), "attention_mask": torch.as_tensor(mask)}

    def _views(self, samples: Sequence[SampleId], frames: np.ndarray) -> dict[str, torch.Tensor]:
        views = {}
        if self._with_images:
            views["images"] = self._images(samples, frames)
        if self.future_horizon is not None:
            # The last kept range ends where rows or images end, whichever comes first.
            ends = np.array([self.manifest.entry(s.source, s.episode).keep[-1][1] for s in samples], dtype=np.int64)
            future = frames + self.future_horizon
            views["future_mask"] = torch.from_numpy(future < ends)
            if self._with_images:
                views["future_images"] = self._images(samples, np.minimum(future, ends - 1))
        return views

    def _images(self, samples: Sequence[SampleId], frames: np.ndarray) -> torch.Tensor:
        """uint8 [B, V, H, W, 3]."""
        if self._cache is None:
            raise LoaderError("images need a frames cache")
        images = np.empty((len(samples), len(self.cameras), *self._cache.size, 3), dtype=np.uint8)
        for row, (sample, frame) in enumerate(zip(samples, frames.tolist(), strict=True)):
            store = self._stores[sample.source]
            for view, camera in enumerate(self.cameras):
                try:
                    images[row, view] = self._cache.array(store, sample.episode, camera)[frame]
                except (ValueError, IndexError, OSError) as error:
                    name = self.sample_name(sample)
                    raise LoaderError(f"sample {name}, camera {camera!r}, frame {frame}: {error}") from error
        return torch.from_numpy(images)
