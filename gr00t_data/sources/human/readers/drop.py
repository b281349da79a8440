"""What readers of egocentric datasets share: where the videos are, tables with checked columns, times as written."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gr00t_data.disk import PathError, path_inside, visible_files
from gr00t_data.limits import JSON_VALUES, TEXT_BYTES, LimitError, require_within
from gr00t_data.sources.content import MOVIES, require_no_link
from gr00t_data.sources.human.footage import Footage
from gr00t_data.store.provenance import Refusal

_TIME = re.compile(r"^(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)$")


class DropError(ValueError):
    """A drop that cannot be understood as footage; the message says what was looked for."""


@dataclass(frozen=True)
class Found:
    """What a drop holds.

    Attributes:
        form: name of the dataset or layout.
        footage: by uid.
        refused: narrations and videos that the drop names and that cannot be used, with reasons.
        findings: what is odd about the drop as a whole, each with what was done about it.
    """

    form: str
    footage: tuple[Footage, ...]
    refused: tuple[Refusal, ...] = ()
    findings: tuple[str, ...] = ()


class FootageReader(Protocol):
    """The reader of one dataset. It holds no state.

    Attributes:
        name: of the dataset or layout, as stores write it.
    """

    name: str

    def recognises(self, drop: Path) -> bool:
        """Whether the drop is this dataset, by what lies in it."""
        ...

    def read(self, drop: Path) -> Found:
        """Its footage, and what was refused of it.

        Raises:
            DropError: annotations that cannot be understood (names the file).
        """
        ...


def visible(root: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files below ``root`` with one of these suffixes (any case), sorted; hidden files and folders are left out.

    Raises:
        StoreError: one that is no video is a link.
    """
    found = [path for path in visible_files(root) if path.suffix.lower() in suffixes]
    for path in found if suffixes != MOVIES else ():
        require_no_link(path)
    return found


def movies_by_stem(drop: Path) -> tuple[dict[str, Path], list[Refusal]]:
    """Stem -> video. A second video of a stem is refused, and so is a link that leads out of the drop."""
    found, refused = dict[str, Path](), list[Refusal]()
    for path in visible(drop, MOVIES):
        name = path.relative_to(drop).as_posix()
        if not path.resolve().is_relative_to(drop.resolve()):
            refused.append(Refusal(name, f"{path}: is a link out of the drop; copy the file itself into it"))
        elif path.stem in found:
            first = found[path.stem].relative_to(drop)
            refused.append(Refusal(name, f"{path}: has the name of {first}, which is taken; keep one of the two"))
        else:
            found[path.stem] = path
    return found, refused


def movie_inside(drop: Path, name: str) -> Path:
    """The video that an annotation names, relative to the drop.

    Raises:
        DropError: the name leads out of the drop, or there is no such file.
    """
    try:
        path = path_inside(drop, "{name}", name=name)
        there = path.is_file()
    except PathError:
        raise DropError(f"names {name!r}, which leads out of the drop; names are relative to it") from None
    except OSError as error:
        raise DropError(f"names {name[:99]!r}, which can be no file ({error.strerror}); correct it") from None
    if not there:
        raise DropError(f"names {name!r}, and there is no such file; copy it again")
    return path


def table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Columns of a CSV file, and (line number, column -> text) of each row; every text without outer spaces.

    Raises:
        DropError: it is not text in UTF-8, or has no line of names.
    """
    try:
        require_within(path.stat().st_size, TEXT_BYTES, "bytes of a table")
        content = path.read_bytes()
        require_within(sum(map(content.count, (b",", b"\n", b"\r"))), JSON_VALUES, "cells of a table")
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except LimitError as error:
        raise DropError(f"{path}: {error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DropError(f"{path}: is not a CSV file in UTF-8 ({error}); save it again") from error
    if not rows:
        raise DropError(f"{path}: is empty; its first line names the columns")
    names = [cell.strip() for cell in rows[0][1]]
    filled = [(number, [cell.strip() for cell in row]) for number, row in rows[1:]]
    return names, [(number, dict(zip(names, [*row, *[""] * len(names)], strict=False))) for number, row in filled]


def need_columns(path: Path, names: Sequence[str], needed: Sequence[str]) -> None:
    """Check that a table has the columns that cannot be done without.

    Raises:
        DropError: names the missing ones, and those that are there.
    """
    if missing := [name for name in needed if name not in names]:
        raise DropError(f"{path}: has no column {', '.join(missing)}; it has {', '.join(names)}: add or rename it")


def seconds(text: str) -> float:
    """``01:02:03.50``, ``62.5`` or ``1:02`` in seconds.

    Raises:
        ValueError: another form.
    """
    match = _TIME.match(text.strip())
    if not match or len(text) > 64:
        raise ValueError(f"{text[:64]!r} is no time; write seconds, MM:SS or HH:MM:SS.ss")
    hours, minutes, rest = match.groups()
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(rest)


def rows_of_videos(rows: list[tuple[int, dict[str, str]]], column: str) -> Iterator[tuple[str, list[Any]]]:
    """(value of a column, its rows), in the order of first appearance."""
    grouped: dict[str, list[Any]] = {}
    for number, row in rows:
        grouped.setdefault(row[column], []).append((number, row))
    yield from grouped.items()


def stated(rows: list[tuple[int, dict[str, str]]], column: str) -> str | None:
    """The one value that the rows of a video give in a column; None when they give none.

    Raises:
        DropError: they give several.
    """
    values = sorted({row[column] for _, row in rows if row.get(column)})
    if len(values) > 1:
        raise DropError(f"column {column!r} gives {' and '.join(map(repr, values[:2]))} for one video; keep one")
    return values[0] if values else None
