"""A drop of a remote landing becomes a folder of the local one: every file checked, the folder in one rename.

Files lie in ``landing/.fetching/<key>-<signature>/`` until all are there. A kill loses the file that was being copied;
the next run goes on with it. A drop that changes meanwhile has another signature and begins anew.
"""

import base64
import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gr00t_data.disk import fsync_folder, replacing
from gr00t_data.integrity import write_sealed
from gr00t_data.lake import Lake
from gr00t_data.locks import locked
from gr00t_data.progress import Say
from gr00t_data.sources.landing.drop import Drop, key_of, left_out
from gr00t_data.sources.landing.marker import MARKER
from gr00t_data.sources.landing.records import read_record
from gr00t_data.sources.landing.remote import LandingError, RemoteFile, RemoteLanding
from gr00t_data.store.provenance import Said

_READ_BYTES = 1 << 20
_SPARE_BYTES = 64 << 20
_MD5 = re.compile(r"[0-9a-f]{32}")


class Fetched(Said):
    """What was written down when a remote drop was copied here; ``url`` without credentials."""

    url: str
    signature: str


def fetched(lake: Lake, key: str) -> Fetched | None:
    """What was written down when a remote drop was copied here; None where nothing was, or it cannot be read."""
    return read_record(Fetched, lake.root / "fetched" / f"{key}.json")[0]


def fetch(remote: RemoteLanding, key: str, say: Say = lambda line: None) -> Path | None:
    """Copy the drop of a key here, unless it is here as it lies there.

    Returns:
        the folder or file in the local landing; None when the remote landing has no such drop.

    Raises:
        LandingError: the drop cannot be read, has names that lead out of it, or changed while it was copied.
        DiskError: the disk has no room.
    """
    name, entry = next(((n, e) for n, e in remote.entries().items() if key_of(n) == key), ("", {}))
    if not name:
        return None
    lake = remote.lake
    with locked(lake.root / "locks" / f"fetch_{key}"):
        files = remote.files_of(name, entry)
        drop = remote.describe(name, files)
        if reason := drop.refused or place_taken(lake, drop):
            raise LandingError(f"{drop.url}: {reason}")
        if is_here(lake, drop):
            return drop.path
        work = _work_folder(lake, drop)
        _copy_all(remote, drop, [file for file in files if file.name == MARKER or not left_out(file.name)], work, say)
        remote.files.invalidate_cache()
        if remote.describe(name, remote.files_of(name, entry)).signature != drop.signature:
            raise LandingError(f"{drop.url}: changed while it was copied; it is copied again when it is still")
        _put_in_place(lake, drop, work, is_folder=entry["type"] == "directory")
    return drop.path


def place_taken(lake: Lake, drop: Drop) -> str | None:
    """Why a remote drop cannot have its place here: a drop of that name was put there by somebody."""
    if not drop.path.exists() or fetched(lake, drop.key) is not None:
        return None
    record = read_record(Fetched, lake.root / "fetched" / f"{drop.key}.json")[1]
    if record:
        return f"{record}, so whose copy {drop.path} is cannot be said; delete both, it is copied again"
    return f"another drop of that name lies in {drop.path}; give one of the two another name"


def is_here(lake: Lake, drop: Drop) -> bool:
    """Whether the local landing holds the drop as it lies there."""
    record = fetched(lake, drop.key)
    return record is not None and record.signature == drop.signature and drop.path.exists()


