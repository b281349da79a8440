"""Every file of a lake, or of a part of it, compared in full with what was recorded of it. No torch.

Each item is looked at alone: a sealed store, a folder with its ``digests.json``, a file that carries its own digest or
is named by it. A damaged one stops no other. Files that nobody recorded are counted as that, never as whole.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from gr00t_data.disk import digest_file, visible_files
from gr00t_data.integrity import RECORD
from gr00t_data.lake import Lake
from gr00t_data.progress import Progress, silent
from gr00t_data.stages.names import UnknownName, find
from gr00t_data.store.store import PENDING, SEAL
from gr00t_model.stages.file_kinds import Kind, kind_of, place_of
from gr00t_model.stages.recorded import Fault, alone, digest_of_published, recorded_folder, sealed_store

_LOCKS, _LOCK = "locks", ".lock"
"""Files that hold nothing."""
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class Item:
    """What is compared as one: a folder with a record, or a file.

    Attributes:
        path: of it.
        sizes: path -> bytes of its files.
    """

    path: Path
    kind: Kind
    sizes: dict[Path, int]


@dataclass
class KindSeen:
    """What was seen of one kind of files."""

    kind: str
    items: int = 0
    files: int = 0
    bytes: int = 0
    not_recorded: int = 0
    faults: int = 0


@dataclass
class Verified:
    """What ``verify`` found.

    Attributes:
        kinds: by name, in the order in which they were met.
        faults: each with its kind; the path of its file is whole.
    """

    kinds: dict[str, KindSeen] = field(default_factory=dict)
    faults: list[tuple[Kind, Fault]] = field(default_factory=list)


def named_in(lake: Lake, text: str) -> Path:
    """What a user names: nothing for the lake, a path, a pointer, or something of the lake by its name.

    Raises:
        UnknownName: there is nothing of that name, or no lake.
    """
    if not text or Path(text).exists():
        if not (found := Path(text).absolute() if text else lake.root).exists():
            raise UnknownName(f"{found}: no such lake; name one with --lake, or give the folder to verify")
        return found
    places = lake.stores, lake.checkpoints, lake.runs, lake.mixtures, lake.statistics, lake.bases, lake.evaluations
    named = next((path for place in (*places, lake.root / "idm") if (path := find(lake, text, place))), None)
    if named is None:
        raise UnknownName(f"{text}: is no path, and {lake.root} holds nothing of that name")
    return named


def verify(root: Path, progress: Progress = silent) -> Verified:
    """Hash every visible file below ``root`` (or that file) and compare it with its record.

    Args:
        progress: called with bytes done and bytes in all.
    """
    found = Verified()
    items = list(_items(root, Path(), place_of(root), set()))
    done, total = 0, sum(sum(item.sizes.values()) for item in items)
    for item in items:
        for size in _look(found, item):
            done += size
            progress(done, total)
    return found


def _look(found: Verified, item: Item) -> Iterator[int]:
    """Compare one item; yields the bytes that were read."""
    seen = found.kinds.setdefault(item.kind.name, KindSeen(item.kind.name))
    digests = dict[str, str]()
    try:
        for name, size, digest in _hashed(item):
            digests[name] = digest
            yield size
        faults, recorded = _compared(item, digests)
    except _UNREADABLE as error:
        if not item.path.exists():  # of a run or a cache that works on meanwhile
            return
        faults, recorded = [Fault("", "damaged", str(error))], len(item.sizes)
    seen.items += 1
    seen.files += len(item.sizes)
    seen.bytes += sum(item.sizes.values())
    seen.not_recorded += len(item.sizes) - recorded
    seen.faults += len(faults)
    found.faults += [(item.kind, Fault(str(item.path / one.file), one.what, one.told)) for one in faults]


def _hashed(item: Item) -> Iterator[tuple[str, int, str]]:
    """Name, bytes and SHA-256 of each file of a folder, several at a time."""
    if item.path.is_file():
        yield "", item.sizes[item.path], ""
        return
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for (path, size), digest in zip(item.sizes.items(), pool.map(digest_file, item.sizes), strict=True):
            yield path.relative_to(item.path).as_posix(), size, digest


def _compared(item: Item, digests: dict[str, str]) -> tuple[list[Fault], int]:
    if item.path.is_file():
        return alone(item.path, item.kind)
    if (item.path / RECORD).is_file() or digest_of_published(item.path):
        return recorded_folder(item.path, digests)
    return sealed_store(item.path, digests)


def _items(root: Path, inside: Path, above: str, seen: set[Path]) -> Iterator[Item]:
    path, kind = root / inside, kind_of(inside, above)
    if (real := path.resolve()) in seen or path.name == _LOCKS or path.suffix == _LOCK:
        return  # seen: links that lead in a circle
    seen.add(real)
    if path.is_file():
        yield Item(path, kind, {path: path.stat().st_size})
    elif _is_one(path, kind):
        yield Item(path, kind, {file: file.stat().st_size for file in visible_files(path)})
    elif path.is_dir():
        for one in sorted(path.iterdir()):
            if not one.name.startswith("."):
                yield from _items(root, inside / one.name, above, seen)


def _is_one(folder: Path, kind: Kind) -> bool:
    """Whether a folder is compared as one: it has a record, or must have one."""
    if (folder / SEAL).is_file() or (folder / RECORD).is_file() or digest_of_published(folder):
        return True
    return kind.name == "store" and (folder / "meta").is_dir() and not (folder / PENDING).is_dir()
