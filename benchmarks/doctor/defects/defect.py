"""What a planted defect is: one small function, its physical magnitude, and the codes that name it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.doctor.anatomy import ACTION, STATE, Anatomy, Limb, Unplantable
from benchmarks.doctor.folder import Folder, Rows
from gr00t_data.embodiment.robot import Embodiment

STORE = -1
"""Stands for the store as a whole among the targets."""

Targets = list[frozenset[int]]
"""What must be found. One entry is one thing; it counts when any of its episodes (or STORE) carries the code."""

_LEAST_LEVELS = 0.25
"""Pictures that change by less, in the mean of all levels, are the same pictures."""


@dataclass(frozen=True)
class Planting:
    """What a planter works with.

    Attributes:
        folder: a copy of a clean store, its metadata still true.
        episodes: the episode numbers to damage; chosen by the seed.
        generator: decides every detail.
        severity: 1 plants the stated magnitude; magnitudes scale with it where they are a matter of degree.
        spare: episodes to damage instead of one in which there is nothing to damage.
    """

    folder: Folder
    embodiment: Embodiment
    episodes: tuple[int, ...]
    generator: np.random.Generator
    severity: float = 1.0
    spare: tuple[int, ...] = ()

    @cached_property
    def robot(self) -> Anatomy:
        """Limbs, hands and cameras of the clean store."""
        return Anatomy(self.folder, self.embodiment)

    def others(self) -> list[int]:
        """The episodes that stay clean, by number."""
        return [row.index for row in self.folder.store.rows if row.index not in self.episodes]

    def start(self, rows: int, needed: int) -> int:
        """A row to begin at, so that ``needed`` rows fit, away from both ends when there is room."""
        free = max(rows - needed, 1)
        return int(self.generator.integers(free // 4, max(free * 3 // 4, free // 4 + 1)))

    def count(self, seconds: float) -> int:
        """Rows of so many seconds, at least one, at the stated severity."""
        return max(round(seconds * self.folder.store.fps * self.severity), 1)

    def change_cameras(self, index: int, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Change the frames of every camera of an episode alike; a store without video has none to change."""
        for camera in self.folder.store.cameras:
            if self.folder.store.video_path(index, camera).is_file():
                self.folder.change_frames(index, camera, change)


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
        stores: clean stores it is planted into; into a real store everything is planted that can be.
        refresh: whether the metadata is made true again afterwards; False when the metadata is the defect.
        share: episodes damaged, as a share of the store.
        rig: whether every episode has it alike: the store must carry the code, and no episode is rejected for it.
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
    rig: bool = False


_COUNTERS = ("timestamp", "frame_index", "index")


def put(
    rows: Rows, column: str, dims: slice | int | list[int], values: np.ndarray | float, at: slice = slice(None)
) -> Rows:
    """Rows with some dimensions of a column replaced."""
    changed = np.array(rows[column], dtype=np.float64)
    changed[at, dims] = values
    return rows | {column: changed}


def add(rows: Rows, column: str, limb: Limb, change_rad: np.ndarray | float, at: slice = slice(None)) -> Rows:
    """Rows with so many radians more at some joints of a column."""
    dims = limb.dims(column)
    return put(rows, column, dims, rows[column][at, dims] + change_rad * limb.radian, at)


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
    """A planter that calls ``change(planting, episode number, *details)`` for each chosen episode.

    An episode with nothing to damage is replaced by a spare one. Raises Unplantable where none is left.
    """

    def plant(planting: Planting) -> Targets:
        damaged = list(_damaged(planting, lambda index: change(planting, index, *details)))
        return [frozenset({index}) for index in damaged]

    return plant


def _damaged(planting: Planting, change: Callable[[int], object]) -> Iterator[int]:
    missing, reason = len(planting.episodes), Unplantable("no episode is left")
    for index in (*planting.episodes, *planting.spare):
        if not missing:
            return
        try:
            change(index)
        except Unplantable as error:
            reason = error
        else:
            missing -= 1
            yield index
    if missing == len(planting.episodes):
        raise reason


def in_rows(change: Callable[..., Rows], *details: Any) -> Plant:
    """A planter that replaces the rows of each chosen episode by ``change(planting, rows, *details)``."""

    def changed(p: Planting, index: int) -> None:
        before = p.folder.rows(index)
        after = change(p, p.folder.rows(index), *details)
        if same_rows(p.robot, before, after):
            raise Unplantable("the rows would be the same as before")
        p.folder.write_rows(index, after)

    return each(changed)


def same_rows(robot: Anatomy, before: Rows, after: Rows) -> bool:
    """Whether rows say the same: nothing differs but joints, and these by less than 0.005 rad."""
    if before.keys() != after.keys() or any(before[name].shape != after[name].shape for name in before):
        return False
    other = (name for name in before if name not in (STATE, ACTION))
    if not all(np.array_equal(before[name], after[name]) for name in other):
        return False
    changes = [
        np.abs(after[column][:, limb.dims(column)] - before[column][:, limb.dims(column)]) / limb.radian
        for limb in robot.limbs
        for column in (STATE, ACTION)
    ]
    return all(bool((change < 0.005).all()) for change in changes)


def in_frames(
    change: Callable[[Planting, np.ndarray], np.ndarray], camera: Callable[[Anatomy], str] = lambda robot: robot.camera
) -> Plant:
    """A planter that changes the frames (uint8 [T, H, W, 3]) of each chosen episode."""

    def changed(p: Planting, index: int) -> None:
        name = camera(p.robot)
        before = p.folder.frames(index, name)
        after = change(p, before.copy())
        if same_frames(before, after):
            raise Unplantable("the pictures would be the same as before")
        p.folder.write_frames(index, name, np.clip(np.rint(after), 0, 255).astype(np.uint8))

    return each(changed)


def same_frames(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether every picture is as good as the same. A change of one picture in a hundred counts."""
    if before.shape != after.shape:
        return False
    changes = (np.abs(one.astype(np.float32) - two).mean() for one, two in zip(before, after, strict=True))
    return max(changes, default=0.0) < _LEAST_LEVELS


def in_files(change: Callable[..., object], *details: Any, video: bool = False) -> Plant:
    """A planter that calls ``change(path, *details)`` for each file of rows, or video of a camera, that is chosen."""

    def path(p: Planting, index: int) -> Path:
        return p.folder.store.video_path(index, p.robot.camera) if video else p.folder.store.data_path(index)

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


def in_every(change: Callable[..., object], *details: Any) -> Plant:
    """A planter of what every episode has alike: ``change(planting, episode number, *details)`` for each."""

    def every(planting: Planting) -> None:
        for row in planting.folder.store.rows:
            change(planting, row.index, *details)

    return of_store(every)


def in_json(name: str, change: Callable[[Planting, Any], Any]) -> Plant:
    """A planter that changes a JSON file below ``meta/``, in place or by what ``change`` returns."""

    def changed(p: Planting) -> None:
        value = p.folder.json(name)
        p.folder.write_json(name, change(p, value) or value)

    return of_store(changed)
