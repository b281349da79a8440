"""Landing: which drops are complete, which were taken in already, and which are not what they were.

A drop is one folder or file in ``landing/``. It is complete when it holds ``_SUCCESS``, or when its names, sizes and
times have stayed the same for a while. That is judged by comparing two looks and never by comparing a file's time with
the clock, so a clock that is wrong, here or where the drop came from, decides nothing.

What was taken in is written down in ``landed/<key>.json``: the drop's name, a signature of its names, sizes and times,
and the hash of its content.
"""

import re
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gr00t_data.beside import beside
from gr00t_data.disk import claimed, digest_file
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.foreign_text import printable
from gr00t_data.lake import Lake
from gr00t_data.locks import Busy
from gr00t_data.sources.content import content_digest
from gr00t_data.sources.landing.archive import opened
from gr00t_data.sources.landing.drop import Drop, describe, key_of, passed_over
from gr00t_data.sources.landing.fetch import LandingError, fetch, fetched, place_taken
from gr00t_data.sources.landing.kinds import ingest_as
from gr00t_data.sources.landing.marker import MARKER, marker_of
from gr00t_data.sources.landing.records import Landed, every_landed, landed, noting_failure
from gr00t_data.sources.landing.remote import remote_landing
from gr00t_data.sources.told import Told
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError

if TYPE_CHECKING:
    from gr00t_data.sources.human.ingest import HumanSettings

_SPARE_BYTES = 64 << 20

ROBOT_KINDS: tuple[Kind, ...] = ("real", "simulated", "neural", "rollout")
"""Drops of these kinds become ``teleop_episodes``; those of the kind ``human`` become ``human_clips``."""

Memory = Mapping[str, tuple[str, float]]
"""Drop key -> (signature, seconds on our clock since when it has that signature)."""


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


def drops(lake: Lake) -> list[Drop]:
    """Every drop of the landing, by name; hidden entries and loose markers are none. Those of a remote landing come
    first, as they lie there, whether they were copied here or not.

    Raises:
        LandingError: the remote landing cannot be listed.
    """
    remote = remote_landing(lake)
    far = remote.drops() if remote else []
    far = [replace(drop, refused=drop.refused or place_taken(lake, drop)) for drop in far]
    copied = {drop.key for drop in far if fetched(lake, drop.key) is not None}
    return [*far, *(drop for drop in _drops_here(lake) if drop.key not in copied)]


def _drops_here(lake: Lake) -> list[Drop]:
    entries = sorted(lake.landing.iterdir()) if lake.landing.is_dir() else []
    return [describe(path) for path in entries if not passed_over(path.name)]


def look(
    lake: Lake, memory: Memory, now_s: float, quiet_s: float | None, kinds: Collection[Kind] | None = None
) -> Looked:
    """Which drops are to be taken in.

    Args:
        now_s: our clock; when it jumps back, drops wait anew.
        quiet_s: how long an unmarked drop must stay the same; None accepts marked drops only.
        kinds: look at drops of these kinds only, those whose marker says nothing as ``real``; None: at all.

    Raises:
        LandingError: the remote landing cannot be listed; look again later with the same memory.
    """
    ready, waiting, kept = [], {}, {}
    for drop in drops(lake):
        if taken_in(lake, drop) or (kinds is not None and (drop.kind or "real") not in kinds):
            continue
        signature, since_s = memory.get(drop.key, ("", now_s))
        since_s = since_s if signature == drop.signature and since_s <= now_s else now_s
        kept[drop.key] = (drop.signature, since_s)
        reason = why_not(drop, now_s - since_s, quiet_s)
        if reason:
            waiting[drop.key] = reason
        else:
            ready.append(drop)
    return Looked(tuple(ready), waiting, kept)


def why_not(drop: Drop, quiet_for_s: float, quiet_s: float | None) -> str | None:
    """Why a drop is not taken in yet; see ``look``."""
    if drop.refused:
        return drop.refused
    if not drop.files:
        return "is empty"
    if drop.under_way:
        return f"{printable(drop.under_way)} is still being copied"
    if drop.marked:
        return None
    if quiet_s is None:
        return f"has no {MARKER}"
    if quiet_for_s < quiet_s:
        return f"has no {MARKER} and has been unchanged for {quiet_for_s:.0f} of {quiet_s:.0f} s"
    return None


def taken_in(lake: Lake, drop: Drop) -> bool:
    """Whether the drop as it lies there was taken in. A store without a record is compared with the drop once more."""
    record = landed(lake, drop.key)
    if record is None or not (lake.stores / record.store / SEAL).is_file():
        return False
    as_it_lies = fetched(lake, drop.key) if drop.url else record
    return as_it_lies is not None and as_it_lies.signature == drop.signature


