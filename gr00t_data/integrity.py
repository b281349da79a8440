"""Integrity: what has a recorded digest is opened only when its bytes are those that were recorded.

A folder holds its record, ``digests.json``: {"sha256": {name: digest}, "free": [names that may change]}. A JSON file
that stands alone is sealed: its first line holds the digest of all that follows. A file is hashed once in a process and
again whenever its stamp (size, times, inode) differs.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from gr00t_data.disk import digest_file, json_text, replacing, visible_files

RECORD = "digests.json"

_READ_UNASKED = (".safetensors", ".json", ".yaml", ".jinja")
"""Suffixes of files that loaders read because they are there: none may be added to a recorded folder."""
_NAMED = 5
_TICK_NS = 100_000_000
"""Longer than any file system's clock stands still."""


class IntegrityError(ValueError):
    """Files that are not those that were recorded; the message names them and the remedy."""


_SEAL = re.compile(rb'\{\n  "seal": "([0-9a-f]{64})"(?:,\n|(?=\n\}))')
_SEAL_BYTES = 96
"""Longer than a first line that is a seal."""
_ALMOST = re.compile(rb'\s*\{\s*"[^"]{4}"\s*:\s*"[^"]{64}"\s*[,}]')
"""A first line that was a seal before a byte of it changed."""


def write_sealed(path: Path, value: Mapping[str, object]) -> None:
    """Replace ``path`` by a JSON object whose first line is the SHA-256 of every byte after it, in one step.

    Raises:
        ValueError: the value has a field ``seal`` of its own.
    """
    if "seal" in value:
        raise ValueError(f"{path}: a sealed file cannot hold a field named seal of its own")
    text = json_text(value).encode()
    rest = text.removeprefix(b"{\n") if value else b"\n}\n"
    digest = hashlib.sha256(rest).hexdigest().encode()
    with replacing(path) as temporary:
        temporary.write_bytes(b'{\n  "seal": "' + digest + (b'",\n' if value else b'"') + rest)


def read_sealed(path: Path, remedy: str = "put it back from a copy, or make it again") -> Any:
    """Read what ``write_sealed`` wrote, without the seal; a file without one, as earlier ones are, is read as it is.

    Args:
        remedy: what to do about a damaged file, for the message.

    Raises:
        IntegrityError: the file has other bytes than it was sealed with, or is no JSON.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    if seal := _SEAL.match(content):
        if (found := hashlib.sha256(content[seal.end() :]).hexdigest()) != seal[1].decode():
            told = f"SHA-256 {found[:12]}, sealed with {seal[1][:12].decode()}"
            raise IntegrityError(f"{path}: is not the file that was written ({told}); {remedy}")
    elif _ALMOST.match(content):
        raise IntegrityError(f"{path}: is not the file that was written (its seal is damaged); {remedy}")
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"{path}: not valid JSON ({error}); {remedy}") from error
    if seal:
        del value["seal"]
    return value


def is_sealed(path: Path) -> bool:
    """Whether a file begins with a seal."""
    with path.open("rb") as stream:
        return _SEAL.match(stream.read(_SEAL_BYTES)) is not None


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file, from memory while its stamp is the one it had when it was hashed."""
    found = path.stat()
    stamp = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)
    if time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _TICK_NS:
        return digest_file(path)  # the next change could leave the same stamp
    return _digest(os.fspath(path.resolve()), stamp)


@lru_cache(maxsize=65_536)
def _digest(path: str, stamp: tuple[int, ...]) -> str:
    return digest_file(Path(path))


def digests_of(folder: Path, free: Collection[str] = (), *, weights: bool = True) -> dict[str, str]:
    """Relative name -> SHA-256 of every visible file but the record and the ``free`` ones, several at a time.

    Args:
        weights: safetensors too; else the small files alone.
    """
    names = [path.relative_to(folder).as_posix() for path in visible_files(folder)]
    names = [name for name in names if name != RECORD and name not in free and (weights or _small(name))]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(lambda name: digest_of(folder / name), names), strict=True))


def _small(name: str) -> bool:
    return not name.endswith(".safetensors")


def write_record(folder: Path, free: Collection[str] = ()) -> None:
    """Record every file of a folder that is complete; ``free`` ones may change or go."""
    write_sealed(folder / RECORD, {"sha256": digests_of(folder, free), "free": sorted(free)})


_REMEDY = "copy the whole folder again from where it was made, or make it again"


def require_intact(folder: Path, *, asked: bool = False, weights: bool = True, remedy: str = _REMEDY) -> bool:
    """Compare every file of ``folder`` with its record.

    Args:
        asked: hash them all, whatever was hashed before: for what acts, or leaves the house.
        weights: safetensors too; else the small files alone, for who reads no others.
        remedy: what to do about a damaged folder, for the message.

    Returns:
        whether there is a record; folders made by others, and earlier, have none.

    Raises:
        IntegrityError: a file has other bytes, is gone, or was added where a loader would read it.
    """
    if not (folder / RECORD).is_file():
        return False
    if asked:
        _digest.cache_clear()
    recorded, free = read_record(folder, remedy)
    recorded = {name: digest for name, digest in recorded.items() if weights or _small(name)}
    found = digests_of(folder, free, weights=weights)
    if wrong := [f"{name} {told}" for name, told in wrong_files(recorded, found, loaded_only=True)]:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise IntegrityError(f"{folder}: {'; '.join(wrong[:_NAMED])}{more}; {remedy}")
    return True


def read_record(folder: Path, remedy: str = _REMEDY) -> tuple[dict[str, str], set[str]]:
    """What ``write_record`` wrote: relative name -> SHA-256, and the names of those that may change.

    Raises:
        IntegrityError: the record is damaged.
    """
    record = folder / RECORD
    try:
        content = read_sealed(record, remedy)
        return dict(content["sha256"]), set(content["free"])
    except IntegrityError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{record}: is no record of digests ({error!r}); {remedy}") from error


GONE, ADDED = "is gone", "was added"


def wrong_files(
    recorded: Mapping[str, str], found: Mapping[str, str], *, loaded_only: bool = False
) -> list[tuple[str, str]]:
    """(name, ``GONE``, ``ADDED`` or what is unlike) of every file that is not as recorded.

    Args:
        loaded_only: of the files that were added, only those that loaders read because they are there.
    """
    added = [name for name in found if name not in recorded and (not loaded_only or name.endswith(_READ_UNASKED))]
    wrong = [(name, GONE) for name in recorded if name not in found] + [(name, ADDED) for name in added]
    for name, digest in found.items():
        if name in recorded and digest != recorded[name]:
            wrong.append((name, f"is not the recorded file (SHA-256 {digest[:12]}, recorded {recorded[name][:12]})"))
    return wrong
