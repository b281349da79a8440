"""``experiment_cfg/metadata.json`` of published GR00T N1.5 checkpoints: statistics and modalities per embodiment tag.

The published policy normalises with the numbers in this file, so a folder without it cannot act. Layout: tag ->
``{"statistics": {"state"|"action": {part: {max, min, mean, std, q01, q99}}}, "modalities": {"video": {camera:
{resolution: [width, height], channels, fps}}, "state"|"action": {part: {absolute, rotation_type, shape, continuous}}},
"embodiment_tag": tag}``. (DatasetMetadata of the published code; the file is one such entry a tag.)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.disk import digest_json, read_json
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.store.provenance import Facts
from gr00t_data.store.store import EpisodeStore

METADATA = Path("experiment_cfg", "metadata.json")
NEW_EMBODIMENT, NEW_EMBODIMENT_SLOT = "new_embodiment", 31
PUBLISHED_SLOTS = {"gr1": 24, "oxe_droid": 17, "agibot_genie1": 26, NEW_EMBODIMENT: NEW_EMBODIMENT_SLOT}
"""Embodiment tag -> slot, as in the released N1.5 code, which knows no other tag."""

_NUMBERS = ("max", "min", "mean", "std", "q01", "q99")
_RGB = 3
_UNKNOWN_SIDE_PX = 224
"""Written for a camera whose size nobody says: the published models take 224 x 224 anyway."""


class MetadataError(ValueError):
    """A metadata.json that is not one, or that lacks what was asked for; the message says what it has."""


def dataset_metadata(
    embodiment: Embodiment, statistics: NormStats, cameras: Sequence[str], store: EpisodeStore | None = None
) -> Facts:
    """One entry of the file.

    Args:
        store: where the sizes of the videos are looked up; without it those of the embodiment, or 224 x 224.
    """
    sides = {"state": (embodiment.state, statistics.state), "action": (embodiment.action, statistics.action)}
    return {
        "statistics": {
            side: {part.name: _numbers(measured[part.name]) for part in parts if part.name in measured}
            for side, (parts, measured) in sides.items()
        },
        "modalities": {
            "video": {name: _video(embodiment, name, store) for name in cameras},
            **{side: {part.name: _modality(part) for part in parts} for side, (parts, _) in sides.items()},
        },
        "embodiment_tag": embodiment.name,
    }


def _numbers(measured: PartStatistics) -> dict[str, list[float]]:
    return {name: list(getattr(measured, name)) for name in _NUMBERS}


def _modality(part: Part) -> Facts:
    continuous = part.dtype.startswith("float")
    return {"absolute": part.absolute, "rotation_type": part.rotation, "shape": [part.dim], "continuous": continuous}


def _video(embodiment: Embodiment, name: str, store: EpisodeStore | None) -> Facts:
    camera = embodiment.camera(name)
    height, width = camera.height or _UNKNOWN_SIDE_PX, camera.width or _UNKNOWN_SIDE_PX
    if store is not None:
        column = store.camera_columns.get(name, camera.column)
        shape = (store.features[column].dims if column in store.features else []) or (height, width)
        height, width = shape[:2]
    return {"resolution": [width, height], "channels": _RGB, "fps": store.fps if store else embodiment.control_hz}


def tags_of(folder: Path | str) -> list[str]:
    """The embodiment tags that a checkpoint folder has statistics of, sorted.

    Raises:
        MetadataError: no such file, or not of that layout.
    """
    return sorted(_entries(folder))


def _entries(folder: Path | str) -> dict[str, Any]:
    """Tag -> entry."""
    path = Path(folder) / METADATA
    if not path.is_file():
        raise MetadataError(
            f"{path} does not exist; it holds the statistics that actions are restored with: fetch it with the weights"
        )
    content = read_json(path)
    entries = content.values() if isinstance(content, dict) else [None]
    if not all(isinstance(entry, dict) and {"statistics", "modalities"} <= set(entry) for entry in entries):
        raise MetadataError(f"{path}: expected embodiment tag -> statistics and modalities; fetch it again")
    return content


def published_statistics(
    folder: Path | str, embodiment: Embodiment, tag: str | None = None, selection: str | None = None
) -> NormStats:
    """The statistics that a checkpoint folder holds for an embodiment, as measurements of ours.

    Args:
        tag: the entry to read; None is the embodiment's name.
        selection: the parts that must be there.

    Raises:
        MetadataError: no entry of that tag (names those there are), or a part is missing or of another width.
    """
    wanted, entries = embodiment.name if tag is None else tag, _entries(folder)
    where = Path(folder) / METADATA
    if wanted not in entries:
        raise MetadataError(
            f"{where}: has no statistics of embodiment tag {wanted!r}, only of {', '.join(sorted(entries)) or 'none'}; "
            "fine-tune on its data first, or name one of these tags with tag="
        )
    try:
        sides = {
            side: {name: published_part(part) for name, part in entries[wanted]["statistics"][side].items()}
            for side in ("state", "action")
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MetadataError(f"{where}: statistics of {wanted!r} are not whole ({error!r}); fetch it again") from error
    _check_parts(f"{where}: tag {wanted!r}", embodiment, selection, sides)
    measured = digest_json([wanted, entries[wanted]["statistics"]])
    return NormStats(embodiment.name, embodiment.digest, measured, state=sides["state"], action=sides["action"])


def published_part(numbers: Mapping[str, Sequence[float]]) -> PartStatistics:
    """Statistics of one part. Published ones do not say how many frames were measured: ``count`` is 0."""
    return PartStatistics(0, **{name: tuple(map(float, numbers[name])) for name in _NUMBERS})


def _check_parts(
    where: str, embodiment: Embodiment, selection: str | None, sides: Mapping[str, Mapping[str, PartStatistics]]
) -> None:
    chosen = embodiment.selection(selection)
    parts = [("state", embodiment.state_part(name)) for name in chosen.state]
    parts += [("action", embodiment.action_part(name)) for name in chosen.action]
    for side, part in parts:
        known = sides[side]
        if part.name not in known:
            raise MetadataError(
                f"{where}: has no {side}.{part.name}, only {', '.join(known)}; choose a selection of "
                f"{embodiment.name!r} without it"
            )
        if (found := len(known[part.name].mean)) != part.dim:
            raise MetadataError(
                f"{where}: {side}.{part.name} has {found} dimensions, {embodiment.name!r} says {part.dim}; it was "
                "trained on another robot: correct the embodiment"
            )
