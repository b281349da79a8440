"""Ingest: a drop becomes a sealed store in the lake."""

from dataclasses import replace as with_facts
from pathlib import Path

from gr00t_data.disk import claimed
from gr00t_data.embodiment.robot import Embodiment, EmbodimentError
from gr00t_data.embodiment.widths import too_wide
from gr00t_data.lake import Lake
from gr00t_data.progress import Progress, silent
from gr00t_data.sources.content import store_name
from gr00t_data.sources.dry_run import Look
from gr00t_data.sources.reader import Intake, reader_for
from gr00t_data.sources.recordings.mapping import Mapping
from gr00t_data.sources.told import Told
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import EpisodeStore
from gr00t_data.terms.withdrawal import read as read_withdrawals

LIBRARIES = ("av", "h5py", "mcap", "numpy", "opencv-python-headless", "pillow", "pyarrow", "rosbags", "scipy")


def ingest(
    drop: Path,
    embodiment: Embodiment,
    lake: Lake,
    *,
    name: str | None = None,
    kind: Kind = "real",
    licence: str = "unknown",
    mapping: Mapping | None = None,
    told: Told = Told(),
    workers: int = 1,
    replace: bool = False,
    progress: Progress = silent,
) -> EpisodeStore:
    """Turn a drop into a sealed store ``lake.stores/<name>``; the drop itself is never changed.

    The same drop again, with the same robot file, is a no-op. A kill leaves no half-written store under a sealed name:
    formats that are taken over take their name when complete, recordings go on with the next episode. Episodes that
    cannot be read or aligned are listed with their reasons in ``about.source.refused``.

    Args:
        drop: folder or file.
        name: name of the store; the drop's own name when None.
        mapping: which source becomes which part; that of the drop, else the proposed one, when None.
        told: what the drop does not say of itself.
        workers: processes that read and encode episodes of recordings.
        replace: make the store anew if there is one of that name.
        progress: called with (files or episodes done, in all).

    Raises:
        StoreError: the format is not recognised, the name is taken by other content, or no episode could be used.
        EmbodimentError: the robot has more joints than the model takes (see ``too_wide``).
        MappingError: the mapping is wrong, none could be proposed for every part and camera, or what neither the drop
            nor ``told`` says would have to be guessed.
        WithdrawalError: the list of those who withdrew cannot be believed.
    """
    drop = Path(drop)
    reader = reader_for(drop)
    if wide := too_wide(embodiment):
        raise EmbodimentError(wide)
    root = lake.stores / store_name(name or (drop.stem if drop.is_file() else drop.name))
    with lake.at_work(), claimed(root):
        read_withdrawals(lake.root)
        return reader.ingest(Intake(drop, root, embodiment, kind, licence, workers, progress, told, replace), mapping)


def look(drop: Path, embodiment: Embodiment, mapping: Mapping | None = None, told: Told = Told()) -> Look:
    """What ``ingest`` would make of a drop; nothing is written. See ``Reader.look``."""
    found = reader_for(drop).look(drop, embodiment, mapping, told)
    wide = too_wide(embodiment)
    problems = [str(one) for one in (wide, found.facts.get("problem")) if one]
    return with_facts(found, facts={**found.facts, "problem": "; ".join(problems)}) if wide else found
