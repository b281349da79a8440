"""LeRobot v3.0 folders for tests, ways to change their metadata, and a comparison of two stores."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.lerobot import v3 as lerobot_v3
from gr00t_data.lerobot.convert import convert
from gr00t_data.lerobot.to_v3 import FileSizes
from gr00t_data.store.notes import Note
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from gr00t_data.video.packets import probe
from tests.data.builders import GR1, episode, sealed
from tests.data.films import film, moving

CAMERA = "observation.images.ego_view"
LENGTHS = (12, 7, 15)


def silent(done: int, total: int) -> None:
    """No progress."""


def store_of(folder: Path, coding: str = "h264", lengths: Sequence[int] = LENGTHS) -> EpisodeStore:
    """A sealed store of a few episodes with other tasks, rows and frames each."""
    films = [film(folder.parent / f"{folder.name}-{n}.mp4", moving(rows, n), coding) for n, rows in enumerate(lengths)]
    episodes = [
        episode(rows, n, instruction=f"task {n % 2}", video={"ego_view": path})
        for n, (rows, path) in enumerate(zip(lengths, films, strict=True))
    ]
    return sealed(folder, episodes)


def v3_of(store: EpisodeStore, target: Path, sizes: FileSizes | None = None) -> Path:
    """The store as LeRobot v3.0, without what our own writer keeps for the way back."""
    convert(store.root, target, "v3.0", silent, sizes=sizes)
    for name in ("gr00t.json", "gr00t_rows.parquet", "conversion.json", "modality.json"):
        (target / "meta" / name).unlink(missing_ok=True)
    return target


def read(folder: Path, target: Path) -> tuple[EpisodeStore, list[Note]]:
    """The v3.0 folder taken over as v2.1, and the notes of it."""
    notes = lerobot_v3.take_over(folder, target, silent, GR1)
    return EpisodeStore.open(target), notes


def change_episodes(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the lines of ``meta/episodes`` in place."""
    path = folder / "meta/episodes/chunk-000/file-000.parquet"
    lines = parquet.ParquetFile(path).read().to_pylist()
    change(lines)
    parquet.write_table(pa.Table.from_pylist(lines), path)


def change_json(path: Path, **changes: Any) -> None:
    """Change entries of a JSON object in place."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_rows(folder: Path, change: Callable[[pa.Table], pa.Table], file: str = "chunk-000/file-000") -> None:
    """Change a data file in place."""
    path = folder / f"data/{file}.parquet"
    parquet.write_table(change(parquet.ParquetFile(path).read()), path)


def copy(folder: Path, target: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(folder, target))


def assert_same_rows(one: EpisodeStore, other: EpisodeStore) -> None:
    """Every column, type and value of every episode, and the lines of the episodes."""
    assert one.rows == other.rows and one.tasks == other.tasks
    for row in one.rows:
        tables = [parquet.ParquetFile(store.data_path(row.index)).read() for store in (one, other)]
        assert tables[0].schema.equals(tables[1].schema), (row.index, tables[0].schema, tables[1].schema)
        assert tables[0].equals(tables[1]), row.index


def assert_same_frames(one: EpisodeStore, other: EpisodeStore) -> None:
    """Every pixel of every frame, and when it is shown."""
    assert one.cameras == other.cameras
    for row in one.rows:
        for camera in one.cameras:
            paths = [store.video_path(row.index, camera) for store in (one, other)]
            np.testing.assert_array_equal(*(probe(path).pts_s for path in paths))
            np.testing.assert_array_equal(*(video.decode(path) for path in paths))
