"""Landing: which drops are complete, which were taken in already, and which are not what they were.

A drop is one folder or file in ``landing/``. It is complete when it holds ``_SUCCESS``, or when its names, sizes and
times have stayed the same for a while. That is judged by comparing two looks and never by comparing a file's time with
the clock, so a clock that is wrong, here or where the drop came from, decides nothing.

What was taken in is written down in ``landed/<key>.json``: the drop's name, a signature of its names, sizes and times,
and the hash of its content.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from gr00t_data.disk import digest_json, read_json, write_json
from gr00t_data.embodiment import Embodiment
from gr00t_data.episode import Kind
from gr00t_data.lake import Lake
from gr00t_data.locks import locked
from gr00t_data.sources.ingest import content_digest, ingest, store_name
from gr00t_data.store import SEAL, EpisodeStore, StoreError

MARKER = "_SUCCESS"
_UNDER_WAY = re.compile(r"\.(part|partial|tmp|crdownload|filepart)$|^\..+\.[A-Za-z0-9]{6}$")
"""Names of files that are still being copied: of common tools, and of rsync (``.name.AbC123``)."""
_SPARE_BYTES = 64 << 20

Memory = Mapping[str, tuple[str, float]]
"""Drop key -> (signature, seconds on our clock since when it has that signature)."""


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
        signature: hash of names, sizes and times of its files.
        shape: hash of names and sizes; drops of equal content have the same.
        marked: whether ``_SUCCESS`` is there.
        under_way: a file that is still being copied, by its name.
    """

    key: str
    path: Path
    signature: str
    shape: str
    files: int
    size_bytes: int
    marked: bool
    under_way: str | None


@dataclass(frozen=True)
class Looked:
    """One look at the landing.

    Attributes:
        ready: drops to take in now.
        waiting: key -> why not yet.
        memory: for the next look.
    """

    ready: tuple[Drop, ...]
    waiting: dict[str, str]
    memory: dict[str, tuple[str, float]]


def key_of(name: str) -> str:
    """The key of a drop's name: the name itself, or made of letters, digits and ``._-`` with a hash, never shared."""
    safe = store_name(name)
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def drops(lake: Lake) -> list[Drop]:
    """Every drop of the landing, by name; hidden entries and loose markers are none."""
    entries = sorted(lake.landing.iterdir()) if lake.landing.is_dir() else []
    return [describe(path) for path in entries if not path.name.startswith(".") and path.name != MARKER]


def describe(path: Path) -> Drop:
    """Look at one drop without reading its files."""
    seen: list[tuple[str, int, int]] = []
    under_way = path.name if path.is_file() and _UNDER_WAY.search(path.name) else None
    for file in [path] if path.is_file() else _files(path):
        name = file.relative_to(path).as_posix() if file != path else path.name
        if _UNDER_WAY.search(file.name):
            under_way = name
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if hidden or name == MARKER:
            continue
        try:
            facts = file.stat()
        except FileNotFoundError:  # renamed by whoever copies, or a link that leads nowhere yet
            under_way = name
            continue
        seen.append((name, facts.st_size, facts.st_mtime_ns))
    return Drop(
        key=key_of(path.name),
        path=path,
        signature=digest_json(seen),
        shape=digest_json([(name, size) for name, size, _ in seen]),
        files=len(seen),
        size_bytes=sum(size for _, size, _ in seen),
        marked=(path / MARKER).is_file(),
        under_way=under_way,
    )


def _files(folder: Path) -> list[Path]:
    found = [Path(root) / name for root, _, names in os.walk(folder, followlinks=False) for name in names]
    return sorted(found)


def look(lake: Lake, memory: Memory, now_s: float, quiet_s: float | None) -> Looked:
    """Which drops are to be taken in.

    Args:
        now_s: our clock; when it jumps back, drops wait anew.
        quiet_s: how long an unmarked drop must stay the same; None accepts marked drops only.
    """
    ready, waiting, kept = [], {}, {}
    for drop in drops(lake):
        if _taken_in(lake, drop):
            continue
        signature, since_s = memory.get(drop.key, ("", now_s))
        since_s = since_s if signature == drop.signature and since_s <= now_s else now_s
        kept[drop.key] = (drop.signature, since_s)
        reason = _why_not(drop, now_s - since_s, quiet_s)
        if reason:
            waiting[drop.key] = reason
        else:
            ready.append(drop)
    return Looked(tuple(ready), waiting, kept)


def _why_not(drop: Drop, quiet_for_s: float, quiet_s: float | None) -> str | None:
    if not drop.files:
        return "is empty"
    if drop.under_way:
        return f"{drop.under_way} is still being copied"
    if drop.marked:
        return None
    if quiet_s is None:
        return f"has no {MARKER}"
    if quiet_for_s < quiet_s:
        return f"has no {MARKER} and has been unchanged for {quiet_for_s:.0f} of {quiet_s:.0f} s"
    return None


