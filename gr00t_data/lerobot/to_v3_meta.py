"""``meta/`` of a LeRobot v3.0 folder: info.json, tasks.parquet and the table of the episodes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.embodiment.names import flat_names
from gr00t_data.lerobot import v3_layout as layout_v3
from gr00t_data.lerobot.column_stats import Stats
from gr00t_data.lerobot.to_v3_files import RotatingTables
from gr00t_data.lerobot.video_facts import video_facts
from gr00t_data.store.layout import Feature
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video.packets import Packets

_EPISODES_AT_ONCE = 500
_DTYPES = {"float": "float32", "double": "float64", "halffloat": "float16", "large_string": "string"}
"""Arrow's name of a type -> numpy's, where they differ."""


def info_v3(
    store: EpisodeStore, schema: pa.Schema, shapes: Mapping[str, tuple[int, ...]], tracks: Mapping[str, Packets]
) -> dict[str, object]:
    """``meta/info.json`` but for the totals of the rows. Features say what the files hold, not what was declared.

    Args:
        shapes: column -> shape of one row; columns without numbers are absent.
        tracks: camera column -> its first video.
    """
    declared = store.features
    features = {camera: _video_feature(declared[camera], track) for camera, track in tracks.items()}
    features |= {f.name: _feature(f, declared.get(f.name, Feature()), shapes.get(f.name)) for f in schema}
    fps = store.fps
    return {
        "codebase_version": layout_v3.VERSION,
        "robot_type": store.info.get("robot_type"),
        "total_episodes": len(store.rows),
        "chunks_size": layout_v3.CHUNK_FILES,
        "fps": int(fps) if fps == int(fps) else fps,
        "splits": {"train": f"0:{len(store.rows)}"},
        "data_path": layout_v3.DATA_PATH,
        "video_path": layout_v3.VIDEO_PATH if tracks else None,
        "features": features,
    }


def _feature(field: pa.Field, declared: Feature, shape: tuple[int, ...] | None) -> dict[str, object]:
    if shape is None and declared.model_fields_set:
        return declared.facts()
    shape = shape or (1,)
    kind = field.type
    while pa.types.is_nested(kind) and kind.num_fields == 1:
        kind = kind.field(0).type
    flat = flat_names(declared.names)
    names = flat if flat and len(shape) == 1 else declared.names
    if len(shape) == 1 and shape[0] > 1 and (not isinstance(names, list) or len(names) != shape[0]):
        names = [f"{field.name.rpartition('.')[2]}_{number}" for number in range(shape[0])]
    return {"dtype": _DTYPES.get(str(kind), str(kind)), "shape": list(shape), "names": names}


def _video_feature(declared: Feature, track: Packets) -> dict[str, object]:
    said = declared.facts().get("info") or declared.facts().get("video_info")
    depth = isinstance(said, dict) and (said.get("video.is_depth_map") or said.get("is_depth_map"))
    facts = video_facts(track, track.fps) | {"video.is_depth_map": bool(depth)}
    names = declared.names or ["height", "width", "channel"]
    return {"dtype": "video", "shape": [track.height, track.width, 3], "names": names, "info": facts}


def write_tasks(path: Path, tasks: Mapping[int, str]) -> None:
    """``tasks.parquet``: the text of a task is the index of a pandas frame, its number the only column."""
    column = {"pandas_type": "int64", "numpy_type": "int64", "metadata": None}
    label = {"pandas_type": "unicode", "numpy_type": "object", "metadata": None}
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [{"name": None, "field_name": None, **label, "metadata": {"encoding": "UTF-8"}}],
        "columns": [
            {"name": "task_index", "field_name": "task_index", **column},
            {"name": "task", "field_name": "task", **label},
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.0",
    }
    columns = {"task_index": pa.array(list(tasks), pa.int64()), "task": pa.array(list(tasks.values()), pa.string())}
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns).replace_schema_metadata({"pandas": json.dumps(pandas)}), path)


def write_episodes(root: Path, lines: Sequence[dict[str, Any]], stats: Sequence[Stats], limit_bytes: int) -> None:
    """``meta/episodes``: one line an episode, statistics as columns ``stats/<feature>/<statistic>``."""
    with RotatingTables(root, layout_v3.EPISODES_PATH, limit_bytes) as files:
        schema = None
        for start in range(0, len(lines), _EPISODES_AT_ONCE):
            some = slice(start, start + _EPISODES_AT_ONCE)
            place = files.place_for(len(lines[some]))
            own = {"meta/episodes/chunk_index": place.chunk, "meta/episodes/file_index": place.file}
            whole = [line | _flat(stat) | own for line, stat in zip(lines[some], stats[some], strict=True)]
            table = pa.Table.from_pylist(whole, schema=schema)
            schema = schema or table.schema
            files.write(table)


def _flat(stats: Stats) -> dict[str, Any]:
    return {f"stats/{name}/{statistic}": value for name, entry in stats.items() for statistic, value in entry.items()}
