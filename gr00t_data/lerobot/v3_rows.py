"""The rows of a LeRobot v3.0 folder, taken apart into one parquet file an episode; every value and type stays."""

from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.disk import path_inside
from gr00t_data.lerobot.v3_layout import ORIGIN_ROWS
from gr00t_data.lerobot.v3_records import Dataset, Origin, Record
from gr00t_data.store import layout
from gr00t_data.store.notes import Note
from gr00t_data.store.provenance import Refusal
from gr00t_data.store.store import StoreError
from gr00t_data.store.tables import TableError, read_table
from gr00t_data.store.unlisted import not_there

Run = tuple[Path, int, int]
"""Neighbouring rows of one episode: file, first row, number of rows."""


def split_rows(dataset: Dataset, root: Path) -> Iterator[tuple[Record, float, list[Note]]]:
    """Write the rows of every episode below ``root``; yields each record when its file stands.

    Yields:
        the record, the timestamp of its first row (seconds; 0 when it has none), and notes on what was odd.

    Raises:
        StoreError: a parquet file is missing, cut off, or unpacks to more than it may.
    """
    try:
        runs = _runs(dataset)
        read = lru_cache(maxsize=1)(partial(read_table, joined=True))
        kept = _kept_columns(dataset)
        for record in dataset.records:
            found = runs.get(record.index, [])
            notes = list(_row_notes(record, found))
            if not found:
                yield record, 0.0, notes
                continue
            table = pa.concat_tables([read(path).slice(first, count) for path, first, count in found])
            first_s = float(table["timestamp"][0].as_py()) if "timestamp" in table.column_names else 0.0
            number = dataset.number_of(record.index)
            place = {"episode_chunk": number // layout.CHUNK_EPISODES, "episode_index": number}
            target = path_inside(root, layout.DATA_PATH, **place)
            target.parent.mkdir(parents=True, exist_ok=True)
            table = _as_before(table, dataset.origin, kept.get(record.index, {}))
            parquet.write_table(table, target, compression="snappy")
            yield record, first_s, notes
    except TableError as error:
        raise StoreError(str(error)) from error


def unlisted(dataset: Dataset) -> list[Refusal]:
    """Episodes whose rows lie in data files and that no line of ``meta/episodes`` lists; and those that only info.json
    counts.

    Raises:
        StoreError: a parquet file is missing or cut off.
    """
    try:
        runs = _runs(dataset)
    except TableError as error:
        raise StoreError(str(error)) from error
    listed = {record.index for record in dataset.records}
    left = {
        index: f"{found[0][0]}: holds {sum(count for *_, count in found)} rows of it, and no line of "
        f"{dataset.root}/meta/episodes lists it; copy that folder again, or take the rows out"
        for index, found in sorted(runs.items())
        if index not in listed
    }
    found = [Refusal(f"episode {index}", reason) for index, reason in left.items()]
    return found + not_there(dataset.root, dataset.info, listed | left.keys(), len(listed) + len(left))


def _runs(dataset: Dataset) -> dict[int, list[Run]]:
    """Where the rows of each episode are, by the column episode_index of every data file."""
    wanted = dict.fromkeys(record.data_file for record in dataset.records)
    others = sorted((dataset.root / "data").glob("*/*.parquet"))
    known = {path.resolve() for path in wanted}
    runs: dict[int, list[Run]] = {}
    for path in [*wanted, *(other for other in others if other.resolve() not in known)]:
        numbers = read_table(path, ["episode_index"], joined=True)["episode_index"].to_numpy()
        starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]]) if len(numbers) else []
        for start, stop in zip(starts, [*starts[1:], len(numbers)], strict=True):
            runs.setdefault(int(numbers[start]), []).append((path, int(start), int(stop - start)))
    return runs


def _row_notes(record: Record, runs: list[Run]) -> Iterator[Note]:
    rows = sum(count for _, _, count in runs)
    if not runs:
        yield Note(f"no data file holds a row of it; {record.length} are declared", record.index)
    elif rows != record.length:
        yield Note(f"{rows} rows were found, {record.length} are declared; the rows found were kept", record.index)
    if runs and runs[0][0] != record.data_file:
        yield Note(f"its rows are in {runs[0][0].name}, the metadata names {record.data_file.name}", record.index)
    if len(runs) > 1:
        yield Note(f"its rows stand in {len(runs)} separate places; they were joined in that order", record.index)


def _kept_columns(dataset: Dataset) -> dict[int, dict[str, list[int]]]:
    """Episode -> column -> the values it had before our own writer renumbered it for v3.0."""
    path = dataset.root / ORIGIN_ROWS
    kept: dict[int, dict[str, list[int]]] = {}
    if dataset.origin and path.is_file():
        for line in read_table(path, joined=True).to_pylist():
            kept.setdefault(line["episode_index"], {})[line["column"]] = line["values"]
    return kept


def _as_before(table: pa.Table, origin: Origin | None, kept: dict[str, list[int]]) -> pa.Table:
    added = origin.added_columns if origin else ()
    table = table.drop_columns([name for name in added if name in table.column_names])
    for name, values in kept.items():
        if name not in table.column_names or len(values) != table.num_rows:
            raise StoreError(f"{ORIGIN_ROWS}: does not fit column {name!r}; delete it to keep the numbers of v3.0")
        position = table.column_names.index(name)
        table = table.set_column(position, table.field(name), pa.array(values, table.field(name).type))
    return table
