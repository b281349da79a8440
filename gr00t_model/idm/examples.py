"""What an inverse dynamics model learns from: pairs of frames of recorded episodes, and the actions between them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics, measured_digest
from gr00t_data.batches.values.masks import read_parts
from gr00t_data.batches.values.pace import ChunkReader, chunk_reader
from gr00t_data.curate.index import Index
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.rates import Pace
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from gr00t_model.idm.artifact import Robot
from gr00t_model.idm.timing import Timing


class ExamplesError(ValueError):
    """Stores from which nothing can be learnt; the message says why."""


Source = EpisodeStore | tuple[EpisodeStore, Index]
"""A store as it is, or with the verdicts on it, which say what of it may be used."""


class Take(NamedTuple):
    """One episode that may be used, and its keep ranges: half-open ranges of rows."""

    store: EpisodeStore
    index: int
    keep: tuple[tuple[int, int], ...]

    @property
    def key(self) -> tuple[str, int]:
        """(store digest, episode number)."""
        return self.store.digest, self.index

    @property
    def name(self) -> str:
        """``<store digest 12>/<episode>``."""
        return f"{self.store.digest[:12]}/{self.index}"


def takes_of(sources: Sequence[Source]) -> list[Take]:
    """The accepted episodes of stores with verdicts, and every episode, whole, of stores without.

    Raises:
        ExamplesError: verdicts of another store.
    """
    found = []
    for source in sources:
        store, index = source if isinstance(source, tuple) else (source, None)
        if index is None:
            found += [Take(store, row.index, ((0, row.length),)) for row in store.rows]
            continue
        if index.store_digest != store.digest:
            raise ExamplesError(f"{store.root}: the verdicts are of a store {index.store_digest[:12]}; check it again")
        found += [Take(store, verdict.episode_index, verdict.keep) for verdict in index.accepted]
    return found


@dataclass(frozen=True)
class Recording:
    """One episode in memory.

    Attributes:
        name: ``<store digest 12>/<episode>``.
        pictures: uint8 [L, V, S, S, 3].
        action: float64 [L, D], the predicted parts side by side, in their units.
        keep: half-open ranges of rows that may be used.
    """

    name: str
    pictures: np.ndarray
    action: np.ndarray
    keep: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.action)


def split_episodes(
    sources: Sequence[Source], held_out_share: float, named: Sequence[str] = ()
) -> tuple[list[Take], list[Take]]:
    """Episodes to learn from and episodes to measure on, chosen by a hash of (store, episode): always the same ones.

    Args:
        named: the episodes to measure on, ``<store digest 12>/<episode>``, instead of a share.

    Raises:
        ExamplesError: fewer than two accepted episodes, or a named one that is not there.
    """
    every = takes_of(sources)
    if len(every) < 2:
        raise ExamplesError(f"{len(every)} accepted episode(s); at least two are needed, one of them to measure on")
    if named:
        held_out = [take for take in every if take.name in named]
        if len(held_out) != len(set(named)) or len(held_out) == len(every):
            raise ExamplesError(f"cannot hold out {list(named)}: accepted are {[take.name for take in every]}")
        return [take for take in every if take.name not in named], held_out
    ordered = sorted(every, key=lambda take: hashlib.sha256(f"{take.store.digest}/{take.index}".encode()).hexdigest())
    held = min(max(round(held_out_share * len(every)), 1), len(every) - 1)
    return ordered[held:], ordered[:held]


def measure_actions(takes: Sequence[Take], embodiment: Embodiment) -> NormStats:
    """Statistics of the kept actions of these episodes; the state is not used and left out."""
    rows: dict[str, list[np.ndarray]] = {part.name: [] for part in embodiment.action}
    for take in takes:
        values = read_parts(take.store, take.index, embodiment.action)
        for name, kept in rows.items():
            kept += [values[name][first:end] for first, end in take.keep]
    action = {name: PartStatistics.of(np.concatenate(kept)) for name, kept in rows.items()}
    return NormStats(embodiment.name, embodiment.digest, measured_digest(take.key for take in takes), {}, action)


def read_recording(take: Take, robot: Robot, image_size: int) -> Recording:
    """Decode one episode.

    Raises:
        ExamplesError: a camera is missing, or pictures and rows differ in number.
        VideoError, StoreError: a file cannot be read.
    """
    store, index, keep = take
    parts = read_parts(store, index, robot.parts)
    action = np.concatenate([parts[part.name] for part in robot.parts], axis=1)
    pictures = read_pictures(store, index, robot.cameras, image_size)
    if len(pictures) != len(action):
        raise ExamplesError(f"{store.root}: episode {index} has {len(action)} rows and {len(pictures)} pictures")
    return Recording(take.name, pictures, action, keep)


def read_pictures(store: EpisodeStore, index: int, cameras: Sequence[str], image_size: int) -> np.ndarray:
    """uint8 [L, V, S, S, 3]: the views of an episode side by side. Raises ExamplesError for a missing camera."""
    if missing := [camera for camera in cameras if camera not in store.cameras]:
        raise ExamplesError(f"{store.root}: has no camera {missing[0]!r}, only {', '.join(store.cameras)}")
    size = (image_size, image_size)
    views = [video.decode(store.video_path(index, camera), size) for camera in cameras]
    if len(lengths := {len(view) for view in views}) != 1:
        raise ExamplesError(f"{store.root}: episode {index}: its views have {sorted(lengths)} frames; ingest it again")
    return np.stack(views, axis=1)


def window_starts(recordings: Sequence[Recording], timing: Timing) -> np.ndarray:
    """int64 [N, 2]: (recording, frame) of every window whose pictures and actions all lie in one keep range."""
    reach = max(timing.frame_gap, timing.horizon - 1)
    pairs = [
        (number, frame)
        for number, one in enumerate(recordings)
        for first, end in one.keep
        for frame in range(first, end - reach)
    ]
    if not pairs:
        raise ExamplesError(
            f"no kept part of an episode is longer than {reach} frames, the distance of a window's pictures; use others"
        )
    return np.array(pairs, dtype=np.int64)


def gather(recordings: Sequence[Recording], starts: np.ndarray, timing: Timing) -> tuple[np.ndarray, np.ndarray]:
    """The windows at ``starts`` (see ``window_starts``).

    Returns:
        pictures: uint8 [B, 2 V, S, S, 3], time-major.  action: float64 [B, T, D] in units.
    """
    rows = [(recordings[number], frame) for number, frame in starts.tolist()]
    pictures = np.stack([np.concatenate([one.pictures[f], one.pictures[f + timing.frame_gap]]) for one, f in rows])
    return pictures, np.stack([one.action[f : f + timing.horizon] for one, f in rows])


class Slowed:
    """Windows of recordings as if the robot had moved more slowly.

    Pictures that lie ``gap`` frames apart pass for ``timing.frame_gap`` frames of a motion that takes so much longer;
    its commands hold longer, its displacements are spread (``gr00t_data.rates``).
    """

    def __init__(self, recordings: Sequence[Recording], parts: Sequence[Part], timing: Timing) -> None:
        self._recordings, self._parts, self._timing = recordings, parts, timing
        self._reader = cache(self._open)

    def gather(self, starts: np.ndarray, gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``gather``, with a distance of the pictures (int64 [B], 1 .. ``frame_gap``) for each window."""
        pictures, action = [], []
        for (number, frame), gap in zip(starts.tolist(), gaps.tolist(), strict=True):
            shown = self._recordings[number].pictures
            pictures.append(np.concatenate([shown[frame], shown[frame + gap]]))
            chunk, _ = self._reader(number, gap)(frame, self._timing.horizon)
            action.append(np.concatenate([chunk[part.name] for part in self._parts], axis=1))
        return np.stack(pictures), np.stack(action)

    def _open(self, number: int, gap: int) -> ChunkReader:
        edges = np.cumsum([part.dim for part in self._parts])[:-1]
        columns = np.split(self._recordings[number].action, edges, axis=1)
        values = {part.name: rows for part, rows in zip(self._parts, columns, strict=True)}
        hz = self._timing.action_hz
        return chunk_reader(values, self._parts, Pace(hz * gap / self._timing.frame_gap, hz))


TAUGHT_BY = ("real", "simulated")
"""Kinds of stores whose actions were recorded: what a model may learn from and be measured on."""
