"""The episode under inspection: its files read once, with everything that went wrong while reading kept as findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.signals import Signal, signals_of
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.foreign_text import pointer_told
from gr00t_data.store.episode import EpisodeRow
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.store.tables import column_matrix, read_table
from gr00t_data.store.texts import Changes


@dataclass(frozen=True)
class Subject:
    """What the checks of one episode look at.

    Attributes:
        path: the episode's parquet file.
        columns: names in the file, empty when it cannot be read.
        arrays: numeric columns that could be read, float64 [T, D].
        rows: T, or None when the file cannot be read.
        findings: what went wrong while reading.
        store_errors: codes of the errors of its store as a whole, sorted.
    """

    store: EpisodeStore
    row: EpisodeRow
    embodiment: Embodiment
    path: Path
    columns: tuple[str, ...]
    arrays: dict[str, np.ndarray]
    rows: int | None
    findings: tuple[Finding, ...]
    store_errors: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """How messages name the episode."""
        return f"{self.path}: episode {self.row.index}"

    @property
    def times_s(self) -> np.ndarray | None:
        """float64 [T] seconds, or None."""
        times = self.arrays.get("timestamp")
        return None if times is None else times[:, 0]

    @property
    def period_s(self) -> float:
        """Seconds between rows at the embodiment's control rate."""
        return 1 / self.embodiment.control_hz

    @cached_property
    def signals(self) -> list[Signal]:
        """State and action part by part, without what store or episode say they do not have everywhere."""
        masked = (self.row.source.hands or {}).get("masked_parts")
        absent = {*(self.store.about.absent or ()), *(map(str, masked) if isinstance(masked, list) else ())}
        return signals_of(self.embodiment, self.arrays, absent)

    @cached_property
    def spoken(self) -> tuple[str, Changes]:
        """What the language column says at the first row, and the rows from which on it says something else."""
        try:
            return self.store.texts(self.row.index, self.embodiment.language_column)
        except (ValueError, LookupError, AttributeError, OSError, pa.ArrowException):
            return self.row.instruction, ()

    @property
    def instruction(self) -> str:
        """What the language column says at the first row; what cannot be read, the first text that is listed."""
        return self.spoken[0]


@dataclass(frozen=True)
class Whole:
    """A store under inspection, and what it is checked against."""

    store: EpisodeStore
    embodiment: Embodiment


def needed_columns(embodiment: Embodiment) -> tuple[str, ...]:
    """The columns without which an episode cannot be used."""
    parts = (*embodiment.state, *embodiment.action)
    return tuple(dict.fromkeys([*(part.column for part in parts), "timestamp"]))


def read_subject(
    store: EpisodeStore, row: EpisodeRow, embodiment: Embodiment, store_findings: Sequence[Finding] = ()
) -> Subject:
    """Read the rows of one episode; never raises for what is in the file.

    Args:
        store_findings: about its store as a whole.
    """
    barred = tuple(sorted({finding.code for finding in store_findings if finding.severity == "error"}))
    findings: list[Finding] = []
    arrays: dict[str, np.ndarray] = {}
    try:
        path = store.data_place(row.index)
    except (KeyError, ValueError) as error:
        path = store.root / "meta/info.json"
        message = f"{path}: episode {row.index}: data_path gives no file of this folder ({error}); correct it"
        return Subject(store, row, embodiment, path, (), {}, None, (FILE_01.finding(message),), barred)
    table = _read_table(store, path, row.index, findings)
    names = tuple(table.column_names) if table is not None else ()
    if table is not None:
        findings += _missing_columns(store, path, row.index, names, embodiment)
        for name in (*needed_columns(embodiment), "frame_index", "episode_index"):
            if name in names:
                _read_array(table, name, path, row.index, arrays, findings)
    rows = table.num_rows if table is not None else None
    return Subject(store, row, embodiment, path, names, arrays, rows, tuple(findings), barred)


def _read_table(store: EpisodeStore, path: Path, index: int, findings: list[Finding]) -> pa.Table | None:
    remedy = "copy it again from its source, or leave the episode out"
    if not path.is_file():
        findings.append(FILE_01.finding(f"{path}: episode {index}: no such file; {remedy}"))
        return None
    try:
        return read_table(store.verify_file(path, index))
    except StoreError as error:
        findings.append(SEAL_01.finding(str(error)))
        return None
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        reason = " ".join(str(error).removeprefix(f"{path}: ").split())[:200]
        message = f"{path}: episode {index}: not a readable parquet file ({reason}); {remedy}"
        message = f"episode {index}: {told}" if (told := pointer_told(path)) else message
        findings.append(FILE_01.finding(message))
        return None


def _missing_columns(
    store: EpisodeStore, path: Path, index: int, names: tuple[str, ...], embodiment: Embodiment
) -> list[Finding]:
    needed = set(needed_columns(embodiment))
    declared = {k for k, v in store.features.items() if v.dtype not in ("video", "image")}
    return [
        COLUMN_01.finding(
            f"{path}: episode {index}: column {name!r} is missing, expected by "
            f"{f'embodiment {embodiment.name!r}' if name in needed else 'meta/info.json'}; "
            f"it holds {', '.join(names)}; write the file again with that column"
        )
        for name in sorted((needed | declared) - set(names))
    ]


def _read_array(
    table: pa.Table, name: str, path: Path, index: int, arrays: dict[str, np.ndarray], findings: list[Finding]
) -> None:
    try:
        arrays[name] = column_matrix(table, name)
    except (ValueError, TypeError, AttributeError, pa.ArrowException) as error:
        message = f"{path}: episode {index}: {error}; every row must hold the same count of numbers"
        findings.append(SHAPE_01.finding(message))


def what_reading_found(subject: Subject) -> Sequence[Finding]:
    """FILE-01, COLUMN-01, SHAPE-01, and SEAL-01 of the rows. FILE-02 is found by who waits for all of this."""
    return subject.findings


FILE_01, FILE_02, COLUMN_01, SHAPE_01, SEAL_01 = Look(Subject, what_reading_found, 0).finds(
    Check("FILE-01", "error", "data file missing or unreadable", "the loader stops when it reaches the episode"),
    Check("FILE-02", "error", "rows or pictures cannot be read within bounds, or end the process that reads them",
          "training ends in the same way"),
    Check("COLUMN-01", "error", "declared or needed column missing", "the loader stops when it reaches the episode"),
    Check("SHAPE-01", "error", "state or action has another width than the embodiment",
          "every part would be cut wrongly"),
    Check("SEAL-01", "error", "file is not the one that was sealed", "the loader stops when it reaches the episode",
          fact=True),
)  # fmt: skip
