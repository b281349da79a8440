"""What a checkpoint says about itself, read from its small files; and which checkpoints a lake has. No torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import Field

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.disk import read_json
from gr00t_data.integrity import IntegrityError, require_intact
from gr00t_data.lake import Lake
from gr00t_data.store.provenance import Said
from gr00t_model.lineage.chain import (
    CHAIN,
    LineageError,
    Link,
    SeenEpisode,
    below,
    described_base,
    folder_digest,
    random_weights,
    read_chain,
    root,
    unknown,
)
from gr00t_model.lineage.paths import located_fields
from gr00t_model.loop.config import RANDOM_BASE


class FlareSettings(Said):
    """Of the future alignment: the folder of the embedding it was aligned to."""

    embedding: str | None = None


class ModelSettings(Said):
    """Of the model: the folder of the weights it started from; `random`, or empty in older files, for random ones."""

    base: str | None = None
    preset: str = ""
    flare: FlareSettings = FlareSettings()

    @property
    def base_folder(self) -> str | None:
        """The folder of the base; None for random weights."""
        return None if self.base in ("", RANDOM_BASE) else self.base


class Settings(Said):
    """The training configuration as its file holds it: what lineage asks of it."""

    recipe: str = ""
    model: ModelSettings

    @property
    def random(self) -> bool:
        """Whether the weights were drawn."""
        return self.model.base_folder is None

    @property
    def started_from(self) -> list[tuple[str, Path]]:
        """(what, folder) of what the weights started from, or were aligned to."""
        named = (("base", self.model.base_folder), ("embedding", self.model.flare.embedding))
        return [(what, Path(one)) for what, one in named if one]


class Versions(Said):
    """Libraries, Python, and digests of code and base, as they were."""

    code: str = ""
    python: str = ""
    base: str = ""
    libraries: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What a checkpoint says about itself, without its weights.

    Attributes:
        folder: where it lies.
        key: of its run.
        members: the manifests it was trained on.
    """

    folder: Path
    config: Settings
    key: str
    versions: Versions
    episodes: tuple[SeenEpisode, ...]
    members: tuple[MixtureManifest, ...]

    @classmethod
    def load(cls, folder: Path) -> "Record":
        """Read the small files of a checkpoint.

        Raises:
            LineageError: the folder is not a checkpoint.
            IntegrityError: a small file is not the one that was recorded.
        """
        try:
            run = read_json(folder / "train_config.json")
            others = sorted((folder / "also").glob("*/manifest.json"), key=lambda path: int(path.parent.name))
            episodes = read_json(folder / "episodes.json")["episodes"]
            opened = cls(
                folder=folder,
                config=Settings.model_validate(located_fields(run["config"], folder / "train_config.json")),
                key=run["key"],
                versions=Versions.model_validate(read_json(folder / "versions.json")),
                episodes=tuple(map(SeenEpisode.model_validate, episodes)),
                members=tuple(MixtureManifest.load(path) for path in (folder / "manifest.json", *others)),
            )
            require_intact(folder, weights=False)
        except IntegrityError:
            raise
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise LineageError(f"{folder}: is not a checkpoint of this program ({error})") from error
        return opened

    @property
    def base(self) -> str:
        """What the weights started from: the folder and its digest, or random weights."""
        return described_base(self.config.model.base or "", self.versions.base)

    @cached_property
    def store_names(self) -> dict[str, str]:
        """Store digest -> folder name when the manifest was written."""
        return {source.digest: Path(source.store).name for one in self.members for source in one.sources}

    @cached_property
    def indexes(self) -> dict[str, str | None]:
        """Store digest -> file name of the verdicts that its mixture was made by, where its manifest says it."""
        return {source.digest: source.index for one in self.members for source in one.sources}

    @cached_property
    def instructions(self) -> dict[tuple[str, int], str]:
        """(store digest, episode) -> the instruction it was drawn under; several, with the frames of each."""
        sources = [source for one in self.members for source in one.sources]
        return {(s.digest, entry.index): entry.told for s in sources for entry in s.episodes}

    @cached_property
    def chain(self) -> tuple[Link, ...]:
        """The weights it was made from, the nearest first: as its folder says, else as their folders say.

        Raises:
            LineageError: a record of it cannot be read.
        """
        if (self.folder / CHAIN).is_file():
            return read_chain(self.folder)
        return tuple(links_from(self.config, self.versions.base, near=self.folder))

    def link(self, what: str, digest: str) -> Link:
        """It as a link of the chain of what is made from it."""
        first = self.members[0].embodiment
        told = (
            episode.model_copy(
                update={
                    "instruction": self.instructions.get((episode.store, episode.episode), ""),
                    "embodiment": episode.embodiment or first,
                }
            )
            for episode in self.episodes
        )
        return Link(
            what=what,
            name=self.folder.name,
            digest=digest,
            recipe=self.config.recipe,
            key=self.key,
            stores=self.store_names,
            episodes=tuple(told),
            held_out=tuple((one.sources[at].digest, n) for one in self.members for at, n in one.held_out),
        )


