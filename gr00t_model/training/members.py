"""The mixtures of a run, and the copies of them that a checkpoint keeps."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from gr00t_data.batches.mixture.agreement import require_agreement
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.metadata import (
    METADATA,
    NEW_EMBODIMENT,
    NEW_EMBODIMENT_SLOT,
    PUBLISHED_SLOTS,
    dataset_metadata,
)
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.disk import read_json, write_json, write_text
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_model.groot.weights.own_slots import copy_slot
from gr00t_model.training.config import Data

_FILES = ("manifest.json", "statistics.json", "embodiment.yaml")
_SHARE = "share.json"
_TAGS = "tags.json"
_OTHERS = "also"
"""Folder of a checkpoint with one numbered folder for each further mixture; the first mixture lies at the top."""


def open_members(data: Data) -> tuple[Member, ...]:
    """Every mixture of a run with its statistics and robot, the first one first.

    Raises:
        ValueError: the statistics were not measured on their mixture.
    """
    members = []
    for mixture in data.mixtures:
        manifest, statistics = MixtureManifest.load(Path(mixture.manifest)), NormStats.load(Path(mixture.statistics))
        if not mixture.foreign_statistics:
            require_agreement(manifest, statistics)
        robot = load_embodiment(mixture.embodiment)
        members.append(Member(manifest, statistics, robot, mixture.weight, mixture.acting_steps or None))
    return tuple(members)


def write_members(data: Data, folder: Path) -> None:
    """Copy the inputs of a run into a checkpoint."""
    for number, mixture in enumerate(data.mixtures):
        place = _place(folder, number)
        place.mkdir(parents=True, exist_ok=True)
        MixtureManifest.load(Path(mixture.manifest)).save(place / "manifest.json")
        shutil.copyfile(mixture.statistics, place / "statistics.json")
        write_text(place / "embodiment.yaml", load_embodiment(mixture.embodiment).text)
        if len(data.mixtures) > 1:
            write_json(place / _SHARE, {"weight": mixture.weight, "acting_steps": mixture.acting_steps})


def read_members(folder: Path, count: int) -> tuple[Member, ...]:
    """The ``count`` mixtures of a checkpoint, the first one first.

    Raises:
        ValueError: a file is missing or broken; the message names it.
    """
    members = []
    for number in range(count):
        place = _place(folder, number)
        if missing := [name for name in _FILES if not (place / name).is_file()]:
            raise ValueError(f"{place}: lacks {', '.join(missing)}; export the run again")
        share = read_json(place / _SHARE) if (place / _SHARE).is_file() else {"weight": 1.0, "acting_steps": 0}
        members.append(
            Member(
                MixtureManifest.load(place / "manifest.json"),
                NormStats.load(place / "statistics.json"),
                load_embodiment(place / "embodiment.yaml"),
                float(share["weight"]),
                share["acting_steps"] or None,
            )
        )
    return tuple(members)


def _place(folder: Path, number: int) -> Path:
    return folder / _OTHERS / str(number) if number else folder


def new_embodiment(members: Sequence[Member]) -> Embodiment | None:
    """The robot that the published code, which knows four tags only, finds under ``new_embodiment``: the one whose slot
    is the published one of that tag, else the first of the run, unless it has a published tag of its own (then None).
    """
    robots = [member.embodiment for member in members]
    placed = [robot for robot in robots if robot.slot == NEW_EMBODIMENT_SLOT]
    own = [robot for robot in robots[:1] if robot.name not in PUBLISHED_SLOTS]
    return next(iter([*placed, *own]), None)


def members_metadata(members: Sequence[Member]) -> dict[str, Any]:
    """The content of a published ``metadata.json``: one entry for each embodiment, and that of ``new_embodiment``."""
    entries, tagged = {}, new_embodiment(members)
    for member in members:
        cameras = member.embodiment.selection(member.manifest.selection).cameras
        store = member.manifest.sources[0].open()
        entry = dataset_metadata(member.embodiment, member.statistics, cameras, store)
        entries[member.embodiment.name] = entry
        if tagged is member.embodiment:
            entries[NEW_EMBODIMENT] = {**entry, "embodiment_tag": NEW_EMBODIMENT}
    return entries


def write_tags(members: Sequence[Member], adapter: Path) -> None:
    """Give an adapter what the published code must find once it is merged: the metadata, and which slot acts as 31."""
    write_json(adapter / METADATA, members_metadata(members))
    tagged = new_embodiment(members)
    write_json(adapter / _TAGS, {NEW_EMBODIMENT: tagged.slot} if tagged else {})


def merge_tags(model: nn.Module, base: Path, adapter: Path) -> dict[str, Any] | None:
    """The metadata of ``base`` and of an adapter merged into it; ``model`` gets the slot of ``new_embodiment``.

    None: neither of them has any, as peft's own adapters.
    """
    files = [folder / METADATA for folder in (base, adapter) if (folder / METADATA).is_file()]
    tags = read_json(adapter / _TAGS) if (adapter / _TAGS).is_file() else {}
    if NEW_EMBODIMENT in tags:
        copy_slot(model, tags[NEW_EMBODIMENT], NEW_EMBODIMENT_SLOT)
    return {tag: entry for file in files for tag, entry in read_json(file).items()} if files else None
