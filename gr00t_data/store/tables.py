"""Parquet files read within bounds: what a file says it holds is added up before a byte of it is unpacked.

A few kilobytes of parquet can unpack to terabytes, because equal values are stored once with a count.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.foreign_text import pointer_told
from gr00t_data.limits import EPISODE_VALUES, TABLE_BYTES, TABLE_COLUMNS, LimitError, factor, require_within

_WIDTH_BYTES = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
_MOST_ROWS_AT_ONCE = 65_536


class TableError(ValueError):
    """A parquet file that cannot be read, or that is larger than it may be; the message names the file."""


@contextmanager
def opened_table(path: Path, limit_bytes: int = TABLE_BYTES, joined: bool = False) -> Iterator[parquet.ParquetFile]:
    """Open a parquet file whose unpacked size stays under ``limit_bytes``.

    Args:
        joined: it holds many episodes; else no more numbers than one may have.

    Raises:
        TableError: no such file, not parquet, cut off, or too large when unpacked.
    """
    if not path.is_file():
        raise TableError(f"{path}: no such file; copy the dataset again, with all its files")
    try:
        with parquet.ParquetFile(path) as file:
            require_within(file.metadata.num_columns, TABLE_COLUMNS, f"{path}: columns")
            unpacked, most = declared_bytes(file.metadata), limit_bytes * factor()
            if unpacked > most:
                raise TableError(
                    f"{path}: {path.stat().st_size} bytes unpack to {unpacked / 2**30:.1f} GiB "
                    f"({file.metadata.num_rows} rows), expected at most {most / 2**30:.1f} GiB; it is damaged or made "
                    "to fill the memory: write the dataset again in smaller files, or set GR00T_LIMITS to a factor"
                )
            if not joined:
                require_within(_numbers(file.metadata), EPISODE_VALUES, f"{path}: numbers that it unpacks to")
            yield file
    except LimitError as error:
        raise TableError(str(error)) from error
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise TableError(
            pointer_told(path)
            or f"{path}: cannot be read as parquet ({error}); it may be cut off: copy it again from its source"
        ) from error


def _numbers(metadata: parquet.FileMetaData) -> int:
    """How many numbers the file holds by its own account."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(metadata.num_columns)]
    return sum(column.num_values for column in columns if column.physical_type in _WIDTH_BYTES)


def declared_bytes(metadata: parquet.FileMetaData) -> int:
    """Bytes that the values take in memory by the file's own account; for texts and images, their bytes in the file."""
    total = 0
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            width = _WIDTH_BYTES.get(column.physical_type) or metadata.schema.column(number).length
            total += column.num_values * width if width else column.total_uncompressed_size + 4 * column.num_values
    return total


def read_table(
    path: Path, columns: Sequence[str] | None = None, limit_bytes: int = TABLE_BYTES, *, joined: bool = False
) -> pa.Table:
    """Every row of a parquet file, types as stored; unpacked at most ``limit_bytes``, in batches when texts repeat.

    Raises:
        TableError: see ``opened_table``; or a column is missing.
    """
    most = round(limit_bytes * factor())
    with opened_table(path, limit_bytes, joined) as file:
        names = file.schema_arrow.names
        if missing := [name for name in columns or () if name not in names]:
            raise TableError(f"{path}: column {missing[0]!r} is missing; the file holds {names}")
        wanted = list(columns) if columns is not None else names
        batches, size = [], 0
        for batch in file.iter_batches(batch_size=_batch_rows(file.metadata, most), columns=wanted):
            size += batch.nbytes
            if size > most:
                raise TableError(f"{path}: unpacks to more than {most / 2**30:.1f} GiB; write it in smaller files")
            batches.append(batch.select(wanted))
        schema = pa.schema([file.schema_arrow.field(name) for name in wanted], metadata=file.schema_arrow.metadata)
        return pa.Table.from_batches(batches, schema=schema)


def _batch_rows(metadata: parquet.FileMetaData, limit_bytes: int) -> int:
    """Rows that stay well below the limit even when each of them holds the largest text that the file can hold."""
    columns = [
        metadata.row_group(g).column(c) for g in range(metadata.num_row_groups) for c in range(metadata.num_columns)
    ]
    largest = max((c.total_uncompressed_size for c in columns if c.physical_type == "BYTE_ARRAY"), default=0)
    return max(1, min(_MOST_ROWS_AT_ONCE, limit_bytes // 8 // max(largest, 1)))


def column_matrix(table: pa.Table, name: str) -> np.ndarray:
    """A numeric column as float64 [T, D] (scalars give D = 1); rows of several dimensions are laid out flat, the last
    one fastest, as numpy does.

    Raises:
        ValueError: rows have different lengths, or values are not numbers.
    """
    column = table.column(name).combine_chunks()
    rows, width = len(column), 1
    while pa.types.is_nested(column.type):
        if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or _is_fixed(column.type)):
            raise ValueError(f"column {name!r}: holds {column.type}, expected numbers or lists of numbers")
        lengths = {column.type.list_size} if _is_fixed(column.type) else set(column.value_lengths().to_pylist())
        if len(lengths) != 1 or None in lengths:
            raise ValueError(f"column {name!r}: rows hold {sorted(map(str, lengths))} values, expected one length")
        width *= lengths.pop()
        column = column.flatten()
    return column.to_numpy(zero_copy_only=False).astype(np.float64).reshape(rows, width)


def _is_fixed(kind: pa.DataType) -> bool:
    return pa.types.is_fixed_size_list(kind)
