"""One drop as it lies there: its names, sizes and times, and what its marker says. No file is read but the marker."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from gr00t_data.disk import digest_json
from gr00t_data.sources.content import store_name
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import StoreError

MARKER = "_SUCCESS"
_UNDER_WAY = re.compile(r"\.(part|partial|tmp|crdownload|filepart)$|^\..+\.[A-Za-z0-9]{6}$")
"""Names of files that are still being copied: of common tools, and of rsync (``.name.AbC123``)."""


class Said(BaseModel):
    """What the marker of a drop may say, as YAML. An empty marker says nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    embodiment: str | None = None
    licence: str | None = None
    kind: Kind | None = None


@dataclass(frozen=True)
class Drop:
    """One drop as it lies there.

    Attributes:
        key: name of its store and of its partition; different drops have different keys.
        path: where it lies, or will lie when it was copied here.
        signature: hash of names, sizes and times (or ETags) of its files.
        shape: hash of names and sizes; drops of equal content have the same.
        marked: whether ``_SUCCESS`` is there.
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


def key_of(name: str) -> str:
    """The key of a drop's name: the name itself, or made of letters, digits and ``._-`` with a hash, never shared."""
    safe = store_name(name)
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def passed_over(name: str) -> bool:
    """Whether an entry of the landing is no drop: hidden ones and loose markers."""
    return name.startswith(".") or name == MARKER


def describe(path: Path) -> Drop:
    """Look at one drop of this machine."""
    seen: list[tuple[str, int, int]] = []
    under_way = path.name if path.is_file() and still_copied(path.name) else None
    whole = path.is_file()
    for name in [path.name] if whole else _files(path):
        if still_copied(name.rpartition("/")[2]):
            under_way = name
        if left_out(name):
            continue
        try:
            facts = (path if whole else path / name).stat()
        except FileNotFoundError:  # renamed by whoever copies, or a link that leads nowhere yet
            under_way = name
            continue
        seen.append((name, facts.st_size, facts.st_mtime_ns))
    return Drop(
        key=key_of(path.name),
        path=path,
        signature=digest_json(seen),
        shape=shape_of([(name, size) for name, size, _ in seen], is_folder=path.is_dir()),
        files=len(seen),
        size_bytes=sum(size for _, size, _ in seen),
        marked=(path / MARKER).is_file(),
        under_way=under_way,
        kind=_kind_said(path),
    )


def shape_of(files: list[tuple[str, int]], *, is_folder: bool) -> str:
    """Hash of names and sizes; the name of a drop that is one file is no part of it."""
    return digest_json(files if is_folder else [size for _, size in files])


def still_copied(name: str) -> bool:
    """Whether a file has a name that tools give to files which they are still copying."""
    return _UNDER_WAY.search(name) is not None


def left_out(name: str) -> bool:
    """Whether a file of a drop is no part of its content: hidden files, and the marker."""
    return name == MARKER or any(part.startswith(".") for part in name.split("/"))


def _files(folder: Path) -> list[str]:
    """Names relative to the folder, in the order of their parts. As texts: a sensor asks for them at every look."""
    start = len(str(folder)) + 1
    walked = os.walk(folder, followlinks=False)
    found = [f"{root}/{name}"[start:] for root, _, names in walked for name in names]
    return sorted(found, key=lambda name: name.split("/"))


def marker_of(path: Path) -> Said:
    """What the marker says.

    Raises:
        StoreError: it is not YAML of the known fields.
    """
    marker = path / MARKER
    if not marker.is_file():
        return Said()
    return said_in(marker.read_bytes(), str(marker))


def said_in(content: bytes, where: str) -> Said:
    """What the bytes of a marker say. ``where`` names the marker in the message.

    Raises:
        StoreError: they are not YAML of the known fields.
    """
    try:
        return Said.model_validate(yaml.safe_load(content.decode("utf-8")) or {})
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
        raise StoreError(f"{where}: leave it empty, or write embodiment, licence, kind as YAML ({error})") from error


def _kind_said(path: Path) -> Kind | None:
    """A marker that cannot be read is complained about when the drop is taken in."""
    try:
        return marker_of(path).kind
    except StoreError:
        return None
