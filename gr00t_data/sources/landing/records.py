"""What is written down of a drop: that it was taken in (``landed/<key>.json``), or why that failed (``failed/``).

A record that cannot be read is no record: its drop is taken in once more, which compares it with its store and writes
the record anew.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from gr00t_data.disk import DiskError
from gr00t_data.foreign_text import one_line
from gr00t_data.integrity import read_sealed, write_sealed
from gr00t_data.lake import Lake
from gr00t_data.sources.landing.drop import Drop
from gr00t_data.sources.landing.marker import MARKER
from gr00t_data.store.provenance import Said
from gr00t_data.store.store import SEAL
from gr00t_data.terms.withdrawal import WithdrawalError

_Record = TypeVar("_Record", bound=Said)


class Landed(Said):
    """What was written down when a drop was taken in.

    Attributes:
        drop: name of the file or folder.
        store, digest: the store it became, by name and content.
        content: hash of what landed.
        signature, shape: of the drop as it lies there.
    """

    drop: str
    store: str
    digest: str
    content: str
    signature: str
    shape: str

    def save(self, lake: Lake, key: str) -> None:
        """Write down in one step."""
        write_sealed(_landed_path(lake, key), self.facts())


class Failed(Said):
    """Why a drop could not be taken in, as what it lay there, and which marker it had then."""

    signature: str
    reason: str
    marker: str = ""


def landed(lake: Lake, key: str) -> Landed | None:
    """What was written down when the drop was taken in; None where nothing was, or it cannot be read."""
    return read_record(Landed, _landed_path(lake, key))[0]


def landed_fault(lake: Lake, key: str) -> str:
    """Why a record of a drop cannot be read; empty where each can, or there is none."""
    faults = read_record(Landed, _landed_path(lake, key))[1], read_record(Failed, _failed_path(lake, key))[1]
    return "; ".join(filter(None, faults))


def every_landed(lake: Lake) -> Iterator[tuple[str, Landed]]:
    """Key and record of every drop that was taken in, those that can be read."""
    for path in sorted((lake.root / "landed").glob("*.json")):
        if record := read_record(Landed, path)[0]:
            yield path.stem, record


def failure(lake: Lake, drop: Drop) -> str:
    """Why the drop as it lies there could not be taken in; empty where nobody tried, or it went well."""
    failed = _failed(lake, drop)
    return failed.reason if failed else ""


def _failed(lake: Lake, drop: Drop) -> Failed | None:
    record = read_record(Failed, _failed_path(lake, drop.key))[0]
    return record if record and record.signature == drop.signature else None


@contextmanager
def noting_failure(lake: Lake, drop: Drop) -> Iterator[None]:
    """Write down why the block failed, if it is the drop's fault; forget it when it goes well."""
    path = _failed_path(lake, drop.key)
    try:
        yield
    except (DiskError, WithdrawalError):
        raise
    except Exception as error:  # whatever a reader of foreign files says of them
        reason = one_line(f"{error}" or type(error).__name__)
        failed = Failed(signature=drop.signature, reason=reason, marker=_stamp(drop.path / MARKER))
        write_sealed(path, failed.facts())
        raise
    path.unlink(missing_ok=True)


def attempt(lake: Lake, drop: Drop) -> str:
    """Names the taking in of a drop as it lies there: another text once its store is gone, its record is damaged, or
    it failed and has another marker since."""
    stamps = [_stamp(path) for path in (_landed_path(lake, drop.key), lake.stores / drop.key / SEAL)]
    marker, failed = _stamp(drop.path / MARKER), _failed(lake, drop)
    stamps += [marker] if failed and failed.marker != marker else []
    return ":".join([drop.key, drop.signature[:16], *filter(None, stamps)])


def read_record(kind: type[_Record], path: Path) -> tuple[_Record | None, str]:
    """A record, or why it cannot be read; neither where there is none."""
    if not os.path.lexists(path):
        return None, ""
    try:
        return kind.model_validate(read_sealed(path)), ""
    except (OSError, ValueError) as error:
        return None, f"the record {path} cannot be read ({str(error).splitlines()[0]})"


def _stamp(path: Path) -> str:
    return str(path.stat().st_mtime_ns) if path.is_file() else ""


def _landed_path(lake: Lake, key: str) -> Path:
    return lake.root / "landed" / f"{key}.json"


def _failed_path(lake: Lake, key: str) -> Path:
    return lake.root / "failed" / f"{key}.json"
