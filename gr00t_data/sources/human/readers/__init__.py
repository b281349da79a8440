"""Datasets of egocentric video as they lie on a disk: which videos, what was said about them when, who wore the camera.

A new one is one file that defines ``READER`` and one line here.
"""

import importlib
from dataclasses import replace
from pathlib import Path

from gr00t_data.sources.content import RECORDINGS, unusable
from gr00t_data.sources.human.readers.drop import MOVIES, DropError, FootageReader, Found
from gr00t_data.store.provenance import Refusal

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
            found = reader.read(drop)
            return replace(found, refused=(*found.refused, *_left_behind(drop, found)))
    known = ", ".join(reader.name for reader in readers)
    raise DropError(f"{drop}: holds no video (known: {known}; videos end in .mp4, .mov, .mkv, .webm, .avi or .m4v)")


def _left_behind(drop: Path, found: Found) -> list[Refusal]:
    """Videos and files of hands that the drop holds and nobody spoke of."""
    told = {Path(one.episode).with_suffix("") for one in found.refused}
    used = {path for one in found.footage for path in (one.video, one.tracks)}
    left = unusable(drop, (), () if found.form == "lerobot" else (*MOVIES, *RECORDINGS))
    left = [one for one in left if drop / one.episode not in used]
    return [one for one in left if not {Path(one.episode).with_suffix(""), Path(Path(one.episode).stem)} & told]
