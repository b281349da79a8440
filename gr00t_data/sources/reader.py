"""What every raw format answers, and which formats there are: a new one is one file with a ``READER`` and one line."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.foreign_text import pointer_told
from gr00t_data.lerobot.v3_layout import declared_version
from gr00t_data.sources.dry_run import Look
from gr00t_data.sources.recordings.mapping import Mapping
from gr00t_data.sources.told import Told
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import EpisodeStore, StoreError

FORMATS = (
    "gr00t_data.sources.formats.lerobot_v2",
    "gr00t_data.sources.formats.lerobot_v3",
    "gr00t_data.sources.formats.hdf5.aloha",
    "gr00t_data.sources.formats.hdf5.robomimic",
    "gr00t_data.sources.formats.logs.mcap",
    "gr00t_data.sources.formats.logs.rosbag",
    "gr00t_data.sources.formats.unitree",
)
"""The modules of the formats, a line each; the first whose reader recognises a drop reads it."""


@dataclass(frozen=True)
class Intake:
    """One drop on its way into one store.

    Attributes:
        drop: folder or file; it is never changed.
        root: folder of the store.
        workers: processes that read and encode episodes of recordings.
        progress: called with (files or episodes done, in all).
        told: what a person says of the drop because it does not say it itself.
        replace: make the store anew, whatever lies there; it gives way when the new one is complete.
    """

    drop: Path
    root: Path
    embodiment: Embodiment
    kind: Kind
    licence: str
    workers: int
    progress: Callable[[int, int], None]
    told: Told = field(default_factory=Told)
    replace: bool = False


class Reader(Protocol):
    """The reader of one raw format. It holds no state, so that it travels between processes."""

    @property
    def name(self) -> str:
        """Of the format, as stores and mappings write it."""
        ...

    def recognises(self, drop: Path) -> bool:
        """Whether the drop is of this format, by its content; a damaged drop is no error."""
        ...

    def mapping(
        self, drop: Path, embodiment: Embodiment, given: Mapping | None = None, told: Told = Told()
    ) -> Mapping | None:
        """Which source becomes which part: as given, as the drop says, or as proposed; None: the format needs none.

        Args:
            told: see ``Intake``.

        Raises:
            MappingError: it was made for another format, parts or cameras have no source, what neither the drop nor
                ``told`` says would have to be guessed, or they contradict each other.
        """
        ...

    def look(self, drop: Path, embodiment: Embodiment, given: Mapping | None = None, told: Told = Told()) -> Look:
        """Read the first episode of a drop and align it; nothing is written and no picture is decoded.

        Raises:
            StreamError: nothing in it can be read.
        """
        ...

    def says_instructions(
        self, drop: Path, embodiment: Embodiment, given: Mapping | None = None, told: Told = Told()
    ) -> bool:
        """Whether an episode says what the robot was asked to do; so too where none can be read, which says it itself.

        Raises:
            StoreError: the metadata of the drop cannot be read. MappingError: see ``mapping``.
        """
        ...

    def ingest(self, intake: Intake, given: Mapping | None) -> EpisodeStore:
        """Turn the drop into a sealed store. See ``sources.ingest.ingest``."""
        ...


def readers() -> list[Reader]:
    """The reader of every format."""
    return [importlib.import_module(name).READER for name in FORMATS]


def reader_for(drop: Path) -> Reader:
    """The reader that recognises ``drop``.

    Raises:
        StoreError: no such folder, or no reader knows it (says what was found).
    """
    if not drop.exists():
        raise StoreError(f"{drop}: no such drop; give the folder or file of one dataset")
    known = readers()
    for reader in known:
        if reader.recognises(drop):
            return reader
    raise StoreError(
        f"{drop}: no reader knows this format (known: {', '.join(r.name for r in known)}); {_contents(drop)}. "
        f"A LeRobot folder has meta/info.json with codebase_version v2.0, v2.1 or v3.0{_version_told(drop)}"
    )


def _version_told(drop: Path) -> str:
    """What the drop's own info.json says, where it has one."""
    if not (info := drop / "meta/info.json").is_file():
        return ""
    if told := pointer_told(info):
        return f"; {told}"
    if (version := declared_version(drop)) is None:
        return f"; {info} gives none that can be read"
    old = str(version).startswith("v1")
    remedy = "convert it with the scripts of LeRobot 0.1 to 0.3" if old else "no such version is known here"
    return f"; {info} says {version!r}: {remedy}"


def _contents(drop: Path) -> str:
    """What a person needs to see why nothing was recognised: names, and how the first file begins."""
    files = [drop] if drop.is_file() else [path for path in sorted(drop.rglob("*")) if path.is_file()]
    inside = sorted(path.name for path in drop.iterdir())[:8] if drop.is_dir() else [drop.name]
    if not files:
        return f"it holds {inside}"
    with files[0].open("rb") as stream:
        return f"it holds {inside}; {files[0].name!r} begins with {stream.read(12)!r}"
