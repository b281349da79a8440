"""A bed of real episodes: some of anybody's store, with the metadata that a whole store has."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet

from benchmarks.doctor.anatomy import ACTION, STATE, Anatomy, Unplantable
from benchmarks.doctor.clean import keep
from benchmarks.doctor.folder import Folder
from gr00t_data.disk import replacing_folder
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.stages.foreign import shown
from gr00t_data.store import layout
from gr00t_data.store.store import ABOUT

REAL = "real"
"""Name of the bed among the clean stores."""

FEWEST, MOST = 5, 40
"""Fewer episodes say nothing about each other; more take an hour."""


def real_store(
    folder: Path, work: Path, embodiment: Embodiment, episodes: int, without: Sequence[int], camera_hz: float | None
) -> Path:
    """Copy the first episodes of a store, v2 or v3.0, made whole; the store itself is not changed.

    Args:
        episodes: how many, 5 to 40.
        without: numbers of episodes that are known to be bad.
        camera_hz: let every camera show only so many new pictures a second, as a slow camera does.

    Raises:
        ValueError: too few episodes, or rows without ``observation.state`` and ``action``.
    """
    root = work / f"real-{folder.resolve().name}"
    shutil.rmtree(root, ignore_errors=True)
    with replacing_folder(root) as temporary:
        temporary.rmdir()
        with shown(folder, embodiment) as whole:
            copy = Folder.copy(whole.store.root, temporary)
        for path in [temporary, *(path for path in temporary.rglob("*") if path.is_dir())]:
            path.chmod(0o755)  # a store that may only be read has such folders
        kept = [row.index for row in copy.store.rows if row.index not in without][:episodes]
        if not FEWEST <= len(kept) <= MOST:
            raise ValueError(f"{folder}: {len(kept)} episodes, expected {FEWEST} to {MOST}: take other --episodes")
        keep(copy, kept)
        _require_columns(copy)
        _complete(copy, embodiment)
        if camera_hz:
            _slow_cameras(copy, embodiment, camera_hz)
    return root


def _require_columns(folder: Folder) -> None:
    found = folder.rows(0).keys()
    if not {STATE, ACTION} <= found:
        raise ValueError(f"{folder.root}: columns {sorted(found)}, expected {STATE!r} and {ACTION!r} among them")


def _complete(folder: Folder, embodiment: Embodiment) -> None:
    """What a defect takes away must have been there: statistics, totals and a licence."""
    paths = [folder.store.data_path(row.index) for row in folder.store.rows]
    tables = [parquet.ParquetFile(path).read() for path in paths]
    folder.write_json("stats.json", layout.dataset_stats(tables))
    folder.refresh()
    path = folder.root / ABOUT
    about = folder.json(path.name) if path.is_file() else {"embodiment": embodiment.name, "kind": "real", "source": {}}
    folder.write_json(path.name, about | {"licence": "Apache-2.0"})


def _slow_cameras(folder: Folder, embodiment: Embodiment, camera_hz: float) -> None:
    store = folder.store
    for row in store.rows:
        newest = np.floor(np.arange(row.length) * camera_hz / store.fps + 1e-9)
        shown = np.searchsorted(newest, newest)
        for camera in cameras(folder, embodiment):
            folder.change_frames(row.index, camera, lambda frames, shown=shown: frames[shown])


def cameras(folder: Folder, embodiment: Embodiment) -> tuple[str, ...]:
    """The cameras that the store has pictures of, also where there is none."""
    try:
        return Anatomy(folder, embodiment).cameras
    except Unplantable:
        return ()
