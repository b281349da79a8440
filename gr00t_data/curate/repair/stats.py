"""stats.json and episodes_stats.jsonl measured again, when they are missing, incomplete, or not of these rows."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gr00t_data.disk import json_records, read_json
from gr00t_data.store import layout
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.tables import column_matrix, read_table

_NEEDED = ("mean", "std", "min", "max", "q01", "q99")
_NEAR = 1e-3
"""Share of a column's spread by which stored numbers may differ from the measured ones."""

Repaired = dict[str, tuple[Any, str]]
"""File name -> (new value, why)."""


def repaired_stats(store: EpisodeStore, numbers: Sequence[int]) -> Repaired:
    """What to write; rows that hold no finite numbers do not count. Entries about other columns stay.

    Args:
        numbers: the episodes whose rows can be read.
    """
    tables = [(index, table) for index in numbers if (table := _finite(store, index)) is not None and len(table)]
    if not tables:
        return {}
    repaired: Repaired = {}
    measured = layout.dataset_stats([table for _, table in tables])
    stored = _read(store.meta("stats.json"))
    if (why := _fault(stored, measured)) is not None:
        repaired["stats.json"] = ({**(stored or {}), **measured}, why)
    path = store.meta("episodes_stats.jsonl")
    if not path.is_file():
        why = "there is none: measured" if store.info.get("codebase_version") == "v2.1" else None
    else:
        why = _episodes_fault(path, tables)
    if why is not None:
        kept = _kept(path, {name for _, table in tables for name in table.column_names})
        lines = [
            {"episode_index": index, "stats": {**kept.get(index, {}), **layout.episode_stats(table)}}
            for index, table in tables
        ]
        why += f"; what is said of pictures was kept for {len(kept)} episodes" if kept else ""
        repaired["episodes_stats.jsonl"] = (lines, why)
    return repaired


def _kept(path: Path, columns: Collection[str]) -> dict[int, dict[str, Any]]:
    """Episode -> what the file says of what is no column of the rows: statistics of pictures, which nothing here
    measures. Lines that cannot be read hold none."""
    try:
        lines: list[Any] = [line for _, line in json_records(path)] if path.is_file() else []
    except ValueError:
        return {}
    kept: dict[int, dict[str, Any]] = {}
    for line in lines:
        stats = line.get("stats") if isinstance(line, dict) else None
        if isinstance(stats, dict) and isinstance(line.get("episode_index"), int):
            pictures = {name: entry for name, entry in stats.items() if name not in columns}
            kept |= {line["episode_index"]: pictures} if pictures else {}
    return kept


def _finite(store: EpisodeStore, index: int) -> pa.Table | None:
    """The rows of an episode whose state and action are finite numbers."""
    try:
        table = read_table(store.data_path(index))
        values = [column_matrix(table, name) for name in ("observation.state", "action")]
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
    good = np.all([np.isfinite(one).all(1) for one in values], axis=0)
    return table if good.all() else table.filter(pa.array(good))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _fault(stored: dict[str, Any] | None, measured: dict[str, Any]) -> str | None:
    if stored is None:
        return "there is none that can be read: measured"
    for column in ("observation.state", "action"):
        if column not in measured:
            continue
        entry = stored.get(column)
        if not isinstance(entry, dict):
            return f"says nothing about {column!r}: measured"
        if missing := [key for key in _NEEDED if key not in entry]:
            return f"{column!r} has no {', '.join(missing)}: measured"
        if (key := _wrong_key(entry, measured[column])) is not None:
            return f"{column!r}: {key} is not that of the rows: measured again"
    return None


def _wrong_key(stored: dict[str, Any], measured: dict[str, list[float]]) -> str | None:
    low, high = np.array(measured["min"]), np.array(measured["max"])
    slack = _NEAR * np.maximum(high - low, 1e-3)
    for key, values in measured.items():
        try:
            now = np.array(stored.get(key, values), dtype=np.float64).ravel()
        except (TypeError, ValueError):
            return key
        if now.shape != (len(values),) or not np.all(np.abs(now - values) <= slack):
            return key
    return None


def _episodes_fault(path: Path, tables: Sequence[tuple[int, pa.Table]]) -> str | None:
    try:
        lines: list[Any] = [line for _, line in json_records(path)]
        listed = {int(line["episode_index"]): line["stats"] for line in lines}
    except (ValueError, KeyError, TypeError):
        return "cannot be read: measured"
    if sorted(listed) != [index for index, _ in tables]:
        return f"lists {len(listed)} episodes, {len(tables)} can be read: measured again"
    for index, table in tables:
        for column in ("observation.state", "action"):
            if _wrong_key(listed[index].get(column, {}), layout.episode_stats(table.select([column]))[column]):
                return f"episode {index}: {column!r} is not that of the rows: measured again"
    return None
