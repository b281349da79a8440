"""What a planted defect is: one small function, its physical magnitude, and the codes that name it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.doctor.folder import Folder, Rows
from gr00t_data.embodiment.robot import Embodiment, Part

STORE = -1
"""Stands for the store as a whole among the targets."""

Targets = list[frozenset[int]]
"""What must be found. One entry is one thing; it counts when any of its episodes (or STORE) carries the code."""

CAMERA, STATE, ACTION = "ego_view", "observation.state", "action"


@dataclass(frozen=True)
class Planting:
    """What a planter works with.

    Attributes:
        folder: a copy of a clean store, its metadata still true.
        episodes: the episode numbers to damage; chosen by the seed.
        generator: decides every detail.
        severity: 1 plants the stated magnitude; magnitudes scale with it where they are a matter of degree.
    """

    folder: Folder
    embodiment: Embodiment
    episodes: tuple[int, ...]
    generator: np.random.Generator
    severity: float = 1.0

    def others(self) -> list[int]:
        """The episodes that stay clean, by number."""
        return [row.index for row in self.folder.store.rows if row.index not in self.episodes]

    def start(self, rows: int, needed: int) -> int:
        """A row to begin at, so that ``needed`` rows fit, away from both ends when there is room."""
        free = max(rows - needed, 1)
        return int(self.generator.integers(free // 4, max(free * 3 // 4, free // 4 + 1)))

    def moving_joint(self, rows: Rows, parts: tuple[str, ...] = ("left_arm", "right_arm")) -> int:
        """The dimension that moves most in these rows among some parts of the state."""
        dims = np.concatenate([np.arange(p.start, p.end) for p in self.embodiment.state if p.name in parts])
        return int(dims[rows["observation.state"][:, dims].std(0).argmax()])

    def moving_side(self, rows: Rows) -> str:
        """``left`` or ``right``: the arm that moves more."""
        spread = {side: rows["observation.state"][:, self.part(f"{side}_arm").slice].std(0).sum() for side in SIDES}
        return max(spread, key=lambda side: spread[side])

    def part(self, name: str) -> Part:
        """A part of the state (the action of these robots has the same slices)."""
        return self.embodiment.state_part(name)


SIDES = ("left", "right")
Plant = Callable[[Planting], Targets]


@dataclass(frozen=True)
class Defect:
    """One way in which data goes wrong.

    Attributes:
        name: stable, lower case.
        magnitude: what is planted at severity 1, in physical units.
        codes: accepted as naming it, exact codes or families that end with ``*``, with blanks between them.
        consequence: what it costs when nobody sees it.
        group: time, rows, motion, joints, video, picture, pairing, language, metadata, copies or origin.
        stores: clean stores it is planted into.
        refresh: whether the metadata is made true again afterwards; False when the metadata is the defect.
        share: episodes damaged, as a share of the store.
    """

    name: str
    magnitude: str
    codes: str
    consequence: str
    plant: Plant
    group: str
    stores: tuple[str, ...] = ("simulator", "pick_n_place")
    refresh: bool = True
    share: float = 0.125


_COUNTERS = ("timestamp", "frame_index", "index")


def cut_rows(rows: Rows, kept: slice) -> Rows:
    """Some rows of an episode, with counters and stamps that begin where they began."""
    count = len(rows["timestamp"][kept])
    return {name: values[:count] if name in _COUNTERS else values[kept] for name, values in rows.items()}


def late(count: int) -> tuple[slice, slice]:
    """(what is kept of everything else, what is kept of one stream) so that the stream comes ``count`` rows late.

    Both ends are cut instead of filled: repeated samples would betray the shift. Negative counts: early.
    """
    behind, ahead = slice(0, -abs(count)), slice(abs(count), None)
    return (ahead, behind) if count > 0 else (behind, ahead)


def each(change: Callable[..., object], *details: Any) -> Plant:
    """A planter that calls ``change(planting, episode number, *details)`` for each chosen episode."""

    def plant(planting: Planting) -> Targets:
        for index in planting.episodes:
            change(planting, index, *details)
        return [frozenset({index}) for index in planting.episodes]

    return plant


def in_rows(change: Callable[..., Rows], *details: Any) -> Plant:
    """A planter that replaces the rows of each chosen episode by ``change(planting, rows, *details)``."""
    return each(lambda p, index: p.folder.change_rows(index, lambda rows: change(p, rows, *details)))


def in_frames(change: Callable[[Planting, np.ndarray], np.ndarray], camera: str = CAMERA) -> Plant:
    """A planter that changes the frames (uint8 [T, H, W, 3]) of each chosen episode."""
    return each(lambda p, index: p.folder.change_frames(index, camera, lambda frames: change(p, frames)))


def in_files(change: Callable[..., object], *details: Any, camera: str | None = None) -> Plant:
    """A planter that calls ``change(path, *details)`` for each file of rows, or video of a camera, that is chosen."""

    def path(p: Planting, index: int) -> Path:
        return p.folder.store.video_path(index, camera) if camera else p.folder.store.data_path(index)

    return each(lambda p, index: change(path(p, index), *details))


def in_table(change: Callable[[pa.Table], pa.Table]) -> Plant:
    """A planter that changes the table of each chosen episode, whatever its types."""
    return in_files(lambda path: Folder.write_table(path, change(parquet.ParquetFile(path).read())))


def cut(path: Path, share: float) -> None:
    """Leave the first bytes of a file."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: int(len(content) * share)])


def of_store(change: Callable[..., object], *details: Any) -> Plant:
    """A planter of something that the store as a whole has: ``change(planting, *details)``."""

    def plant(planting: Planting) -> Targets:
        change(planting, *details)
        return [frozenset({STORE})]

    return plant


def in_json(name: str, change: Callable[[Planting, Any], Any]) -> Plant:
    """A planter that changes a JSON file below ``meta/``, in place or by what ``change`` returns."""

    def changed(p: Planting) -> None:
        value = p.folder.json(name)
        p.folder.write_json(name, change(p, value) or value)

    return of_store(changed)
