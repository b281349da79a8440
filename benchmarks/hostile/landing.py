"""Attacks on the landing: archives, markers, names and links."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from benchmarks.hostile.beside import episodes_in, in_lake, landed, with_drop, with_good
from benchmarks.hostile.case import Place, attacks
from gr00t_data.sources.landing.marker import MARKER

_MB = 1 << 20
_ZEROS = bytes(_MB)
_FILE, _LINK, _HARD = tarfile.REGTYPE[0], tarfile.SYMTYPE[0], tarfile.LNKTYPE[0]
_FIFO, _CHAR, _BLOCK = tarfile.FIFOTYPE[0], tarfile.CHRTYPE[0], tarfile.BLKTYPE[0]


def _tar(mode: str, *members: tuple[str, int, bytes]) -> Callable[[Place, Path], None]:
    """An archive with members of (name, type, content or target); ``SECRET`` stands for the file outside."""

    def attack(place: Place, landing: Path) -> None:
        with tarfile.open(landing / f"evil.tar{mode}", cast(Any, f"w:{mode[1:]}")) as files:
            for name, kind, content in members:
                member = tarfile.TarInfo(name.replace("SECRET", str(place.secret)))
                member.type = bytes([kind])
                content = content.replace(b"SECRET", str(place.secret).encode())
                if kind == tarfile.REGTYPE[0]:
                    member.size = len(content)
                else:
                    member.linkname = content.decode()
                files.addfile(member, io.BytesIO(content))

    return attack


def _zip_bomb(place: Place, landing: Path) -> None:
    files = zipfile.ZipFile(landing / "evil.zip", "w", zipfile.ZIP_DEFLATED)
    with files, files.open("zeros.bin", "w", force_zip64=True) as member:
        for _ in range(1500):
            member.write(_ZEROS)


class _Zeros(io.RawIOBase):
    """So many zero bytes."""

    def __init__(self, count: int) -> None:
        self._left = count

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, count: int = -1) -> bytes:
        """See ``io.RawIOBase.read``."""
        given = bytes(min(self._left, count if count >= 0 else _MB))
        self._left -= len(given)
        return given


def _tar_bomb(mode: str) -> Callable[[Place, Path], None]:
    """A file of 1.5 GB of zeros."""

    def attack(place: Place, landing: Path) -> None:
        with tarfile.open(landing / f"evil.tar.{mode}", cast(Any, f"w:{mode}")) as files:
            member = tarfile.TarInfo("zeros.bin")
            member.size = 1500 * _MB
            files.addfile(member, cast(Any, _Zeros(member.size)))

    return attack


def _header(kind: bytes) -> Callable[[Place, Path], None]:
    """Words before a member that are 1.5 GB long."""

    def attack(place: Place, landing: Path) -> None:
        with gzip.open(landing / "evil.tar.gz", "wb") as files:
            member = tarfile.TarInfo("long")
            member.type, member.size = kind, 1500 * _MB
            files.write(member.tobuf(tarfile.USTAR_FORMAT))
            for _ in range(1500):
                files.write(_ZEROS)

    return attack


def _sparse(place: Place, landing: Path) -> None:
    """A terabyte with one byte in it, as GNU tar writes it."""
    with tarfile.open(landing / "evil.tar", "w") as files:
        member = tarfile.TarInfo("sparse.bin")
        member.pax_headers = {
            **{"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "sparse.bin"},
            **{"GNU.sparse.size": str(1 << 40), "GNU.sparse.numblocks": "1", "GNU.sparse.map": f"{1 << 39},1"},
        }
        member.size = 1
        files.addfile(member, io.BytesIO(b"x"))


def _many_files(place: Place, landing: Path) -> None:
    block = b"".join(tarfile.TarInfo(f"f{number:07d}").tobuf(tarfile.USTAR_FORMAT) for number in range(10_000))
    with gzip.open(landing / "evil.tar.gz", "wb", compresslevel=1) as files:
        for number in range(30):
            files.write(block.replace(b"f0", f"g{number:02d}".encode()[:2]))


def _lying_zip(place: Place, landing: Path) -> None:
    """The list of a zip says that a member of 100 MB has ten bytes."""
    path = landing / "evil.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("zeros.bin", bytes(100 * _MB))
    content = path.read_bytes()
    path.write_bytes(content.replace((100 * _MB).to_bytes(4, "little"), (10).to_bytes(4, "little")))


def _named(name: str) -> Callable[[Place, Path], None]:
    return _tar("", (name, _FILE, b"x"))


def _zip(name: str, mode: int) -> Callable[[Place, Path], None]:
    def attack(place: Place, landing: Path) -> None:
        with zipfile.ZipFile(landing / "evil.zip", "w") as files:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            files.writestr(member, str(place.secret))

    return attack


attacks(
    "members of archives",
    in_lake,
    ("parent folder", with_good(_tar("", ("../pwned", _FILE, b"x"))), "evil.tar.*leads out"),
    ("absolute name", with_good(_tar(".gz", ("/tmp/pwned", _FILE, b"x"))), "evil.tar.*leads out"),
    ("climbs inside", with_good(_tar("", ("a/../../pwned", _FILE, b"x"))), "evil.tar.*leads out"),
    ("symbolic link", with_good(_tar("", ("a", _LINK, b"SECRET"))), "evil.tar.*is a link or a device"),
    ("hard link", with_good(_tar("", ("a", _HARD, b"SECRET"))), "evil.tar.*is a link or a device"),
    ("link and through it", with_good(_tar("", ("a", _LINK, b"/tmp"), ("a/pwned", _FILE, b"x"))), "is a link"),
    ("pipe", with_good(_tar(".xz", ("a", _FIFO, b""))), "is a link or a device"),
    ("character device", with_good(_tar("", ("a", _CHAR, b""))), "is a link or a device"),
    ("block device", with_good(_tar(".bz2", ("a", _BLOCK, b""))), "is a link or a device"),
    ("zip: parent folder", with_good(_zip("../pwned", 0)), "evil.zip.*leads out"),
    ("zip: link", with_good(_zip("a", stat.S_IFLNK | 0o777)), "evil.zip.*is a link"),
    ("zip: backslash", with_good(_zip("..\\pwned", 0)), "evil.zip.*leads out"),
    beside=episodes_in(1, "good"),
    runs=landed,
)
attacks(
    "archives that unpack to much",
    in_lake,
    ("zip of 1.5 GB of zeros", with_good(_zip_bomb), "evil.zip.*at most"),
    ("gzip of 1.5 GB of zeros", with_good(_tar_bomb("gz")), "evil.tar.gz.*at most"),
    ("bzip2 of 1.5 GB of zeros", with_good(_tar_bomb("bz2")), "evil.tar.bz2.*at most"),
    ("xz of 1.5 GB of zeros", with_good(_tar_bomb("xz")), "evil.tar.xz.*at most"),
    ("pax header of 1.5 GB", with_good(_header(tarfile.XHDTYPE)), "evil.tar.gz.*before a member"),
    ("global pax header of 1.5 GB", with_good(_header(tarfile.XGLTYPE)), "evil.tar.gz.*before a member"),
    ("name of 1.5 GB", with_good(_header(tarfile.GNUTYPE_LONGNAME)), "evil.tar.gz.*before a member"),
    ("link of 1.5 GB", with_good(_header(tarfile.GNUTYPE_LONGLINK)), "evil.tar.gz.*before a member"),
    ("sparse file of a terabyte", with_good(_sparse), "evil.tar"),
    ("300,000 files", with_good(_many_files), "evil.tar.gz"),
    ("zip with a size that lies", with_good(_lying_zip), "evil.zip"),
    ("name of 5,000 letters", with_good(_named("a" * 5_000)), "evil.tar"),
    ("name of 3,000 folders", with_good(_named("a/" * 3_000 + "b")), "evil.tar"),
    ("name with an escape code", with_good(_named("\x1b[2Ja")), "evil.tar"),
    (
        "no archive",
        with_good(lambda place, landing: (landing / "evil.zip").write_bytes(b"PK\3\4" + bytes(99))),
        "evil.zip",
    ),
    beside=episodes_in(1, "good"),
    runs=landed,
)


def _marked(content: Callable[[], bytes]) -> Callable[[Place], None]:
    return with_drop(lambda place, drop: (drop / MARKER).write_bytes(content()))


def _marker(make: Callable[[Place, Path], object]) -> Callable[[Place], None]:
    """Something else stands where the marker should."""

    def attack(place: Place, drop: Path) -> None:
        (drop / MARKER).unlink()
        make(place, drop / MARKER)

    return with_drop(attack)


def _of_size(place: Place, marker: Path) -> None:
    with marker.open("wb") as stream:
        stream.truncate(3 << 30)


_LAUGHS = "\n".join(["a: &a0 x", *(f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]" for n in range(30))]).encode()
attacks(
    "markers",
    in_lake,
    ("impossible date", _marked(lambda: b"licence: 2024-13-45"), "evil|"),
    ("date", _marked(lambda: b"licence: 2024-12-01"), "evil.*as YAML"),
    ("nested 10,000 deep", _marked(lambda: b"[" * 10_000), "evil.*as YAML"),
    ("objects nested deep", _marked(lambda: b"{a: " * 10_000), "evil.*as YAML"),
    ("aliases that multiply", _marked(lambda: _LAUGHS), "evil.*as YAML"),
    (
        "tag that runs a program",
        _marked(lambda: b"kind: !!python/object/apply:os.system ['touch pwned']"),
        "evil.*as YAML",
    ),
    ("tag on a text", _marked(lambda: b"kind: !!int real"), "evil.*as YAML"),
    ("latin-1", _marked(lambda: "licence: Düsseldorf".encode("latin-1")), "evil.*as YAML"),
    ("unknown field", _marked(lambda: b"robot: gr1"), "evil.*as YAML"),
    ("two documents", _marked(lambda: b"kind: real\n---\nkind: human"), "evil.*as YAML"),
    ("name of the wrong kind", _marked(lambda: b"kind: [real]"), "evil.*as YAML"),
    ("3 GB", _marker(_of_size), "evil.*65536 are read"),
    (
        "link to a file outside",
        _marker(lambda place, marker: marker.symlink_to(place.secret)),
        "evil.*is a link or no file",
    ),
    ("link to nothing", _marker(lambda place, marker: marker.symlink_to("nowhere")), "evil.*is a link or no file"),
    ("folder", _marker(lambda place, marker: marker.mkdir()), "evil.*is a link or no file"),
    ("pipe", _marker(lambda place, marker: os.mkfifo(marker)), "evil.*is a link or no file"),
    beside=episodes_in(1, "good"),
    runs=landed,
)


def _instead(make: Callable[[Place, Path], object]) -> Callable[[Place], None]:
    """Something else than a folder or a file."""
    return with_good(lambda place, landing: make(place, landing / "evil"))


def _nothing(place: Place, path: Path) -> None:
    """The name is the attack."""


def _no_text(place: Place, path: Path) -> None:
    Path(os.fsdecode(os.fsencode(path) + b"/caf\xe9.txt")).touch()


def _record(place: Place, path: Path) -> None:
    (place.lake / "landed").mkdir()
    (place.lake / "landed/evil.json").touch()


attacks(
    "drops that are none",
    in_lake,
    ("link to nothing", _instead(lambda place, path: path.symlink_to("nowhere")), "evil.*leads nowhere"),
    ("link to a folder outside", _instead(lambda place, path: path.symlink_to(place.outside)), "evil.*link out"),
    ("link to a file outside", _instead(lambda place, path: path.symlink_to(place.secret)), "evil.*link out"),
    ("pipe", _instead(lambda place, path: os.mkfifo(path)), "evil.*neither a folder nor a file"),
    ("folder with a pipe", with_drop(lambda place, path: os.mkfifo(path / "pipe")), "evil.*pipe"),
    ("name of a file that is no UTF-8", with_drop(_no_text), "evil.*not UTF-8"),
    ("a link to a file outside", with_drop(lambda p, path: (path / "a").symlink_to(p.secret)), "evil.*link out"),
    ("a link to a folder outside", with_drop(lambda p, path: (path / "a").symlink_to(p.outside)), "evil.*link out"),
    ("a link to everything", with_drop(lambda place, path: (path / "a").symlink_to("/")), "evil.*link out"),
    beside=episodes_in(1, "good"),
    runs=landed,
)
attacks(
    "names that are only odd",
    in_lake,
    ("252 letters", with_drop(_nothing, "e" * 252), ""),
    ("markup", with_drop(_nothing, "evil[b][red]"), ""),
    ("an escape code", with_drop(_nothing, "evil\x1b[2J"), ""),
    ("a name like an option", with_drop(_nothing, "--lake=x"), ""),
    ("a name that begins like the simulator's", with_drop(_nothing, "simulator-evil"), ""),
    ("decomposed letters", with_drop(_nothing, "e\u0301vil"), ""),
    ("a link to itself", with_drop(lambda place, path: (path / "loop").symlink_to(path)), ""),
    ("an empty record of it", with_drop(_record), ""),
    beside=episodes_in(1, "good"),
    runs=landed,
)
