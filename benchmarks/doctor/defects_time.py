"""Defects of the clock and of the rows as a table."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from benchmarks.doctor.defect import CAMERA, Defect, Plant, Planting, each, in_rows, of_store
from benchmarks.doctor.folder import Rows

_ROW_COUNTERS = ("timestamp", "frame_index", "index")


def _times(rows: Rows, times: np.ndarray) -> Rows:
    return rows | {"timestamp": times}


def swap_times(p: Planting, rows: Rows) -> Rows:
    """Two neighbouring timestamps change places."""
    times, at = rows["timestamp"].copy(), p.start(len(rows["timestamp"]), 2)
    times[[at, at + 1]] = times[[at + 1, at]]
    return _times(rows, times)


def drop_rows(p: Planting, index: int) -> None:
    """One row in 30 is lost together with its frame; the clock goes on, the counters are made anew."""
    rows = p.folder.rows(index)
    count = len(rows["timestamp"])
    lost = p.generator.choice(np.arange(5, count - 5), max(round(count * p.severity / 30), 1), replace=False)
    kept = np.setdiff1d(np.arange(count), lost)
    rows = {n: v[: len(kept)] if n in ("frame_index", "index") else v[kept] for n, v in rows.items()}
    p.folder.write_rows(index, rows)
    p.folder.change_frames(index, CAMERA, lambda frames: frames[kept])


def stretch_times(p: Planting, rows: Rows) -> Rows:
    """Rows stamped at 30 Hz that were taken at 20 Hz."""
    return _times(rows, rows["timestamp"] / (1 + 0.5 * p.severity))


def jitter(p: Planting, rows: Rows) -> Rows:
    """Stamps of a loaded host: each late by up to 45 ms."""
    late = p.generator.uniform(0, 0.045 * min(p.severity, 1.05), len(rows["timestamp"]))
    return _times(rows, rows["timestamp"] + late)


def drift(p: Planting, rows: Rows) -> Rows:
    """The clock of the rows runs 4 % fast against that of the camera."""
    return _times(rows, rows["timestamp"] * (1 + 0.04 * p.severity))


def start_late(p: Planting, rows: Rows) -> Rows:
    """Time counts from the start of the recorder, 5 s before the first row."""
    return _times(rows, rows["timestamp"] + 5.0 * p.severity)


def repeat_stamp(p: Planting, rows: Rows) -> Rows:
    """One stamp is that of the row before."""
    times, at = rows["timestamp"].copy(), p.start(len(rows["timestamp"]), 2)
    times[at + 1] = times[at]
    return _times(rows, times)


def nan_stamp(p: Planting, rows: Rows) -> Rows:
    """One stamp is not a number."""
    times = rows["timestamp"].copy()
    times[p.start(len(times), 1)] = np.nan
    return _times(rows, times)


def pause(p: Planting, rows: Rows) -> Rows:
    """The recorder was stopped for 2 s in the middle."""
    times = rows["timestamp"].copy()
    times[p.start(len(times), 2) :] += 2.0 * p.severity
    return _times(rows, times)


def double_label(p: Planting) -> None:
    """info.json says 40 fps for 20 fps data."""
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


def missing_state(p: Planting, index: int) -> None:
    """One action more than states: the last row has no state."""
    path = p.folder.store.data_path(index)
    table = parquet.ParquetFile(path).read()
    state = [*table["observation.state"].to_pylist()[:-1], None]
    column = pa.array(state, type=pa.list_(pa.float64()))
    at = table.column_names.index("observation.state")
    p.folder.write_table(path, table.set_column(at, "observation.state", column))


def drop_column(p: Planting, index: int) -> None:
    """The action column is not in the file."""
    path = p.folder.store.data_path(index)
    p.folder.write_table(path, parquet.ParquetFile(path).read().drop_columns(["action"]))


def lose_dimension(p: Planting, index: int) -> None:
    """The first dimension of the action is not there: 43 values a row."""
    path = p.folder.store.data_path(index)
    table = parquet.ParquetFile(path).read()
    column = pa.array([row[1:] for row in table["action"].to_pylist()], type=pa.list_(pa.float64()))
    p.folder.write_table(path, table.set_column(table.column_names.index("action"), "action", column))


def cut_file(p: Planting, index: int) -> None:
    """The parquet file ends after 60 % of its bytes."""
    path = p.folder.store.data_path(index)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: int(len(content) * 0.6)])


def lose_file(p: Planting, index: int) -> None:
    """The parquet file was not copied."""
    p.folder.store.data_path(index).unlink()


def _defect(
    name: str, magnitude: str, codes: tuple[str, ...], consequence: str, plant: Plant, refresh: bool = True
) -> Defect:
    group = "rows" if name.startswith("rows-") else "time"
    return Defect(name, group, magnitude, codes, consequence, plant, refresh=refresh)


TIME_DEFECTS = (
    _defect(
        "time-swapped", "two neighbouring stamps", ("TIME-01",), "actions jump back and forth", in_rows(swap_times)
    ),
    _defect("time-rows-dropped", "1 row in 30", ("TIME-02",), "motions across a gap are too fast", each(drop_rows)),
    _defect(
        "time-label-doubled", "fps 40 for 20", ("META-02",), "motions replay at twice the speed", of_store(double_label)
    ),
    _defect(
        "time-stretched", "stamps at 30 Hz of 20 Hz rows", ("TIME-03",), "wrong replay speed", in_rows(stretch_times)
    ),
    _defect("time-jitter", "0-45 ms of 50", ("TIME-03", "TIME-02"), "unsteady motion", in_rows(jitter)),
    _defect(
        "time-drift", "4 % against the camera", ("TIME-03", "TIME-05", "VIDEO-05"), "images fall behind", in_rows(drift)
    ),
    _defect("time-late-start", "5 s", ("TIME-04",), "readers by time find no frame", in_rows(start_late)),
    _defect("time-repeated", "one stamp", ("TIME-01",), "a step of no duration", in_rows(repeat_stamp)),
    _defect("time-nan", "one stamp", ("TIME-01",), "the loader stops", in_rows(nan_stamp)),
    _defect("time-pause", "2 s", ("TIME-02",), "a chunk across the pause is a jump", in_rows(pause)),
    _defect(
        "rows-shuffled", "two blocks of 8 rows", ("TIME-01", "ROWS-03"), "actions out of order", in_rows(shuffle_rows)
    ),
    _defect(
        "rows-shuffled-silently",
        "two blocks of 8 rows, renumbered",
        ("MOTION-02",),
        "actions out of order",
        in_rows(shuffle_rows_silently),
    ),
    _defect("rows-tail-lost", "10 rows", ("ROWS-01", "VIDEO-04"), "frames without rows", in_rows(lose_tail), False),
    _defect("rows-other-episode", "all rows", ("ROWS-03",), "merged from elsewhere", in_rows(foreign_number)),
    _defect(
        "rows-state-missing",
        "the last state of the episode",
        ("SHAPE-01", "NAN-01"),
        "the loader stops",
        each(missing_state),
        False,
    ),
    _defect("rows-column-lost", "action", ("COLUMN-01",), "the loader stops", each(drop_column), False),
    _defect("rows-dimension-lost", "1 of 44", ("SHAPE-01",), "every part is cut wrongly", each(lose_dimension), False),
    _defect("rows-file-cut", "40 % of the bytes", ("FILE-01",), "the loader stops", each(cut_file), False),
    _defect("rows-file-lost", "the file", ("FILE-01",), "the loader stops", each(lose_file), False),
)