def _taken_in(lake: Lake, drop: Drop) -> bool:
    """Whether the drop as it lies there was taken in. A store without a record is compared with the drop once more."""
    record = landed(lake, drop.key)
    if record is None or record["signature"] != drop.signature:
        return False
    return (lake.stores / record["store"] / SEAL).is_file()


def landed(lake: Lake, key: str) -> dict[str, Any] | None:
    """What was written down when the drop was taken in."""
    path = lake.root / "landed" / f"{key}.json"
    return read_json(path) if path.is_file() else None


def find(lake: Lake, key: str) -> Path:
    """The drop of a key.

    Raises:
        StoreError: there is none.
    """
    for path in sorted(lake.landing.iterdir()) if lake.landing.is_dir() else []:
        if key_of(path.name) == key:
            return path
    raise StoreError(f"{lake.landing}: has no drop {key!r}; copy it there, then its marker {MARKER}")


def marker_of(path: Path) -> Said:
    """What the marker says.

    Raises:
        StoreError: it is not YAML of the known fields.
    """
    marker = path / MARKER
    if not marker.is_file():
        return Said()
    try:
        return Said.model_validate(yaml.safe_load(marker.read_text(encoding="utf-8")) or {})
    except (yaml.YAMLError, ValidationError, UnicodeDecodeError) as error:
        raise StoreError(f"{marker}: leave it empty, or write embodiment, licence, kind as YAML ({error})") from error


def take_in(
    lake: Lake,
    key: str,
    embodiment: Embodiment,
    *,
    kind: Kind = "real",
    licence: str = "unknown",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> EpisodeStore:
    """Ingest one drop. Repeating it is free; two at once wait for each other; a kill leaves nothing half done.

    A drop whose content was taken in under another name gives that store: the same episodes never count twice.

    Raises:
        StoreError: the drop changed while it was read, or after it was taken in; or it cannot be read.
        DiskError: the disk has no room for it.
    """
    path = find(lake, key)
    with locked(lake.root / "locks" / f"store_{key}"):
        _sweep(lake, key)
        drop = describe(path)
        store = _twin(lake, drop, embodiment)
        if store is None:
            known = (lake.stores / key / SEAL).is_file()
            if not known:
                _require_room(lake, drop)
            store = ingest(path, embodiment, lake, name=key, kind=kind, licence=licence, progress=progress)
            if describe(path).signature != drop.signature:
                _refuse_moving(store, key, path, known)
        content = store.about.get("source", {}).get("content", "")
        record = {"drop": path.name, "store": store.root.name, "digest": store.digest, "content": content}
        write_json(lake.root / "landed" / f"{key}.json", record | {"signature": drop.signature, "shape": drop.shape})
    return store


def _sweep(lake: Lake, key: str) -> None:
    """Remove what a killed ingest of this drop left behind; the lock says that nobody is at work on it."""
    for left in lake.stores.glob(f".{key}.*") if lake.stores.is_dir() else ():
        if re.fullmatch(rf"\.{re.escape(key)}\.[a-z0-9_]{{8}}", left.name):
            shutil.rmtree(left)


def _twin(lake: Lake, drop: Drop, embodiment: Embodiment) -> EpisodeStore | None:
    """The store of a drop with the same content under another name, when it is for the same embodiment."""
    content = ""
    for path in sorted((lake.root / "landed").glob("*.json")):
        record = read_json(path)
        own = path.stem == drop.key or record["store"] == drop.key
        if own or record["shape"] != drop.shape or not (lake.stores / record["store"] / SEAL).is_file():
            continue
        content = content or content_digest(drop.path)
        store = EpisodeStore.open(lake.stores / record["store"])
        if content == record["content"] and store.embodiment_name == embodiment.name:
            return store
    return None


def _require_room(lake: Lake, drop: Drop) -> None:
    lake.stores.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(lake.stores).free
    if free < drop.size_bytes + _SPARE_BYTES:
        raise StoreError(
            f"{drop.path}: has {drop.size_bytes / 1e6:.0f} MB in {drop.files} files, {lake.stores} has "
            f"{free / 1e6:.0f} MB free; free some space, then run again; nothing was written"
        )


def _refuse_moving(store: EpisodeStore, key: str, path: Path, known: bool) -> None:
    """The files changed while they were read: what was made of them is worth nothing, unless it stood before."""
    if not known:
        aside = store.root.with_name(f".{key}.discarded")
        store.root.rename(aside)
        shutil.rmtree(aside)
    raise StoreError(f"{path}: changed while it was read; wait until it is copied, it is taken in again then")


def changes(lake: Lake) -> dict[str, str]:
    """Key -> what is wrong with a drop that was taken in and now lies there with other content.

    A drop that was only copied again, or touched, is written down as it lies there now.
    """
    found = {}
    for drop in drops(lake):
        record = landed(lake, drop.key)
        if record is None or record["signature"] == drop.signature:
            continue
        if content_digest(drop.path) == record["content"]:
            write_json(lake.root / "landed" / f"{drop.key}.json", record | {"signature": drop.signature})
            continue
        found[drop.key] = (
            f"{drop.path}: is not what was taken in as store {record['store']!r}; stores never change, "
            "so give the new content another name"
        )
    return found
