"""The states and actions of a mixture, normalised once and kept in memory, gathered a batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from gr00t_data.batches.mixture import MixtureManifest, SampleId
from gr00t_data.batches.parts import Parts, read_parts
from gr00t_data.batches.transforms import VectorTransform
from gr00t_data.batches.window import chunk_rows, with_padding_row
from gr00t_data.embodiment import Embodiment, Part
from gr00t_data.store import EpisodeStore


@dataclass(frozen=True)
class MixtureRows:
    """Episodes end to end; each is followed by its padding row (see ``window``).

    Attributes:
        state: float32 [R, S] normalised and padded to the model's width.
        action: float32 [R, A] normalised and padded to the model's width.
        episodes: (source, episode number) -> position in ``starts`` and ``lengths``.
        starts: int64 [E], first row of each episode.
        lengths: int64 [E], rows of each episode, without the padding row.
    """

    state: np.ndarray
    action: np.ndarray
    episodes: dict[tuple[int, int], int]
    starts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def load(
        cls,
        manifest: MixtureManifest,
        stores: Sequence[EpisodeStore],
        embodiment: Embodiment,
        transforms: tuple[VectorTransform, VectorTransform],
    ) -> Self:
        """Read and transform every episode of a manifest, held-out ones included.

        Raises:
            StoreError: a file cannot be read, or an episode has another length than the manifest says.
        """
        chosen = embodiment.selection(manifest.selection)
        sides = (
            ([embodiment.state_part(name) for name in chosen.state], transforms[0]),
            ([embodiment.action_part(name) for name in chosen.action], transforms[1]),
        )
        keys = [(s, entry.index) for s, source in enumerate(manifest.sources) for entry in source.episodes]
        lengths = np.array([manifest.entry(*key).length for key in keys], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths + 1)])
        arrays = [np.empty((starts[-1], transform.pad.padded), dtype=np.float32) for _, transform in sides]
        for position, (source, index) in enumerate(keys):
            for (parts, transform), array in zip(sides, arrays, strict=True):
                rows = _transformed(stores[source], index, parts, transform, int(lengths[position]))
                array[starts[position] : starts[position + 1]] = rows
        episodes = {key: position for position, key in enumerate(keys)}
        return cls(arrays[0], arrays[1], episodes, starts[:-1], lengths)

    def positions(self, samples: Sequence[SampleId]) -> np.ndarray:
        """int64 [B]: where the episode of each sample stands.

        Raises:
            KeyError: the manifest does not hold the episode.
            IndexError: the frame is outside its episode.
        """
        positions = np.array([self.episodes[sample.source, sample.episode] for sample in samples], dtype=np.int64)
        for sample, length in zip(samples, self.lengths[positions], strict=True):
            if not 0 <= sample.frame < length:
                raise IndexError(f"{sample}: the episode has {length} frames")
        return positions

    def states(self, positions: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """float32 [B, 1, S]: the state at each frame."""
        return self.state[self.starts[positions] + frames][:, None]

    def chunks(self, positions: np.ndarray, frames: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
        """float32 [B, T, A]: the actions from each frame on; bool [B, T]: False past the end of the episode."""
        rows, valid = chunk_rows(frames, self.lengths[positions], horizon)
        return self.action[self.starts[positions][:, None] + rows], valid


def _transformed(
    store: EpisodeStore, index: int, parts: Sequence[Part], transform: VectorTransform, length: int
) -> np.ndarray:
    """float [length + 1, padded width]: the rows of one side of an episode and the padding row, transformed."""
    values = read_parts(store, index, parts)
    found = {len(array) for array in values.values()}
    if found != {length}:
        raise ValueError(
            f"{store.data_path(index)}: episode {index} has {sorted(found)} rows, the manifest says {length}; "
            "the store was changed: check it and make the mixture again"
        )
    absolute = {part.name: np.full(part.dim, part.absolute) for part in parts}
    padded: Parts = {name: with_padding_row(array, absolute[name]) for name, array in values.items()}
    return transform(padded)