def _work_folder(lake: Lake, drop: Drop) -> Path:
    """Where the files gather; what was begun for another state of the drop is removed."""
    work = lake.landing / ".fetching" / f"{drop.key}-{drop.signature[:16]}"
    for other in work.parent.glob(f"{drop.key}-*") if work.parent.is_dir() else ():
        if other != work and re.fullmatch(rf"{re.escape(drop.key)}-([0-9a-f]{{16}}|before)", other.name):
            shutil.rmtree(other, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    return work


def _copy_all(remote: RemoteLanding, drop: Drop, files: list[RemoteFile], work: Path, say: Say) -> None:
    missing = [file for file in files if not _is_whole(work / file.name, file)]
    needed, free = sum(file.size_bytes for file in missing), shutil.disk_usage(work).free
    if free < needed + _SPARE_BYTES:
        raise LandingError(
            f"{drop.url}: {needed / 1e6:.0f} MB in {len(missing)} files are to be copied, {remote.lake.landing} has "
            f"{free / 1e6:.0f} MB free; free some space, then run again"
        )
    say(f"copying {len(missing)} of {len(files)} files ({needed / 1e6:.1f} MB) from {drop.url}")
    etag_is_md5, tenth = True, 0
    for number, file in enumerate(missing, start=1):
        etag_is_md5 = copy(remote, file, work / file.name, etag_is_md5=etag_is_md5)
        if 10 * number // len(missing) > tenth:
            tenth = 10 * number // len(missing)
            say(f"{drop.key}: {number} of {len(missing)} files copied")


def _is_whole(path: Path, file: RemoteFile) -> bool:
    """Files take their names when they are whole, and the folder's name holds the signature of all stamps."""
    return file.name != MARKER and path.is_file() and path.stat().st_size == file.size_bytes


def copy(remote: RemoteLanding, file: RemoteFile, target: Path, *, etag_is_md5: bool = True) -> bool:
    """Copy one file; it takes its name when its size, and its MD5 where the file system states one, are right.

    Args:
        etag_is_md5: whether an ETag that looks like an MD5 is taken for one. Object stores state one for files sent in
            one piece, and something that only looks like it for encrypted ones. So at a difference the file is read
            again: two readings that agree outweigh the ETag.

    Returns:
        ``etag_is_md5`` for the next file.

    Raises:
        LandingError: the file cannot be read, or is not what the listing says.
    """
    stated, by_etag = _stated_md5(file.facts), False
    if stated is None and etag_is_md5:
        stated, by_etag = _etag(file.facts), True
    with replacing(target) as temporary:
        found = _read_into(remote, file, temporary)
        if stated is None or found == stated:
            return etag_is_md5
        if not by_etag or _read_into(remote, file, temporary) != found:
            raise LandingError(
                f"{remote.shown}: {file.name} arrived with MD5 {found}, expected {stated}; run again, and if it stays "
                "so, the file is damaged there: put it there again"
            )
    return False


def _read_into(remote: RemoteLanding, file: RemoteFile, target: Path) -> str:
    """Write the bytes of a remote file to ``target``; returns their MD5 (hex)."""
    md5, size = hashlib.md5(usedforsecurity=False), 0
    stream: Any = remote.ask(f"{file.name} cannot be opened", lambda: remote.files.open(file.path, "rb"))
    with stream, target.open("wb") as writing:
        while chunk := remote.ask(f"{file.name} cannot be read", lambda: stream.read(_READ_BYTES)):
            size += len(chunk)
            if size > file.size_bytes:
                break
            md5.update(chunk)
            writing.write(chunk)
    if size != file.size_bytes:
        at_least = "at least " if size > file.size_bytes else ""
        raise LandingError(
            f"{remote.shown}: {file.name} has {at_least}{size} bytes, {file.size_bytes} were listed; it changed, or "
            "the connection broke: run again"
        )
    return md5.hexdigest()


def _stated_md5(facts: Mapping[str, Any]) -> str | None:
    """The MD5 (hex) that a file system gives by that name: Google's as base64, Azure's as bytes, others as hex."""
    settings = facts.get("content_settings")
    for value in (facts.get("md5Hash"), facts.get("content_md5"), getattr(settings, "content_md5", None)):
        if isinstance(value, bytes | bytearray) and len(value) == 16:
            return bytes(value).hex()
        if isinstance(value, str) and _MD5.fullmatch(value.lower()):
            return value.lower()
        if isinstance(value, str) and len(value) == 24:
            return base64.b64decode(value).hex()
    return None


def _etag(facts: Mapping[str, Any]) -> str | None:
    tag = str(facts.get("ETag") or facts.get("etag") or "").strip('"').lower()
    return tag if _MD5.fullmatch(tag) else None


def _put_in_place(lake: Lake, drop: Drop, work: Path, *, is_folder: bool) -> None:
    """Give the copy its name. The record comes first: a kill in between leaves a copy that is found whole."""
    source = work if is_folder else work / drop.path.name
    if is_folder and not (work / MARKER).is_file():
        (work / MARKER).touch()  # it was judged complete
    write_sealed(lake.root / "fetched" / f"{drop.key}.json", Fetched(url=drop.url, signature=drop.signature).facts())
    before = work.with_name(f"{drop.key}-before")
    if drop.path.exists():
        drop.path.rename(before)
    source.rename(drop.path)
    fsync_folder(lake.landing)
    for left in (before, work):
        if left.is_dir():
            shutil.rmtree(left)
        left.unlink(missing_ok=True)
