"""One drop as it lies there: its names, sizes and times, and what its marker says. No file is read but the marker.

Whatever is wrong with a drop is a reason that stands in its description, so that it stops nobody but itself.
"""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from gr00t_data.disk import digest_json, link_refusal
from gr00t_data.foreign_text import one_line, printable
from gr00t_data.sources.content import store_name
from gr00t_data.sources.landing.marker import MARKER, Said, is_marked, marker_of
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import StoreError

_UNDER_WAY = re.compile(r"\.(part|partial|tmp|crdownload|filepart)$|^\..+\.[A-Za-z0-9]{6}$")
"""Names of files that are still being copied: of common tools, and of rsync (``.name.AbC123``)."""


@dataclass(frozen=True)
class Drop:
    """One drop as it lies there.

    Attributes:
        key: name of its store and of its partition; different drops have different keys.
        path: where it lies, or will lie when it was copied here.
        signature: hash of names, sizes and times (or ETags) of its files.
        shape: hash of names and sizes; drops of equal content have the same.
        marked: whether ``_SUCCESS`` is there.
        marker_fault: why it cannot be read; said again when the drop is taken in.
        under_way: a file that is still being copied, by its name.
        kind: what its marker says it is; None when it says nothing, or nothing that can be read.
        url: where it lies on a remote file system, without credentials; empty for a drop of this machine.
        refused: why it is never taken in as it lies there.
    """

    key: str
    path: Path
    signature: str
    shape: str
    files: int
    size_bytes: int
    marked: bool
    under_way: str | None
    kind: Kind | None = None
    url: str = ""
    refused: str | None = None
    marker_fault: str = ""


def key_of(name: str) -> str:
    """The key of a drop's name: the name itself, or made of letters, digits and ``._-`` with a hash, never shared."""
    safe = store_name(name)
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return safe if safe == name else store_name(f"{safe}-{digest[:8]}")


def passed_over(name: str) -> bool:
    """Whether an entry of the landing is no drop: hidden ones and loose markers."""
    return name.startswith(".") or name == MARKER


def describe(path: Path) -> Drop:
    """Look at one drop of this machine; one that cannot be looked at, or never be taken in, says why in ``refused``."""
    try:
        return _described(path)
    except (OSError, ValueError) as error:
        return Drop(key_of(path.name), path, "", "", 0, 0, marked=False, under_way=None, refused=one_line(error))


def _described(path: Path) -> Drop:
    seen: list[tuple[str, int, int]] = []
    whole = path.is_file()
    if not whole and not path.is_dir():
        raise ValueError(f"{path}: is neither a folder nor a file (a link that leads nowhere?); remove it")
    if path.is_symlink():
        raise ValueError(f"{path}: {link_refusal(path.parent, path)}")
    require_utf8(path.name)
    under_way = path.name if whole and still_copied(path.name) else None
    for name in [path.name] if whole else _files(path):
        if still_copied(name.rpartition("/")[2]):
            under_way = name
        if left_out(name):
            continue
        require_utf8(name)
        file = path if whole else path / name
        try:
            facts = file.stat()
        except FileNotFoundError:  # renamed by whoever copies, or a link that leads nowhere yet
            under_way = name
            continue
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError(f"{file}: is a device, a pipe or a socket; a drop holds files: take it out")
        seen.append((name, facts.st_size, facts.st_mtime_ns))
    said, fault = _said(path)
    return Drop(
        key=key_of(path.name),
        path=path,
        signature=digest_json(seen),
        shape=shape_of([(name, size) for name, size, _ in seen], is_folder=not whole),
        files=len(seen),
        size_bytes=sum(size for _, size, _ in seen),
        marked=said is not None,
        under_way=under_way,
        kind=said.kind if said else None,
        marker_fault=fault,
    )


def _said(path: Path) -> tuple[Said | None, str]:
    """What the marker says, None where there is none; and why it cannot be read."""
    try:
        return (marker_of(path) if is_marked(path) else None), ""
    except (OSError, StoreError) as error:
        return Said(), str(error)


def require_utf8(name: str) -> None:
    """Refuse a name whose bytes are no UTF-8: nothing that is written about the drop could hold it.

    Raises:
        ValueError: with the name, its odd bytes as escapes.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the name {printable(name)!r} is not UTF-8; rename the file") from error


def shape_of(files: list[tuple[str, int]], *, is_folder: bool) -> str:
    """Hash of names and sizes; the name of a drop that is one file is no part of it."""
    return digest_json(files if is_folder else [size for _, size in files])


def still_copied(name: str) -> bool:
    """Whether a file has a name that tools give to files which they are still copying."""
    return _UNDER_WAY.search(name) is not None


def left_out(name: str) -> bool:
    """Whether a file of a drop is no part of its content: hidden files, and the marker."""
    return name == MARKER or any(part.startswith(".") for part in name.split("/"))


def _unreadable(error: OSError) -> None:
    """A folder that cannot be listed would vanish silently; one that is gone again is being copied."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _files(folder: Path) -> list[str]:
    """Names relative to the folder, in the order of their parts. As texts: a sensor asks for them at every look."""
    start = len(str(folder)) + 1
    walked = os.walk(folder, followlinks=False, onerror=_unreadable)
    found = [f"{root}/{name}"[start:] for root, _, names in walked for name in names]
    return sorted(found, key=lambda name: name.split("/"))
