"""One planned clip as an episode: rows at the control rate, upright, undistorted, faces hidden, small."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.human.footage import Intrinsics, PlannedClip
from gr00t_data.sources.human.hands.labels import Labels
from gr00t_data.sources.human.settings import Pictures
from gr00t_data.sources.recordings.clocks import nearest
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource
from gr00t_data.video import files as video
from gr00t_data.video.footage import footage_pictures
from gr00t_data.video.foreign import watched
from gr00t_data.video.packets import Packets

SOURCE_FRAME, SOURCE_TIME = "source_frame", "source_time_s"
"""Columns: the number of the video's frame that a row shows, and when it is shown there, seconds."""
MASKED = "masked"
"""Column: 1 where a row must not be sampled (a fast turn of the head, or no frame close by), else 0."""

Hide = Callable[[np.ndarray], tuple[np.ndarray, dict[str, Any]]]
"""Frames uint8 [T, H, W, 3] RGB in, the same with faces hidden and what was counted out."""

_LARGEST_GAP_S = 0.1
"""A row whose nearest frame is further away shows another moment: at 20 Hz, two rows."""
_ROUNDING_S = 1e-6
_SAME_S = 1e-9
_DEFAULT_PX = 256
_SAME_SHAPE = 0.02


class ReadingError(ValueError):
    """A clip that cannot become an episode; the message says why."""


def read_episode(
    clip: PlannedClip,
    facts: Packets,
    embodiment: Embodiment,
    times_s: np.ndarray,
    labels: Labels,
    pictures: Pictures,
    hide: Hide | None,
) -> Episode:
    """The episode of one clip; no sound is read or written.

    Args:
        times_s: float64 [T], the second of the video that each row shows.
        hide: hides faces; None when somebody stated that there are none.

    Raises:
        ReadingError: the camera's numbers do not fit the picture.
        VideoError: a frame cannot be decoded (says which).
    """
    numbers = nearest(facts.times_s, times_s, _SAME_S)
    shown_s = facts.times_s[numbers]
    straighten = _straightener(clip.footage.intrinsics, facts, pictures)
    once, row_of = np.unique(numbers, return_inverse=True)
    asked = (facts, once.tolist(), pictures.working_px)
    found_frames = watched(facts.path, footage_pictures, *asked, pictures=int(numbers.max() - numbers.min()))
    frames = np.stack([straighten(one) for one in found_frames])
    found: dict[str, Any] = {"detector": None}
    if hide is not None:
        frames, found = hide(frames)
    camera = embodiment.camera(embodiment.selection().cameras[0])
    masked = _masked_rows(clip, times_s, shown_s)
    said = {"faces": found, "frames": _evidence(facts, times_s, shown_s, numbers), "hands": labels.evidence}
    return Episode(
        instruction=clip.instruction,
        times_s=np.arange(len(times_s)) / embodiment.control_hz,
        state=labels.state,
        action=labels.action,
        video={camera.name: video.fit(frames, (camera.height or _DEFAULT_PX, camera.width or _DEFAULT_PX))[row_of]},
        source=EpisodeSource.model_validate(said),
        columns={SOURCE_FRAME: numbers, SOURCE_TIME: shown_s, MASKED: masked.astype(np.int64), **labels.columns},
    )


def _masked_rows(clip: PlannedClip, times_s: np.ndarray, shown_s: np.ndarray) -> np.ndarray:
    masked = np.abs(times_s - shown_s) > _LARGEST_GAP_S + _ROUNDING_S
    for start, end in clip.masked_s:
        masked |= (times_s >= start) & (times_s <= end)
    return masked


def _evidence(facts: Packets, times_s: np.ndarray, shown_s: np.ndarray, numbers: np.ndarray) -> dict[str, Any]:
    """How the video's frames lie on the rows: what a reader needs to judge the resampling."""
    off_s = np.abs(times_s - shown_s)
    return {
        "fps": round(facts.shown_fps, 4),
        "steady": facts.steady,
        "rotation_deg": facts.turn_deg,
        "size_px": [*reversed(facts.upright_px)],
        "codec": facts.codec,
        "sound_dropped": facts.sound,
        "off_largest_s": round(float(off_s.max()), 5),
        "off_mean_s": round(float(off_s.mean()), 5),
        "rows_repeating_a_frame": int((np.diff(numbers) == 0).sum()),
        "rows_without_a_near_frame": int((off_s > _LARGEST_GAP_S + _ROUNDING_S).sum()),
    }


def _straightener(camera: Intrinsics | None, facts: Packets, pictures: Pictures) -> Callable[[np.ndarray], np.ndarray]:
    """Undistortion of an upright picture of the working size; nothing without a fisheye model."""
    if camera is None or camera.fisheye is None or not pictures.undistort:
        return lambda picture: picture
    shape = camera.width_px / camera.height_px
    shown_width, shown_height = facts.upright_px
    if abs(shape - shown_width / shown_height) > _SAME_SHAPE * shape:
        raise ReadingError(
            f"the camera's numbers are for a picture of {camera.width_px} x {camera.height_px}, the video shows "
            f"{shown_width} x {shown_height} (turned upright): another shape; correct width_px and height_px"
        )
    scale = min(pictures.working_px / max(shown_height, shown_width), 1.0)
    width, height = max(round(shown_width * scale), 1), max(round(shown_height * scale), 1)
    matrix = camera.matrix * (np.array([[width / camera.width_px], [height / camera.height_px], [1.0]]))
    maps = fisheye_maps(matrix, camera.fisheye, (width, height))
    return lambda picture: cv2.remap(picture, *maps, interpolation=cv2.INTER_LINEAR)


def fisheye_maps(matrix: np.ndarray, fisheye: np.ndarray, size_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the straight picture lies in the fisheye one (Kannala and Brandt 2006, as OpenCV has it).

    Args:
        matrix: float64 [3, 3] in pixels of ``size_px`` (width, height).
        fisheye: float64 [4], k1 to k4.

    Returns:
        two maps for ``cv2.remap``; the straight picture keeps matrix and size.
    """
    coefficients = np.asarray(fisheye, dtype=np.float64).reshape(4, 1)
    first, second = cv2.fisheye.initUndistortRectifyMap(matrix, coefficients, np.eye(3), matrix, size_px, cv2.CV_16SC2)
    return first, second
