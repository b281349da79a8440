"""The path of two hands through a video, from whoever found them: a dataset, a file, a detector."""

from dataclasses import dataclass

import numpy as np

LEFT, RIGHT = 0, 1
LANDMARKS = 21
"""Wrist, then four points a finger from thumb to little finger, base first: the order of MediaPipe."""


@dataclass(frozen=True)
class HandTracks:
    """Two hands over the frames of one video. Index 0 is the left hand, 1 the right.

    Attributes:
        times_s: float64 [T], seconds from the start of the video, increasing.
        present: bool [T, 2].
        confidence: float32 [T, 2], 0..1; 1 where the source gives none.
        landmarks_px: float32 [T, 2, 21, 2], x and y in pixels of the stored picture, NaN where absent; None when the
            source has no picture coordinates.
        wrist_poses: float64 [T, 2, 4, 4], wrist in the camera of the same frame (metres; x right, y down, z forward),
            NaN where absent; None when the source has no depth.
        apertures_m: float64 [T, 2], distance of thumb tip and index tip, NaN where absent; None without depth.
        cameras: float64 [T, 4, 4], camera in one fixed frame (metres), or None.
        source: what found them: name and version.
        licence: of the model or dataset that made the tracks; follows the labels everywhere.
    """

    times_s: np.ndarray
    present: np.ndarray
    confidence: np.ndarray
    landmarks_px: np.ndarray | None
    wrist_poses: np.ndarray | None
    apertures_m: np.ndarray | None
    cameras: np.ndarray | None
    source: str
    licence: str

    def __post_init__(self) -> None:
        frames = len(self.times_s)
        for name in ("present", "confidence", "landmarks_px", "wrist_poses", "apertures_m", "cameras"):
            value = getattr(self, name)
            if value is not None and len(value) != frames:
                raise ValueError(f"{self.source}: {name} has {len(value)} rows, expected {frames}, one a frame")
