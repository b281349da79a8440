"""What an inverse dynamics model learns from: pairs of frames of recorded episodes, and the actions between them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gr00t_data import video
from gr00t_data.batches.parts import read_parts
from gr00t_data.batches.statistics import NormStats, PartStatistics, measured_digest
from gr00t_data.embodiment import Embodiment
from gr00t_data.store import EpisodeStore
from gr00t_model.idm.artifact import Robot
from gr00t_model.idm.timing import Timing


class ExamplesError(ValueError):
    """Stores from which nothing can be learnt; the message says why."""


@dataclass(frozen=True)
class Recording:
    """One episode in memory.

    Attributes:
        name: ``<store digest 12>/<episode>``.
        pictures: uint8 [L, V, S, S, 3].
        action: float64 [L, D], the predicted parts side by side, in their units.
    """

    name: str
    pictures: np.ndarray
    action: np.ndarray

    def __len__(self) -> int:
        return len(self.action)


def split_episodes(
    stores: Sequence[EpisodeStore], held_out_share: float
) -> tuple[list[tuple[EpisodeStore, int]], list[tuple[EpisodeStore, int]]]:
    """Episodes to learn from and episodes to measure on, chosen by a hash of (store, episode): always the same ones.

    Raises:
        ExamplesError: fewer than two episodes.
    """
    every = [(store, row.index) for store in stores for row in store.rows]
    if len(every) < 2:
        raise ExamplesError(f"{len(every)} episode(s); at least two are needed, one of them to measure on")
    ordered = sorted(every, key=lambda pair: hashlib.sha256(f"{pair[0].digest}/{pair[1]}".encode()).hexdigest())
    held = min(max(round(held_out_share * len(every)), 1), len(every) - 1)
    return ordered[held:], ordered[:held]


def measure_actions(episodes: Sequence[tuple[EpisodeStore, int]], embodiment: Embodiment) -> NormStats:
    """Statistics of the actions of these episodes; the state is not used and left out."""
    values = [read_parts(store, index, embodiment.action) for store, index in episodes]
    action = {
        part.name: PartStatistics.of(np.concatenate([one[part.name] for one in values])) for part in embodiment.action
    }
    measured = measured_digest((store.digest, index) for store, index in episodes)
    return NormStats(embodiment.name, embodiment.digest, measured, {}, action)


def read_recording(store: EpisodeStore, index: int, robot: Robot, image_size: int) -> Recording:
    """Decode one episode.

    Raises:
        ExamplesError: a camera is missing, or pictures and rows differ in number.
        VideoError, StoreError: a file cannot be read.
    """
    parts = read_parts(store, index, robot.parts)
    action = np.concatenate([parts[part.name] for part in robot.parts], axis=1)
    pictures = read_pictures(store, index, robot.cameras, image_size)
    if len(pictures) != len(action):
        raise ExamplesError(f"{store.root}: episode {index} has {len(action)} rows and {len(pictures)} pictures")
    return Recording(f"{store.digest[:12]}/{index}", pictures, action)


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
    """int64 [N, 2]: (recording, frame) of every window whose second frame exists and whose actions are all recorded."""
    reach = max(timing.frame_gap, timing.horizon - 1)
    pairs = [(number, frame) for number, one in enumerate(recordings) for frame in range(len(one) - reach)]
    if not pairs:
        raise ExamplesError(
            f"no episode is longer than {reach} frames, the distance of a window's pictures; use others"
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
