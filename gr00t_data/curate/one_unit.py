"""Stores that are used together have their joints in one unit, or none of them is normalised rightly."""

from collections.abc import Sequence

import numpy as np

from gr00t_data.curate.compare.units import SCALE_END
from gr00t_data.curate.finding import Scale
from gr00t_data.curate.index import Index
from gr00t_data.embodiment.robot import Embodiment

_RATIOS = {
    "57.3 (degrees in a radian)": 180 / np.pi,
    "1000 (mm in a metre)": 1e3,
    "652 (ticks in a radian)": 2048 / np.pi,
}
_EVERY_JOINT = 8.0
"""Factor by which every joint of one store reaches further. A smaller workspace does not shrink each to an eighth, for
poses are not around zero."""
_SAME = 2.2
_FEWEST = 3


class DifferentUnits(ValueError):
    """Two stores whose joints are in different units; the message names both, the joints and what to do."""


def require_one_unit(what: str, indexes: Sequence[Index], robot: Embodiment) -> None:
    """Compare stores of one robot, part by part.

    Args:
        what: what they are used for, for the message.

    Raises:
        DifferentUnits: two of them are in different units.
    """
    seen: dict[str, list[Index]] = {}
    for index in indexes:
        for key, scale in index.scales.items():
            for other in seen.get(key, []):
                if _differ(other.scales[key], scale):
                    raise DifferentUnits(_told(what, other, index, robot))
            if not scale.unit or all(other.scales[key].unit != scale.unit for other in seen.get(key, [])):
                seen.setdefault(key, []).append(index)


def _told(what: str, one: Index, other: Index, robot: Embodiment) -> str:
    """All parts in which the two differ, and which of the stores is to be ingested again."""
    parts = {f"{side}.{part.name}": part for side in ("state", "action") for part in getattr(robot, side)}
    keys = [key for key in parts if key in one.scales and key in other.scales]
    why = {key: found for key in keys if (found := _differ(one.scales[key], other.scales[key]))}
    off = {
        index.store_path: sorted({f"--unit {parts[key].name}={index.scales[key].unit}" for key in why})
        for index in (one, other)
        if all(index.scales[key].unit not in ("", parts[key].unit) for key in why)
    }
    remedy = "; ".join(f"{path} with {' '.join(units)}" for path, units in off.items())
    remedy = remedy or "the one that is not as the robot file says, with --unit PART=UNIT"
    differing = "; ".join(f"{key}: {found}" for key, found in why.items())
    return (
        f"{what}: the stores {one.store_path} and {other.store_path} are in different units: {differing}. Ingest again "
        f"{remedy} (under another name), or leave it out"
    )


def _differ(one: Scale, other: Scale) -> str:
    """How two scales contradict each other; empty where they do not."""
    if len(one.low) != len(other.low):
        return ""
    spans = f"{_span(one)} and {_span(other)}"
    if one.unit and other.unit and one.unit != other.unit and not _perhaps_one_scale(one, other):
        return f"the first reads as {one.unit}, the second as {other.unit} ({spans})"
    first, second = (np.maximum(np.abs(scale.low), np.abs(scale.high)) for scale in (one, other))
    small, large = sorted((first, second), key=lambda size: float(size.mean()))
    if len(small) < _FEWEST or not (small > 0).all() or not (large > _EVERY_JOINT * small).all():
        return ""
    ratio = float(np.exp(np.log(large / small).mean()))
    near = [name for name, known in _RATIOS.items() if known / _SAME < ratio < known * _SAME]
    return f"every joint reaches {ratio:.3g} times as far in one of them ({spans}), near {near[0]}" if near else ""


def _perhaps_one_scale(one: Scale, other: Scale) -> bool:
    """Whether the one in degrees may be on LeRobot's scale, too: it never leaves it."""
    degrees = next((scale for scale in (one, other) if scale.unit == "deg"), None)
    reach = max(map(abs, (*degrees.low, *degrees.high)), default=0.0) if degrees else 0.0
    return {one.unit, other.unit} == {"deg", "range_m100_100"} and reach <= SCALE_END


def _span(scale: Scale) -> str:
    return f"{min(scale.low):.4g} to {max(scale.high):.4g}"
