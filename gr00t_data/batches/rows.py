"""The states and actions of a mixture, read and normalised episode by episode as they are asked for."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gr00t_data.batches.masks import told_rows
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.transforms.transforms import VectorTransform
from gr00t_data.batches.values.pace import PacedActions
from gr00t_data.batches.values.parts import Parts, read_parts
from gr00t_data.batches.values.window import chunk_rows, with_padding_row
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.rates import Pace, pace_of
from gr00t_data.store.seal import verify_file
from gr00t_data.store.store import EpisodeStore

ROWS_BUDGET_BYTES = 1 << 30
"""What the rows in memory may take: 39 hours at 20 Hz with 64 state and 32 action values. Beyond it the episodes that
were not asked for the longest are read again when they are.
"""


class EpisodeRows(NamedTuple):
    """One episode, followed by its padding row (see ``window``).

    Attributes:
        state: float32 [L + 1, S] normalised and padded to the model's width.
        action: float32 [L + 1, A] normalised and padded to the model's width.
        paced: the raw actions, of a store with another rate than the embodiment's and displacements among its actions.
        told: bool [L + 1], False for rows whose label must not count in the loss; None when nothing was labelled.
    """

    state: np.ndarray
    action: np.ndarray
    paced: PacedActions | None = None
    told: np.ndarray | None = None


class MixtureRows:
    """The rows of a manifest's episodes, held-out ones included. Not to be shared between threads."""

    def __init__(
        self,
        manifest: MixtureManifest,
        stores: Sequence[EpisodeStore],
        embodiment: Embodiment,
        transforms: tuple[VectorTransform, VectorTransform],
        budget_bytes: int = ROWS_BUDGET_BYTES,
    ) -> None:
        """``stores`` are those of the manifest's sources, ``transforms`` those of state and action.

        Raises:
            RateError: a store whose rate is too low for the embodiment; names it.
        """
        chosen = embodiment.selection(manifest.selection)
        self._state = [embodiment.state_part(name) for name in chosen.state], transforms[0]
        self._action = [embodiment.action_part(name) for name in chosen.action], transforms[1]
        self._manifest, self._stores, self._budget_bytes = manifest, stores, budget_bytes
        self.paces: tuple[Pace, ...] = tuple(pace_of(store, embodiment) for store in stores)
        self._held: OrderedDict[tuple[int, int], EpisodeRows] = OrderedDict()
        self.held_bytes = 0

    def episode(self, source: int, episode: int) -> EpisodeRows:
        """The rows of one episode.

        Raises:
            KeyError: the manifest does not hold it.
            StoreError: a file cannot be read, or was changed after sealing.
            ValueError: the episode has another length than the manifest says.
        """
        key = source, episode
        rows = self._held.get(key)
        if rows is None:
            length, store = self._manifest.entry(*key).length, self._stores[source]
            verify_file(store, store.data_path(episode))
            state, action = (_transformed(store, episode, *side, length) for side in (self._state, self._action))
            told = told_rows(store, episode)
            if told is not None:
                told = np.append(told, False)  # the padding row
            rows = self._held[key] = EpisodeRows(state, action, self._paced(source, episode), told)
            self.held_bytes += rows.state.nbytes + rows.action.nbytes
            while self.held_bytes > self._budget_bytes and len(self._held) > 1:
                _, oldest = self._held.popitem(last=False)
                self.held_bytes -= oldest.state.nbytes + oldest.action.nbytes
        self._held.move_to_end(key)
        return rows

    def _paced(self, source: int, episode: int) -> PacedActions | None:
        parts, pace = self._action[0], self.paces[source]
        if pace.agrees or all(part.absolute for part in parts):
            return None
        return PacedActions.of(read_parts(self._stores[source], episode, parts), parts, pace)

    def gather(self, samples: Sequence[SampleId], horizon: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What a batch needs of its samples.

        Returns:
            states: float32 [B, 1, S], the state at each frame.
            chunks: float32 [B, T, A], the actions from each frame on, at the embodiment's rate.
            valid: bool [B, T], False past the end of the episode and where a label does not count.

        Raises:
            KeyError: the manifest does not hold the episode.
            IndexError: the frame is outside its episode.
        """
        states = np.empty((len(samples), 1, self._state[1].pad.padded), dtype=np.float32)
        chunks = np.empty((len(samples), horizon, self._action[1].pad.padded), dtype=np.float32)
        valid = np.empty((len(samples), horizon), dtype=bool)
        for row, sample in enumerate(samples):
            state, action, paced, told = self.episode(sample.source, sample.episode)
            length = len(state) - 1
            if not 0 <= sample.frame < length:
                raise IndexError(f"{sample}: the episode has {length} frames")
            states[row, 0] = state[sample.frame]
            if paced is not None:
                parts, valid[row] = paced.chunk(sample.frame, horizon)
                chunks[row] = self._action[1](parts)
            pace = self.paces[sample.source]
            held = None if pace.agrees else pace.held_rows(horizon)
            taken, real = chunk_rows(sample.frame, length, horizon, held)
            if paced is None:
                valid[row], chunks[row] = real, action[taken]
            if told is not None:
                valid[row] &= told[taken]
        return states, chunks, valid


def _transformed(
    store: EpisodeStore, index: int, parts: Sequence[Part], transform: VectorTransform, length: int
) -> np.ndarray:
    """float32 [length + 1, padded width]: the rows of one side of an episode and the padding row, transformed."""
    values = read_parts(store, index, parts)
    found = {len(array) for array in values.values()}
    if found != {length}:
        raise ValueError(
            f"{store.data_path(index)}: episode {index} has {sorted(found)} rows, the manifest says {length}; "
            "the store was changed: check it and make the mixture again"
        )
    absolute = {part.name: np.full(part.dim, part.absolute) for part in parts}
    padded: Parts = {name: with_padding_row(array, absolute[name]) for name, array in values.items()}
    return transform(padded).astype(np.float32)
