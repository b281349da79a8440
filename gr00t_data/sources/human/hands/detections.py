"""What a detector says about each frame of a video, and the JSON file that keeps it.

The file is one object: ``format`` (``gr00t-hands-1``), ``source``, ``licence``, ``video`` (``sha256``, ``frames``,
``width``, ``height``; pixels as a player shows it) and ``frames``, a list with one object for each frame of the video:
``time_s`` (from the first frame) and ``hands``, each with ``side`` (``left`` or ``right``: the wearer's own),
``score`` (0..1) and ``landmarks`` (21 pairs x, y in pixels, in the order of MediaPipe).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.disk import read_json, write_text
from gr00t_data.sources.human.hands.tracks import LANDMARKS, SIDES, HandTracksError

FORMAT = "gr00t-hands-1"


@dataclass(frozen=True)
class Detection:
    """One hand in one frame.

    Attributes:
        side: 0 the wearer's left hand, 1 the right one.
        score: how sure the detector is, 0..1.
        landmarks_px: float32 [21, 2], x and y in pixels of the upright picture.
    """

    side: int
    score: float
    landmarks_px: np.ndarray


@dataclass(frozen=True)
class Detections:
    """All frames of one video.

    Attributes:
        times_s: float64 [T], seconds from the first frame.
        hands: for each frame, the hands in it.
        picture_px: width and height.
        source, licence: of the model.
        sha256: of the video file; empty when nobody knows.
    """

    times_s: np.ndarray
    hands: tuple[tuple[Detection, ...], ...]
    picture_px: tuple[int, int]
    source: str
    licence: str
    sha256: str = ""


def detection_to_dict(found: Detection) -> dict[str, Any]:
    """JSON-able, hundredths of a pixel."""
    points = np.round(found.landmarks_px.astype(np.float64), 2).tolist()
    return {"side": SIDES[found.side], "score": round(found.score, 4), "landmarks": points}


def detection_from_dict(value: dict[str, Any]) -> Detection:
    """The inverse.

    Raises:
        ValueError: another side, not 21 points, or a number that is not finite.
    """
    points = np.array(value["landmarks"], dtype=np.float32)
    if value["side"] not in SIDES:
        raise ValueError(f"side is {value['side']!r}, expected 'left' or 'right'")
    if points.shape != (LANDMARKS, 2) or not np.isfinite(points).all():
        raise ValueError(f"landmarks are {points.shape}, expected {LANDMARKS} pairs of finite numbers")
    return Detection(SIDES.index(value["side"]), float(value["score"]), points)


def write_detections(path: Path, found: Detections) -> None:
    """Write the JSON file in one step."""
    frames = zip(found.times_s.tolist(), found.hands, strict=True)
    width, height = found.picture_px
    value = {
        "format": FORMAT,
        "source": found.source,
        "licence": found.licence,
        "video": {"sha256": found.sha256, "frames": len(found.hands), "width": width, "height": height},
        "frames": [{"time_s": round(t, 6), "hands": [detection_to_dict(h) for h in hands]} for t, hands in frames],
    }
    write_text(path, json.dumps(value) + "\n")


def read_detections(path: Path) -> Detections:
    """Read the JSON file.

    Raises:
        HandTracksError: another format, or a frame that does not say what it must (named).
    """
    try:
        value = read_json(path)
    except (OSError, ValueError) as error:
        raise HandTracksError(f"{path}: cannot be read as JSON ({error}); write it again") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        said = value.get("format") if isinstance(value, dict) else type(value).__name__
        raise HandTracksError(f"{path}: format is {said!r}, expected {FORMAT!r}; `gr00t hands detect` writes it")
    try:
        size = int(value["video"]["width"]), int(value["video"]["height"])
        times_s, hands = _frames(path, value["frames"])
        source, licence = str(value["source"]), str(value["licence"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, HandTracksError):
            raise
        raise HandTracksError(f"{path}: {error!r} is missing or of another type; see the format {FORMAT}") from error
    return Detections(times_s, hands, size, source, licence, str(value["video"].get("sha256", "")))


def _frames(path: Path, listed: Sequence[Any]) -> tuple[np.ndarray, tuple[tuple[Detection, ...], ...]]:
    times, hands = [], []
    for number, frame in enumerate(listed):
        try:
            times.append(float(frame["time_s"]))
            hands.append(tuple(detection_from_dict(one) for one in frame["hands"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise HandTracksError(f"{path}: frame {number}: {error}; write the file again") from error
    times_s = np.array(times, dtype=np.float64)
    if not len(times_s) or not np.isfinite(times_s).all() or (np.diff(times_s) <= 0).any():
        raise HandTracksError(f"{path}: time_s of its {len(times)} frames must be finite and increase")
    return times_s, tuple(hands)
