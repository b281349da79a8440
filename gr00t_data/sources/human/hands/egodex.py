"""Hands of EgoDex (Hoque et al., arXiv 2505.11709): one HDF5 file beside each video, 30 frames a second.

``/camera/intrinsic`` is [3, 3] in pixels; ``/transforms/<joint>`` is [T, 4, 4], the pose of a joint in the world of
ARKit (metres, Y up); ``/transforms/camera`` is the pose of the camera in the same world; ``/confidences/<joint>`` is
[T], 0..1, in some files. A joint of the hand in the camera of its frame is ``inverse(camera) @ joint``.

Axes of the camera. The public loaders disagree: some multiply by the intrinsic matrix at once, which needs x right,
y down, z forward; others turn from x right, y up, z backward, the axes of ``ARCamera.transform``. The two differ by
half a turn about x (y and z change sign). A camera on the head sees the hands it films, so they are in front of it:
where most wrists have z > 0 the axes are the first ones, where most have z < 0 they are the second and
``diag(1, -1, -1)`` is multiplied in. Which one it was stands in ``HandTracks.notes``. The axes of the wrists stay
those of ARKit.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gr00t_data.sources.formats.asking import asked
from gr00t_data.sources.formats.hdf5.tree import Dataset, opened
from gr00t_data.sources.human.hands.tracks import INDEX_TIP, LANDMARKS, SIDES, THUMB_TIP, HandTracks, HandTracksError
from gr00t_data.sources.human.hands.wrists import inverse, projected, rigid
from gr00t_data.sources.recordings.streams import StreamError

LICENCE = "CC-BY-NC-ND-4.0"
"""Of the dataset; its labels are a part of it."""

FPS = 30.0

_FINGERS = ("IndexFinger", "MiddleFinger", "RingFinger", "LittleFinger")
_PLACES = ("Knuckle", "IntermediateBase", "IntermediateTip", "Tip")
JOINTS = ("Hand", *(f"Thumb{p}" for p in _PLACES), *(f"{f}{p}" for f in _FINGERS for p in _PLACES))
"""The 21 joints of a hand in the order of MediaPipe's landmarks; names are preceded by ``left`` or ``right``."""

_LEAST_CONFIDENCE = 0.5
"""A hand that ARKit is less sure of is taken as not seen. A choice of ours: the dataset recommends no value."""

_HALF_TURN = np.diag([1.0, -1.0, -1.0, 1.0])


def read_egodex(path: Path, frames: int, picture_px: tuple[int, int] | None = None) -> HandTracks:
    """The hands of one video.

    Args:
        frames: of the video; the file must have as many.
        picture_px: width and height of the video; None leaves the landmarks out.

    Raises:
        HandTracksError: not such a file, another number of frames than the video, poses that are none, or something
            that leads out of the file.
    """
    try:
        arrays = asked(path, _arrays, frames)
    except StreamError as error:
        raise HandTracksError(str(error)) from error
    cameras, notes = _settled_axes(path, arrays)
    world = np.stack([arrays[f"{side}Hand"] for side in SIDES], axis=1)
    confidence = np.stack([arrays.get(f"confidence:{side}Hand", np.ones(frames)) for side in SIDES], axis=1)
    points = _points(arrays, frames)
    wrists = inverse(cameras)[:, None] @ world
    present = rigid(wrists) & (confidence >= _LEAST_CONFIDENCE)
    apart = np.linalg.norm(points[:, :, THUMB_TIP] - points[:, :, INDEX_TIP], axis=-1)
    unseen = picture_px is None or "intrinsic" not in arrays
    return HandTracks(
        times_s=np.arange(frames) / FPS,
        present=present,
        confidence=confidence.astype(np.float32),
        landmarks_px=None if unseen else projected(points, inverse(cameras), arrays["intrinsic"], present),
        wrist_poses=np.where(present[..., None, None], wrists, np.nan),
        apertures_m=np.where(present, apart, np.nan),
        cameras=cameras,
        source="EgoDex (ARKit)",
        licence=LICENCE,
        picture_px=_picture_of(arrays.get("intrinsic"), picture_px),
        wrist_axes="arkit",
        notes=notes,
    )


def _arrays(path: Path, frames: int) -> dict[str, np.ndarray]:
    """Every array that is there, by its name; shapes are compared before values are read."""
    poses = ("camera", *(f"{side}{joint}" for side in SIDES for joint in JOINTS))
    keys = {name: f"transforms/{name}" for name in poses} | {"intrinsic": "camera/intrinsic"}
    keys |= {f"confidence:{side}Hand": f"confidences/{side}Hand" for side in SIDES}
    found: dict[str, np.ndarray] = {}
    with opened(path) as file:
        file.require_closed()
        for name, key in keys.items():
            if isinstance(value := file.member(key), Dataset):
                _check_shape(path, name, value.shape, frames)
                found[name] = value.array()
    for name in ("camera", "leftHand", "rightHand"):
        if name not in found:
            raise StreamError(f"{path}: has no /transforms/{name}; EgoDex files have one: copy it again")
    return found


def _check_shape(path: Path, name: str, found: tuple[int, ...], frames: int) -> None:
    shape = (3, 3) if name == "intrinsic" else (frames,) if ":" in name else (frames, 4, 4)
    if found != shape:
        raise StreamError(
            f"{path}: {name} has shape {found}, the video has {frames} frames, so {shape} was expected; "
            "the file belongs to another video, or one of the two is cut off: copy both again"
        )


def _settled_axes(path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Cameras with x right, y down, z forward, float64 [T, 4, 4], and what was settled."""
    cameras = arrays["camera"]
    if not (ok := rigid(cameras)).all():
        raise HandTracksError(f"{path}: /transforms/camera of frame {int((~ok).argmax())} is no rigid pose")
    hands = np.stack([arrays[f"{side}Hand"] for side in SIDES], axis=1)
    ahead = (inverse(cameras)[:, None] @ hands)[..., 2, 3]
    known = ahead[np.isfinite(ahead)]
    if not known.size or np.median(known) > 0:
        return cameras, ("camera axes: x right, y down, z forward, as the hands are in front of it",)
    note = "camera axes: x right, y up, z backward (the hands would be behind it); turned by half a turn about x"
    return cameras @ _HALF_TURN, (note,)


def _points(arrays: Mapping[str, np.ndarray], frames: int) -> np.ndarray:
    """float64 [T, 2, 21, 3] in the world; NaN for joints the file does not have."""
    points = np.full((frames, 2, LANDMARKS, 3), np.nan)
    for side, name in enumerate(SIDES):
        for number, joint in enumerate(JOINTS):
            if f"{name}{joint}" in arrays:
                points[:, side, number] = arrays[f"{name}{joint}"][:, :3, 3]
    return points


def _picture_of(intrinsic: np.ndarray | None, picture_px: tuple[int, int] | None) -> tuple[int, int] | None:
    """Width and height of the picture that the intrinsics are of: they outlive a change of the video's size.

    The optical axis of the dataset's cameras meets the middle of the picture (960, 540 of 1920 x 1080).
    """
    if intrinsic is None or picture_px is None:
        return picture_px
    whole = 2 * intrinsic[0, 2], 2 * intrinsic[1, 2]
    same_shape = abs(whole[0] * picture_px[1] - whole[1] * picture_px[0]) < 0.02 * whole[0] * picture_px[1]
    return (round(whole[0]), round(whole[1])) if same_shape else picture_px
