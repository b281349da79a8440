"""Recordings: formats whose streams have clocks of their own, brought in by a mapping, episode by episode."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

from gr00t_data.confined import ConfinedError, confined
from gr00t_data.disk import link_refusal, links_out
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.limits import LimitError
from gr00t_data.sources.content import MAPPING_FILE, RECORDINGS, content_digest, unusable
from gr00t_data.sources.dry_run import Look, look_at
from gr00t_data.sources.how_made import made_alike, note_how_made, set_aside
from gr00t_data.sources.reader import Intake, Reader
from gr00t_data.sources.recordings.mapping import (
    Mapping,
    MappingError,
    PartSource,
    check_mapping,
    left_out,
    load_mapping,
    with_conversions,
)
from gr00t_data.sources.recordings.propose import Found, listing, propose_mapping
from gr00t_data.sources.recordings.quaternions import Vote, decided, undecided_orders
from gr00t_data.sources.recordings.rate import Rate, require_rate
from gr00t_data.sources.recordings.streams import RawEpisode, StreamError
from gr00t_data.sources.recordings.transfer import transfer
from gr00t_data.sources.told import Told
from gr00t_data.store.provenance import Facts, Refusal, StoreSource
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter

_DECIDES = ("content", "mapping")
"""What of a source a sealed store must share: the rest follows from it."""


class Recordings(Reader, Protocol):
    """The reader of a recorded format: see ``Reader``. A format answers what is abstract here.

    Attributes:
        counted: whether its rows usually bear no stamps, so that somebody must know their rate.
    """

    name: str
    counted: bool = False

    @abstractmethod
    def recognises(self, drop: Path) -> bool:
        """See ``Reader``."""

    @abstractmethod
    def episode_names(self, drop: Path) -> list[str]:
        """What each episode is called within the drop, in the order in which they are taken in."""

    @abstractmethod
    def read_episode(self, drop: Path, mapping: Mapping, embodiment: Embodiment, name: str) -> RawEpisode:
        """One episode. Raises StreamError: it or what is mapped of it cannot be read."""

    @abstractmethod
    def contents(self, drop: Path) -> list[Found]:
        """What the first readable episode holds. Raises StreamError: there is none."""

    def said_rate(self, drop: Path) -> Rate | None:
        """What the first readable episode of a ``counted`` format says of the rate of its rows; None: nothing.

        Raises:
            StreamError: there is no episode, or it contradicts itself.
        """
        return None

    def orientation(self, drop: Path, source: PartSource) -> list[Vote]:
        """What episodes of a ``counted`` format, spread over the drop, say about the order of a source's quaternions.

        Raises:
            StreamError: none can be read, or they are none.
        """
        return []

    def propose(self, held: Sequence[Found], embodiment: Embodiment) -> Mapping:
        """The mapping that the names of what an episode holds make plain; see ``contents``."""
        return propose_mapping(held, embodiment, self.name)

    def mapping(self, drop: Path, embodiment: Embodiment, given: Mapping | None = None, told: Told = Told()) -> Mapping:
        """See ``Reader``."""
        mapping = given or _own_mapping(drop) or self.propose(self.contents(drop), embodiment)
        if mapping.format != self.name:
            raise MappingError(f"the mapping is for {mapping.format!r}, the drop is {self.name!r}; correct its format")
        check_mapping(mapping, embodiment)
        return self._with_told(drop, embodiment, with_conversions(mapping, embodiment), told)

    def _with_told(self, drop: Path, embodiment: Embodiment, mapping: Mapping, told: Told) -> Mapping:
        """The mapping with what was told.

        Raises:
            MappingError: the rate of the rows is not known, or what was told contradicts the drop or the mapping.
        """
        if told.fps and (mapping.hz or mapping.times_key or not self.counted):
            by = f"the mapping says hz: {mapping.hz:g}" if mapping.hz else "what it holds bears stamps of its own"
            raise MappingError(f"{drop}: {by}; leave --fps {told.fps:g} out")
        mapping = mapping.model_copy(update={"told_hz": told.fps}) if told.fps else mapping
        if told.instruction:
            words = mapping.instruction.model_copy(update={"told": told.instruction})
            mapping = mapping.model_copy(update={"instruction": words})
        try:
            if self.counted and not mapping.hz and not mapping.times_key:
                require_rate(mapping, self.said_rate(drop), drop, embodiment)
            return self._with_orders(drop, embodiment, mapping, told)
        except StreamError:  # each episode says it again, and is refused for it alone
            return mapping

    def _with_orders(self, drop: Path, embodiment: Embodiment, mapping: Mapping, told: Told) -> Mapping:
        """The mapping with the order of every quaternion; messages say it by the names of their fields, when read."""
        open_ones = undecided_orders(mapping, embodiment)
        said = {name: self.orientation(drop, source) for name, source in open_ones.items()} if self.counted else {}
        of_all = [vote for votes in said.values() for vote in votes]  # one writer, one order
        for name, source in open_ones.items():
            if self.counted:
                source = decided(name, source, told.quaternions, said[name] or of_all, drop, embodiment)
            elif told.quaternions:
                source = source.model_copy(update={"order": told.quaternions, "order_by": "told"})
            mapping = mapping.with_part(name, source)
        return mapping

    def look(self, drop: Path, embodiment: Embodiment, given: Mapping | None = None, told: Told = Told()) -> Look:
        """See ``Reader``."""
        contents = self.contents(drop)
        mapping = given or _own_mapping(drop) or self.propose(contents, embodiment)
        mapping, held = with_conversions(mapping, embodiment), listing(contents)
        names = self.episode_names(drop)
        facts = {"drop": str(drop), "format": self.name, "episodes": len(names), "first": names[0] if names else None}
        facts |= {"absent": absent} if (absent := left_out(mapping, embodiment)) else {}
        try:
            mapping = self._with_told(drop, embodiment, mapping, told)
        except MappingError as error:
            return Look({**facts, "problem": str(error)}, [], mapping, held)
        try:
            return confined(drop, self._looked, drop, embodiment, mapping, names, facts, held, raises=(LimitError,))
        except ConfinedError as error:
            return Look({**facts, "problem": str(error)}, [], mapping, held)

    def _looked(
        self, drop: Path, embodiment: Embodiment, mapping: Mapping, names: list[str], facts: Facts, held: str
    ) -> Look:
        return look_at(facts, held, mapping, embodiment, lambda: self.read_episode(drop, mapping, embodiment, names[0]))

    def says_instructions(
        self, drop: Path, embodiment: Embodiment, given: Mapping | None = None, told: Told = Told()
    ) -> bool:
        """See ``Reader``. Episodes are read, without pictures, up to the first that says it."""
        mapping = self.mapping(drop, embodiment, given, told)
        if mapping.instruction.text or mapping.instruction.told:
            return True
        try:
            return confined(drop, self._says, drop, embodiment, mapping, raises=(LimitError,))
        except ConfinedError:
            return True

    def _says(self, drop: Path, embodiment: Embodiment, mapping: Mapping) -> bool:
        read = 0
        for name in self.episode_names(drop):
            try:
                if self.read_episode(drop, mapping, embodiment, name).instruction.strip():
                    return True
                read += 1
            except (StreamError, MappingError):  # said again, with what it is, when the episode is taken in
                continue
        return not read

    def ingest(self, intake: Intake, given: Mapping | None) -> EpisodeStore:
        """See ``Reader``; episodes that cannot be read or aligned are listed in ``about.source.refused``."""
        drop, root = intake.drop, intake.root
        source = StoreSource(drop=drop.name, format=self.name, content=content_digest(drop))
        sealed = (root / SEAL).is_file() and not intake.replace
        if sealed and given is None and intake.told == Told():
            return made_alike(EpisodeStore.open(root), source, intake, _DECIDES)
        mapping = self.mapping(drop, intake.embodiment, given, intake.told)
        source = source.model_copy(update={"mapping": mapping.model_dump(mode="json", exclude_defaults=True)})
        if sealed:
            return made_alike(EpisodeStore.open(root), source, intake, _DECIDES)
        with set_aside(root) if intake.replace else nullcontext():
            return self._made(intake, source, mapping)

    def _made(self, intake: Intake, source: StoreSource, mapping: Mapping) -> EpisodeStore:
        drop, root = intake.drop, intake.root
        said = {"kind": intake.kind, "licence": intake.licence, "absent": left_out(mapping, intake.embodiment) or None}
        writer = StoreWriter.create(root, intake.embodiment, source=source, **said)
        writer.claim([source.facts(), intake.embodiment.digest], "drop, mapping or embodiment")
        note_how_made(root, intake.embodiment)
        names = self.episode_names(drop)
        refused = transfer(
            writer, self.read_episode, drop, mapping, names, workers=intake.workers, progress=intake.progress
        )
        refused += unusable(drop, {name.partition("#")[0] for name in names}, RECORDINGS)
        outside = {path.relative_to(drop).as_posix(): path for path in (links_out(drop) if drop.is_dir() else ())}
        refused = [one for one in refused if one.episode not in outside]
        refused += [Refusal(name, f"{path}: {link_refusal(drop, path)}") for name, path in outside.items()]
        return _sealed(writer, refused, drop)


def _own_mapping(drop: Path) -> Mapping | None:
    """The mapping that lies in the drop."""
    own = drop / MAPPING_FILE
    return load_mapping(own) if own.is_file() and not own.is_symlink() else None


def _sealed(writer: StoreWriter, refused: list[Refusal], drop: Path) -> EpisodeStore:
    if not len(writer):
        reasons = "; ".join(f"{one.episode}: {one.reason}" for one in refused[:3])
        raise StoreError(f"{drop}: none of its {len(refused)} episodes could be used: {reasons}")
    return writer.seal(refused or None)
