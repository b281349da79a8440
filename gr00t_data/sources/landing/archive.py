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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from gr00t_data.store.store import StoreError

_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
_SPARE_BYTES = 64 << 20
_ENCRYPTED = 1
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError)
_GUARDED: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python before 3.11.4 has no filter. What it refuses is refused before it is asked: it guards a second time."""
Member = tuple[str, int, Callable[[Path], object]]
"""Name, size as declared in bytes, and what extracts it into a folder."""


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
        for name, size, extract in members(archive):
            _take(archive, folder, name, size, extract)
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
            yield member.filename, member.file_size, partial(files.extract, member)


def _tarred(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive, "r:*") as files:
        for member in files:
            if member.isdir():
                continue
            if not member.isreg():
                raise _refused(archive, member.name, "is a link or a device")
            yield member.name, member.size, partial(files.extract, member, set_attrs=False, **_GUARDED)


def _take(archive: Path, folder: Path, name: str, size: int, extract: Callable[[Path], object]) -> None:
    """Extract one member. What tarfile's data filter and zipfile would put right in a name is refused before."""
    parts = name.removeprefix("./").split("/")
    if {"", ".", ".."} & set(parts) or any(mark in name for mark in ("\\", "\0")):
        raise _refused(archive, name, "has a name that leads out of the folder, or is no path")
    if shutil.disk_usage(folder).free < size + _SPARE_BYTES:
        raise StoreError(f"{archive}: {name} has {size / 1e6:.0f} MB, which the disk has no room for; free some space")
    target = folder.joinpath(*parts)
    if target.exists():
        raise _refused(archive, name, "is there twice")
    extract(folder)
    if target.stat().st_size != size:
        raise _refused(archive, name, f"holds other than the {size} bytes it declares")


def _refused(archive: Path, name: str, reason: str) -> StoreError:
    return StoreError(f"{archive}: member {name!r} {reason}; nothing was taken in: pack the files again")