def find(lake: Lake, key: str, say: Callable[[str], None] = lambda line: None) -> Path:
    """The drop of a key on this machine; one of a remote landing is copied here first.

    Args:
        say: told how far the copying is.

    Raises:
        StoreError: there is none, or it cannot be copied.
    """
    remote = remote_landing(lake)
    try:
        if remote and (path := fetch(remote, key, say)):
            return path
    except LandingError:
        if fetched(lake, key) is None or landed(lake, key) is None:
            raise  # else it was taken in already, and the copy here serves while the remote landing is away
    for path in sorted(lake.landing.iterdir()) if lake.landing.is_dir() else []:
        if key_of(path.name) == key and not passed_over(path.name):
            return path
    where = remote.shown if remote else lake.landing
    raise StoreError(f"{where}: has no drop {key!r}; copy it there, then its marker {MARKER}")


def take_in(
    lake: Lake,
    key: str,
    embodiment: Embodiment,
    *,
    kind: Kind = "real",
    licence: str = "unknown",
    progress: Callable[[int, int], None] = lambda done, total: None,
    human: "HumanSettings | None" = None,
    told: Told = Told(),
) -> EpisodeStore:
    """Ingest one drop. Repeating it is free; two at once wait for each other; a kill leaves nothing half done.

    A drop whose content was taken in under another name gives that store: the same episodes never count twice.

    Args:
        kind: what the drop is, and so who reads it, when its marker does not say.
        licence: of the content, when the marker does not say.
        human: how egocentric video is taken in.
        told: what a recording does not say of itself, when the marker does not say it either.

    Raises:
        StoreError: the drop changed while it was read, or after it was taken in; or it cannot be read.
        DiskError: the disk has no room for it.
    """
    path = find(lake, key)
    with lake.at_work(), claimed(lake.stores / key), noting_failure(lake, drop := describe(path)):
        if drop.refused:
            raise StoreError(f"{path}: is not taken in: {drop.refused}")
        said = marker_of(path)
        kind, licence = said.kind or kind, said.licence or licence
        _sweep(lake, key)
        _sweep_unpacked(lake)
        store = _twin(lake, drop, embodiment)
        if store is None:
            known = (lake.stores / key / SEAL).is_file()
            if not known:
                _require_room(lake, drop)
            with opened(path, lake.root / "unpacking" / key) as folder:
                options = {
                    "name": key,
                    "licence": licence,
                    "progress": progress,
                    "human": human,
                    "told": said.told.over(told),
                }
                store = ingest_as(kind, folder, embodiment, lake, **options)
            if describe(path).signature != drop.signature:
                _refuse_moving(store, key, path, known)
        Landed(
            drop=path.name,
            store=store.root.name,
            digest=store.digest,
            content=_content(path, store),
            signature=drop.signature,
            shape=drop.shape,
        ).save(lake, key)
    return store


def _content(path: Path, store: EpisodeStore | None = None) -> str:
    """Hash of what landed: the bytes of a file, whatever its name, or names and bytes of a folder.

    The store of a folder knows it already; else every file is read.
    """
    if path.is_file():
        return digest_file(path)
    return (store and store.about.source.content) or content_digest(path)


def _sweep(lake: Lake, key: str) -> None:
    """Remove what a killed ingest of this drop left behind in earlier versions; the claim says that nobody is at work
    on it."""
    for left in lake.stores.glob(f".{key}.*") if lake.stores.is_dir() else ():
        if re.fullmatch(rf"\.{re.escape(key)}\.[a-z0-9_]{{8}}", left.name):
            shutil.rmtree(left)


def _sweep_unpacked(lake: Lake) -> None:
    """Remove what killed ingests had unpacked of archives, of every drop that nobody is at work on."""
    for left in (lake.root / "unpacking").glob("*"):
        with suppress(Busy), claimed(lake.stores / left.name, wait=False):
            shutil.rmtree(left)


def _twin(lake: Lake, drop: Drop, embodiment: Embodiment) -> EpisodeStore | None:
    """The store of a drop with the same content under another name, when it is for the same embodiment."""
    content = ""
    for key, record in every_landed(lake):
        own = drop.key in (key, record.store)
        if own or record.shape != drop.shape or not (lake.stores / record.store / SEAL).is_file():
            continue
        content = content or _content(drop.path)
        store = EpisodeStore.open(lake.stores / record.store)
        if content == record.content and store.about.embodiment == embodiment.name:
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
        with beside(store.root) as aside:
            store.root.replace(aside)
    raise StoreError(f"{path}: changed while it was read; wait until it is copied, it is taken in again then")


def changes(lake: Lake) -> dict[str, str]:
    """Key -> what is wrong with a drop: it is refused as it lies there, or was taken in with other content.

    A drop that was only copied again, or touched, is written down as it lies there now. Of a remote drop, the copy
    that lies here is looked at.
    """
    found = {}
    for drop in _drops_here(lake):
        record = landed(lake, drop.key)
        if drop.refused:
            found[drop.key] = f"{drop.path}: is not taken in: {drop.refused}"
            continue
        if record is None or record.signature == drop.signature:
            continue
        if _content(drop.path) == record.content:
            record.model_copy(update={"signature": drop.signature}).save(lake, drop.key)
            continue
        found[drop.key] = (
            f"{drop.path}: is not what was taken in as store {record.store!r}; stores never change, "
            "so give the new content another name"
        )
    return found