def links_from(config: Settings, base_digest: str = "", *, near: Path | None = None) -> Iterator[Link]:
    """The chain of what a configuration starts from.

    Args:
        base_digest: of the base when it was used; empty where nobody wrote it down.
        near: given when that was long ago: other weights that lie there now are not the base, and a base that was moved
            together with this folder, in the same lake, is found.
    """
    if config.random:
        yield random_weights(base_digest)
    for what, named in config.started_from:
        digest = base_digest if what == "base" else ""
        folder = named if near is None else _found(named, digest, near)
        if folder is None or not folder.is_dir():
            yield unknown(what, named.name, digest)
        else:
            yield from links_of(folder, what, config.model.preset, digest)


def _found(named: Path, digest: str, near: Path) -> Path | None:
    """The folder that was meant: where it was, or in the same place of a lake that was moved."""
    moved = [above.joinpath(*named.parts[-n:]) for above in near.parents[:4] for n in (2, 3)]
    found = [folder for folder in (named, *moved) if folder.is_dir()]
    return next((folder for folder in found if not digest or folder_digest(folder) == digest), None)


def chain_of(folder: Path) -> tuple[Link, ...]:
    """What a checkpoint has seen itself, then the chain before it. Merged folders and adapters have one as well.

    Raises:
        LineageError: the folder has no record.
    """
    if (folder / CHAIN).is_file() and not (folder / "train_config.json").is_file():
        return (Link(what="merged", name=folder.name), *read_chain(folder))
    record = Record.load(folder)
    return (record.link("checkpoint", ""), *record.chain)


def links_of(folder: Path, what: str, preset: str = "", digest: str = "") -> tuple[Link, ...]:
    """A folder with weights as a link, and the chain before it.

    Args:
        what: ``base``, ``embedding`` or ``adapter``.
        preset: of the run that started from it; says which licence published weights have.
        digest: of the folder, where it is known; it takes reading all weights.

    Raises:
        LineageError: a record is there and cannot be read.
    """
    digest = digest or folder_digest(folder)
    if (folder / "train_config.json").is_file():
        record = Record.load(folder)
        return (record.link(what, digest), *below(record.chain, what, folder.name))
    if (folder / CHAIN).is_file():
        return (Link(what=what, name=folder.name, digest=digest), *below(read_chain(folder), what, folder.name))
    return (root(folder, what, digest, preset),)


def checkpoints(lake: Lake) -> list[Record]:
    """The records of every checkpoint of the lake that can be read."""
    return listed_checkpoints(lake)[0]


def listed_checkpoints(lake: Lake) -> tuple[list[Record], dict[Path, str]]:
    """The checkpoints of the lake, each looked at alone: the records, and why others cannot be read."""
    whole, damaged = list[Record](), dict[Path, str]()
    for folder in sorted(lake.checkpoints.iterdir()) if lake.checkpoints.is_dir() else []:
        if folder.name.startswith(".") or not (folder / "versions.json").is_file():
            continue
        try:
            record = Record.load(folder)
            _ = record.chain, record.link("checkpoint", "")
            whole.append(record)
        except (IndexError, ValueError) as error:
            damaged[folder] = str(error)
    return whole, damaged
