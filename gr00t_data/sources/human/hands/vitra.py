"""Hands as VITRA-1M keeps them (Li et al., arXiv 2510.21571): MANO hands in camera and world, an array a quantity.

The dataset comes as ``.npy`` files that hold a pickled dict. A pickle runs whatever code its author put into it, so
it is refused here; the same arrays are taken from ``.npz`` or ``.safetensors``, with the names of the nested dict
joined by a dot: ``extrinsics`` [T, 4, 4] (world to camera, OpenCV axes), ``intrinsics`` [3, 3],
``left.transl_worldspace`` [T, 3] (the wrist), ``left.global_orient_worldspace`` [T, 3, 3],
``left.joints_worldspace`` [T, 21, 3], ``left.kept_frames`` [T] (0 or 1), and the same for ``right``;
``video_decode_frame`` [T], the frames of the video they belong to.
"""

import shlex
import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from gr00t_data.limits import TABLE_BYTES, LimitError, require_within
from gr00t_data.sources.human.hands.tracks import INDEX_TIP, LANDMARKS, SIDES, THUMB_TIP, HandTracks, HandTracksError
from gr00t_data.sources.human.hands.wrists import inverse, pose_of, projected, rigid

LICENCE = "CC-BY-NC-ND-4.0"
"""Of HaWoR and the MANO model, which made the labels; the code of VITRA is MIT, but labels follow their model."""

_CONVERT = (
    'python -c "import sys, numpy as np; d = np.load(sys.argv[1], allow_pickle=True).item(); '
    "flat = {k: v for k, v in d.items() if isinstance(v, np.ndarray)}; "
    "[flat.update({f'{s}.{k}': np.asarray(v) for k, v in d[s].items() if v is not None}) for s in ('left', 'right')]; "
    'np.savez_compressed(sys.argv[2], **flat)"'
)


