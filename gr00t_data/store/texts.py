"""The texts of an episode by row. Where one text holds from start to end, it is kept once."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from gr00t_data.store.tables import TableError, column_matrix, read_table

Changes = tuple[tuple[int, str], ...]
"""(row, text) of each row from which on another text holds, in order; empty where that of row 0 holds to the end."""


VALIDITY = frozenset({"valid", "invalid"})
"""Texts (lower case) that GR00T-LeRobot data lists among an episode's tasks as its validity label."""


def text_at(first: str, changes: Changes, row: int) -> str:
    """The text that holds at a row. ``first`` holds from row 0 on."""
    place = bisect_right(changes, row, key=lambda change: change[0])
    return changes[place - 1][1] if place else first


def without_blanks(first: str, changes: Changes) -> tuple[str, Changes]:
    """The same where rows without a text count to the text before them, and the first ones to the text after them."""
    said = [(row, text) for row, text in ((0, first), *changes) if text.strip()] or [(0, first)]
    return said[0][1], changes_in(said)


def changes_in(said: Sequence[tuple[int, str]]) -> Changes:
    """Of (row, text) in order, those that differ from the one before; the first is none."""
    return tuple(one for one, before in zip(said[1:], said, strict=False) if one[1] != before[1])


def each_text(first: str, changes: Changes) -> tuple[str, ...]:
    """Every text of an episode once, in the order in which they come."""
    return tuple(dict.fromkeys([first, *(text for _, text in changes)]))


def spans(first: str, changes: Changes, rows: int) -> list[tuple[int, int, str]]:
    """(first row, row after the last, text) of each run of rows under one text."""
    said = [(0, first), *(change for change in changes if change[0] < rows)]
    ends = [row for row, _ in said[1:]] + [rows]
    return [(row, end, text) for (row, text), end in zip(said, ends, strict=True)]


def texts_in(table: pa.Table, name: str, known: Mapping[int, str], otherwise: str = "") -> tuple[str, Changes]:
    """The text of the first row of a column, and where it changes.

    Args:
        name: a column of texts, or of numbers of texts.
        known: number -> text.
        otherwise: of numbers that name no text, and of rows that say nothing.

    Raises:
        ValueError: the column holds neither texts nor numbers, or no row.
    """
    column = table.column(name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        coded = column.dictionary_encode()
        codes, texts = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False), coded.dictionary.to_pylist()
        known = {number: text.strip() or otherwise for number, text in enumerate(texts)}
    else:
        numbers = column_matrix(table, name)[:, 0]
        codes = np.where(np.isfinite(numbers), numbers, -1).astype(np.int64)
    if not len(codes):
        raise ValueError(f"column {name!r} has no row")
    starts = np.flatnonzero(np.diff(codes)) + 1
    said = [(int(row), known.get(int(codes[row]), otherwise)) for row in (0, *starts)]
    return said[0][1], changes_in(said)


def numbered_texts(path: Path, name: str) -> dict[int, str]:
    """Number -> text of a ``subtasks.parquet`` as LeRobot 0.4.4 reads it: without a column of numbers, lines count.

    Args:
        name: of one of its lines: ``subtask``.

    Raises:
        TableError: it cannot be read, or has no column of texts.
    """
    table = read_table(path, joined=True)
    texts = [column for column in table.column_names if column != f"{name}_index"]
    if not texts:
        raise TableError(f"{path}: has no column of texts, only {table.column_names}; copy the dataset again")
    numbered = f"{name}_index" in table.column_names
    numbers = table[f"{name}_index"].to_pylist() if numbered else range(table.num_rows)
    column = name if name in texts else texts[0]
    return {int(number): str(text) for number, text in zip(numbers, table[column].to_pylist(), strict=True)}
