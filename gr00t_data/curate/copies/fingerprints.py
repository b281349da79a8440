"""Fingerprints: the little of an episode that is needed to recognise it again in another file or another store."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from gr00t_data.curate.subject.signals import spans
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.integrity import digest_of
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.video import files as video

PICTURES = 24
"""Pictures kept of each camera, evenly spaced over the episode."""

SIDE_PX = 32
ENDS_PX = 64

Key = tuple[str, int]
"""An episode among several stores: (name of the store, episode number)."""


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of one episode (some 100 kB for a minute).

    Attributes:
        key: which episode this is.
        rows: SHA-256 of state and action as float32; counters, stamps and texts do not count.
        motion: float32 [T, D], the state (where a robot has none, the action) in shares of each joint's range.
        videos: camera -> SHA-256 of the file; absent files are left out.
        pictures: camera -> uint8 [PICTURES, SIDE_PX, SIDE_PX], luma.
        ends: camera -> uint8 [2, 3, ENDS_PX, ENDS_PX], the first and the last picture, planes Y, U, V.
    """

    key: Key
    rows: str
    motion: Float32[np.ndarray, "t d"]
    videos: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, UInt8[np.ndarray, "n h w"]] = field(default_factory=dict)
    ends: Mapping[str, UInt8[np.ndarray, "2 3 h w"]] = field(default_factory=dict)

    def background(self, camera: str) -> np.ndarray:
        """Perceptual hash (Zauner 2010, 64 bits as bool [8, 8]) of the median picture."""
        import imagehash
        from PIL import Image

        median = np.median(self.pictures[camera], axis=0).astype(np.uint8)
        return imagehash.phash(Image.fromarray(median)).hash

    def happening(self, camera: str) -> np.ndarray:
        """float32 [PICTURES, SIDE_PX, SIDE_PX]: the pictures less their median, blurred: what moved, and where."""
        import cv2

        frames = self.pictures[camera].astype(np.float32)
        moved = frames - np.median(frames, axis=0)
        return np.stack([cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in moved])


def fingerprint(
    store: EpisodeStore,
    index: int,
    embodiment: Embodiment,
    pictures: Mapping[str, np.ndarray] | None = None,
    name: str | None = None,
) -> Fingerprint | None:
    """The fingerprint of one episode; None when its rows cannot be read (another check says so).

    Args:
        pictures: camera -> uint8 [N, 3, h, w], planes Y, U, V, of frames evenly spaced over the episode (all of them,
            or a sample), when they were decoded before; None decodes them here, {} leaves them out.
        name: stands for the store in the key; its folder name when None.
    """
    try:
        state, action = store.state(index), store.action(index)
    except (StoreError, KeyError, ValueError):
        return None
    if not len(state):
        return None
    seen = _decoded(store, index, embodiment) if pictures is None else pictures
    return Fingerprint(
        key=(name or store.root.name, index),
        rows=_digest(state, action),
        motion=_in_shares(*((state, embodiment.state) if state.shape[1] else (action, embodiment.action))),
        videos={} if pictures == {} else _video_digests(store, index),
        pictures={camera: _small(frames) for camera, frames in seen.items() if len(frames)},
        ends={camera: _ends(frames) for camera, frames in seen.items() if len(frames)},
    )


def _in_shares(values: np.ndarray, parts: Sequence[Part]) -> np.ndarray:
    """Each joint in shares of its range, so that one in percent does not hide one in radians."""
    ranges = np.ones(values.shape[1])
    for part in parts:
        width = len(ranges[part.slice])
        ranges[part.slice] = spans(part)[:width]
    return (values / ranges).astype(np.float32)


def _digest(*arrays: np.ndarray) -> str:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    return sha.hexdigest()


def _video_digests(store: EpisodeStore, index: int) -> dict[str, str]:
    paths = {camera: store.video_place(index, camera) for camera in store.cameras}
    return {camera: digest_of(path) for camera, path in paths.items() if path.is_file()}


def _decoded(store: EpisodeStore, index: int, embodiment: Embodiment) -> dict[str, np.ndarray]:
    known = {camera.name for camera in embodiment.cameras}
    decoded = {}
    for camera in store.cameras:
        try:
            path = store.video_path(index, camera)
            if camera in known and path.is_file():
                decoded[camera] = planes(video.decode(path, (ENDS_PX, ENDS_PX)))
        except (video.VideoError, ValueError):
            continue
    return decoded


def planes(frames: np.ndarray) -> np.ndarray:
    """uint8 [T, 3, H, W], planes Y, U, V (BT.601, studio range), of uint8 [T, H, W, 3] RGB."""
    weights = np.array([[65.5, 128.6, 25.0], [-37.8, -74.2, 112.0], [112.0, -93.8, -18.2]]) / 255
    yuv = frames @ weights.T + np.array([16, 128, 128])
    return np.rint(yuv).astype(np.uint8).transpose(0, 3, 1, 2)


def _small(frames: np.ndarray) -> np.ndarray:
    chosen = frames[np.linspace(0, len(frames) - 1, PICTURES).round().astype(int), 0]
    return np.stack([_shrunk(frame, SIDE_PX) for frame in chosen])


def _ends(frames: np.ndarray) -> np.ndarray:
    return np.stack([[_shrunk(plane, ENDS_PX) for plane in frame] for frame in frames[[0, -1]]])


def _shrunk(plane: np.ndarray, side: int) -> np.ndarray:
    import cv2

    return cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA)
