"""Which camera a clip shows, and how its frames become pictures of the size a model takes. No torch."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from gr00t_data.video.files import fit
from gr00t_data.video.spans import read_clip
from gr00t_model.dream.world_model import DreamError

GRID = "grid_2x2"

Frames = UInt8[np.ndarray, "t h w 3"]


@dataclass(frozen=True)
class View:
    """What of an episode is shown.

    Attributes:
        name: of the camera, or ``grid_2x2``: three cameras tiled, top left, top right, bottom left, the rest black, as
            DreamGen tiles them (arXiv 2505.12705, section on multi-view video).
        cameras: names.
    """

    name: str
    cameras: tuple[str, ...]

    def frames(self, store: EpisodeStore, episode: int, size: tuple[int, int] | None = None) -> Frames:
        """Every frame of an episode; with ``size`` (height, width) black bars fill what its shape leaves."""
        return self._joined([video.decode(self._path(store, episode, camera)) for camera in self.cameras], size)

    def first(self, store: EpisodeStore, episode: int) -> UInt8[np.ndarray, "h w 3"]:
        """The first frame of an episode, in the size of the recording."""
        return self._joined([read_clip(self._path(store, episode, camera), 0, 1) for camera in self.cameras], None)[0]

    def _path(self, store: EpisodeStore, episode: int, camera: str):
        if camera not in store.cameras:
            raise DreamError(f"{store.root}: has no camera {camera!r}; it has {', '.join(store.cameras)}")
        return store.video_path(episode, camera)

    def _joined(self, shown: list[Frames], size: tuple[int, int] | None) -> Frames:
        if len(shown) > 1:
            shown = [tile(shown)]
        return fit(shown[0], size) if size and shown[0].shape[1:3] != size else shown[0]


def view_of(embodiment: Embodiment, name: str = "") -> View:
    """A camera of the embodiment, the grid of its first three, or, without a name, its first one.

    Raises:
        DreamError: no such camera, or too few for a grid.
    """
    cameras = embodiment.selection().cameras
    if name == GRID:
        if len(cameras) < 3:
            raise DreamError(f"{embodiment.name} has {len(cameras)} camera(s), a grid shows three; name one of them")
        return View(GRID, tuple(cameras[:3]))
    known = [camera.name for camera in embodiment.cameras]
    if name and name not in known:
        raise DreamError(f"no camera {name!r}; choose from {', '.join(known)}, or {GRID}")
    return View(name or cameras[0], (name or cameras[0],))


def tile(shown: list[Frames]) -> Frames:
    """Three views of one length as one picture of twice the first one's size; the bottom right stays black."""
    frames, height, width, _ = shown[0].shape
    if any(len(one) != frames for one in shown):
        raise DreamError(f"the cameras have {[len(one) for one in shown]} frames; ingest the episode again")
    grid = np.zeros((frames, 2 * height, 2 * width, 3), dtype=np.uint8)
    for number, one in enumerate(shown):
        top, left = (number // 2) * height, (number % 2) * width
        grid[:, top : top + height, left : left + width] = fit(one, (height, width))
    return grid


def fitted(picture: UInt8[np.ndarray, "h w 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """One picture in (height, width), its shape kept."""
    return picture if picture.shape[:2] == size else fit(picture[None], size)[0]
