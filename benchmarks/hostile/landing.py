"""Attacks on the landing: archives, markers, names and links."""

import io
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from benchmarks.hostile.beside import episodes_in, landed
from benchmarks.hostile.case import Place, attacks
from gr00t_data.lake import Lake
from tests.pipelines.drops import put

_MB = 1 << 20
_ZEROS = bytes(_MB)


def _lake(place: Place) -> list[str]:
    return [str(place.lake)]


def _with_good(attack: Callable[[Place, Path], object]) -> Callable[[Place], None]:
    """The attack is given the landing."""

    def build(place: Place) -> None:
        put(Lake(place.lake), "good", episodes=1)
        shutil.rmtree(place.lake / "made", ignore_errors=True)
        attack(place, Lake(place.lake).landing)

    return build


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


_FILE, _LINK, _HARD = tarfile.REGTYPE[0], tarfile.SYMTYPE[0], tarfile.LNKTYPE[0]
_FIFO, _CHAR, _BLOCK = tarfile.FIFOTYPE[0], tarfile.CHRTYPE[0], tarfile.BLKTYPE[0]


def _zip_bomb(place: Place, landing: Path) -> None:
    files = zipfile.ZipFile(landing / "evil.zip", "w", zipfile.ZIP_DEFLATED)
    with files, files.open("zeros.bin", "w", force_zip64=True) as member:
        for _ in range(2000):
            member.write(_ZEROS)


def _zip(name: str, mode: int) -> Callable[[Place, Path], None]:
    def attack(place: Place, landing: Path) -> None:
        with zipfile.ZipFile(landing / "evil.zip", "w") as files:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            files.writestr(member, str(place.secret))

    return attack


attacks(
    "members of archives",
    _lake,
    ("parent folder", _with_good(_tar("", ("../pwned", _FILE, b"x"))), "evil.tar.*leads out"),
    ("absolute name", _with_good(_tar(".gz", ("/tmp/pwned", _FILE, b"x"))), "evil.tar.*leads out"),
    ("climbs inside", _with_good(_tar("", ("a/../../pwned", _FILE, b"x"))), "evil.tar.*leads out"),
    ("symbolic link", _with_good(_tar("", ("a", _LINK, b"SECRET"))), "evil.tar.*is a link or a device"),
    ("hard link", _with_good(_tar("", ("a", _HARD, b"SECRET"))), "evil.tar.*is a link or a device"),
    ("link and through it", _with_good(_tar("", ("a", _LINK, b"/tmp"), ("a/pwned", _FILE, b"x"))), "is a link"),
    ("pipe", _with_good(_tar(".xz", ("a", _FIFO, b""))), "is a link or a device"),
    ("character device", _with_good(_tar("", ("a", _CHAR, b""))), "is a link or a device"),
    ("block device", _with_good(_tar(".bz2", ("a", _BLOCK, b""))), "is a link or a device"),
    ("zip: parent folder", _with_good(_zip("../pwned", 0)), "evil.zip.*leads out"),
    ("zip: link", _with_good(_zip("a", stat.S_IFLNK | 0o777)), "evil.zip.*is a link"),
    ("zip: backslash", _with_good(_zip("..\\pwned", 0)), "evil.zip.*leads out"),
    beside=episodes_in(1, "good"),
    runs=landed,
)
