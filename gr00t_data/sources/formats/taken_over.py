"""Datasets that a store can hold as they are: their files become the store."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from gr00t_data.disk import digest_json, read_json, replacing_folder, write_json
from gr00t_data.embodiment.modality import further_views, modality_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.seal import SEAL, read_seal
from gr00t_data.sources.content import (
    COMPLETE_MARKER,
    MAPPING_FILE,
    content_digest,
    file_digests,
    without_about,
)
from gr00t_data.sources.dry_run import Look
from gr00t_data.sources.formats.columns import facts_of, lines_of, planned, rewrite
from gr00t_data.sources.formats.lerobot_tidy import require_fit, tidy
from gr00t_data.sources.formats.untold import put_in, says_instructions
from gr00t_data.sources.how_made import made_alike, note_how_made
from gr00t_data.sources.reader import Intake
from gr00t_data.sources.recordings.mapping import Mapping, MappingError
from gr00t_data.sources.told import Told
from gr00t_data.store.declared import require_numbers
from gr00t_data.store.provenance import Facts, Refusal, StoreAbout, StoreSource
from gr00t_data.store.store import ABOUT, EpisodeStore, StoreError, declared_features
from gr00t_data.store.writing import seal_folder

TakeOver = Callable[[Intake, Path], dict[str, str]]
"""(what is taken in, folder of the store) -> SHA-256 of the files that were hashed while they were copied."""


@dataclass(frozen=True)
class TakenOver:
    """The reader of such a dataset. See ``Reader``.

    Attributes:
        known: whether a drop is one.
        take_over: writes its files as those of the store.
        unlisted: episodes that it holds or declares and does not list, with reasons.
        counted: whether a dry run can count its episodes: the drop already lies as a store does.
    """

    name: str
    known: Callable[[Path], bool]
    take_over: TakeOver
    unlisted: Callable[[Path], list[Refusal]]
    counted: bool

    def recognises(self, drop: Path) -> bool:
        """See ``Reader``."""
        return self.known(drop)

    def mapping(self, drop: Path, embodiment: Embodiment, given: Mapping | None = None, told: Told = Told()) -> None:
        """None. Raises MappingError when one is given, or something is told that the dataset says itself."""
        said = "the mapping" if given is not None else told.options
        if said:
            raise MappingError(f"{drop}: is {self.name}, which is taken over as it is; leave {said} out")

    def look(self, drop: Path, embodiment: Embodiment, given: Mapping | None = None, told: Told = Told()) -> Look:
        """See ``Reader``."""
        self.mapping(drop, embodiment, given, told)
        require_numbers(drop, read_json(drop / "meta/info.json"))
        episodes = {"episodes": len(EpisodeStore.open(drop).rows)} if self.counted else {}
        facts = {"drop": str(drop), "format": self.name, **episodes, "mapping": "none needed: taken over as it is"}
        return Look({**facts, **_changes(drop, embodiment)}, [], None)

    def says_instructions(
        self, drop: Path, embodiment: Embodiment, given: Mapping | None = None, told: Told = Told()
    ) -> bool:
        """See ``Reader``."""
        return says_instructions(drop, embodiment)

    def ingest(self, intake: Intake, given: Mapping | None) -> EpisodeStore:
        """See ``Reader``."""
        self.mapping(intake.drop, intake.embodiment, given, intake.told)
        plan, text = planned(intake.drop, intake.embodiment), intake.told.instruction
        said = {"rewritten": facts_of(plan), "instruction": text}
        source = StoreSource(drop=intake.drop.name, format=self.name)
        source = source.model_copy(update={name: fact for name, fact in said.items() if fact})
        if (intake.root / SEAL).is_file() and not intake.replace:
            decides = {"content": content_digest(intake.drop), "rewritten": facts_of(plan) or None}
            source, keys = source.model_copy(update=decides), (*decides, "instruction")
            return made_alike(EpisodeStore.open(intake.root), source, intake, keys)
        with replacing_folder(intake.root, over=intake.replace) as folder:
            digests = self.take_over(intake, folder)
            _refuse_changed(intake.drop, digests)
            content = digest_json(without_about(digests) if digests else file_digests(intake.drop))
            for name in (COMPLETE_MARKER, MAPPING_FILE):
                (folder / name).unlink(missing_ok=True)
            for name in put_in(folder, text, intake.embodiment) if text else ():
                digests.pop(name, None)
            before = _stamps(folder, digests)
            tidy(folder, intake.drop, intake.embodiment, self.name)
            for name in rewrite(folder, plan, intake.embodiment) if plan else ():
                digests.pop(name, None)
            digests = {name: digests[name] for name, stamp in _stamps(folder, digests).items() if before[name] == stamp}
            if refused := self.unlisted(intake.drop):
                source = source.model_copy(update={"refused": tuple(refused)})
            source = source.model_copy(update={"content": content, **_with_modality(folder, intake.embodiment)})
            about = _about(EpisodeStore.open(folder).about, intake).model_copy(update={"source": source})
            write_json(folder / ABOUT, about.facts())
            note_how_made(folder, intake.embodiment)
            seal_folder(folder, {name: value for name, value in digests.items() if name != ABOUT})
        return EpisodeStore.open(intake.root)


def _about(said: StoreAbout, intake: Intake) -> StoreAbout:
    """What the store says of itself. What a drop that was written by this program says of its parts without values
    counts, and that a policy acted in it, whoever brings it in."""
    rollout = said.kind == "rollout"
    licence = said.licence if rollout and intake.licence == "unknown" else intake.licence
    kind = "rollout" if rollout else intake.kind
    about = StoreAbout(embodiment=intake.embodiment.name, kind=kind, licence=licence)
    return about.model_copy(update={"absent": said.absent}) if said.absent else about


def _changes(drop: Path, embodiment: Embodiment) -> Facts:
    """What would be rewritten, or why the dataset would be refused."""
    try:
        lines = lines_of(planned(drop, embodiment))
        require_fit(drop, drop, embodiment)
    except StoreError as error:
        return {"problem": str(error)}
    return {"rewritten": lines} if lines else {}


def _stamps(folder: Path, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Which file each name is now, of those that are there: one that was written anew is another."""
    there = {name: folder / name for name in names if (folder / name).is_file()}
    return {name: ((found := path.stat()).st_ino, found.st_mtime_ns) for name, path in there.items()}


