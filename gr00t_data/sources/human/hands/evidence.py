"""What is kept with an episode about its hands, so that its checks and its sheet need no tracks. All JSON-able."""

from typing import Any

import cv2
import numpy as np

from gr00t_data.sources.human.footage import Intrinsics
from gr00t_data.sources.human.hands.quality import Cleaned, runs_s, visible_in
from gr00t_data.sources.human.hands.tracks import SIDES, HandTracks

OVERLAY_ROWS = 6
"""Rows of an episode whose landmarks are kept, to be drawn on its contact sheet."""


def nearest_frames(frame_times_s: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """int64 [T]: the frame nearest in time to each row; zeros without frames."""
    if len(frame_times_s) < 2:
        return np.zeros(len(times_s), dtype=np.int64)
    middles = (frame_times_s[:-1] + frame_times_s[1:]) / 2
    return np.searchsorted(middles, times_s).astype(np.int64)


def evidence_of(
    raw: HandTracks,
    found: Cleaned,
    times_s: np.ndarray,
    frames: np.ndarray,
    longest_gap_s: float,
    camera: Intrinsics | None = None,
) -> dict[str, Any]:
    """What the checks read.

    Args:
        raw: tracks of the clip as they came.
        found: the same, cleaned.
        times_s: float64 [T], seconds of the video of each row.
        frames: int64 [T], the frame of the tracks that each row shows.
        longest_gap_s: a track goes on over gaps up to it.
        camera: of the video; a fisheye picture is stored straightened, so its landmarks are too.
    """
    seen = visible_in(found.tracks)[frames]
    runs = {side: runs_s(raw.times_s, raw.present[:, number], longest_gap_s) for number, side in enumerate(SIDES)}
    return {
        "source": raw.source,
        "licence": raw.licence,
        "rows": len(times_s),
        "shares": {
            "any": _share(np.any(seen, axis=1)),
            "both": _share(np.all(seen, axis=1)),
            **{side: _share(seen[:, number]) for number, side in enumerate(SIDES)},
        },
        "confidence": round(float(raw.confidence[raw.present].mean()), 4) if raw.present.any() else None,
        "longest_run_s": {side: round(max(found, default=0.0), 3) for side, found in runs.items()},
        "runs": {side: len(found) for side, found in runs.items()},
        "swaps": [[_row(frames, first), _row(frames, last)] for first, last in found.swaps],
        "side_doubts": _rows(None if raw.side_doubts is None else np.any(raw.side_doubts[frames], axis=1)),
        "jumps": [
            {
                "row": _row(frames, jump.frame),
                "hand": SIDES[jump.side],
                "m_s": round(jump.speed_m_s, 2),
                "rad_s": round(jump.speed_rad_s, 1),
            }
            for jump in found.jumps
        ],
        "crowd": _rows(None if raw.hands_seen is None else raw.hands_seen[frames] > 2),
        "overlay": _overlay(found.tracks, frames, camera),
        "notes": list(raw.notes),
    }


def _share(mask: np.ndarray) -> float:
    return round(float(mask.mean()), 4) if len(mask) else 0.0


def _row(frames: np.ndarray, frame: int) -> int:
    """The first row that shows a frame or a later one."""
    return min(int(np.searchsorted(frames, frame)), len(frames) - 1)


def _rows(mask: np.ndarray | None) -> dict[str, Any]:
    """How many rows, and the first and last of them; nothing about rows where the source does not say."""
    if mask is None or not mask.any():
        return {"rows": 0}
    at = np.flatnonzero(mask)
    return {"rows": len(at), "first": int(at[0]), "last": int(at[-1])}


def _overlay(tracks: HandTracks, frames: np.ndarray, camera: Intrinsics | None) -> dict[str, Any] | None:
    """Landmarks of a few rows, whole pixels of the upright video; None without landmarks."""
    if tracks.landmarks_px is None or tracks.picture_px is None:
        return None
    rows = np.unique(np.linspace(0, len(frames) - 1, OVERLAY_ROWS).round().astype(int)).tolist()
    points = _straightened(tracks.landmarks_px[frames[rows]], tracks.picture_px, camera)
    hands = [{side: _points(one[number]) for number, side in enumerate(SIDES)} for one in points]
    return {"picture_px": list(tracks.picture_px), "rows": rows, "hands": hands}


def _points(landmarks_px: np.ndarray) -> list[list[int]] | None:
    return np.rint(landmarks_px).astype(int).tolist() if np.isfinite(landmarks_px).all() else None


def _straightened(points_px: np.ndarray, picture_px: tuple[int, int], camera: Intrinsics | None) -> np.ndarray:
    """Landmarks [n, 2, 21, 2] where the straightened picture shows them; unchanged without a fisheye lens."""
    if camera is None or camera.fisheye is None:
        return points_px
    scale = np.array([camera.width_px / picture_px[0], camera.height_px / picture_px[1]])
    flat = (points_px.reshape(-1, 1, 2) * scale).astype(np.float64)
    straight = cv2.fisheye.undistortPoints(flat, camera.matrix, camera.fisheye.reshape(4, 1), P=camera.matrix)
    return (straight.reshape(-1, 2) / scale).reshape(points_px.shape)
