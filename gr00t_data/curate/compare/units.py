"""In which unit the joints of a store really are: what they reach, against the robot's limits and known ratios.

Only what a healthy robot does not do is evidence. An arm whose every joint stays within half a turn of radians of zero
and yet moves smoothly is in radians; one that moves little around any other pose is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.compare.evidence import Rows
from gr00t_data.curate.compare.joint_units import joints_apart
from gr00t_data.curate.compare.row_evidence import RowEvidence
from gr00t_data.curate.finding import Finding, Scale
from gr00t_data.embodiment.robot import Embodiment, Part


@dataclass(frozen=True)
class Kind:
    """A unit that recordings have in place of the declared one.

    Attributes:
        ratio: declared units in one of it.
        reach: what its values never go beyond, in itself (low, high).
        moves: the least movement of a joint that counts, in declared units.
    """

    unit: str
    ratio: float
    reach: tuple[float, float]
    moves: float


_TURN = 4096 / 360  # ticks of a Feetech or Dynamixel servo in a degree
_HALF_TURN = 3.5  # rad: half a turn, and what calibration adds
_RAD = (-_HALF_TURN, _HALF_TURN)
_DEG = (-400.0, 400.0)
_OTHERS: dict[str, tuple[Kind, ...]] = {
    "deg": (Kind("rad", 180 / np.pi, _RAD, 15.0), Kind("ticks", 1 / _TURN, (0, 4096), 10.0)),
    "rad": (Kind("deg", np.pi / 180, _DEG, 0.17), Kind("ticks", np.pi / 180 / _TURN, (0, 4096), 0.17)),
    "ticks": (Kind("rad", _TURN * 180 / np.pi, _RAD, 110.0), Kind("deg", _TURN, (-200.0, 200.0), 110.0)),
    "range_m100_100": (
        Kind("normalised", 100.0, (-1.05, 1.05), 20.0),
        Kind("rad", 180 / np.pi, _RAD, 15.0),
        Kind("ticks", 1 / _TURN, (0, 4096), 10.0),
    ),
    "normalised": (Kind("range_m100_100", 0.01, (-105.0, 105.0), 0.2),),
    "percent": (Kind("1", 100.0, (-0.1, 1.1), 40.0), Kind("ticks", 100 / 4096, (0, 4096), 2.0)),
    "1": (Kind("percent", 0.01, (-10.0, 110.0), 0.2),),
    "m": (Kind("mm", 1e-3, (-3e3, 3e3), 0.02),),
    "mm": (Kind("m", 1e3, (-3.0, 3.0), 20.0),),
}
"""Declared unit -> what else its values may be; the ratios 57.3, 100, 1000 and 4096 a turn."""

_ARM = 3
"""Joints from which on a part is judged by several of them; a slide or a finger says less alone."""
_NOISE = 0.1
"""A joint that covers its whole span in less than ten rows, over and over, is noise and no movement."""
_LEVELS = 20
"""A reading of a servo that rests flickers between fewer values; an open-or-close command has two."""
_SLACK = 0.15
SCALE_END = 100.05
"""What LeRobot's scale never goes beyond, rounding included."""
AT_END, ENDS = 99.5, 2
"""Where a joint stands at an end of that scale, and how many joints that do show it."""
_USED, _USING = 0.6, 0.8
"""Share of the scale that must be used, by which share of the joints, before it is worth a word."""
_MOST_NAMED = 6
_SAME = 4.0
"""Factor within which the ratio of two sets of movements is that of two units."""


def readings(episodes: Mapping[int, RowEvidence], embodiment: Embodiment) -> dict[str, dict[int, str]]:
    """``state.single_arm`` -> episode -> the unit its values are in; the declared one where they rule out every other,
    nothing where they leave it open."""
    found: dict[str, dict[int, str]] = {}
    for side, parts in (("state", embodiment.state), ("action", embodiment.action)):
        for part in parts:
            key = f"{side}.{part.name}"
            known = {index: one.extent[key] for index, one in episodes.items() if key in one.extent}
            if known and part.absolute and part.rotation is None and part.unit in _OTHERS:
                rows = {index: episodes[index].rows for index in known}
                found[key] = {index: _reading(extent, part, rows[index]) for index, extent in known.items()}
    return found


def _reading(extent: np.ndarray, part: Part, rows: int) -> str:
    low, high, way, levels = extent.T
    span = high - low
    moving = (span > 1e-9) & (way <= _NOISE * rows * span) & ((levels >= min(_LEVELS, rows / 4)) | (levels == 2))
    needed = 2 if part.dim >= _ARM else 1
    beyond = _beyond(low, high, part)
    ruled_out = not beyond
    for kind in _OTHERS[part.unit]:
        within = bool(((low >= kind.reach[0]) & (high <= kind.reach[1])).all())
        far = int((moving & (span * kind.ratio >= kind.moves)).sum())
        if kind.ratio > 1:
            if within and far >= needed and (part.dim >= _ARM or kind.unit == "1"):
                return kind.unit
            ruled_out &= not within
        elif within and far and beyond >= min(needed, part.dim) and _fits(low, high, part, kind):
            return kind.unit
    return part.unit if ruled_out else ""


