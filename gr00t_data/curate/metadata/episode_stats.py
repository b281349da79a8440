"""Checks of what is written down of each episode's rows: ``meta/episodes_stats.jsonl``, or the columns of v3.0."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Whole
from gr00t_data.store.store import EpisodeStore, StoreError, json_lines

_COLUMNS = ("observation.state", "action")
_MOST_EPISODES = 400
"""Of more, evenly spaced ones are measured."""
_OFF_SHARE = 0.02
"""Of the spread of a dimension: float32 sums and running means stay within 0.001."""
_MOST_NAMED = 8


def check_episode_stats(whole: Whole) -> Iterator[Finding]:
    """STATS-04, one finding for all episodes."""
    store = whole.store
    path = store.meta("episodes_stats.jsonl")
    if not path.is_file():
        if store.info.get("codebase_version") == "v2.1" and store.rows:
            message = f"{path}: no such file; LeRobot v2.1 reads it: `gr00t doctor --fix` measures it"
            yield STATS_04.finding(message, severity="info")
        return
    try:
        lines = {int(str(line["episode_index"])): line["stats"] for line in json_lines(path)}
    except (StoreError, KeyError, TypeError, ValueError) as error:
        yield STATS_04.finding(f"{path}: cannot be read ({error!r}); `gr00t doctor --fix` measures it again")
        return
    numbers = [row.index for row in store.rows]
    wrong = [index for index in _chosen(numbers) if index in lines and _is_foreign(store, index, lines[index])]
    missing = [index for index in sorted({*numbers} - lines.keys()) if _is_readable(store, index)]
    for found, what in ((wrong, "is not that of their rows"), (missing, "is missing")):
        if found:
            named = ", ".join(map(str, found[:_MOST_NAMED])) + (" ..." if len(found) > _MOST_NAMED else "")
            yield STATS_04.finding(
                f"{path}: what is said of state and action {what} for {len(found)} episodes ({named}); it was copied "
                "from other data, or the rows were changed since: `gr00t doctor --fix` measures it again"
            )


def _chosen(numbers: list[int]) -> list[int]:
    return numbers[:: max(-(-len(numbers) // _MOST_EPISODES), 1)]


def _is_readable(store: EpisodeStore, index: int) -> bool:
    try:
        return len(store.matrix(index, "action")) > 0
    except (ValueError, KeyError):
        return False


def _is_foreign(store: EpisodeStore, index: int, stats: Any) -> bool:
    """Whether min, max or mean of a column is not that of the rows; what cannot be measured is not."""
    for column in _COLUMNS:
        said = stats.get(column) if isinstance(stats, Mapping) else None
        try:
            values = store.matrix(index, column)
        except (ValueError, KeyError):
            continue
        if not isinstance(said, Mapping) or not len(values) or not np.isfinite(values).all():
            continue
        slack = _OFF_SHARE * np.maximum(np.ptp(values, axis=0), 1e-3) + 1e-5 * np.abs(values).max(axis=0)
        for name, measured in (("min", values.min(0)), ("max", values.max(0)), ("mean", values.mean(0))):
            if name in said and not _same(said[name], measured, slack):
                return True
    return False


def _same(said: Any, measured: np.ndarray, slack: np.ndarray) -> bool:
    try:
        stored = np.array(said, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        return False
    return stored.shape == measured.shape and bool((np.abs(stored - measured) <= slack).all())


(STATS_04,) = Look(Whole, check_episode_stats, 1).finds(
    Check("STATS-04", "warning", "statistics of an episode missing or of other rows",
          "LeRobot adds them up and scales every action wrongly"),
)  # fmt: skip
