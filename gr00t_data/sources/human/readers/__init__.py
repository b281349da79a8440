"""Datasets of egocentric video as they lie on a disk: which videos, what was said about them when, who wore the camera.

A new one is one file that defines ``READER`` and one line here.
"""

import importlib
from pathlib import Path

from gr00t_data.sources.human.readers.drop import DropError, FootageReader, Found

DATASETS = (
    "gr00t_data.sources.human.readers.lerobot",
    "gr00t_data.sources.human.readers.egodex",
    "gr00t_data.sources.human.readers.ego4d",
    "gr00t_data.sources.human.readers.epic",
    "gr00t_data.sources.human.readers.plain",
)
"""The modules of the datasets, a line each; the first whose reader recognises a drop reads it."""


def find(drop: Path) -> Found:
    """The footage of a drop, what was refused of it, and what is odd about it as a whole.

    Raises:
        DropError: no such folder, no video in it, or annotations that cannot be understood (names the file).
    """
    drop = Path(drop)
    if not drop.is_dir():
        raise DropError(f"{drop}: no such folder; give the folder that holds the videos and their annotations")
    readers: list[FootageReader] = [importlib.import_module(name).READER for name in DATASETS]
    for reader in readers:
        if reader.recognises(drop):
            return reader.read(drop)
    known = ", ".join(reader.name for reader in readers)
    raise DropError(f"{drop}: holds no video (known: {known}; videos end in .mp4, .mov, .mkv, .webm, .avi or .m4v)")