def _refuse_changed(drop: Path, digests: dict[str, str]) -> None:
    """Compare what was copied with the seal of a drop that was a store of ours.

    Raises:
        StoreError: a file is not the one that was sealed.
    """
    seal = read_seal(drop)
    for name, sealed in seal.files.items() if seal else ():
        if digests.get(name, sealed) != sealed:
            raise StoreError(
                f"{drop / name}: was changed after the dataset was sealed; copy it again, or, if that was on purpose, "
                f"delete {drop / SEAL}"
            )


def _with_modality(folder: Path, embodiment: Embodiment) -> dict[str, tuple[str, ...]]:
    """Write ``meta/modality.json`` for a dataset that has none, when its state and action are those of the embodiment.

    Returns:
        what was added, for the source of the store.
    """
    path = folder / "meta/modality.json"
    features = declared_features(folder, read_json(folder / "meta/info.json"))
    widths = {name: features[name].flat_width for name in embodiment.widths if name in features}
    if path.is_file() or widths != embodiment.widths:
        return {}
    modality = modality_json(embodiment, [one.name for one in embodiment.cameras if one.column in features])
    videos = [name for name, feature in features.items() if feature.dtype == "video"]
    modality["video"] |= further_views(videos, embodiment, modality["video"])
    write_json(path, modality)
    return {"added": ("meta/modality.json",)}