def _beyond(low: np.ndarray, high: np.ndarray, part: Part) -> int:
    """Joints that go beyond what the declared unit allows by half of that and more."""
    if part.limits is None:
        most = {"rad": 20.0, "deg": 1500.0, "1": 3.0, "normalised": 3.0, "m": 5.0}.get(part.unit, np.inf)
        return int((np.maximum(-low, high) > most).sum())
    least, most = np.array(part.limits, dtype=np.float64).T
    return int(((least - low > 0.5 * (most - least)) | (high - most > 0.5 * (most - least))).sum())


def _fits(low: np.ndarray, high: np.ndarray, part: Part, kind: Kind) -> bool:
    """Whether the values lie within the limits of the part once they are converted."""
    if part.limits is None:
        return True
    least, most = np.array(part.limits, dtype=np.float64).T
    zero = 2048.0 * kind.ratio if kind.unit == "ticks" and part.unit in ("deg", "rad") else 0.0
    slack = _SLACK * (most - least)
    return bool(((low * kind.ratio - zero >= least - slack) & (high * kind.ratio - zero <= most + slack)).all())


def check_units(rows: Rows) -> list[tuple[int | None, Finding]]:
    """UNIT-01 and UNIT-02: a finding of the store for all parts together; UNIT-02 rejects the episodes it names."""
    said = readings(rows.episodes, rows.embodiment)
    whole: list[str] = []
    found: list[tuple[int | None, Finding]] = []
    mixed: dict[int, list[str]] = {}
    for key, by_episode in said.items():
        part = _part(rows.embodiment, key)
        for kind in _OTHERS[part.unit]:
            in_it = [index for index, unit in by_episode.items() if unit == kind.unit]
            declared = [index for index, unit in by_episode.items() if unit == part.unit]
            if in_it and not declared and 2 * len(in_it) >= len(by_episode):
                whole.append(_clause(rows, key, part, kind, in_it, len(by_episode)))
            elif in_it and declared and _is_ratio(rows, key, kind, in_it, declared):
                for index in in_it:
                    mixed.setdefault(index, []).append(_clause(rows, key, part, kind, [index], 1, declared))
    if whole:
        found.append((None, UNIT_01.finding("; ".join(whole) + f". {_remedy(whole)}")))
    elif scale := _calibrated(rows, said):
        found.append((None, scale))
    lone: set[int] = set()  # one joint may have rested
    for index, joints in joints_apart(rows).items() if not whole else ():
        if index not in mixed:
            mixed[index] = list(joints.values())
            lone |= {index} if len({joint for joint, _ in joints}) == 1 else set()
    if mixed:
        numbers, first = ", ".join(map(str, sorted(mixed))), "; ".join(mixed[min(mixed)])
        message = (
            f"episodes {numbers} of {len(rows.episodes)} are in another unit than the others; the first: {first}. "
            "Ingest them apart with --unit and mix the two stores"
        )
        found.append((None, UNIT_02.finding(message, severity="error" if {*mixed} - lone else "warning")))
        for index, clauses in sorted(mixed.items()):
            severity = "warning" if index in lone else "error"
            found.append((index, UNIT_02.finding("; ".join(clauses), severity=severity)))
    return found


def _clause(
    rows: Rows, key: str, part: Part, kind: Kind, episodes: list[int], of: int, others: Sequence[int] = ()
) -> str:
    low, high = _reach(rows, key, episodes)
    joints = ", ".join([part.joint(dim) for dim in np.argsort(low - high)[:_MOST_NAMED]])
    limits, beside = "", ""
    if part.limits is not None:
        limits = f" of limits {min(part.limits)[0]:g} to {max(end for _, end in part.limits):g}"
    if others:
        least, most = _reach(rows, key, list(others))
        beside = f", in the others {least.min():.4g} to {most.max():.4g}"
    return (
        f"{key} ({joints}{' ...' if part.dim > _MOST_NAMED else ''}) is declared in {part.unit} and reads as "
        f"{kind.unit}: {low.min():.4g} to {high.max():.4g}{limits} in {len(episodes)} of {of} episodes{beside}; the "
        f"ratio of the two units is {max(kind.ratio, 1 / kind.ratio):.4g}"
    )


