"""What a checkpoint says about itself, read from its small files; and which checkpoints a lake has. No torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import Field

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.disk import read_json
from gr00t_data.lake import Lake
from gr00t_data.store.provenance import Said
from gr00t_model.training.episodes import SeenEpisode

_MOST_BASES = 100
"""A chain of bases longer than this is taken for a circle."""


class LineageError(ValueError):
    """Nothing is known by that name; the message says what was looked at."""


class FlareSettings(Said):
    """Of the future alignment: the folder of the embedding it was aligned to."""

    embedding: str | None = None


class ModelSettings(Said):
    """Of the model: the folder of the weights it started from, empty for random ones."""

    base: str | None = None
    preset: str = ""
    flare: FlareSettings = FlareSettings()


class Settings(Said):
    """The training configuration as its file holds it: what lineage asks of it."""

    recipe: str = ""
    model: ModelSettings

    @property
    def started_from(self) -> list[tuple[str, Path]]:
        """(what, folder) of the checkpoints of this program that the weights started from, or were aligned to."""
        named = (("base", self.model.base), ("embedding", self.model.flare.embedding))
        return [(what, Path(one)) for what, one in named if one and (Path(one) / "episodes.json").is_file()]


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
        """
        try:
            run = read_json(folder / "train_config.json")
            others = sorted((folder / "also").glob("*/manifest.json"), key=lambda path: int(path.parent.name))
            episodes = read_json(folder / "episodes.json")["episodes"]
            return cls(
                folder=folder,
                config=Settings.model_validate(run["config"]),
                key=run["key"],
                versions=Versions.model_validate(read_json(folder / "versions.json")),
                episodes=tuple(map(SeenEpisode.model_validate, episodes)),
                members=tuple(MixtureManifest.load(path) for path in (folder / "manifest.json", *others)),
            )
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise LineageError(f"{folder}: is not a checkpoint of this program ({error})") from error

    @cached_property
    def store_names(self) -> dict[str, str]:
        """Store digest -> folder name when the manifest was written."""
        return {source.digest: Path(source.store).name for one in self.members for source in one.sources}

    @cached_property
    def instructions(self) -> dict[tuple[str, int], str]:
        """(store digest, episode) -> instruction."""
        sources = [source for one in self.members for source in one.sources]
        return {(s.digest, entry.index): entry.instruction for s in sources for entry in s.episodes}

    def bases(self) -> Iterator["Record"]:
        """The checkpoints it was trained on top of, the nearest first."""
        record: Record = self
        for _ in range(_MOST_BASES):
            base = dict(record.config.started_from).get("base")
            if base is None:
                return
            record = Record.load(base)
            yield record


def checkpoints(lake: Lake) -> list[Record]:
    """The records of every checkpoint of the lake."""
    folders = sorted(lake.checkpoints.iterdir()) if lake.checkpoints.is_dir() else []
    return [Record.load(f) for f in folders if not f.name.startswith(".") and (f / "versions.json").is_file()]
