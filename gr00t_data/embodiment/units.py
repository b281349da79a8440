"""From the unit of a recording to that of the robot file: each value times a scale, plus an offset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from gr00t_data.embodiment.document import Unit, did_you_mean
from gr00t_data.embodiment.robot import Embodiment, Part

ANGLES = {"rad": 180 / np.pi, "deg": 1.0, "ticks": None}
"""Unit of an angle -> degrees in one; of a servo's ticks the part says it."""
LENGTHS = {"m": 1.0, "mm": 1e-3}
SHARES = {"1": (0.0, 1.0), "percent": (0.0, 100.0), "normalised": (-1.0, 1.0), "range_m100_100": (-100.0, 100.0)}
"""Unit of a calibrated scale -> its two ends."""
_NO_ANGLES = ("quaternion", "rotation_6d", "matrix")


class UnitError(ValueError):
    """A unit that cannot be converted; the message says what the robot file must say for it."""


@dataclass(frozen=True)
class Affine:
    """``value * scale + offset`` is in the unit of the robot file; float64 [D] each."""

    scale: np.ndarray
    offset: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """[..., D] to [..., D]."""
        return values * self.scale + self.offset


def conversion(part: Part) -> Affine | None:
    """What turns recorded values of a part into its unit; None where they have it.

    Raises:
        UnitError: nobody said what that takes.
    """
    recorded = part.recorded_unit or part.unit
    if recorded == part.unit:
        return None
    if part.rotation in _NO_ANGLES:
        raise UnitError(f"part {part.name!r} is a {part.rotation}, which has no unit; leave recorded_unit out")
    first, last = _to_common(part, recorded), _to_common(part, part.unit)
    if first is None or last is None or first[0] != last[0]:
        raise UnitError(
            f"part {part.name!r}: {recorded} cannot be converted to {part.unit}; {_missing(part, recorded)}"
        )
    scale = first[1] / last[1]
    offset = (first[2] - last[2]) / last[1]
    ones = np.ones(part.dim)
    return Affine(scale * ones, offset * ones if part.absolute else 0 * ones)


def _to_common(part: Part, unit: str) -> tuple[str, np.ndarray, np.ndarray] | None:
    """(kind, scale, offset) to degrees, metres, or the share of a calibrated scale; None where that is not known."""
    other = part.unit if unit == part.recorded_unit else str(part.recorded_unit)
    if unit in SHARES:
        low, high = SHARES[unit]
        share, zero = np.array(1 / (high - low)), np.array(-low / (high - low))
        if other in SHARES:
            return "share", share, zero
        ends = None if part.range is None else np.array(part.range, dtype=np.float64).T
        plain = _to_common_unit(part, other)
        if ends is None or plain is None:
            return None
        kind, scale, offset = plain
        return kind, share * (ends[1] - ends[0]) * scale, (zero * (ends[1] - ends[0]) + ends[0]) * scale + offset
    return _to_common_unit(part, unit)


def _to_common_unit(part: Part, unit: str) -> tuple[str, np.ndarray, np.ndarray] | None:
    """The same for an angle or a length."""
    if unit in LENGTHS:
        return "length", np.array(LENGTHS[unit]), np.zeros(())
    if unit == "ticks":
        scale = np.array(360 / part.ticks_per_turn)
        return "angle", scale, -scale * np.array(part.zero_tick or (part.ticks_per_turn / 2,))
    return ("angle", np.array(ANGLES[unit]), np.zeros(())) if unit in ANGLES else None


def _missing(part: Part, recorded: str) -> str:
    scale = recorded if recorded in SHARES else part.unit
    if scale in SHARES:
        low, high = SHARES[scale]
        other = part.unit if recorded in SHARES else recorded
        return (
            f"say in the robot file what {low:g} and {high:g} mean in {other} (range: [low, high], or one pair a joint)"
        )
    return "declare the part in the unit that it was recorded in"


def with_recorded_units(robot: Embodiment, said: Sequence[str]) -> Embodiment:
    """The robot, its parts recorded in these units.

    Args:
        said: ``rad`` for every part whose unit can be converted from it, ``single_arm=rad`` or
            ``state.single_arm=rad`` for one; the last word on a part counts.

    Raises:
        UnitError: no such unit or part, or no part that has such a unit (says which there are).
    """
    for one in said:
        name, sign, unit = one.rpartition("=")
        if unit not in get_args(Unit):
            hint = did_you_mean(unit, get_args(Unit))
            raise UnitError(f"--unit {one}: unknown unit {unit!r}{hint}; known: {', '.join(get_args(Unit))}")
        meant = [f"{side}.{part.name}" for side, part in _sides(robot) if _is_meant(side, part, name, unit, bool(sign))]
        if not meant:
            parts = ", ".join(f"{side}.{part.name} ({part.unit})" for side, part in _sides(robot))
            raise UnitError(f"--unit {one}: is about none of the parts of {robot.name!r}: {parts}; write PART=UNIT")
        robot = replace(
            robot,
            **{
                side: tuple(
                    replace(part, recorded_unit=unit) if f"{side}.{part.name}" in meant else part
                    for part in getattr(robot, side)
                )
                for side in ("state", "action")
            },
        )
    for _, part in _sides(robot):
        conversion(part)
    return robot


def _sides(robot: Embodiment) -> list[tuple[str, Part]]:
    return [("state", part) for part in robot.state] + [("action", part) for part in robot.action]


def _is_meant(side: str, part: Part, name: str, unit: str, named: bool) -> bool:
    """Whether a unit is said of a part: by name, or because the part is of that kind."""
    if named:
        return name in (part.name, f"{side}.{part.name}")
    if part.rotation in _NO_ANGLES:
        return False
    if unit in ("range_m100_100", "normalised"):
        return part.unit in ANGLES or part.unit in ("range_m100_100", "normalised")
    kinds = (ANGLES, LENGTHS, ("1", "percent"))
    alike = any(unit in kind and part.unit in kind for kind in kinds)
    return alike or (unit in ANGLES and part.unit == "range_m100_100")
