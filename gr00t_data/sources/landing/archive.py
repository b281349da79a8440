"""A drop that is a zip or tar archive, unpacked without trusting it.

Members are regular files with names that stay inside the folder, or the archive is refused whole: no links, no devices,
no absolute names, no ``..``, and not more bytes than the archive says.
"""

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gr00t_data.disk import replacing
from gr00t_data.store.store import StoreError

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
_READ_BYTES = 1 << 20
_SPARE_BYTES = 64 << 20
_ENCRYPTED = 1
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError)
Member = tuple[str, int, IO[bytes]]
"""Name, size as declared in bytes, content."""


def is_archive(path: Path) -> bool:
    """Whether a drop is an archive, by its name."""
    return path.is_file() and path.name.lower().endswith(_ENDINGS)


@contextmanager
def opened(drop: Path, folder: Path) -> Iterator[Path]:
    """The files of a drop: the drop itself, or, while the block runs, what an archive holds, unpacked in ``folder``.

    An archive of one folder gives that folder. What a killed run left in ``folder`` is removed first.

    Raises:
        StoreError: the archive is broken, has a member that is refused (named), or is larger than the disk.
    """
    if not is_archive(drop):
        yield drop
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _unpack(drop, folder)
        inside = list(folder.iterdir())
        yield inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(archive: Path, folder: Path) -> None:
    members = _zipped if archive.name.lower().endswith(".zip") else _tarred
    folder.mkdir(parents=True)
    try:
        for name, size, content in members(archive):
            _write(archive, folder, name, size, content)
    except (*_BROKEN, EOFError, NotImplementedError, UnicodeError) as error:
        raise StoreError(f"{archive}: is no archive that can be unpacked ({error}); copy it again") from error
    if not any(folder.iterdir()):
        raise StoreError(f"{archive}: holds no file")


def _zipped(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as files:
        for member in files.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                continue
            if kind not in (0, stat.S_IFREG) or member.flag_bits & _ENCRYPTED:
                raise _refused(archive, member.filename, "is a link, a device or encrypted")
            with files.open(member) as content:
                yield member.filename, member.file_size, content


def _tarred(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive, "r:*") as files:
        for member in files:
            if member.isdir():
                continue
            content = files.extractfile(member) if member.isreg() else None
            if content is None:
                raise _refused(archive, member.name, "is a link or a device")
            with content:
                yield member.name, member.size, content


def _write(archive: Path, folder: Path, name: str, size: int, content: IO[bytes]) -> None:
    """Write one member; a size that is not the declared one is refused as soon as it is seen."""
    parts = name.removeprefix("./").split("/")
    if {"", ".", ".."} & set(parts) or any(mark in name for mark in ("\\", "\0")):
        raise _refused(archive, name, "has a name that leads out of the folder, or is no path")
    if shutil.disk_usage(folder).free < size + _SPARE_BYTES:
        raise StoreError(f"{archive}: {name} has {size / 1e6:.0f} MB, which the disk has no room for; free some space")
    target, written = folder.joinpath(*parts), 0
    if target.exists():
        raise _refused(archive, name, "is there twice")
    with replacing(target) as temporary, temporary.open("wb") as writing:
        while chunk := content.read(_READ_BYTES):
            written += len(chunk)
            if written > size:
                break
            writing.write(chunk)
        if written != size:
            raise _refused(archive, name, f"holds other than the {size} bytes it declares")


def _refused(archive: Path, name: str, reason: str) -> StoreError:
    return StoreError(f"{archive}: member {name!r} {reason}; nothing was taken in: pack the files again")