def _remedy(clauses: list[str]) -> str:
    units = {clause.partition(" (")[0]: clause.partition("reads as ")[2].partition(":")[0] for clause in clauses}
    said = {f"--unit {key.partition('.')[2]}={unit}" for key, unit in units.items()}
    return (
        f"Ingest it again with {' '.join(sorted(said))}, or say recorded_unit in the robot file, or declare the "
        "unit that it is: else other stores normalise it to nearly nothing, and actions go back in another unit"
    )


def _reach(rows: Rows, key: str, episodes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """float64 [D] each: the lowest and the highest values over episodes."""
    every = np.stack([rows.episodes[index].extent[key] for index in episodes]).astype(np.float64)
    return every[:, :, 0].min(0), every[:, :, 1].max(0)


def _is_ratio(rows: Rows, key: str, kind: Kind, in_it: list[int], others: list[int]) -> bool:
    """Whether two groups of episodes differ by the ratio of the units: what they reach, as a mean over joints."""
    sizes = [np.maximum(*np.abs(_reach(rows, key, group))) for group in (in_it, others)]
    ratio = float(np.exp(np.mean(np.log(np.maximum(sizes[1], 1e-9) / np.maximum(sizes[0], 1e-9)))))
    return kind.ratio / _SAME <= ratio <= kind.ratio * _SAME


def _calibrated(rows: Rows, said: Mapping[str, Mapping[int, str]]) -> Finding | None:
    """UNIT-01 or UNIT-03 of degrees that stay within -100 to 100, as LeRobot's scale does."""
    for key, part in ((f"state.{part.name}", part) for part in rows.embodiment.state if f"state.{part.name}" in said):
        low, high = _reach(rows, key, list(said[key]))
        most, where = np.maximum(-low, high), f"{key} ({', '.join(part.joints)}) is declared in deg"
        ends = [part.joint(int(dim)) for dim in np.flatnonzero(most > AT_END)]
        if _is_scale(low, high, part):
            return UNIT_01.finding(
                f"{where} and reads as range_m100_100: {', '.join(ends)} end at 100 or -100, and no joint goes beyond "
                "in any episode. That is LeRobot's calibrated scale; its ratio to degrees is 100 to half the range of "
                "a joint. Ingest it with --unit range_m100_100 and `range` in the robot file, or declare that unit"
            )
        if _may_be_scale(most, part) and (most > 100 * _USED).mean() >= _USING:
            return UNIT_03.finding(
                f"{where}, reaches {most.max():.4g} and never 100: LeRobot's scale of -100 to 100, which it uses by "
                "default, looks the same. Make sure that degrees were recorded, else ingest with --unit range_m100_100"
            )
    return None


def _is_scale(low: np.ndarray, high: np.ndarray, part: Part) -> bool:
    """Whether joints stop at the ends of LeRobot's scale: several exactly there, and none beyond."""
    most = np.maximum(-low, high)
    return _may_be_scale(most, part) and int((most > AT_END).sum()) >= ENDS


def _may_be_scale(most: np.ndarray, part: Part) -> bool:
    """Whether degrees of an arm, free to go beyond, stay within 100."""
    free = part.limits is None or max(abs(end) for pair in part.limits for end in pair) > 105
    return part.unit == "deg" and part.dim >= _ARM and free and float(most.max()) <= SCALE_END


def scales(rows: Rows) -> dict[str, Scale]:
    """``state.single_arm`` -> what is kept of a store to compare it with others, without the episodes that are in
    another unit than the rest."""
    kept: dict[str, Scale] = {}
    for key, by_episode in readings(rows.episodes, rows.embodiment).items():
        units, part = [unit for unit in by_episode.values() if unit], _part(rows.embodiment, key)
        unit = part.unit if part.unit in units else max({*units}, key=units.count) if units else ""
        low, high = _reach(rows, key, [index for index, one in by_episode.items() if one in ("", unit)])
        unit = "range_m100_100" if _is_scale(low, high, part) else unit
        kept[key] = Scale(unit, tuple(low.tolist()), tuple(high.tolist()))
    return kept


def _part(embodiment: Embodiment, key: str) -> Part:
    """The part that ``state.single_arm`` names."""
    side, _, name = key.partition(".")
    return (embodiment.state_part if side == "state" else embodiment.action_part)(name)


UNIT_01, UNIT_02, UNIT_03 = Look(Rows, check_units, 0).finds(
    Check("UNIT-01", "warning", "values in another unit than the robot file says",
          "joint normalisation makes one store nearly constant, and actions go back to the robot in another unit"),
    Check("UNIT-02", "error", "episodes in another unit than the others", "half of the mixture collapses to zero",
          fact=True, explains="MOTION-04 MOTION-0[67] MOTION-15"),
    Check("UNIT-03", "info", "degrees and LeRobot's scale cannot be told apart",
          "actions go back to the robot on another scale"),
)  # fmt: skip
