"""The episode under inspection: its files read once, with everything that went wrong while reading kept as findings."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from gr00t_data.curate.finding import Finding
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.layout import column_matrix
from gr00t_data.store.store import EpisodeRow, EpisodeStore


@dataclass(frozen=True)
class Subject:
    """What the checks of one episode look at.

    Attributes:
        path: the episode's parquet file.
        columns: names in the file, empty when it cannot be read.
        arrays: numeric columns that could be read, float64 [T, D].
        rows: T, or None when the file cannot be read.
        findings: what went wrong while reading.
    """

    store: EpisodeStore
    row: EpisodeRow
    embodiment: Embodiment
    path: Path
    columns: tuple[str, ...]
    arrays: dict[str, np.ndarray]
    rows: int | None
    findings: tuple[Finding, ...]

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


def needed_columns(embodiment: Embodiment) -> tuple[str, ...]:
    """The columns without which an episode cannot be used."""
    parts = (*embodiment.state, *embodiment.action)
    return tuple(dict.fromkeys([*(part.column for part in parts), "timestamp"]))


def read_subject(store: EpisodeStore, row: EpisodeRow, embodiment: Embodiment) -> Subject:
    """Read the rows of one episode; never raises for what is in the file."""
    findings: list[Finding] = []
    arrays: dict[str, np.ndarray] = {}
    try:
        path = store.data_path(row.index)
    except (KeyError, ValueError) as error:
        path = store.root / "meta/info.json"
        message = f"{path}: episode {row.index}: data_path gives no file of this folder ({error}); correct it"
        return Subject(store, row, embodiment, path, (), {}, None, (Finding("FILE-01", "error", message),))
    table = _read_table(path, row.index, findings)
    names = tuple(table.column_names) if table is not None else ()
    if table is not None:
        findings += _missing_columns(store, path, row.index, names, embodiment)
        for name in (*needed_columns(embodiment), "frame_index", "episode_index"):
            if name in names:
                _read_array(table, name, path, row.index, arrays, findings)
    rows = table.num_rows if table is not None else None
    return Subject(store, row, embodiment, path, names, arrays, rows, tuple(findings))


def _read_table(path: Path, index: int, findings: list[Finding]) -> pa.Table | None:
    remedy = "copy it again from its source, or leave the episode out"
    if not path.is_file():
        findings.append(Finding("FILE-01", "error", f"{path}: episode {index}: no such file; {remedy}"))
        return None
    try:
        return parquet.ParquetFile(path).read()
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        message = f"{path}: episode {index}: not a readable parquet file ({reason}); {remedy}"
        findings.append(Finding("FILE-01", "error", message))
        return None


def _missing_columns(
    store: EpisodeStore, path: Path, index: int, names: tuple[str, ...], embodiment: Embodiment
) -> list[Finding]:
    needed = set(needed_columns(embodiment))
    declared = {k for k, v in store.info.get("features", {}).items() if v.get("dtype") not in ("video", "image")}
    return [
        Finding(
            "COLUMN-01",
            "error",
            f"{path}: episode {index}: column {name!r} is missing, expected by "
            f"{f'embodiment {embodiment.name!r}' if name in needed else 'meta/info.json'}; "
            f"it holds {', '.join(names)}; write the file again with that column",
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
        findings.append(Finding("SHAPE-01", "error", message))
