"""Stores that are used together have their joints in one unit, or none of them is normalised rightly."""

from collections.abc import Sequence

import numpy as np

from gr00t_data.curate.compare.units import SCALE_END
from gr00t_data.curate.finding import Scale
from gr00t_data.curate.index import Index

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


def require_one_unit(what: str, indexes: Sequence[Index]) -> None:
    """Compare stores of one embodiment, each with the first that has a part.

    Args:
        what: what they are used for, for the message.

    Raises:
        DifferentUnits: two of them are in different units.
    """
    seen: dict[str, list[Index]] = {}
    for index in indexes:
        for key, scale in index.scales.items():
            for other in seen.get(key, []):
                if why := _differ(other.scales[key], scale):
                    raise DifferentUnits(
                        f"{what}: the stores {other.store_path} and {index.store_path} have {key} in different units: "
                        f"{why}. Ingest the one that is not as the robot file says again with --unit "
                        f"{key.partition('.')[2]}=UNIT, or leave it out"
                    )
            if not any(other.scales[key].unit == scale.unit for other in seen.get(key, [])) or not scale.unit:
                seen.setdefault(key, []).append(index)


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
