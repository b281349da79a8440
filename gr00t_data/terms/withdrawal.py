"""Who took the consent back: ``withdrawn.yaml`` of a lake. Sealed data is not rewritten; it is never used again.

Everything that reads data looks at the list: checks reject the clips, mixtures leave them out, and a manifest that was
written before refuses to be opened.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from gr00t_data.disk import write_text
from gr00t_data.lake import Lake
from gr00t_data.locks import locked
from gr00t_data.store.provenance import EpisodeSource, Facts
from gr00t_data.store.store import EpisodeStore, sealed_in

FILE = "withdrawn.yaml"
_HEAD = "# People who took their consent back. Written by `gr00t withdraw`; nothing of theirs is used again.\n"


class WithdrawalError(ValueError):
    """A list that cannot be read, or an entry that is not there. An unreadable list is never taken for an empty one."""


_Text = Annotated[str, BeforeValidator(lambda said: "" if said is None else str(said))]


@dataclass(frozen=True)
class Reached:
    """What a withdrawal reached in one store: its name, its digest, the numbers of the episodes."""

    store: str
    digest: str
    episodes: tuple[int, ...]


@dataclass(frozen=True)
class Withdrawal:
    """One entry of the list.

    Attributes:
        participant: as the dataset names them, the same person in every dataset unless ``dataset`` is given.
        dataset: only clips of this dataset; None for all.
        video: only clips of this video; with it the participant may be empty, for videos whose people have no name.
        reason: in the words of whoever wrote it down.
        at: when, ISO 8601 in UTC.
        clips: what it reached when it was written; kept when the store is deleted later.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # a misspelt key must not pass for none

    participant: _Text = ""
    dataset: str | None = None
    video: str | None = None
    reason: str = ""
    at: _Text = ""
    clips: tuple[Reached, ...] = ()

    @property
    def who(self) -> str:
        """For messages: the participant, or the video."""
        named = f"participant {self.participant!r}" if self.participant else "the people"
        of = f" of {self.dataset}" if self.dataset else ""
        return f"{named}{of}" + (f" in video {self.video!r}" if self.video else "")

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        """What makes two entries the same."""
        return self.participant, self.dataset, self.video

    def reaches(self, participant: str | None, dataset: str | None, video: str | None) -> bool:
        """Whether it is about this footage."""
        named = not self.participant or self.participant == participant
        return named and self.dataset in (None, dataset) and self.video in (None, video)


_ENTRIES = TypeAdapter(tuple[Withdrawal, ...])


@dataclass(frozen=True)
class Withdrawals:
    """The list of a lake."""

    entries: tuple[Withdrawal, ...] = ()

    def of(self, participant: str | None, dataset: str | None, video: str | None) -> Withdrawal | None:
        """The entry about some footage, None when there is none."""
        return next((entry for entry in self.entries if entry.reaches(participant, dataset, video)), None)

    def of_source(self, source: EpisodeSource) -> Withdrawal | None:
        """The entry about an episode, by what its store recorded of where it came from."""
        found = (self.of(*facts) for facts in people_in(source.facts()))
        return next((entry for entry in found if entry), None)

    def reached(self, store: EpisodeStore, episodes: Collection[int] | None = None) -> dict[int, Withdrawal]:
        """Episode number -> entry, of the episodes of a store (all, or these) that were withdrawn."""
        if not self.entries:
            return {}
        rows = (row for row in store.rows if episodes is None or row.index in episodes)
        return {row.index: entry for row in rows if (entry := self.of_source(row.source))}


def people_in(source: Facts) -> Iterator[tuple[str | None, str | None, str | None]]:
    """(participant, dataset, video) of everybody named in the record of an episode.

    Records are nested: an episode that was made from others keeps what is known of those.
    """
    if source.get("participant") or source.get("video"):
        video = source.get("video_uid") or source.get("uid") or source.get("video")
        named = (source.get("participant"), source.get("dataset"), video)
        yield tuple(str(one) if one is not None else None for one in named)  # type: ignore[misc]
    for value in source.values():
        inner = value if isinstance(value, list | tuple) else [value]
        for one in inner:
            if isinstance(one, Mapping):
                yield from people_in(one)


def read(root: Path) -> Withdrawals:
    """The list of the lake at ``root``; empty where nobody withdrew.

    Raises:
        WithdrawalError: the file is there and cannot be understood.
    """
    path = root / FILE
    if not path.is_file():
        return Withdrawals()
    try:
        entries = _ENTRIES.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")) or [])
        if not all(entry.participant or entry.video for entry in entries):
            raise KeyError("an entry names neither a participant nor a video")
        return Withdrawals(entries)
    except (yaml.YAMLError, KeyError, UnicodeDecodeError, ValidationError) as error:
        raise WithdrawalError(
            f"{path}: is not a list of withdrawals ({error}); mend it, nothing is mixed until it can be read"
        ) from error


def read_beside(store: Path) -> Withdrawals:
    """The list of the lake that a store lies in (``<lake>/stores/<name>``)."""
    return read(store.absolute().parent.parent)


def add(lake: Lake, entry: Withdrawal) -> Withdrawal:
    """Write an entry down, with what it reaches in the lake; one that is there already is brought up to date."""
    if not (entry.participant or entry.video):
        raise WithdrawalError("name a participant, or a video with --video")
    reached = Withdrawals((entry,))
    found = {one.digest: one for one in clips_of(lake, reached)}
    with locked(lake.root / "locks" / "withdrawn"):
        before = read(lake.root).entries
        same = next((one for one in before if one.key == entry.key), None)
        kept = {one.digest: one for one in same.clips} if same else {}
        at = same.at if same else entry.at or datetime.now(UTC).isoformat(timespec="seconds")
        reason = entry.reason or (same.reason if same else "")
        written = Withdrawal(*entry.key, reason, at, tuple((kept | found).values()))
        others = [one for one in before if one.key != entry.key]
        _write(lake, [*others, written])
    return written


def remove(lake: Lake, participant: str, dataset: str | None = None, video: str | None = None) -> Withdrawal:
    """Take an entry off the list, for one that was written by mistake.

    Raises:
        WithdrawalError: there is no such entry.
    """
    with locked(lake.root / "locks" / "withdrawn"):
        before = read(lake.root).entries
        entry = next((one for one in before if one.key == (participant, dataset, video)), None)
        if entry is None:
            listed = ", ".join(one.who for one in before) or "nobody"
            raise WithdrawalError(f"{lake.root / FILE}: has no such entry; it lists {listed}")
        _write(lake, [one for one in before if one.key != entry.key])
    return entry


def _write(lake: Lake, entries: list[Withdrawal]) -> None:
    listed = _ENTRIES.dump_python(tuple(entries), mode="json")
    plain = [{name: fact for name, fact in one.items() if fact} for one in listed]
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True) if plain else "[]\n"
    write_text(lake.root / FILE, _HEAD + text)


def clips_of(lake: Lake, withdrawals: Withdrawals) -> list[Reached]:
    """What the stores of the lake hold of these people."""
    found = ((store, withdrawals.reached(store)) for store in sealed_in(lake.stores))
    return [Reached(store.root.name, store.digest, tuple(sorted(of_store))) for store, of_store in found if of_store]
