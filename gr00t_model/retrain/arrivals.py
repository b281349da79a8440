"""Arrivals: the accepted episodes of every store, read once and remembered. A look costs what is new. No torch.

What was read of a store is remembered with the stamps (time, size, number) of its seal and of its index. A look lists
the two folders, compares stamps, and opens the files of those stores alone whose stamps are others.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from gr00t_data.curate.index import load_index
from gr00t_data.curate.rules import index_name
from gr00t_data.disk import digest_json, read_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.store.store import SEAL, EpisodeStore, read_through


@dataclass(frozen=True)
class Seen:
    """What is remembered of one store.

    Attributes:
        seal: stamp of its seal.
        digest: of its content; empty when it is for another embodiment.
        index: name of the index that was read; empty when there was none.
        stamp: of that index.
        accepted: numbers of the accepted episodes, as in ``0-9,12``.
        new: how many of them the checkpoint does not know.
        fault: why the store or its index cannot be read; it is looked at anew each time.
    """

    seal: str
    digest: str = ""
    index: str = ""
    stamp: str = ""
    accepted: str = ""
    new: int = 0
    fault: str = ""

    @property
    def numbers(self) -> set[int]:
        """The accepted episodes."""
        return set(_numbers(self.accepted))


@dataclass(frozen=True)
class Arrivals:
    """What a look saw.

    Attributes:
        checkpoint: digest of the current checkpoint, which tells new episodes from known ones; empty without one.
        stores: folder name -> what is known of the store, those of other embodiments included.
    """

    checkpoint: str
    stores: dict[str, Seen]

    @property
    def unchecked(self) -> list[str]:
        """Stores of the embodiment without an index."""
        return [name for name, seen in self.stores.items() if seen.digest and not seen.index]

    @property
    def faults(self) -> dict[str, str]:
        """Stores that cannot be read, and why: they stop no other."""
        return {name: seen.fault for name, seen in self.stores.items() if seen.fault}

    @property
    def new(self) -> int:
        """Accepted episodes that the checkpoint does not know."""
        return sum(seen.new for seen in self.stores.values())

    @property
    def content(self) -> str:
        """Digest of the accepted episodes, by store digest and number; empty when there is none."""
        accepted = sorted([seen.digest, seen.accepted] for seen in self.stores.values() if seen.accepted)
        return digest_json(accepted) if accepted else ""

    def to_dict(self) -> dict[str, object]:
        """JSON-able."""
        return {"checkpoint": self.checkpoint, "stores": {name: astuple(seen) for name, seen in self.stores.items()}}

    @classmethod
    def from_dict(cls, value: Mapping) -> "Arrivals":
        """The inverse of ``to_dict``; nothing is known from anything else."""
        stores = value.get("stores", {})
        return cls(str(value.get("checkpoint", "")), {name: Seen(*entry) for name, entry in stores.items()})


def look(lake: Lake, embodiment: Embodiment, before: Arrivals) -> Arrivals:
    """What the lake holds now. Nothing is checked or changed."""
    pointed = lake.pointed(f"checkpoint_{embodiment.name}")
    folder, checkpoint = pointed or (None, "")
    indexes = _Indexes(lake.index)
    known: dict[str, set[int]] | None = None
    found = {}
    for name in _sealed(lake.stores):
        old = before.stores.get(name)
        seen = _each(lake.stores / name, old, indexes, embodiment)
        if seen is not old or checkpoint != before.checkpoint:
            known = _known(folder) if known is None else known
            seen = replace(seen, new=len(seen.numbers - known.get(seen.digest, set())))
        found[name] = seen
    return Arrivals(checkpoint, found)


def _sealed(stores: Path) -> list[str]:
    return [name for name in _names_in(stores) if (stores / name / SEAL).is_file()]


def _names_in(folder: Path) -> list[str]:
    """Names of what lies in a folder, sorted; hidden ones are not finished."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if not name.startswith(".")]


def _each(root: Path, old: Seen | None, indexes: "_Indexes", embodiment: Embodiment) -> Seen:
    """What is known of one store; its fault where it, or its index, cannot be read."""
    try:
        return _seen(root, old, indexes, embodiment)
    except (OSError, LookupError, TypeError, ValueError) as error:
        return Seen("", fault=f"{error}" or repr(error))


def _seen(root: Path, old: Seen | None, indexes: "_Indexes", embodiment: Embodiment) -> Seen:
    """``old`` itself when nothing has changed since."""
    seal = _stamp(root / SEAL)
    if old is None or old.seal != seal:
        store = EpisodeStore.open(root)
        old = Seen(seal, store.digest if store.about.embodiment == embodiment.name else "")
    index = indexes.newest(old.digest, embodiment) if old.digest else None
    if index is None:
        if old.digest:
            read_through(root)  # one that cannot be checked is not waited for
        return old if not old.index else Seen(seal, old.digest)
    stamp = _stamp(index)
    if (old.index, old.stamp) == (index.name, stamp):
        return old
    numbers = sorted(verdict.episode_index for verdict in load_index(index).accepted)
    return Seen(seal, old.digest, index.name, stamp, _ranges(numbers))


class _Indexes:
    """The files of the index folder by the store they are about; none is opened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, list[str]] = defaultdict(list)
        for name in _names_in(folder):
            self._names[name.partition("-")[0]].append(name)

    def newest(self, digest: str, embodiment: Embodiment) -> Path | None:
        """The verdicts under the rules of today, else the newest ones: mixing checks again anyway."""
        names, today = self._names[digest[:16]], index_name(digest, embodiment)
        if today in names:
            return self._folder / today
        return max((self._folder / name for name in names), key=lambda path: path.stat().st_mtime_ns, default=None)


def _stamp(path: Path) -> str:
    facts = path.stat()
    return f"{facts.st_mtime_ns}-{facts.st_size}-{facts.st_ino}"


def _known(checkpoint: Path | None) -> dict[str, set[int]]:
    """Store digest -> episodes in the mixtures of a checkpoint, held-out ones included."""
    known: dict[str, set[int]] = {}
    others = sorted((checkpoint / "also").glob("*/manifest.json")) if checkpoint else []
    for path in [checkpoint / "manifest.json", *others] if checkpoint else []:
        for source in read_json(path)["sources"]:
            known.setdefault(source["digest"], set()).update(entry["index"] for entry in source["episodes"])
    return known


def _ranges(numbers: Sequence[int]) -> str:
    """Sorted numbers as ``0-9,12``."""
    pieces: list[list[int]] = []
    for number in numbers:
        if pieces and number == pieces[-1][1] + 1:
            pieces[-1][1] = number
        else:
            pieces.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in pieces)


def _numbers(text: str) -> Iterator[int]:
    """The inverse of ``_ranges``."""
    for piece in text.split(",") if text else []:
        first, _, last = piece.partition("-")
        yield from range(int(first), int(last or first) + 1)
