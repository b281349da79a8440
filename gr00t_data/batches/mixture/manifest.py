"""A mixture written down: sources, weights and a seed. Sample i is a pure function of (manifest, i)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from pydantic import ConfigDict, TypeAdapter

from gr00t_data.disk import digest_json
from gr00t_data.integrity import read_as, require_named, write_sealed
from gr00t_data.lake import located, portable
from gr00t_data.seal import read_seal
from gr00t_data.store.provenance import Facts
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.texts import Changes, each_text, spans, text_at
from gr00t_data.terms.licences import Profile
from gr00t_data.terms.withdrawal import read_beside

_RAW_PER_SAMPLE = 4
"""Philox gives four 64-bit numbers a counter value: one counter value is one sample, two of the numbers are used."""


class SampleId(NamedTuple):
    """Which frame of which episode of which source of a manifest, and of which member where several are drawn."""

    source: int
    episode: int
    frame: int
    member: int = 0


@dataclass(frozen=True)
class EpisodeEntry:
    """One accepted episode: its number in the store, frames, half-open ranges that may be sampled, instruction.

    Attributes:
        text_changes: (frame, text) of each frame from which on the instruction is another one; None where it never is.
    """

    index: int
    length: int
    keep: tuple[tuple[int, int], ...]
    instruction: str
    text_changes: Changes | None = None

    def text_at(self, frame: int) -> str:
        """The instruction that a sample at this frame is trained under."""
        return text_at(self.instruction, self.text_changes, frame) if self.text_changes else self.instruction

    @property
    def texts(self) -> tuple[str, ...]:
        """Every instruction of its frames once, in order."""
        return each_text(self.instruction, self.text_changes or ())

    @property
    def told(self) -> str:
        """Its instruction for people; several, with the frames of each: ``0-39: pick it up; 40-79: put it down``."""
        if not self.text_changes:
            return self.instruction
        parts = spans(self.instruction, self.text_changes, self.length)
        return "; ".join(f"{first}-{end - 1}: {text}" for first, end, text in parts)

    def frames_by_text(self) -> dict[str, int]:
        """Instruction -> its frames that may be sampled."""
        found = dict.fromkeys(self.texts, 0)
        for first, end, text in spans(self.instruction, self.text_changes or (), self.length):
            found[text] += sum(max(0, min(end, stop) - max(first, start)) for start, stop in self.keep)
        return found

    @property
    def kept_frames(self) -> int:
        """Number of frames that may be sampled."""
        return sum(end - start for start, end in self.keep)

    @property
    def end(self) -> int:
        """Where the last kept range ends: beyond it rows or images may be missing."""
        return self.keep[-1][1]


@dataclass(frozen=True)
class MixtureSource:
    """One store of a mixture.

    Attributes:
        store: path of the store; not part of the manifest's digest.
        digest: content hash of the store.
        licence: of the episodes, and of the models that made their labels, as ``A AND B``.
        weight: probability that a sample comes from this source; the weights of a manifest add up to 1.
        episodes: all accepted ones, by number, held-out ones included.
        recorded_hz: rows a second of the store where they differ from the embodiment's steps; else None.
        slot: slot of the model that the store asks for; None: the embodiment's.
        index: file name of the verdicts by which the episodes were accepted, not part of the digest; None in earlier
            manifests.
    """

    store: str
    digest: str
    kind: str
    licence: str
    weight: float
    episodes: tuple[EpisodeEntry, ...]
    recorded_hz: float | None = None
    slot: int | None = None
    index: str | None = None
    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def there(self) -> bool:
        """Whether the sealed store lies where it is said to."""
        try:
            seal = read_seal(Path(self.store))
        except ValueError:
            return False
        return seal is not None and seal.digest == self.digest

    def open(self) -> EpisodeStore:
        """Open the store and make sure that it is the one the manifest means.

        Raises:
            ValueError: the content at the path is not the content that was mixed, or a participant withdrew since.
        """
        store = EpisodeStore.open(self.store)
        if store.digest != self.digest:
            raise ValueError(
                f"{self.store}: has digest {store.digest[:12]}, the manifest was made of {self.digest[:12]}; "
                "the store was changed or replaced: make the mixture again"
            )
        if gone := read_beside(store.root).reached(store, {entry.index for entry in self.episodes}):
            people = "; ".join(sorted({entry.who for entry in gone.values()}))
            raise ValueError(
                f"{self.store}: {people} withdrew after the mixture was made, it holds {len(gone)} of their clips "
                f"(episodes {', '.join(map(str, sorted(gone)[:8]))}): make the mixture and its statistics again"
            )
        return store


@dataclass(frozen=True)
class MixtureManifest:
    """What is sampled, how often, and in which order.

    Attributes:
        selection: the name of the parts and cameras of the embodiment that are read.
        held_out: (source, episode number) pairs that are never sampled for training.
        licence_profile: what the licences of all sources allow for certain; ``any`` when nobody asked.
    """

    name: str
    embodiment: str
    embodiment_digest: str
    selection: str
    seed: int
    sources: tuple[MixtureSource, ...]
    held_out: tuple[tuple[int, int], ...]
    licence_profile: Profile = "any"
    __pydantic_config__ = ConfigDict(extra="forbid")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content; where the stores lie, and which rules accepted the episodes, does not count."""
        return digest_json(self.to_dict("store", "index"))

    @property
    def frames(self) -> int:
        """Frames that may be drawn for training."""
        return sum(table.frames for table in self._tables)

    def slots(self, own: int) -> tuple[int, ...]:
        """The slot of each source; ``own`` is the embodiment's."""
        return tuple(own if source.slot is None else source.slot for source in self.sources)

    def entry(self, source: int, episode: int) -> EpisodeEntry:
        """The entry of one episode. Raises KeyError when the manifest does not hold it."""
        return self._entries[source, episode]

    @cached_property
    def _entries(self) -> dict[tuple[int, int], EpisodeEntry]:
        return {(s, entry.index): entry for s, source in enumerate(self.sources) for entry in source.episodes}

    @cached_property
    def _tables(self) -> tuple["_RangeTable", ...]:
        held_out = set(self.held_out)
        return tuple(
            _RangeTable.of([entry for entry in source.episodes if (s, entry.index) not in held_out])
            for s, source in enumerate(self.sources)
        )

    def samples(self, start: int, count: int) -> list[SampleId]:
        """The training samples start, start + 1, ..., start + count - 1."""
        return [SampleId(*row) for row in self.draw(start, count).tolist()]

    def draw(self, start: int, count: int) -> np.ndarray:
        """Like ``samples``, as int64 [count, 3]: source, episode number, frame.

        A source is drawn by weight, then a frame uniformly among its kept frames; so an episode is drawn by its kept
        length. The numbers come from the counter-based generator Philox (Salmon et al., SC 2011), keyed by the digest.
        """
        if start < 0 or count < 0:
            raise ValueError(f"samples are counted from 0, asked for {count} from {start}")
        key = int(self.digest[:32], 16)
        raw = np.random.Philox(key=key, counter=start).random_raw(count * _RAW_PER_SAMPLE)
        unit = (np.asarray(raw, dtype=np.uint64).reshape(count, _RAW_PER_SAMPLE) >> np.uint64(11)) * 2.0**-53
        ends = np.cumsum([source.weight for source in self.sources])
        chosen = np.minimum(np.searchsorted(ends, unit[:, 0] * ends[-1], side="right"), len(ends) - 1)
        drawn = np.empty((count, 3), dtype=np.int64)
        drawn[:, 0] = chosen
        for number, table in enumerate(self._tables):
            of_source = chosen == number
            drawn[of_source, 1:] = table.locate(unit[of_source, 1])
        return drawn

    def to_dict(self, *left_out: str) -> Facts:
        """JSON-able; ``left_out`` are fields of each source."""
        unsaid = {"licence_profile": self.licence_profile == "any", "sources": {"__all__": set(left_out)}}
        return _JSON.dump_python(self, mode="json", exclude_none=True, exclude=unsaid)

    def found_among(self, stores: Mapping[str, str]) -> Self:
        """The same with the paths of today.

        Args:
            stores: digest -> folder, of stores that may have been moved; one that is where it was stays.
        """
        moved = {one.digest: stores.get(one.digest, one.store) for one in self.sources if not one.there}
        return replace(
            self, sources=tuple(replace(one, store=moved.get(one.digest, one.store)) for one in self.sources)
        )

    def save(self, path: Path) -> None:
        """Write as JSON in one step; equal manifests give equal bytes. Stores in the file's lake are named relative
        to it.
        """
        sources = tuple(replace(one, store=portable(one.store, path)) for one in self.sources)
        write_sealed(path, replace(self, sources=sources).to_dict())

    @classmethod
    def load(cls, path: Path) -> "MixtureManifest":
        """The inverse of ``save``.

        Raises:
            ValueError: the file is not a manifest, or not the one of its name; the message names it.
        """
        read = read_as(_JSON, path, "not a manifest of a mixture", "make it again")
        require_named(path, (read.digest,), "make it again")
        return replace(read, sources=tuple(replace(one, store=located(one.store, path)) for one in read.sources))


_JSON = TypeAdapter(MixtureManifest)


@dataclass(frozen=True)
class _RangeTable:
    """The kept ranges of one source laid end to end, so that a number finds its frame."""

    ends: np.ndarray
    shifts: np.ndarray
    episodes: np.ndarray
    frames: int

    @classmethod
    def of(cls, entries: Sequence[EpisodeEntry]) -> Self:
        ranges = np.array([(e.index, *keep) for e in entries for keep in e.keep], dtype=np.int64).reshape(-1, 3)
        ends = np.cumsum(ranges[:, 2] - ranges[:, 1])
        return cls(ends, ranges[:, 2] - ends, ranges[:, 0], int(ends[-1]) if len(ends) else 0)

    def locate(self, unit: np.ndarray) -> np.ndarray:
        """Numbers in [0, 1) to int64 [n, 2]: episode number and frame, uniform over the kept frames."""
        at = np.minimum((unit * self.frames).astype(np.int64), self.frames - 1)
        row = np.searchsorted(self.ends, at, side="right")
        return np.stack([self.episodes[row], at + self.shifts[row]], axis=1)
