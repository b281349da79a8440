"""Where recorded rollouts lie: written in a hidden folder of the landing, given a name there when they are complete.

``landing/.NAME.recording`` holds the drops that grow (``drops``) and the videos of open episodes (``open``). A drop is
written as a store is, episode by episode; it becomes ``landing/NAME``, or NAME-2 and so on, in one rename. What a
killed server leaves is finished by the next one that records under this name: whole episodes land, halves are deleted.
"""

import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gr00t_data.disk import fsync_folder, read_json, write_json, write_text
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.seal import SEAL
from gr00t_data.sources.content import COMPLETE_MARKER
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import StoreAbout
from gr00t_data.store.store import ABOUT
from gr00t_data.store.writing import StoreWriter

_LOG = logging.getLogger(__name__)
_Key = tuple[object, ...]
_FPS = "fps"
"""In ``about.json`` of a drop: the rate of its rows, which its metadata says only once it is complete."""
Size = tuple[int, int]


@dataclass
class _Drop:
    writer: StoreWriter
    size_bytes: int = 0
    changed_s: float = field(default_factory=time.monotonic)


class Drops:
    """The drops of one recorder. Nothing here is for several threads.

    Args:
        at: the drop as it is to be called, ``landing/NAME``.
        licence: of what the cameras see.
        episodes, size_bytes: a drop that holds as many lands.
    """

    def __init__(self, at: Path, embodiment: Embodiment, licence: str, episodes: int, size_bytes: int) -> None:
        self._at, self._embodiment, self._licence = at, embodiment, licence
        self._episodes, self._size_bytes = episodes, size_bytes
        self.hidden = at.with_name(f".{at.name}.recording")
        self.open = self.hidden / "open"
        self._growing = self.hidden / "drops"
        self._drops: dict[_Key, _Drop] = {}
        self.landed: list[Path] = []

    def begin(self) -> None:
        """Clear what a killed recorder left: halves go, whole episodes land."""
        shutil.rmtree(self.open, ignore_errors=True)
        self.open.mkdir(parents=True)
        for left in sorted(self._growing.glob("*")) if self._growing.is_dir() else []:
            try:
                self._finish(left)
            except (LookupError, OSError, ValueError):
                _LOG.exception("%s: was left by a recorder that was killed and cannot be completed; it stays", left)

    def append(self, episode: Episode, fps: float, absent: Sequence[str], sizes: Mapping[str, Size]) -> None:
        """Write an episode into the drop for such ones: of one rate, one set of known parts, one size of pictures.

        Args:
            sizes: camera -> (height, width) in pixels.

        Raises:
            DiskError: there is no room; the drop is as it was before.
        """
        key = (fps, tuple(absent), tuple(sorted(sizes.items())))
        drop = self._drops.get(key) or self._begun(key, fps, absent)
        try:
            drop.writer.append(episode)
        except BaseException:
            _remove_half(drop.writer)
            raise
        drop.size_bytes += sum(path.stat().st_size for path in episode.video.values() if isinstance(path, Path))
        drop.changed_s = time.monotonic()

    def land(self, quiet_s: float = 0.0) -> None:
        """Give the drops their names that are full, or have not grown for so long.

        Raises:
            DiskError: there is no room to complete one; it stays hidden, and lands with the next recorder.
        """
        now_s = time.monotonic()
        for key, drop in list(self._drops.items()):
            full = len(drop.writer) >= self._episodes or drop.size_bytes >= self._size_bytes
            if full or now_s - drop.changed_s >= quiet_s:
                del self._drops[key]
                drop.writer.seal()
                self._named(drop.writer.root)

    def _begun(self, key: _Key, fps: float, absent: Sequence[str]) -> _Drop:
        numbers = [int(path.name) for path in self._growing.glob("*")] if self._growing.is_dir() else []
        root = self._growing / f"{max(numbers, default=0) + 1}"
        robot = replace(self._embodiment, control_hz=fps)
        said = {"embodiment": robot.name, "kind": "rollout", "licence": self._licence, "absent": absent, _FPS: fps}
        writer = StoreWriter(root, robot, about := StoreAbout.model_validate(said))
        write_json(root / ABOUT, about.facts())
        self._drops[key] = _Drop(writer)
        return self._drops[key]

    def _finish(self, root: Path) -> None:
        """Land what a killed recorder left, if it holds an episode."""
        if (root / SEAL).is_file():
            self._named(root)
        elif not (root / ABOUT).is_file():
            shutil.rmtree(root)
        else:
            self._sealed_late(root)

    def _sealed_late(self, root: Path) -> None:
        said = read_json(root / ABOUT)
        fps, about = float(said[_FPS]), StoreAbout.model_validate(said)
        if about.embodiment != self._embodiment.name:
            told = "%s: holds rollouts of %r and stays as it is; serve that robot under this name to let it land"
            _LOG.warning(told, root, about.embodiment)
            return
        writer = StoreWriter(root, replace(self._embodiment, control_hz=fps), about)
        if not len(writer):
            shutil.rmtree(root)
            return
        _remove_half(writer)
        writer.seal()
        self._named(root)

    def _named(self, root: Path) -> None:
        """Write the marker and take the first free name."""
        about = StoreAbout.model_validate(read_json(root / ABOUT))
        said = {"embodiment": about.embodiment, "kind": about.kind, "licence": about.licence}
        write_text(root / COMPLETE_MARKER, "".join(f"{name}: {json.dumps(text)}\n" for name, text in said.items()))
        number, target = 1, self._at
        while target.exists():
            number += 1
            target = self._at.with_name(f"{self._at.name}-{number}")
        root.replace(target)
        fsync_folder(target.parent)
        self.landed.append(target)
        _LOG.info("recorded rollouts landed as %s", target)


def _remove_half(writer: StoreWriter) -> None:
    """Delete the files of an episode that was not written to its end."""
    for path in writer.root.rglob(f"episode_{len(writer):06d}.*"):
        path.unlink()
