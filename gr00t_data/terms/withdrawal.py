"""Who took the consent back: ``withdrawn.yaml`` of a lake. Sealed data is not rewritten; it is never used again.

Everything that reads data looks at the list: checks reject the clips, mixtures leave them out, and a manifest that was
written before refuses to be opened. Its digest lies beside it in ``withdrawn.digest.json``: a list that is damaged,
emptied or gone stops everything. A list without a digest, written by hand or by an older version, is believed.
"""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BeforeValidator, ConfigDict, TypeAdapter

from gr00t_data.disk import write_text
from gr00t_data.integrity import read_sealed, write_sealed
from gr00t_data.lake import Lake
from gr00t_data.locks import locked
from gr00t_data.store.provenance import EpisodeSource, Facts
from gr00t_data.store.store import SEAL, EpisodeStore, listed_in, sealed_in
from gr00t_data.terms.names import comparable, nearest

FILE = "withdrawn.yaml"
DIGEST_FILE = "withdrawn.digest.json"
_ORIGIN = "source_episode"
"""What a dream says of the clip whose picture it begins with: ``<store digest>:<episode>``."""
_STOPS = "nothing is mixed until it can be read"
REFUSALS = frozenset({"no", "none", "false", "refused", "denied", "declined", "withdrawn", "revoked", "expired"})
"""Words (lower case) that stand for a consent that is not there."""
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
    def key(self) -> tuple[str, str, str]:
        """What makes two entries the same: the names as they are compared."""
        return comparable(self.participant), comparable(self.dataset), comparable(self.video)

    @property
    def names_somebody(self) -> bool:
        """Whether it names a participant or a video; else it would reach everybody."""
        participant, _, video = self.key
        return bool(participant or video)

    def reaches(self, participant: str | None, dataset: str | None, video: str | None) -> bool:
        """Whether it is about this footage. Names are compared as ``names.comparable`` says."""
        given = (comparable(participant), comparable(dataset), comparable(video))
        return self.names_somebody and all(own in ("", one) for own, one in zip(self.key, given, strict=True))


_ENTRIES = TypeAdapter(tuple[Withdrawal, ...])


@dataclass(frozen=True)
class Withdrawals:
    """The list of a lake."""

    entries: tuple[Withdrawal, ...] = ()

    def of(self, participant: str | None, dataset: str | None, video: str | None) -> Withdrawal | None:
        """The entry about some footage, None when there is none."""
        return next((entry for entry in self.entries if entry.reaches(participant, dataset, video)), None)

    def of_source(self, source: EpisodeSource) -> Withdrawal | None:
        """The entry about an episode, by what its store recorded of where it came from: the person is named, or it was
        dreamt from a picture of one of their clips."""
        facts = source.facts()
        found = [*(self.of(*person) for person in people_in(facts)), *map(self._by_clip.get, origins_in(facts))]
        return next((entry for entry in found if entry), None)

    @cached_property
    def _by_clip(self) -> dict[str, Withdrawal]:
        """``<store digest>:<episode>`` -> the entry that reached that clip when it was written."""
        return {
            f"{clip.digest}:{number}": entry
            for entry in reversed(self.entries)
            for clip in entry.clips
            for number in clip.episodes
        }

    def reached(self, store: EpisodeStore, episodes: Collection[int] | None = None) -> dict[int, Withdrawal]:
        """Episode number -> entry, of the episodes of a store (all, or these) that were withdrawn."""
        if not self.entries:
            return {}
        rows = [row for row in store.rows if episodes is None or row.index in episodes]
        noted = self._by_clip if (store.root / SEAL).is_file() else {}
        found = {row.index: self.of_source(row.source) for row in rows}
        found = {index: one or noted.get(f"{store.digest}:{index}") if noted else one for index, one in found.items()}
        return {index: entry for index, entry in found.items() if entry}


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


def origins_in(facts: Facts) -> Iterator[str]:
    """``<store digest>:<episode>`` of every clip whose picture an episode was dreamt from, also through other dreams.

    Records are nested, as those of people are.
    """
    for name, value in facts.items():
        if name == _ORIGIN and isinstance(value, str):
            yield value
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, Mapping):
                yield from origins_in(one)


