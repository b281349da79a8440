"""The states and actions of a mixture, read and normalised episode by episode as they are asked for."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.batches.transforms.transforms import VectorTransform, build_transforms
from gr00t_data.batches.values.masks import Parts, label_mask, read_parts, row_masks, store_mask
from gr00t_data.batches.values.pace import PacedActions
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.horizon import chunk_rows, chunk_steps, future_row, with_padding_row
from gr00t_data.rates import Pace, pace_of
from gr00t_data.store.store import EpisodeStore

ROWS_BUDGET_BYTES = 1 << 30
"""What the rows in memory may take: 39 hours at 20 Hz with 64 state and 32 action values. Beyond it the episodes that
were not asked for the longest are read again when they are.
"""


@dataclass(frozen=True)
class Member:
    """One mixture of a training.

    Attributes:
        weight: share of the rows that come from it, relative to the other weights.
        acting_steps: steps of a chunk that it teaches, the first ones; None is all that its embodiment has.
    """

    manifest: MixtureManifest
    statistics: NormStats
    embodiment: Embodiment
    weight: float = 1.0
    acting_steps: int | None = None


class EpisodeRows(NamedTuple):
    """One episode, followed by its padding row (see ``horizon``).

    Attributes:
        state: float32 [L + 1, S] normalised and padded to the model's width.
        state_mask: bool [L + 1, S], False where the store says of the row that the value is not real.
        action, action_mask: the same for the actions, [L + 1, A].
        paced: the raw actions, of a store with another rate than the embodiment's and displacements among its actions.
        told: bool [L + 1], False for rows whose label must not count in the loss; None when nothing was labelled.
    """

    state: np.ndarray
    state_mask: np.ndarray
    action: np.ndarray
    action_mask: np.ndarray
    paced: PacedActions | None = None
    told: np.ndarray | None = None

    @property
    def held_bytes(self) -> int:
        """What its arrays take; a mask that says nothing takes nothing (it has no stride)."""
        masks = (mask.nbytes for mask in (self.state_mask, self.action_mask) if mask.strides[0])
        return self.state.nbytes + self.action.nbytes + sum(masks)


class MixtureRows:
    """The rows of a mixture's episodes, held-out ones included. Not to be shared between threads.

    Attributes:
        stores, paces: of each source of the manifest.
        cameras: that the selection reads.
        state_transform, action_transform: from the values of the robot to those of a batch.
    """

    def __init__(
        self,
        member: Member,
        *,
        max_state_dim: int,
        max_action_dim: int,
        horizon: int,
        published_behaviour: bool = False,
        budget_bytes: int = ROWS_BUDGET_BYTES,
    ) -> None:
        """Open the stores. The arguments are those of ``Loader``.

        Raises:
            ValueError: manifest, statistics and embodiment do not belong together, or the model predicts fewer steps
                than the embodiment has.
            RateError: a store whose rate is too low for the embodiment; names it.
        """
        manifest, robot = member.manifest, member.embodiment
        _check_belonging(manifest, robot)
        self.member, self.manifest, self.horizon = member, manifest, horizon
        chosen = robot.selection(manifest.selection)
        self.cameras = chosen.cameras
        self.state_transform, self.action_transform = build_transforms(
            robot, manifest.selection, member.statistics, max_state_dim, max_action_dim
        )
        self._state = [robot.state_part(name) for name in chosen.state]
        self._action = [robot.action_part(name) for name in chosen.action]
        self._counted = np.arange(horizon) < chunk_steps(robot, horizon, member.acting_steps)
        self._count_padding = published_behaviour
        self.stores = [source.open() for source in manifest.sources]
        self.paces: tuple[Pace, ...] = tuple(pace_of(store, robot) for store in self.stores)
        self._slots = np.array(manifest.slots(robot.slot), dtype=np.int64)
        self._state_masks = self._masks("state", self.state_transform)
        self._action_masks = self._masks("action", self.action_transform)
        self._held: OrderedDict[tuple[int, int], EpisodeRows] = OrderedDict()
        self._budget_bytes, self.held_bytes = budget_bytes, 0

    def _masks(self, side: str, transform: VectorTransform) -> np.ndarray:
        return np.stack([store_mask(store, side, transform.places, transform.pad.padded) for store in self.stores])

    @property
    def stateless(self) -> list[str]:
        """The stores whose rows have no state at all."""
        return [str(store.root) for store, mask in zip(self.stores, self._state_masks, strict=True) if not mask.any()]

    def name(self, sample: SampleId) -> str:
        """``<store digest 12>/<episode>/<frame>``."""
        return f"{self.manifest.sources[sample.source].digest[:12]}/{sample.episode}/{sample.frame}"

    def future(self, samples: Sequence[SampleId], horizon_frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the future frame of each sample is: int64 [B], the last frame where there is none; bool [B]."""
        entries = [self.manifest.entry(sample.source, sample.episode) for sample in samples]
        found = [
            future_row(sample.frame, entry.end, self.paces[sample.source], horizon_frames)
            for sample, entry in zip(samples, entries, strict=True)
        ]
        return np.array([row for row, _ in found], dtype=np.int64), np.array([real for _, real in found])

    def batch(self, samples: Sequence[SampleId]) -> Batch:
        """The batch of some samples, without pictures and prompt.

        Raises:
            KeyError: the manifest does not hold the episode.
            IndexError: the frame is outside its episode.
        """
        count, sources = len(samples), [sample.source for sample in samples]
        states = np.empty((count, 1, self.state_transform.pad.padded), dtype=np.float32)
        chunks = np.empty((count, self.horizon, self.action_transform.pad.padded), dtype=np.float32)
        valid = np.empty((count, self.horizon), dtype=bool)
        state_mask, action_mask = np.empty(states.shape, dtype=bool), np.empty(chunks.shape, dtype=bool)
        for row, sample in enumerate(samples):
            rows = self.episode(sample.source, sample.episode)
            if not 0 <= sample.frame < len(rows.state) - 1:
                raise IndexError(f"{sample}: the episode has {len(rows.state) - 1} frames")
            states[row, 0], state_mask[row, 0] = rows.state[sample.frame], rows.state_mask[sample.frame]
            chunks[row], action_mask[row], valid[row] = self._chunk(rows, sample)
        state_mask &= self._state_masks[sources][:, None]
        told = ((valid | self._count_padding) & self._counted)[:, :, None] & self._action_masks[sources][:, None]
        return Batch(
            state=torch.from_numpy(np.where(state_mask, states, np.float32(0))),
            state_mask=torch.from_numpy(state_mask),
            embodiment_id=torch.from_numpy(self._slots[sources]),
            action=torch.from_numpy(np.where(action_mask, chunks, np.float32(0))),
            action_mask=torch.from_numpy(told & action_mask),
            control_hz=torch.full((count,), self.member.embodiment.control_hz, dtype=torch.float32),
            sample_ids=tuple(map(self.name, samples)),
        )

    def _chunk(self, rows: EpisodeRows, sample: SampleId) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values [T, A] from the frame of a sample on, their row masks [T, A], and the steps that count [T]."""
        pace, length = self.paces[sample.source], len(rows.state) - 1
        held = None if pace.agrees else pace.held_rows(self.horizon)
        taken, valid = chunk_rows(sample.frame, length, self.horizon, held)
        if rows.paced is None:
            values = rows.action[taken]
        else:
            parts, valid = rows.paced.chunk(sample.frame, self.horizon)
            values = self.action_transform(parts)
        return values, rows.action_mask[taken], valid if rows.told is None else valid & rows.told[taken]

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
            rows = self._held[key] = self._read(source, episode)
            self.held_bytes += rows.held_bytes
            while self.held_bytes > self._budget_bytes and len(self._held) > 1:
                self.held_bytes -= self._held.popitem(last=False)[1].held_bytes
        self._held.move_to_end(key)
        return rows

    def _read(self, source: int, episode: int) -> EpisodeRows:
        length, store, pace = self.manifest.entry(source, episode).length, self.stores[source], self.paces[source]
        state = self._side("state", store, episode, length)
        action = self._side("action", store, episode, length)
        paced, told = None, label_mask(store, episode)
        if not pace.agrees and not all(part.absolute for part in self._action):
            paced = PacedActions.of(read_parts(store, episode, self._action), self._action, pace)
        return EpisodeRows(*state, *action, paced, None if told is None else np.append(told, False))

    def _side(self, side: str, store: EpisodeStore, index: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of one side of an episode and the padding row, transformed, and their masks."""
        own = side == "state"
        parts, transform = (self._state, self.state_transform) if own else (self._action, self.action_transform)
        values = _transformed(store, index, parts, transform, length)
        mask = row_masks(store, index, side, transform.places, (length, transform.pad.padded))
        if mask.strides[0]:
            return values, np.concatenate([mask, mask[-1:]])  # steps past the end are as real as the last row
        return values, np.broadcast_to(mask[0], values.shape)


def _transformed(
    store: EpisodeStore, index: int, parts: Sequence[Part], transform: VectorTransform, length: int
) -> np.ndarray:
    """float32 [length + 1, padded width]: the rows of one side of an episode and the padding row, transformed."""
    values = read_parts(store, index, parts)
    found = {len(array) for array in values.values()}
    if found != {length}:
        raise ValueError(
            f"{store.data_place(index)}: episode {index} has {sorted(found)} rows, the manifest says {length}; "
            "the store was changed: check it and make the mixture again"
        )
    absolute = {part.name: np.full(part.dim, part.absolute) for part in parts}
    padded: Parts = {name: with_padding_row(array, absolute[name]) for name, array in values.items()}
    return transform(padded).astype(np.float32)


def _check_belonging(manifest: MixtureManifest, embodiment: Embodiment) -> None:
    if manifest.embodiment_digest != embodiment.digest:
        raise ValueError(
            f"mixture {manifest.name!r} is for embodiment {manifest.embodiment!r} "
            f"{manifest.embodiment_digest[:12]}, expected {embodiment.name!r} {embodiment.digest[:12]}; "
            "make the mixture again"
        )