def refuse_pickle(path: Path) -> HandTracksError:
    """What to say about a ``.npy`` file with a pickled dict."""
    command = f"{_CONVERT} {shlex.quote(str(path))} {shlex.quote(str(path.with_suffix('.npz')))}"
    return HandTracksError(
        f"{path}: holds a pickled dict; a pickle can run any code when it is opened, so it is not opened here. If you "
        f"trust whoever made it, convert it once, best in a container: {command}"
    )


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` or ``.safetensors`` file; nothing is unpickled.

    Raises:
        HandTracksError: a pickled array, or no such file.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with np.load(path, allow_pickle=False) as file:
            if isinstance(file, np.ndarray):
                raise HandTracksError(f"{path}: holds one array, expected the arrays of a VITRA episode as .npz")
            require_within(sum(one.file_size for one in file.zip.infolist()), TABLE_BYTES, "bytes of its arrays")
            return {name: file[name] for name in file.files}
    except LimitError as error:
        raise HandTracksError(f"{path}: {error}") from error
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise refuse_pickle(path) from error
        raise HandTracksError(f"{path}: cannot be read ({error}); copy it again") from error
    except (OSError, EOFError, KeyError, MemoryError, BadZipFile, zlib.error, SafetensorError) as error:
        raise HandTracksError(f"{path}: cannot be read ({error}); copy it again") from error


def read_vitra(path: Path, times_s: np.ndarray, picture_px: tuple[int, int] | None = None) -> HandTracks:
    """The hands of one episode, on all frames of its video; they are absent in frames that the episode does not have.

    Args:
        times_s: float64 [N], seconds of each frame of the video.

    Raises:
        HandTracksError: arrays are missing, have other shapes, or belong to frames that the video does not have.
    """
    arrays = read_arrays(path)
    world_to_camera = _array(path, arrays, "extrinsics", (None, 4, 4))
    rows = len(world_to_camera)
    frames = _frames(path, arrays, rows, len(times_s))
    sides = [_side(path, arrays, side, rows) for side in SIDES]
    present = np.stack([kept for _, _, kept in sides], axis=1)
    world = np.stack([poses for poses, _, _ in sides], axis=1)
    points = np.stack([joints for _, joints, _ in sides], axis=1)
    wrists = world_to_camera[:, None] @ world
    present &= rigid(wrists) & rigid(world_to_camera)[:, None]
    apart = np.linalg.norm(points[:, :, THUMB_TIP] - points[:, :, INDEX_TIP], axis=-1)
    intrinsics = arrays.get("intrinsics")
    pixels = None
    if picture_px is not None and intrinsics is not None and intrinsics.shape == (3, 3):
        pixels = _spread(projected(points, world_to_camera, intrinsics, present), frames, len(times_s))
    # Between and beyond its rows nobody knows the camera; there are no hands there, so any camera will do.
    nearest = np.clip(np.searchsorted(frames, np.arange(len(times_s))), 0, rows - 1)
    return HandTracks(
        times_s=times_s,
        present=_spread(present, frames, len(times_s)),
        confidence=np.nan_to_num(_spread(np.ones((rows, 2), dtype=np.float32), frames, len(times_s))),
        landmarks_px=pixels,
        wrist_poses=_spread(np.where(present[..., None, None], wrists, np.nan), frames, len(times_s)),
        apertures_m=_spread(np.where(present, apart, np.nan), frames, len(times_s)),
        cameras=inverse(world_to_camera)[nearest],
        source="VITRA arrays (MANO)",
        licence=LICENCE,
        picture_px=picture_px if pixels is not None else None,
        wrist_axes="mano",
    )


def _array(path: Path, arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    value = arrays.get(name)
    fits = value is not None and value.ndim == len(shape)
    if value is None or not fits or any(w not in (None, f) for w, f in zip(shape, value.shape, strict=True)):
        found = "missing" if value is None else f"of shape {value.shape}"
        wanted = ", ".join("T" if one is None else str(one) for one in shape)
        raise HandTracksError(f"{path}: {name} is {found}, expected [{wanted}]; write the file again")
    return np.asarray(value, dtype=np.float64)


def _frames(path: Path, arrays: Mapping[str, np.ndarray], rows: int, frames: int) -> np.ndarray:
    """int64 [rows]: the frame of the video that each row belongs to."""
    if "video_decode_frame" in arrays:
        numbers = _array(path, arrays, "video_decode_frame", (rows,)).astype(np.int64)
        if (np.diff(numbers) <= 0).any() or numbers[0] < 0 or numbers[-1] >= frames:
            raise HandTracksError(
                f"{path}: video_decode_frame goes from {numbers.min()} to {numbers.max()}, the video has {frames} "
                "frames; the file belongs to another video"
            )
        return numbers
    if rows != frames:
        raise HandTracksError(
            f"{path}: extrinsics have {rows} rows, the video has {frames} frames; add video_decode_frame, or give the "
            "file of this video"
        )
    return np.arange(rows)


def _spread(values: np.ndarray, frames: np.ndarray, count: int) -> np.ndarray:
    """The rows at their frames of the video; False or NaN elsewhere."""
    found = np.full((count, *values.shape[1:]), False if values.dtype == bool else np.nan, dtype=values.dtype)
    found[frames] = values
    return found


def _side(path: Path, arrays: Mapping[str, np.ndarray], side: str, rows: int) -> tuple[np.ndarray, ...]:
    """Poses of the wrist [T, 4, 4] and joints [T, 21, 3] in the world, and where they are kept, bool [T]."""
    if f"{side}.transl_worldspace" not in arrays:
        return np.full((rows, 4, 4), np.nan), np.full((rows, LANDMARKS, 3), np.nan), np.zeros(rows, dtype=bool)
    places = _array(path, arrays, f"{side}.transl_worldspace", (rows, 3))
    turns = _array(path, arrays, f"{side}.global_orient_worldspace", (rows, 3, 3))
    joints = _array(path, arrays, f"{side}.joints_worldspace", (rows, LANDMARKS, 3))
    kept = _array(path, arrays, f"{side}.kept_frames", (rows,)) > 0
    return pose_of(turns, places), joints, kept