def first_frames_in(facts: Facts) -> Iterator[str]:
    """Digests of the pictures that an episode was dreamt from."""
    made = facts.get("generated")
    digest = made.get("first_frame_sha256") if isinstance(made, Mapping) else None
    if isinstance(digest, str):
        yield digest


def read(root: Path) -> Withdrawals:
    """The list of the lake at ``root``; empty where nobody withdrew.

    Raises:
        WithdrawalError: the list is there and cannot be understood, or is not what was written last.
    """
    path = root / FILE
    content, digests = _content(path), _digests(root / DIGEST_FILE)
    if digests is not None and (digest_of(content) not in digests):
        found = "is gone" if content is None else "was changed by somebody else"
        raise WithdrawalError(
            f"{path}: {found} since `gr00t withdraw` wrote it; {_STOPS}: put it back from a copy, or, if you changed "
            f"it on purpose, delete {DIGEST_FILE} beside it"
        )
    if content is None:
        return Withdrawals()
    try:
        listed = yaml.safe_load(content.decode("utf-8"))
        if listed is None:
            raise ValueError("it is empty; a list of nobody is written `[]`")
        entries = _ENTRIES.validate_python(listed)
        if not all(entry.names_somebody for entry in entries):
            raise ValueError("an entry names neither a participant nor a video")
        return Withdrawals(entries)
    except (yaml.YAMLError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise WithdrawalError(f"{path}: is not a list of withdrawals ({error}); mend it, {_STOPS}") from error


def _content(path: Path) -> bytes | None:
    """The bytes of a file, None where nothing of that name is.

    Raises:
        WithdrawalError: something of that name is there, and cannot be read.
    """
    if not os.path.lexists(path):
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise WithdrawalError(f"{path}: cannot be read ({error}); put it back from a copy, {_STOPS}") from error


def digest_of(content: bytes | None) -> str:
    """SHA-256 (hex) of the list, empty where there is none."""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _digests(path: Path) -> tuple[str, ...] | None:
    """The digests that the list may have: two while it is being written. None where none was ever written down.

    Raises:
        WithdrawalError: the record is there and cannot be read.
    """
    if _content(path) is None:
        return None
    try:
        return TypeAdapter(tuple[str, ...]).validate_python(read_sealed(path)["sha256"])
    except (LookupError, OSError, TypeError, ValueError) as error:
        raise WithdrawalError(
            f"{path}: is not the digest of {FILE} ({error}); {_STOPS}: put both back from a copy, or, if the list is "
            "as it should be, delete this file"
        ) from error


def read_beside(store: Path) -> Withdrawals:
    """The list of the lake that a store lies in (``<lake>/stores/<name>``)."""
    return read(store.absolute().parent.parent)


def require_match(lake: Lake, entry: Withdrawal) -> None:
    """Whether the lake holds anything that an entry reaches, or did when it was written down before.

    Raises:
        WithdrawalError: nothing; with the nearest names that it does hold, and the stores that cannot be looked into.
    """
    if clips_of(lake, Withdrawals((entry,))) or any(one.key == entry.key for one in read(lake.root).entries):
        return
    raise WithdrawalError(
        f"{lake.root}: no clip is of {entry.who}{names_like(lake, entry)}; nothing was written down. If their footage "
        "is still to come, say so with --ahead"
    )


def names_like(lake: Lake, entry: Withdrawal) -> str:
    """``; nearest participants: 'P07', 'P08'``: names of the lake that are most like those of an entry that reaches
    nothing, and the stores that cannot be looked into."""
    whole, damaged = listed_in(lake.stores)
    people = {person for store in whole for row in store.rows for person in people_in(row.source.facts())}
    given = (entry.participant, entry.dataset, entry.video)
    hints = [
        f"; nearest {what}: {', '.join(map(repr, found))}"
        for place, (what, name) in enumerate(zip(("participants", "datasets", "videos"), given, strict=True))
        if name and (found := nearest(name, [one for person in people if (one := person[place])]))
    ]
    return "".join([*hints, f"; cannot be looked into: {', '.join(damaged)}" if damaged else ""])


def add(lake: Lake, entry: Withdrawal) -> Withdrawal:
    """Write an entry down, with what it reaches in the lake; one that is there already is brought up to date.

    It need not reach anything yet: see ``require_match``.

    Raises:
        WithdrawalError: it names nobody.
    """
    if not entry.names_somebody:
        raise WithdrawalError("name a participant, or a video with --video")
    found = {one.digest: one for one in with_clips(lake, entry).clips}
    with locked(lake.root / "locks" / "withdrawn"):
        before = read(lake.root).entries
        same = next((one for one in before if one.key == entry.key), None)
        kept = {one.digest: one for one in same.clips} if same else {}
        at = same.at if same else entry.at or datetime.now(UTC).isoformat(timespec="seconds")
        reason = entry.reason or (same.reason if same else "")
        named = same or entry
        names = (named.participant, named.dataset or None, named.video or None)
        written = Withdrawal(*names, reason, at, tuple((kept | found).values()))
        others = [one for one in before if one.key != entry.key]
        _write(lake, [*others, written])
    return written


def remove(lake: Lake, participant: str, dataset: str | None = None, video: str | None = None) -> Withdrawal:
    """Take an entry off the list, for one that was written by mistake.

    Raises:
        WithdrawalError: there is no such entry.
    """
    key = Withdrawal(participant, dataset, video).key
    with locked(lake.root / "locks" / "withdrawn"):
        before = read(lake.root).entries
        entry = next((one for one in before if one.key == key), None)
        if entry is None:
            listed = ", ".join(one.who for one in before) or "nobody"
            raise WithdrawalError(f"{lake.root / FILE}: has no such entry; it lists {listed}")
        _write(lake, [one for one in before if one.key != entry.key])
    return entry


def _write(lake: Lake, entries: list[Withdrawal]) -> None:
    """The digest goes before the list and allows both, so that a kill in between leaves what can be believed."""
    listed = _ENTRIES.dump_python(tuple(entries), mode="json")
    plain = [{name: fact for name, fact in one.items() if fact} for one in listed]
    text = _HEAD + (yaml.safe_dump(plain, sort_keys=False, allow_unicode=True) if plain else "[]\n")
    path, record = lake.root / FILE, lake.root / DIGEST_FILE
    digest = digest_of(text.encode())
    write_sealed(record, {"sha256": [digest, digest_of(_content(path))]})
    write_text(path, text)
    write_sealed(record, {"sha256": [digest]})


def with_clips(lake: Lake, entry: Withdrawal) -> Withdrawal:
    """The entry with all that it reaches: the clips of the person, those noted when it was written down before, and
    what was dreamt from a picture of any of these, as far as that goes."""
    noted = [clip for one in read(lake.root).entries if one.key == entry.key for clip in one.clips]
    stores, pictures = sealed_in(lake.stores), set[str]()
    reached = {clip.digest: clip for clip in (*noted, *entry.clips)}
    while True:
        known = Withdrawals((replace(entry, clips=tuple(reached.values())),))
        before = dict(reached), len(pictures)
        for store in stores:
            numbers = {row.index for row in store.rows if pictures & {*first_frames_in(row.source.facts())}}
            numbers |= {*known.reached(store), *(reached[store.digest].episodes if store.digest in reached else ())}
            if numbers:
                reached[store.digest] = Reached(store.root.name, store.digest, tuple(sorted(numbers)))
                pictures |= {one for n in numbers for one in first_frames_in(store.row(n).source.facts())}
        if (reached, len(pictures)) == before:
            return known.entries[0]


def clips_of(lake: Lake, withdrawals: Withdrawals) -> list[Reached]:
    """What the stores of the lake hold of these people."""
    found = ((store, withdrawals.reached(store)) for store in sealed_in(lake.stores))
    return [Reached(store.root.name, store.digest, tuple(sorted(of_store))) for store, of_store in found if of_store]
