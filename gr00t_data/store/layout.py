"""The GR00T-LeRobot v2.1 folder: file names, info.json, tables and statistics as the published loader reads them.

The layout is LeRobot's v2.1 plus ``meta/modality.json``. ``meta/stats.json`` is written as well, because the published
GR00T N1.5 loader computes it when absent and writes it into the dataset, which would change a sealed store.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import Said
from gr00t_data.store.tables import column_matrix
from gr00t_data.store.texts import spans

CHUNK_EPISODES = 1000
DATA_PATH = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
VIDEO_PATH = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
MEASURED = ("observation.state", "action", "timestamp")
"""Columns that ``meta/stats.json`` is about."""
_INDEX_COLUMNS = ("frame_index", "episode_index", "index", "task_index")


class Feature(Said):
    """What info.json says of one column: type, shape of a row, and what its dimensions are called; as it says it."""

    dtype: object = None
    shape: object = None
    names: object = None

    @property
    def dims(self) -> list[int]:
        """The shape of a row; empty where none is declared, or none that can be one."""
        said = self.shape if isinstance(self.shape, list) else []
        return said if all(isinstance(one, int) for one in said) else []

    @property
    def flat_width(self) -> int | None:
        """How many values a row has, however they are nested; None where no shape is declared."""
        return math.prod(self.dims) if self.dims else None


FEATURES = TypeAdapter(dict[str, Feature])
"""``features`` of an info.json."""


def episode_table(
    episode: Episode, embodiment: Embodiment, *, index: int, first_row: int, tasks: Sequence[str]
) -> pa.Table:
    """The parquet rows of one episode: float32 state and action as fixed-size lists, and LeRobot's index columns.

    Args:
        tasks: the texts of the store by their numbers, those of the episode among them.
    """
    rows = len(episode)
    task_index = np.empty(rows, dtype=np.int64)
    for first, end, text in spans(episode.instruction, episode.text_changes, rows):
        task_index[first:end] = tasks.index(text)
    numbers = {"episode_index": np.full(rows, index), "task_index": task_index, embodiment.language_key: task_index}
    columns: dict[str, pa.Array] = {
        "observation.state": _vectors(episode.state),
        "action": _vectors(episode.action),
        "timestamp": pa.array(episode.times_s.astype(np.float32)),
        "frame_index": pa.array(np.arange(rows, dtype=np.int64)),
        "index": pa.array(np.arange(first_row, first_row + rows, dtype=np.int64)),
        "next.done": pa.array(np.arange(rows) == rows - 1),
    }
    columns |= {name: pa.array(values.astype(np.int64)) for name, values in numbers.items()}
    if taken := episode.columns.keys() & columns.keys():
        raise ValueError(f"column {sorted(taken)[0]!r} of the episode has the name of a column that every episode has")
    return pa.table(columns | {name: _further(values) for name, values in episode.columns.items()})


def _further(values: np.ndarray) -> pa.Array:
    return pa.array(values) if values.ndim == 1 else _vectors(values)


def _vectors(values: np.ndarray) -> pa.Array:
    flat = pa.array(values.astype(np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def episode_stats(table: pa.Table) -> dict[str, dict[str, list[float]]]:
    """One line of ``episodes_stats.jsonl``: min, max, mean, std (population) and count for each numeric column."""
    stats = {}
    for name in table.column_names:
        values = column_matrix(table, name)
        stats[name] = _measured(values, "min", "max", "mean", "std") | {"count": [len(values)]}
    return stats


def _measured(values: np.ndarray, *names: str) -> dict[str, list[float]]:
    return {name: getattr(values, name)(0).tolist() for name in names}


def dataset_stats(tables: Sequence[pa.Table]) -> dict[str, dict[str, list[float]]]:
    """``meta/stats.json`` as the published loader computes it: mean, std, min, max, q01, q99 over all rows.

    Rows with NaN or infinity are left out: one bad episode, which the checks reject, must not spoil the others.
    """
    stats = {}
    for name in (name for name in MEASURED if name in tables[0].column_names):
        values = np.concatenate([column_matrix(table, name) for table in tables])
        values = values[np.isfinite(values).all(1)]
        if not len(values):
            continue
        low, high = np.quantile(values, [0.01, 0.99], axis=0)
        stats[name] = _measured(values, "mean", "std", "min", "max") | {"q01": low.tolist(), "q99": high.tolist()}
    return stats


def info(
    embodiment: Embodiment,
    *,
    lengths: Sequence[int],
    tasks: int,
    sizes: dict[str, tuple[int, int]],
    codecs: Mapping[str, str] = MappingProxyType({}),
    columns: Mapping[str, str] = MappingProxyType({}),
    widths: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, object]:
    """``meta/info.json``.

    Args:
        sizes: camera name -> (height, width) in pixels of the cameras that have files.
        codecs: camera name -> codec, where it is not h264.
        columns: further columns of the tables, name -> dtype.
        widths: values a row of those that have several.
    """
    episodes = len(lengths)
    return {
        "codebase_version": "v2.1",
        "robot_type": embodiment.name,
        "total_episodes": episodes,
        "total_frames": int(sum(lengths)),
        "total_tasks": tasks,
        "total_videos": episodes * len(sizes),
        "total_chunks": (episodes + CHUNK_EPISODES - 1) // CHUNK_EPISODES,
        "chunks_size": CHUNK_EPISODES,
        "fps": embodiment.control_hz,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": _features(embodiment, sizes, codecs)
        | {name: {"dtype": dtype, "shape": [widths.get(name, 1)], "names": None} for name, dtype in columns.items()},
    }


def _features(
    embodiment: Embodiment, sizes: dict[str, tuple[int, int]], codecs: Mapping[str, str]
) -> dict[str, object]:
    features: dict[str, object] = {
        embodiment.camera(name).column: _video_feature(size, embodiment.control_hz, codecs.get(name, "h264"))
        for name, size in sizes.items()
    }
    for column, names in (("observation.state", embodiment.state_names()), ("action", embodiment.action_names())):
        features[column] = {"dtype": "float32", "shape": [len(names)], "names": list(names)}
    features["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    features["next.done"] = {"dtype": "bool", "shape": [1], "names": None}
    for column in (*_INDEX_COLUMNS, embodiment.language_key):
        features[column] = {"dtype": "int64", "shape": [1], "names": None}
    return features


def _video_feature(size: tuple[int, int], fps: float, codec: str) -> dict[str, object]:
    facts = {
        "video.height": size[0],
        "video.width": size[1],
        "video.channels": 3,
        "video.fps": fps,
        "video.codec": codec,
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False,
        "has_audio": False,
    }
    names = ["height", "width", "channel"]
    return {"dtype": "video", "shape": [*size, 3], "names": names, "info": facts, "video_info": facts}
