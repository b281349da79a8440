"""Checks of ``meta/stats.json`` and of what info.json says about the columns: whole, finite, and true of the rows."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Whole
from gr00t_data.disk import read_json
from gr00t_data.embodiment.names import flat_names
from gr00t_data.store.layout import Feature
from gr00t_data.store.store import EpisodeStore

NEEDED = ("mean", "std", "min", "max", "q01", "q99")
"""Keys the published GR00T loader normalises with."""

_COLUMNS = ("observation.state", "action")
_SAMPLED_EPISODES = 60
_OFF_STD = 0.1


def check_stats(whole: Whole) -> Iterator[Finding]:
    """STATS-01 to STATS-03, META-09 and META-10."""
    yield from _features(whole.store)
    yield from _stats(whole.store)


def _features(store: EpisodeStore) -> Iterator[Finding]:
    path = f"{store.root}/meta/info.json"
    for column in _COLUMNS:
        feature = store.features.get(column, Feature())
        shape, names = feature.dims or [0], feature.names
        flat: Any = flat_names(names) or names
        said = bool(feature.model_fields_set)
        values = math.prod(shape)
        if said and not flat:
            yield META_09.finding(
                f"{path}: feature {column!r} has no names, expected {values}; LeRobot's tools stop with a KeyError: "
                "add one name a dimension"
            )
        elif said and len(shape) == 1 and len(flat or ()) != values:
            message = f"{path}: feature {column!r} has {len(flat or ())} names for shape {shape}; correct one of them"
            yield META_09.finding(message)
        if said and (width := _width(store, column)) is not None and width != values:
            yield META_10.finding(
                f"{path}: feature {column!r} declares {values} values a row, the files hold {width}; correct info.json"
            )


def _width(store: EpisodeStore, column: str) -> int | None:
    for row in store.rows[:3]:
        try:
            return store.matrix(row.index, column).shape[1]
        except (ValueError, KeyError, OSError):
            continue
    return None


def _stats(store: EpisodeStore) -> Iterator[Finding]:
    path = store.meta("stats.json")
    if not path.is_file():
        yield STATS_01.finding(
            f"{path}: no such file; the published GR00T loader computes it and writes into the data set: "
            "`gr00t doctor --fix` writes it"
        )
        return
    try:
        stats: Any = read_json(path)
    except (ValueError, OSError) as error:
        yield STATS_01.finding(f"{error}; measure it again with `gr00t doctor --fix`", severity="error")
        return
    for column in _COLUMNS:
        entry = stats.get(column) if isinstance(stats, dict) else None
        if not isinstance(entry, dict):
            yield STATS_01.finding(f"{path}: says nothing about {column!r}; measure it again")
            continue
        yield from _entry(store, f"{path}: {column!r}", column, entry)


def _entry(store: EpisodeStore, where: str, column: str, entry: dict[str, Any]) -> Iterator[Finding]:
    missing = [key for key in NEEDED if key not in entry]
    if missing:
        yield STATS_01.finding(
            f"{where} has no {', '.join(missing)}; the GR00T loader stops or normalises another way: measure it again",
            severity="error" if {"min", "max", "mean", "std"} & set(missing) else "warning",
        )
    try:
        table = {key: np.array(entry[key], dtype=np.float64).ravel() for key in NEEDED if key in entry}
    except (TypeError, ValueError):
        yield STATS_02.finding(f"{where} holds something else than numbers; measure it again")
        return
    broken = [key for key, values in table.items() if not np.isfinite(values).all()]
    if broken:
        message = f"{where}: {', '.join(broken)} holds NaN or infinity, expected numbers; measure it again"
        yield STATS_02.finding(message)
        return
    yield from _stale(store, where, column, table)


def _stale(store: EpisodeStore, where: str, column: str, table: dict[str, np.ndarray]) -> Iterator[Finding]:
    """STATS-03: rows outside min and max, or, when every episode was read, another mean or spread."""
    values = _rows(store, column)
    if values is None:
        return
    wrong_width = next((key for key, stored in table.items() if len(stored) != values.shape[1]), None)
    if wrong_width:
        yield STATS_03.finding(
            f"{where}: {wrong_width} has {len(table[wrong_width])} values, the rows have "
            f"{values.shape[1]}; measure again"
        )
        return
    std = np.maximum(values.std(0), 1e-3 * np.maximum(np.ptp(values, axis=0), 1e-6))
    off = {"mean": values.mean(0), "std": values.std(0)} if len(store.rows) <= _SAMPLED_EPISODES else {}
    worst = max((float((np.abs(table[k] - v) / std).max()) for k, v in off.items() if k in table), default=0.0)
    outside = _outside(values, table)
    if worst > _OFF_STD or outside > 0.01:
        yield STATS_03.finding(
            f"{where} does not describe the rows: mean or spread is off by {worst:.2f} standard deviations and "
            f"{100 * outside:.1f} % of the rows lie outside its min and max; it was copied from other "
            f"data: measure it again",
            severity="error" if outside > 0.01 else "warning",
        )


def _outside(values: np.ndarray, table: dict[str, np.ndarray]) -> float:
    if "min" not in table or "max" not in table:
        return 0.0
    slack = 1e-3 * np.maximum(np.ptp(values, axis=0), 1e-3)
    return float(((values < table["min"] - slack) | (values > table["max"] + slack)).any(1).mean())


def _rows(store: EpisodeStore, column: str) -> np.ndarray | None:
    """Rows of every episode, or of ``_SAMPLED_EPISODES`` spread over the store; None when any cannot be read."""
    chosen = store.rows[:: max(-(-len(store.rows) // _SAMPLED_EPISODES), 1)]
    try:
        every = [store.matrix(row.index, column) for row in chosen]
    except (ValueError, KeyError, OSError):
        return None
    if not every or len({one.shape[1] for one in every}) > 1:
        return None
    rows = np.concatenate(every)
    return rows if len(rows) and np.isfinite(rows).all() else None


STATS_01, STATS_02, STATS_03, META_09, META_10 = Look(Whole, check_stats, 1).finds(
    Check("STATS-01", "warning", "stats.json missing or incomplete", "the loader stops, or normalises in another way"),
    Check("STATS-02", "error", "stats.json holds NaN or no numbers", "every normalised value becomes NaN"),
    Check("STATS-03", "error", "stats.json does not describe the rows", "actions are scaled wrongly"),
    Check("META-09", "warning", "names of the dimensions missing or too few", "LeRobot's tools stop with a KeyError"),
    Check("META-10", "error", "info.json declares another width than the rows have",
          "the loader stops or cuts parts wrongly"),
)  # fmt: skip
