"""What is kept of one episode after its own checks, to be compared with the other episodes of the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gr00t_data.curate.compare.row_evidence import RowEvidence
from gr00t_data.curate.copies.fingerprints import Fingerprint
from gr00t_data.curate.subject.camera_evidence import CameraEvidence
from gr00t_data.curate.subject.signals import Signal
from gr00t_data.embodiment.robot import Embodiment


@dataclass(frozen=True)
class EpisodeEvidence:
    """One episode, reduced.

    Attributes:
        rows: of state and action; None when they could not be read.
        cameras: camera name -> evidence, of the videos that could be read.
        pose: float16 [T, S], the state in shares of each joint's range, for as many rows as frames were decoded.
        instruction: what the robot was asked to do.
        fingerprint: to recognise copies; None when the rows cannot be read.
    """

    index: int
    instruction: str
    rows: RowEvidence | None = None
    cameras: dict[str, CameraEvidence] = field(default_factory=dict)
    pose: np.ndarray | None = None
    fingerprint: Fingerprint | None = None


@dataclass(frozen=True)
class Rows:
    """The rows of all episodes, by number. Looks yield (episode, finding); None for one of the store."""

    episodes: Mapping[int, RowEvidence]
    embodiment: Embodiment


@dataclass(frozen=True)
class Views:
    """What one camera saw in all episodes with pictures that are large enough, by number; of few episodes there are
    none. Looks yield (episode, finding).
    """

    camera: str
    episodes: Mapping[int, CameraEvidence]


@dataclass(frozen=True)
class Cameras:
    """All cameras of all episodes. Looks yield (episode, camera, finding); without an episode, what the store has."""

    evidence: Sequence[EpisodeEvidence]
    embodiment: Embodiment


@dataclass(frozen=True)
class Sound:
    """One camera and the rows of all episodes. Looks yield (episode, finding).

    Attributes:
        sound: numbers of the episodes in which nothing else is wrong, by which the others are judged; None is all.
    """

    evidence: Sequence[EpisodeEvidence]
    camera: str
    control_hz: float
    sound: frozenset[int] | None = None


def pose_of(signals: list[Signal], parts: int) -> np.ndarray | None:
    """float16 [T, S]: every state part side by side, in shares of the range; None unless all ``parts`` were read."""
    states = [np.clip(signal.shares, -1e3, 1e3) for signal in signals if signal.side == "state"]
    return np.concatenate(states, axis=1).astype(np.float16) if parts and len(states) == parts else None
