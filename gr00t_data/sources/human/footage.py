"""Egocentric footage as its dataset describes it: one video, who wore the camera, and what was said about it when."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Narration:
    """One sentence about a stretch of a video.

    Attributes:
        uid: its name in the dataset, unique within the video.
        text: as written by the annotator.
        start_s: where it begins, seconds from the start of the video.
        end_s: where it ends; infinite for the end of the video, None for a point in time (Ego4D narrates points).
        annotator: which pass or person wrote it; the midpoints of different passes are never mixed.
    """

    uid: str
    text: str
    start_s: float
    end_s: float | None
    annotator: str = ""


@dataclass(frozen=True)
class Intrinsics:
    """A camera: pinhole matrix and, for a fisheye lens, its four Kannala-Brandt coefficients.

    Attributes:
        matrix: float64 [3, 3], in pixels of a picture of ``width_px`` x ``height_px``.
        fisheye: float64 [4], or None for a pinhole camera.
    """

    matrix: np.ndarray
    width_px: int
    height_px: int
    fisheye: np.ndarray | None = None


@dataclass(frozen=True)
class Footage:
    """One video of a dataset of egocentric video.

    Attributes:
        uid: its name in the dataset.
        video: the file.
        dataset: ``epic-kitchens-100``, ``ego4d``, ``egodex``, ``lerobot`` or ``folder``.
        narrations: in the order of their start; empty where nobody said anything.
        participant: who wore the camera, as the dataset names them; None when nobody says.
        consent: what the participant agreed to, in the dataset's words; None when nobody says.
        licence: of video and annotations, as an SPDX identifier where there is one, else the dataset's words.
        tracks: file with the path of the hands, if the dataset brings one.
        intrinsics: of the camera, if known.
        extra: what else the dataset says, JSON-able, kept as provenance.
    """

    uid: str
    video: Path
    dataset: str
    narrations: tuple[Narration, ...]
    participant: str | None
    consent: str | None
    licence: str
    tracks: Path | None = None
    intrinsics: Intrinsics | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedClip:
    """A stretch of footage that becomes one episode.

    Attributes:
        start_s, end_s: seconds from the start of the video.
        instruction: the sentence the policy reads.
        original: the annotator's sentence; equal to ``instruction`` when nothing had to be cleaned.
        narration: uid of the narration it was cut by; None when it was cut by motion.
        masked_s: stretches inside the clip, seconds of the video, whose frames are not to be sampled (fast head turns).
        narrated_s: what the annotator marked, before it was cut, trimmed or widened; None when nobody marked it.
        head_speed: median speed of the view within the clip, longer sides of the picture a second.
    """

    footage: Footage
    start_s: float
    end_s: float
    instruction: str
    original: str
    narration: str | None = None
    masked_s: tuple[tuple[float, float], ...] = ()
    narrated_s: tuple[float, float] | None = None
    head_speed: float = float("nan")
