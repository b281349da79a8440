"""Datasets of egocentric video as they lie on a disk: which videos, what was said about them when, who wore the camera.

One module a dataset: ``NAME``, ``recognises(drop)`` and ``read(drop)``. The first that recognises a drop reads it.
"""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from gr00t_data.sources.human.footage import Footage
from gr00t_data.sources.human.readers import ego4d, egodex, epic, lerobot, plain
from gr00t_data.sources.human.readers.drop import DropError, Found

READERS: tuple[ModuleType, ...] = (lerobot, egodex, ego4d, epic, plain)


def find(drop: Path) -> Found:
    """The footage of a drop, what was refused of it, and what is odd about it as a whole.

    Raises:
        DropError: no such folder, no video in it, or annotations that cannot be understood (names the file).
    """
    drop = Path(drop)
    if not drop.is_dir():
        raise DropError(f"{drop}: no such folder; give the folder that holds the videos and their annotations")
    for reader in READERS:
        if reader.recognises(drop):
            return reader.read(drop)
    known = ", ".join(reader.NAME for reader in READERS)
    raise DropError(f"{drop}: holds no video (known: {known}; videos end in .mp4, .mov, .mkv, .webm, .avi or .m4v)")


def read(drop: Path) -> Iterator[Footage]:
    """The footage of a drop, by uid; ``find`` also says what was refused.

    Raises:
        DropError: as ``find``.
    """
    yield from find(drop).footage
