"""Integrity: what has a recorded digest is opened only when its bytes are those that were recorded.

A folder holds its record, ``digests.json``: {"sha256": {name: digest}, "free": [names that may change]}. A JSON file
that stands alone is sealed: its first line holds the digest of all that follows. A store has its record in such a file,
its ``Seal``, which also says what was there before people withdrew. What is kept only to save work begins with its
digest, and is made again where it is damaged. A file is hashed once in a process and again whenever its stamp (size,
times, inode) differs.
"""

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from gr00t_data.disk import digest_file, digest_json, folder_digests, json_text, replacing, visible_files

RECORD = "digests.json"
KEPT = ".kept"
"""Suffix of what ``write_kept`` writes."""
_LOG = logging.getLogger(__name__)

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
        IntegrityError: the file has other bytes than it was sealed with, or is no JSON.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    if seal := _FIRST_LINE.match(content):
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


_MEMORY = ".intact.json"


def require_intact_once(folder: Path, *, remedy: str = _REMEDY) -> bool:
    """``require_intact`` for folders of many gigabytes: that they were intact is noted in them with the stamps of their
    files, and while those stay, no other process hashes them again.
    """
    if not (folder / RECORD).is_file():
        return False
    seen = {"record": digest_file(folder / RECORD), "stamps": _stamps(folder)}
    try:
        known = read_sealed(folder / _MEMORY) == seen
    except (OSError, IntegrityError):
        known = False  # a note that is gone, or damaged, is only a note lost
    if not known:
        require_intact(folder, remedy=remedy)
        write_sealed(folder / _MEMORY, seen)
    return True


def _stamps(folder: Path) -> dict[str, list[int]]:
    """Of the files that are recorded; that of one which was just written comes never again."""
    now, found = time.time_ns(), {}
    for path in visible_files(folder):
        one = path.stat()
        fresh = now if now - max(one.st_mtime_ns, one.st_ctime_ns) < _TICK_NS else 0
        found[path.relative_to(folder).as_posix()] = [one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino, fresh]
    return found


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


SEAL = "meta/seal.json"
"""Of a store: the SHA-256 of every file of it when it was complete."""
_STORE_REMEDY = "copy the store again, or ingest the drop under another name and make the mixture again"


@dataclass(frozen=True)
class Seal:
    """What ``meta/seal.json`` says.

    Files of people who withdrew may have gone or been rewritten since the store was complete.

    Attributes:
        digest: of the store, as manifests and records name it: the hash of all that it was sealed with.
        files: relative name -> SHA-256 of what is there.
        purged: relative name -> SHA-256 of what was there when it was sealed, empty for what was not.
    """

    digest: str
    files: dict[str, str]
    purged: dict[str, str] = field(default_factory=dict)
    __pydantic_config__ = ConfigDict(extra="forbid")

    @classmethod
    def of(cls, files: Mapping[str, str]) -> "Seal":
        """That of a store which holds these files."""
        return cls(digest_json(files), dict(files))

    @cached_property
    def fault(self) -> str:
        """How ``digest`` is not that of the files that there were when the store was sealed; empty where it is."""
        files = {name: digest for name, digest in (self.files | self.purged).items() if digest}
        found = digest_json(files)
        told = f"its files have digest {found[:12]}, it says {self.digest[:12]}"
        return "" if found == self.digest else f"is not the seal that was written ({told}); {_STORE_REMEDY}"

    def write(self, root: Path) -> None:
        """Replace the seal of a store."""
        plain = {"digest": self.digest, "files": self.files}
        write_sealed(root / SEAL, plain | ({"purged": self.purged} if self.purged else {}))


_STORE_SEAL = TypeAdapter(Seal)


def read_seal(root: Path) -> Seal | None:
    """The seal of a store, read once in a process while its stamp stays; None where there is none.

    Raises:
        IntegrityError: it is not what was written.
        ValueError: it is no seal.
    """
    path = root / SEAL
    try:
        stamp = stamp_of(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _read_seal(os.fspath(path), stamp)


@lru_cache(maxsize=256)
def _read_seal(path: str, stamp: tuple[int, ...]) -> Seal:
    try:
        seal = _STORE_SEAL.validate_python(read_sealed(Path(path), _STORE_REMEDY))
    except ValidationError as error:
        fault = error.errors()[0]
        told = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        raise ValueError(f"{path}: not the seal of a store ({told}); {_STORE_REMEDY}") from error
    if not is_sealed(Path(path)) and seal.fault:  # one that is, is what was written
        raise IntegrityError(f"{path}: {seal.fault}")
    return seal


def store_digests(root: Path, known: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Relative name -> SHA-256 of every file of a store, without the seal and without hidden files."""
    return {name: value for name, value in folder_digests(root, known).items() if name != SEAL}


def refuse_changed(path: Path, sealed: str | None, where: str) -> None:
    """Compare a file with the digest it was sealed with, None for one that was not there. A missing one is for its
    reader.

    Raises:
        IntegrityError: it has another digest.
    """
    try:
        found = digest_of(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    if found == sealed:
        return
    what = "changed" if sealed else "added"
    told = f"digest {found[:12]}, sealed {f'with {sealed[:12]}' if sealed else 'without it'}"
    raise IntegrityError(f"{path}: {where}was {what} after sealing ({told}); {_STORE_REMEDY}")
