"""Integrity: what has a recorded digest is opened only when its bytes are those that were recorded.

A folder holds its record, ``digests.json``: {"sha256": {name: digest}, "free": [names that may change]}. A JSON file
that stands alone is sealed: its first line holds the digest of all that follows. What is kept only to save work begins
with its digest, and is made again where it is damaged. A file is hashed once in a process and again whenever its stamp
(size, times, inode) differs.
"""

import hashlib
import logging
import os
import re
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gr00t_data.disk import digest_file, json_bytes, json_text, parse_json, replacing, visible_files

RECORD = "digests.json"
KEPT = ".kept"
"""Suffix of what ``write_kept`` writes."""
_LOG = logging.getLogger(__name__)
T = TypeVar("T")

_READ_UNASKED = (".safetensors", ".json", ".yaml", ".jinja")
"""Suffixes of files that loaders read because they are there: none may be added to a recorded folder."""
_NAMED = 5
_TICK_NS = 100_000_000
"""Longer than any file system's clock stands still."""


class IntegrityError(ValueError):
    """Files that are not those that were recorded; the message names them and the remedy."""


_FIRST_LINE = re.compile(rb'\{\n  "seal": "([0-9a-f]{64})"(?:,\n|(?=\n\}))')
_FIRST_LINE_BYTES = 96
"""Longer than a first line that is a seal."""
_NAMED_BY_CONTENT = re.compile(r"[0-9a-f]{16}\.json")
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
        IntegrityError: the file has other bytes than it was sealed with, is no JSON, or larger than it may be.
        OSError: it cannot be read.
    """
    try:
        content = json_bytes(path)
        seal = _seal_in(content)
        value = parse_json(content)
    except ValueError as error:
        told = str(error) if isinstance(error, IntegrityError) else f"not valid JSON ({error})"
        raise IntegrityError(f"{path}: {told}; {remedy}") from error
    if seal:
        del value["seal"]
    return value


def _seal_in(content: bytes) -> bool:
    """Whether a file has a seal, which is that of what follows it. Raises IntegrityError: it is not."""
    if seal := _FIRST_LINE.match(content):
        found, sealed = hashlib.sha256(memoryview(content)[seal.end() :]).hexdigest(), seal[1].decode()
        if found != sealed:
            raise IntegrityError(f"is not the file that was written (SHA-256 {found[:12]}, sealed with {sealed[:12]})")
    elif _ALMOST.match(content):
        raise IntegrityError("is not the file that was written (its seal is damaged)")
    return seal is not None


def first_fault(error: ValidationError) -> str:
    """``sources.0.weight: Input should be a valid number``: the first thing in a file that is not what it must be."""
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def read_as(
    adapter: TypeAdapter[T], path: Path, complaint: str, remedy: str, error: type[ValueError] = ValueError
) -> T:
    """The JSON of a file, sealed or not, as what it must be.

    Raises:
        IntegrityError: it is not the file that was sealed.
        error: the file holds something else: its path, the complaint with the first fault, and the remedy.
    """
    try:
        return adapter.validate_python(read_sealed(path, remedy))
    except ValidationError as fault:
        raise error(f"{path}: {complaint} ({first_fault(fault)}); {remedy}") from fault


def is_sealed(path: Path) -> bool:
    """Whether a file begins with a seal."""
    with path.open("rb") as stream:
        return _FIRST_LINE.match(stream.read(_FIRST_LINE_BYTES)) is not None


def require_named(path: Path, digests: Collection[str], remedy: str) -> None:
    """Whether a file that is named by its content (``<digest 16>.json``) has that content; other names say nothing.

    Raises:
        IntegrityError: it holds something else.
    """
    names = [digest[:16] for digest in digests]
    if _NAMED_BY_CONTENT.fullmatch(path.name) and path.stem not in names:
        raise IntegrityError(f"{path}: holds what is named {names[0]}, it was renamed or replaced; {remedy}")


def write_kept(path: Path, content: bytes) -> None:
    """Replace ``path``, which can be made again, by the SHA-256 (32 bytes) of its name and content, and the content."""
    with replacing(path) as temporary:
        temporary.write_bytes(_kept_digest(path, content) + content)


def read_kept(path: Path) -> bytes | None:
    """What ``write_kept`` wrote; None where there is nothing, or it is damaged, which the log says."""
    try:
        return kept_content(path)
    except FileNotFoundError:
        return None
    except IntegrityError as error:
        _LOG.warning("%s; it is made again", error)
        return None


def kept_content(path: Path) -> bytes:
    """What ``write_kept`` wrote.

    Raises:
        IntegrityError: it is damaged, or has another name.
        OSError: it cannot be read.
    """
    whole = path.read_bytes()
    digest, content = whole[:32], whole[32:]
    if digest != _kept_digest(path, content):
        raise IntegrityError(f"{path}: is not the file that was written")
    return content


def _kept_digest(path: Path, content: bytes) -> bytes:
    return hashlib.sha256(path.name.encode() + b"\0" + content).digest()


def stamp_of(path: Path) -> tuple[int, ...]:
    """Size, times and place of a file: while they stay, so do its bytes. No stamp of one that was written just now
    comes twice, since the next change could leave the same.
    """
    found, now = path.stat(), time.time_ns()
    fresh = now if now - max(found.st_mtime_ns, found.st_ctime_ns) < _TICK_NS else 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev, fresh


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file, from memory while its stamp is the one it had when it was hashed."""
    return _digest(os.fspath(path), stamp_of(path))


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
        asked: hash them all, whatever was hashed before: for what is evaluated, or leaves the house.
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
    for path in [folder / name for name in sorted(free) if asked and name.endswith(".json")]:
        if path.is_file():  # may change or go, but has a seal of its own
            read_sealed(path, remedy)
    return True


_MEMORY = ".intact.json"


def require_intact_once(folder: Path, *, remedy: str = _REMEDY) -> bool:
    """``require_intact`` for folders of many gigabytes: that they were intact is noted in them with the stamps of their
    files, and while those stay, no other process hashes them again.
    """
    if not (folder / RECORD).is_file():
        return False
    files = {path.relative_to(folder).as_posix(): list(stamp_of(path)) for path in visible_files(folder)}
    try:
        known = read_sealed(folder / _MEMORY) == {"stamps": files}
    except (OSError, IntegrityError):
        known = False  # a note that is gone, or damaged, is only a note lost
    if not known:
        require_intact(folder, remedy=remedy)
        write_sealed(folder / _MEMORY, {"stamps": files})
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
