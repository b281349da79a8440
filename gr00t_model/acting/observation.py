"""An observation, read: every key there, every value of the right kind and shape, the batch made explicit."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gr00t_data.embodiment.robot import Embodiment, Selection
from gr00t_model.acting.values import MOST_ROWS, ObservationError, array_of, texts_of, told

Observation = Mapping[str, object]

_VIDEO_NDIM = 4
_LARGEST_PX = 8192
"""Of a picture's side."""


@dataclass(frozen=True)
class Seen:
    """An observation with its batch dimension made explicit.

    Attributes:
        video: camera -> uint8 [B, H, W, 3], as it was given.
        state: part -> float64 [B, D] in the unit of the part; finite.
        instructions: one a row.
        single: whether the batch dimension had been left out.
        converted: keys whose numbers came in another type, and in which.
        ignored: keys that the selection does not read.
    """

    video: dict[str, np.ndarray]
    state: dict[str, np.ndarray]
    instructions: list[str]
    single: bool
    converted: tuple[str, ...]
    ignored: tuple[str, ...]


def read_observation(observation: object, embodiment: Embodiment, selection: Selection) -> Seen:
    """Check and convert everything that ``selection`` reads.

    Raises:
        ObservationError: a key is missing, or its value is of a wrong kind, type or shape.
    """
    cameras = {name: f"video.{name}" for name in selection.cameras}
    parts = {name: f"state.{name}" for name in selection.state}
    wanted = [*cameras.values(), *parts.values(), selection.language]
    found = _checked_keys(observation, wanted, embodiment, selection)
    arrays = {key: array_of(key, found[key]) for key in (*cameras.values(), *parts.values())}
    single = arrays[next(iter(cameras.values()))].ndim == _VIDEO_NDIM
    video = {name: _frames(key, arrays[key], single) for name, key in cameras.items()}
    state = {name: _state(key, arrays[key], embodiment.state_part(name).dim, single) for name, key in parts.items()}
    rows = {cameras[name]: len(frames) for name, frames in video.items()}
    rows |= {parts[name]: len(values) for name, values in state.items()}
    if len(set(rows.values())) != 1:
        raise ObservationError(f"all keys must have the same number of rows, found {rows}")
    count = next(iter(rows.values()))
    if not 1 <= count <= MOST_ROWS:
        raise ObservationError(f"{next(iter(rows))}: has {count} rows, expected 1 to {MOST_ROWS}")
    converted = [f"{key}: {arrays[key].dtype}" for key in cameras.values() if arrays[key].dtype != np.uint8]
    ignored = tuple(sorted(str(key) for key in found if key not in wanted))
    texts = texts_of(selection.language, found[selection.language], count)
    return Seen(video, state, texts, single, tuple(converted), ignored)


def _checked_keys(observation: object, wanted: list[str], embodiment: Embodiment, selection: Selection) -> Observation:
    if not isinstance(observation, Mapping):
        raise ObservationError(f"an observation is a mapping of {', '.join(wanted)}, found {told(observation)}")
    if missing := [key for key in wanted if key not in observation]:
        others = sorted(str(key) for key in observation if key not in wanted)
        beside = f"; it has {', '.join(others)} that nothing reads" if others else ""
        raise ObservationError(
            f"the observation lacks {', '.join(missing)}; the selection {selection.name!r} of "
            f"{embodiment.name!r} needs {', '.join(wanted)}{beside}"
        )
    return observation


def _frames(key: str, found: np.ndarray, single: bool) -> np.ndarray:
    """uint8 [B, H, W, 3]. Whole numbers of another type that are levels of a picture are taken as such."""
    frames = found[None] if single else found
    fits = frames.ndim == _VIDEO_NDIM + 1 and frames.shape[1] == 1 and frames.shape[-1] == 3
    if not fits or not _are_levels(frames):
        raise ObservationError(
            f"{key}: expected uint8 [1, H, W, 3], or [B, 1, H, W, 3] for B rows, found {told(found)}"
            f"{_picture_remedy(found)}"
        )
    if frames.size == 0 or max(frames.shape[2:4]) > _LARGEST_PX:
        raise ObservationError(f"{key}: expected pictures of 1 to {_LARGEST_PX} px a side, found {told(found)}")
    return np.ascontiguousarray(frames[:, 0], dtype=np.uint8)


def _are_levels(frames: np.ndarray) -> bool:
    """Whether these are whole numbers from 0 to 255."""
    if frames.dtype == np.uint8:
        return True
    return frames.dtype.kind in "iu" and bool(frames.size) and int(frames.min()) >= 0 and int(frames.max()) <= 255


def _picture_remedy(found: np.ndarray) -> str:
    if found.ndim == 0:
        return "; one number is no picture"
    if found.shape[-1] == 4:
        return "; drop the alpha channel: picture[..., :3]"
    if found.ndim >= 3 and found.shape[-1] != 3 and found.shape[-3] in ((3, 4) if found.ndim == 3 else (1, 3, 4)):
        return "; the channels come last here: np.moveaxis(picture, -3, -1)"
    if found.shape[-1] != 3:
        return "; a grey picture has no colours: repeat it three times if training did"
    if found.ndim == 3:
        return "; add the axis of time: picture[None]"
    if found.ndim > 3 and found.shape[-4] != 1:
        return "; give the newest picture alone: picture[-1:]"
    if found.dtype.kind == "f":
        return "; give levels from 0 to 255: np.round(255 * picture).astype(np.uint8) if they are from 0 to 1"
    return "; give levels from 0 to 255"


def _state(key: str, found: np.ndarray, width: int, single: bool) -> np.ndarray:
    """float64 [B, D]."""
    array = found[None] if single else found
    if array.ndim != 3 or array.shape[1:] != (1, width):
        expected = f"[1, {width}]" if single else f"[B, 1, {width}]"
        remedy = "; add the axis of time: state[None]" if found.shape == (width,) else ""
        raise ObservationError(f"{key}: expected {expected} as the video has, found {list(found.shape)}{remedy}")
    values = array[:, 0].astype(np.float64)
    if not np.isfinite(values).all():
        raise ObservationError(f"{key}: holds NaN or infinity; check the sensor before acting on it")
    return values
