"""The path of two hands through a video, from whoever found them: a dataset, a file, a detector."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

LEFT, RIGHT = 0, 1
SIDES = ("left", "right")
LANDMARKS = 21
"""Wrist, then four points a finger from thumb to little finger, base first: the order of MediaPipe."""
THUMB_TIP, INDEX_TIP = 4, 8

_PER_FRAME = (
    "present",
    "confidence",
    "landmarks_px",
    "wrist_poses",
    "apertures_m",
    "cameras",
    "hands_seen",
    "side_doubts",
)


class HandTracksError(ValueError):
    """Tracks that cannot be used; the message names the file, what was found, what was expected, and what to do."""


@dataclass(frozen=True)
class HandTracks:
    """Two hands over the frames of one video. Index 0 is the left hand, 1 the right.

    Attributes:
        times_s: float64 [T], seconds from the start of the video, increasing.
        present: bool [T, 2].
        confidence: float32 [T, 2], 0..1; 1 where the source gives none.
        landmarks_px: float32 [T, 2, 21, 2], x and y in pixels of a picture of ``picture_px``, NaN where absent; None
            when the source has no picture coordinates.
        wrist_poses: float64 [T, 2, 4, 4], wrist in the camera of the same frame (metres; x right, y down, z forward),
            NaN where absent; None when the source has no depth.
        apertures_m: float64 [T, 2], distance of thumb tip and index tip, NaN where absent; None without depth.
        cameras: float64 [T, 4, 4], camera in one fixed frame (metres), or None.
        source: what found them: name and version.
        licence: of the model or dataset that made the tracks; follows the labels everywhere.
        picture_px: width and height of the upright picture that ``landmarks_px`` lie in; None without landmarks.
        hands_seen: int64 [T], hands in the frame before two were chosen; None when the source only knows the wearer's.
        side_doubts: bool [T, 2], where the source called the hand the other one; None when it does not say.
        wrist_axes: whose axes the turn of a wrist is given in: ``arkit`` or ``mano``. Turns of different axes do not
            go together.
        notes: what was found and settled while reading.
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
    picture_px: tuple[int, int] | None = None
    hands_seen: np.ndarray | None = None
    side_doubts: np.ndarray | None = None
    wrist_axes: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        frames = len(self.times_s)
        for name in _PER_FRAME:
            value = getattr(self, name)
            if value is not None and len(value) != frames:
                raise ValueError(f"{self.source}: {name} has {len(value)} rows, expected {frames}, one a frame")

    def __len__(self) -> int:
        return len(self.times_s)

    def between(self, start_s: float, end_s: float) -> Self:
        """The frames from the last one at or before ``start_s`` to the first one at or after ``end_s``."""
        first = max(int(np.searchsorted(self.times_s, start_s + 1e-6, side="right")) - 1, 0)
        last = min(int(np.searchsorted(self.times_s, end_s - 1e-6, side="left")), len(self) - 1)
        taken = slice(first, max(last, first) + 1)
        values = {name: getattr(self, name) for name in ("times_s", *_PER_FRAME)}
        return replace(self, **{name: None if value is None else value[taken] for name, value in values.items()})
