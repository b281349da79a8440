"""A drop that is a zip or tar archive, unpacked without trusting it.

Members are regular files with names that stay inside the folder, or the archive is refused whole: no links, no devices,
no absolute names, no ``..``, not more bytes than the archive says, and not more than an archive of its size can hold.
"""

import bz2
import gzip
import lzma
import math
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

from gr00t_data.limits import ARCHIVE_FREE_BYTES, ARCHIVE_RATIO, FILES, LimitError, require_within
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
    most, taken = ARCHIVE_FREE_BYTES + ARCHIVE_RATIO * archive.stat().st_size, 0
    try:
        for number, (name, size, extract) in enumerate(members(archive), start=1):
            require_within(number, FILES, "files")
            require_within(taken := taken + size, most, "bytes of its files up to here, unpacked")
            _take(archive, folder, name, size, extract)
    except LimitError as error:
        raise StoreError(f"{archive}: {error}; nothing was taken in") from error
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
    with _unpacked(archive) as stream, tarfile.open(fileobj=cast(Any, stream), mode="r:") as files:
        for member in files:
            cast(Any, files).members = []  # it keeps every member otherwise
            if not member.isdir():
                if not member.isreg() or member.issparse():
                    raise _refused(archive, member.name, "is a link or a device")
                stream.left = math.inf
                yield member.name, member.size, partial(files.extract, member, set_attrs=False, **_GUARDED)
            stream.left = _HEADER_BYTES


@contextmanager
def _unpacked(archive: Path) -> Iterator["_Header"]:
    """The bytes of a tar, packed in whatever way."""
    with archive.open("rb") as stream:
        start = stream.read(6)
        stream.seek(0)
        opener = next((how for magic, how in _PACKED.items() if start.startswith(magic)), None)
        with nullcontext(stream) if opener is None else opener(stream) as content:
            yield _Header(content)


_PACKED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"\x5d\x00\x00": lzma.open,
}
_HEADER_BYTES = 1 << 20
"""Names, links and other words before a member, which tarfile keeps whole."""


class _Header:
    """A file of which ``left`` bytes may be read until the next member is found."""

    def __init__(self, stream: Any) -> None:
        self.tell, self.seek, self._stream = stream.tell, stream.seek, stream
        self.left: float = _HEADER_BYTES

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes. Raises LimitError: they are more than stands before a member."""
        self.left -= count
        require_within(_HEADER_BYTES - min(self.left, _HEADER_BYTES), _HEADER_BYTES, "bytes before a member")
        return self._stream.read(count)


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
