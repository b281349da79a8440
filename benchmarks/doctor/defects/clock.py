"""Defects of the clock and of the rows as a table."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.doctor.anatomy import ACTION, STATE, Unplantable
from benchmarks.doctor.defects.defect import (
    Defect,
    Plant,
    Planting,
    cut,
    each,
    in_every,
    in_files,
    in_rows,
    in_table,
    of_store,
)
from benchmarks.doctor.folder import Rows

_ROW_COUNTERS = ("timestamp", "frame_index", "index")


def in_stamps(change: Callable[[Planting, np.ndarray], np.ndarray]) -> Plant:
    """A planter that changes the stamps, float64 [T] seconds, of each chosen episode."""
    return in_rows(lambda p, rows: rows | {"timestamp": change(p, rows["timestamp"].copy())})


def swap_times(p: Planting, times: np.ndarray) -> np.ndarray:
    """Two neighbouring timestamps change places."""
    at = p.start(len(times), 2)
    times[[at, at + 1]] = times[[at + 1, at]]
    return times


def drop_rows(p: Planting, index: int) -> None:
    """One row in 30 is lost together with its frame; the clock goes on, the counters are made anew."""
    rows = p.folder.rows(index)
    count = len(rows["timestamp"])
    lost = p.generator.choice(np.arange(5, count - 5), max(round(count * p.severity / 30), 1), replace=False)
    kept = np.setdiff1d(np.arange(count), lost)
    rows = {n: v[: len(kept)] if n in ("frame_index", "index") else v[kept] for n, v in rows.items()}
    p.folder.write_rows(index, rows)
    p.change_cameras(index, lambda frames: frames[kept])


def stretch(p: Planting, times: np.ndarray) -> np.ndarray:
    """Rows stamped at 1.5 times the rate at which they were taken."""
    return times / (1 + 0.5 * p.severity)


def drift(p: Planting, times: np.ndarray) -> np.ndarray:
    """The clock of the rows runs 4 % fast against that of the camera."""
    return times * (1 + 0.04 * p.severity)


def start_late(p: Planting, times: np.ndarray) -> np.ndarray:
    """Time counts from the start of the recorder, 5 s before the first row."""
    return times + 5.0 * p.severity


def jitter(p: Planting, times: np.ndarray) -> np.ndarray:
    """Stamps of a loaded host: each late by up to nine tenths of the time between two rows."""
    return times + p.generator.uniform(0, 0.9 / p.folder.store.fps * min(p.severity, 1.05), len(times))


def repeat_stamp(p: Planting, times: np.ndarray) -> np.ndarray:
    """One stamp is that of the row before."""
    at = p.start(len(times), 2)
    times[at + 1] = times[at]
    return times


def nan_stamp(p: Planting, times: np.ndarray) -> np.ndarray:
    """One stamp is not a number."""
    times[p.start(len(times), 1)] = np.nan
    return times


def pause(p: Planting, times: np.ndarray) -> np.ndarray:
    """The recorder was stopped for 2 s in the middle."""
    times[p.start(len(times), 2) :] += 2.0 * p.severity
    return times


def double_label(p: Planting) -> None:
    """info.json says twice the rate of the rows."""
    p.folder.change_info(fps=p.folder.store.fps * (1 + p.severity))


def shuffle_rows(p: Planting, rows: Rows) -> Rows:
    """Blocks of 8 rows are written in the wrong order; each row keeps its own numbers and stamp."""
    count = len(rows["timestamp"])
    at = p.start(count, 16)
    order = [*range(at), *range(at + 8, at + 16), *range(at, at + 8), *range(at + 16, count)]
    return {name: values[order] for name, values in rows.items()}


def shuffle_rows_silently(p: Planting, rows: Rows) -> Rows:
    """The same, but counters and stamps were written afterwards."""
    shuffled = shuffle_rows(p, rows)
    return shuffled | {name: rows[name] for name in _ROW_COUNTERS if name in rows}


def lose_tail(p: Planting, rows: Rows) -> Rows:
    """The last 10 rows were not written."""
    return {name: values[: -round(10 * p.severity)] for name, values in rows.items()}


def foreign_number(p: Planting, rows: Rows) -> Rows:
    """The rows name another episode."""
    return rows | {"episode_index": rows["episode_index"] + 7}


def missing_state(table: pa.Table) -> pa.Table:
    """One action more than states: the last row has no state."""
    return _replaced(table, STATE, [*table[STATE].to_pylist()[:-1], None])


def lose_dimension(table: pa.Table) -> pa.Table:
    """The first dimension of the action is not there."""
    return _replaced(table, ACTION, [row[1:] for row in table[ACTION].to_pylist()])


def _replaced(table: pa.Table, name: str, values: list[list[float] | None]) -> pa.Table:
    column = pa.array(values, type=pa.list_(pa.float64()))
    return table.set_column(table.column_names.index(name), name, column)


def slow_clock(p: Planting, index: int) -> None:
    """The recorder runs at 0.9 of the rate that info.json declares."""
    p.folder.change_rows(index, lambda rows: rows | {"timestamp": rows["timestamp"] / (1 - 0.1 * p.severity)})


def restart_index(p: Planting) -> None:
    """The running number of the rows begins at zero in every episode. Raises Unplantable without such a number."""
    for row in p.folder.store.rows:
        rows = p.folder.rows(row.index)
        if "index" not in rows:
            raise Unplantable("no column index")
        p.folder.write_rows(row.index, rows | {"index": np.arange(len(rows["index"]))})


_time, _rows = partial(Defect, group="time"), partial(Defect, group="rows")
_files = partial(_rows, refresh=False)
_STOPS, _WRONG_SPEED = "the loader stops", "wrong replay speed"
TIME_DEFECTS = (
    _time("clock-slow", "0.9 of the rate, every episode", "TIME-03", _WRONG_SPEED, in_every(slow_clock), rig=True),
    _time("time-swapped", "two neighbouring stamps", "TIME-01", "actions jump back and forth", in_stamps(swap_times)),
    _time("time-rows-dropped", "1 row in 30", "TIME-02", "motions across a gap are too fast", each(drop_rows)),
    _time("time-label-doubled", "fps doubled", "META-02", "motions replay at twice the speed", of_store(double_label)),
    _time("time-stretched", "stamps of 1.5 times the rate", "TIME-03", _WRONG_SPEED, in_stamps(stretch)),
    _time("time-jitter", "up to 0.9 of a row", "TIME-03 TIME-02", "unsteady motion", in_stamps(jitter)),
    _time("time-drift", "4 % against the camera", "TIME-03 TIME-05 VIDEO-05", "images fall behind", in_stamps(drift)),
    _time("time-late-start", "5 s", "TIME-04", "readers by time find no frame", in_stamps(start_late)),
    _time("time-repeated", "one stamp", "TIME-01", "a step of no duration", in_stamps(repeat_stamp)),
    _time("time-nan", "one stamp", "TIME-01", _STOPS, in_stamps(nan_stamp)),
    _time("time-pause", "2 s", "TIME-02", "a chunk across the pause is a jump", in_stamps(pause)),
    _rows("rows-shuffled", "two blocks of 8 rows", "TIME-01 ROWS-03", "actions out of order", in_rows(shuffle_rows)),
    _rows(
        "rows-shuffled-silently",
        "two blocks of 8 rows, renumbered",
        "MOTION-02",
        "actions out of order",
        in_rows(shuffle_rows_silently),
    ),
    _files("rows-tail-lost", "10 rows", "ROWS-01 VIDEO-04", "frames without rows", in_rows(lose_tail)),
    _files(
        "rows-index-restarts",
        "every episode",
        "META-17",
        "readers mix episodes",
        of_store(restart_index),
    ),
    _rows("rows-other-episode", "all rows", "ROWS-03", "merged from elsewhere", in_rows(foreign_number)),
    _files("rows-state-missing", "the last state of the episode", "SHAPE-01 NAN-01", _STOPS, in_table(missing_state)),
    _files("rows-column-lost", "action", "COLUMN-01", _STOPS, in_table(lambda table: table.drop_columns(["action"]))),
    _files("rows-dimension-lost", "one", "SHAPE-01", "every part is cut wrongly", in_table(lose_dimension)),
    _files("rows-file-cut", "40 % of the bytes", "FILE-01", _STOPS, in_files(cut, 0.6)),
    _files("rows-file-lost", "the file", "FILE-01", _STOPS, in_files(Path.unlink)),
)
