"""Decoded frames at training resolution, memory-mapped: each video is decoded once, then read at the speed of memory.

One file an episode and camera, ``<store digest 16>-<height>x<width>/<camera>/<episode>.npy``. The folder may be deleted
at any time; what is asked for is made again.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from gr00t_data import video
from gr00t_data.batches.mixture import MixtureManifest
from gr00t_data.disk import replacing
from gr00t_data.store import EpisodeStore

_OPEN_ARRAYS = 512
"""Each memory map holds a file descriptor; 1024 a process is a usual limit."""

Progress = Callable[[int, int], None]
"""Called with videos done and videos in all."""


class FramesCache:
    """The cache of one resolution. Not to be shared between threads."""

    def __init__(self, folder: Path, size: tuple[int, int]) -> None:
        """``size``: (height, width) in pixels."""
        self.folder = folder
        self.size = size
        self._open: OrderedDict[Path, np.ndarray] = OrderedDict()

    def path(self, store: EpisodeStore, episode_index: int, camera: str) -> Path:
        """The file of one episode and camera (it may not exist yet)."""
        height, width = self.size
        return self.folder / f"{store.digest[:16]}-{height}x{width}" / camera / f"{episode_index:06d}.npy"

    def array(self, store: EpisodeStore, episode_index: int, camera: str) -> np.ndarray:
        """The frames of one episode and camera, read-only uint8 [T, height, width, 3] RGB; decoded if need be.

        Raises:
            VideoError: the video is missing or cannot be decoded.
        """
        path = self.path(store, episode_index, camera)
        array = self._open.get(path)
        if array is None:
            if not path.is_file():
                _decode_into(path, store.video_path(episode_index, camera), self.size)
            array = np.load(path, mmap_mode="r")
            self._open[path] = array
            if len(self._open) > _OPEN_ARRAYS:
                self._open.popitem(last=False)
        self._open.move_to_end(path)
        return array

    def build(
        self,
        manifest: MixtureManifest,
        cameras: Sequence[str],
        progress: Progress | None = None,
        processes: int = 1,
    ) -> int:
        """Decode what a manifest needs and the cache lacks. Safe to stop at any time; goes on where it stopped.

        Returns:
            the number of videos decoded.

        Raises:
            VideoError: a video is missing or cannot be decoded.
        """
        todo = self._missing(manifest, cameras)
        if processes > 1 and len(todo) > 1:
            with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
                futures = [pool.submit(_decode_into, target, source, self.size) for target, source in todo]
                for done, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    if progress:
                        progress(done, len(todo))
        else:
            for done, (target, source) in enumerate(todo, start=1):
                _decode_into(target, source, self.size)
                if progress:
                    progress(done, len(todo))
        return len(todo)

    def _missing(self, manifest: MixtureManifest, cameras: Sequence[str]) -> list[tuple[Path, Path]]:
        todo = {}
        for source in manifest.sources:
            store = source.open()
            for entry in source.episodes:
                for camera in cameras:
                    path = self.path(store, entry.index, camera)
                    if not path.is_file():
                        todo[path] = store.video_path(entry.index, camera)
        return list(todo.items())


def _decode_into(target: Path, source: Path, size: tuple[int, int]) -> None:
    frames = video.decode(source, size)
    with replacing(target) as temporary:
        np.save(temporary, frames)
