"""Decoded frames at training resolution, memory-mapped: each video is decoded once, then read at the speed of memory.

One file an episode and camera, ``<store digest 16>-<height>x<width>-<code 8>/<camera>/<episode>.npy``, with its
checksum beside it, which is compared when a process first opens the file. The folder may be deleted at any time; what
is asked for and is missing or damaged is made again.
"""

import logging
import os
import shutil
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path
from tokenize import TokenError

import numpy as np

from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.code_key import code_key
from gr00t_data.disk import replacing, write_text
from gr00t_data.progress import Progress, silent
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from gr00t_data.workers import worker_pool

_OPEN_ARRAYS = 512
"""Each memory map holds a file descriptor; 1024 a process is a usual limit."""

_CHECKSUM = ".crc32"
_OF_THE_FILE = " whole file\n"
"""After a checksum over the header too; those of before are over the pixels alone."""
_LOG = logging.getLogger(__name__)


class FramesError(ValueError):
    """Decoded frames that cannot be used; the message names the file and the remedy."""


class FramesCache:
    """The cache of one resolution. Not to be shared between threads.

    Attributes:
        budget_bytes: what all resolutions and stores in the folder may take together; None is no limit. Frames of
            stores that the mixture does not use go first, the longest unused before the others.
    """

    def __init__(self, folder: Path, size: tuple[int, int], budget_bytes: int | None = None) -> None:
        """``size``: (height, width) in pixels."""
        self.folder = folder
        self.size = size
        self.budget_bytes = budget_bytes
        self._open: OrderedDict[tuple[str, int, str], np.ndarray] = OrderedDict()

    def path(self, store: EpisodeStore, episode_index: int, camera: str) -> Path:
        """The file of one episode and camera (it may not exist yet)."""
        return self._of_store(store) / camera / f"{episode_index:06d}.npy"

    def _of_store(self, store: EpisodeStore) -> Path:
        height, width = self.size
        return self.folder / f"{store.digest[:16]}-{height}x{width}-{code_key('gr00t_data.video.files')[:8]}"

    def array(self, store: EpisodeStore, episode_index: int, camera: str) -> np.ndarray:
        """The frames of one episode and camera, read-only uint8 [T, height, width, 3] RGB; decoded if need be.

        Raises:
            VideoError: the video is missing or cannot be decoded.
            StoreError: the video was changed after its store was sealed.
            FramesError: what was decoded anew cannot be read back.
        """
        key = store.digest, episode_index, camera
        array = self._open.get(key)
        if array is None:
            array = self._open[key] = self._opened(store, episode_index, camera)
            if len(self._open) > _OPEN_ARRAYS:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        return array

    def _opened(self, store: EpisodeStore, episode_index: int, camera: str) -> np.ndarray:
        path = self.path(store, episode_index, camera)
        if path.is_file():
            try:
                return mapped(path)
            except FramesError as error:
                _LOG.warning("%s; they are decoded again", error)
        _decode_into(path, store.video_path(episode_index, camera), self.size)
        return mapped(path)

    def picture(self, store: EpisodeStore, sample: SampleId, camera: str, frame: int) -> np.ndarray:
        """uint8 [height, width, 3]: one frame of a sample's episode; raises as ``array``."""
        return self.array(store, sample.episode, camera)[frame]

    def needed_bytes(self, manifest: MixtureManifest, cameras: Sequence[str]) -> int:
        """What the frames of a manifest take at this resolution."""
        frames = sum(entry.length for source in manifest.sources for entry in source.episodes)
        return frames * len(cameras) * self.size[0] * self.size[1] * 3

    def build(
        self,
        manifest: MixtureManifest,
        cameras: Sequence[str],
        progress: Progress = silent,
        processes: int = 1,
    ) -> int:
        """Decode what a manifest needs and the cache lacks. Safe to stop at any time; goes on where it stopped.

        Returns:
            the number of videos decoded.

        Raises:
            VideoError: a video is missing or cannot be decoded.
            StoreError: a video was changed after its store was sealed.
            FramesError: the frames do not fit the budget.
        """
        self._make_room(manifest, cameras)
        todo = self._missing(manifest, cameras)
        if processes > 1 and len(todo) > 1:
            with worker_pool(processes) as pool:
                futures = [pool.submit(_decode_into, target, source, self.size) for target, source in todo.items()]
                for done, future in enumerate(as_completed(futures), start=1):
                    future.result()
                    progress(done, len(todo))
        else:
            for done, (target, source) in enumerate(todo.items(), start=1):
                _decode_into(target, source, self.size)
                progress(done, len(todo))
        return len(todo)

    def _make_room(self, manifest: MixtureManifest, cameras: Sequence[str]) -> None:
        own = {self._of_store(source.open()) for source in manifest.sources}
        for folder in own:
            if folder.is_dir():
                os.utime(folder)
        if self.budget_bytes is None:
            return
        if (needed := self.needed_bytes(manifest, cameras)) > self.budget_bytes:
            budget, (height, width) = self.budget_bytes / 1e9, self.size
            raise FramesError(
                f"{self.folder}: the frames of mixture {manifest.name!r} take {needed / 1e9:.1f} GB at {height} x "
                f"{width}, the budget is {budget:.1f} GB; raise it, or decode as you train: --set data.order=clips"
            )
        others = [folder for folder in self.folder.glob("*-*x*") if folder not in own]
        others.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
        while others and needed + sum(map(_bytes_in, others)) > self.budget_bytes:
            shutil.rmtree(others.pop())

    def _missing(self, manifest: MixtureManifest, cameras: Sequence[str]) -> dict[Path, Path]:
        """File to be made -> video."""
        todo = {}
        for source in manifest.sources:
            store = source.open()
            for entry in source.episodes:
                for camera in cameras:
                    path = self.path(store, entry.index, camera)
                    if not path.is_file():
                        todo[path] = store.video_path(entry.index, camera)
        return todo


def _decode_into(target: Path, source: Path, size: tuple[int, int]) -> None:
    """The frames, and beside them their checksum, which is there first."""
    frames = video.decode(source, size)
    with replacing(target) as temporary:
        np.save(temporary, frames)
        write_text(target.with_suffix(_CHECKSUM), _checksum(np.memmap(temporary, mode="r")) + _OF_THE_FILE)


def mapped(path: Path) -> np.ndarray:
    """Map a file whose content is what was written. Reading it once for that also brings it into memory.

    Raises:
        FramesError: it cannot be read, or has another checksum.
    """
    try:
        wanted = path.with_suffix(_CHECKSUM).read_text()
        found = _checksum(np.memmap(path, mode="r")) + _OF_THE_FILE
        array = None if wanted.endswith(_OF_THE_FILE) and wanted != found else np.load(path, mmap_mode="r")
    except (OSError, SyntaxError, TokenError, ValueError) as error:  # all that a damaged header is good for
        raise FramesError(f"{path}: cannot be read ({error})") from error
    if array is None or wanted not in (found, f"{_checksum(array)}\n") or array.dtype != np.uint8:
        raise FramesError(f"{path}: its content has checksum {found.strip()}, it was written with {wanted.strip()}")
    return array


def _checksum(content: np.ndarray) -> str:
    return f"{zlib.crc32(content.data):08x}"


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
