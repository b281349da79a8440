"""The rate of rows without stamps: said by their file, by stamps beside them, or by a person; never assumed.

Recorders of one format run at any rate: those of ALOHA at 50, 30 and 25 Hz, with the same layout.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.recordings.clocks import NS
from gr00t_data.sources.recordings.mapping import Mapping, MappingError
from gr00t_data.sources.recordings.streams import StreamError

_RATES = ("fps", "hz", "freq", "frequency", "frame rate", "framerate", "control freq", "control frequency")
_RATES += ("control hz", "control rate", "sampling rate", "sample rate", "recording rate", "record freq", "rate hz")
_PERIODS = ("dt", "control dt", "step dt", "control timestep", "control period")
"""What recorders call rows a second and seconds a row, in words."""
_SLOWEST_HZ, _FASTEST_HZ = 0.5, 1000.0
"""Rows of a demonstration come no slower and no faster: what says more speaks of another thing."""
_AGREES = 0.02
"""Rates that differ by no more say the same: 29.97 and 30."""
_UNITS_NS = {"s": NS, "ms": NS // 1000, "us": NS // 1_000_000, "ns": 1}


@dataclass(frozen=True)
class Rate:
    """Rows a second, and what says so."""

    hz: float
    said_by: str

    def __str__(self) -> str:
        return f"{self.hz:g} Hz ({self.said_by})"

    def contradicts(self, other: "Rate") -> bool:
        """Whether both cannot be the same rate, as far as clocks are."""
        return abs(self.hz / other.hz - 1) > _AGREES


def one_rate(said: Iterable[Rate], where: str) -> Rate | None:
    """The rate that all of them say, the first one's digits; None where none is said.

    Raises:
        StreamError: they contradict each other.
    """
    rates = list(said)
    if contrary := [one for one in rates if one.contradicts(rates[0])]:
        raise StreamError(f"{where}: says {rates[0]} and {contrary[0]} of its rows; correct the one that is wrong")
    return rates[0] if rates else None


def rates_in(facts: Iterable[tuple[str, object]]) -> list[Rate]:
    """What facts of a file (name, value) say about the rate of its rows."""
    found = []
    for name, value in facts:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            continue
        plain = _plain(name)
        hz = value if plain in _RATES else 1 / value if plain in _PERIODS else 0.0
        if _SLOWEST_HZ <= hz <= _FASTEST_HZ:
            found.append(Rate(float(hz), name))
    return found


def may_say_rate(name: str) -> bool:
    """Whether a fact of that name, if it is a number, is the rate of the rows."""
    return _plain(name) in (*_RATES, *_PERIODS)


def _plain(name: str) -> str:
    return " ".join(re.findall("[a-z0-9]+", name.lower().rpartition(".")[2]))


def rate_of_rows(mapping: Mapping, said: Rate | None, where: str) -> Rate:
    """The rate of rows without stamps: of the mapping, as the file says it, or as it was told.

    Raises:
        MappingError: nobody says it, or the file contradicts what was told.
    """
    if mapping.hz:
        return Rate(mapping.hz, "mapping")
    told = Rate(mapping.told_hz, "told") if mapping.told_hz else None
    if said and told and said.contradicts(told):
        raise MappingError(
            f"{where}: --fps says {told.hz:g} Hz, the recording itself {said}; leave --fps out, or, where the "
            f"recording is wrong, write `hz: {told.hz:g}` into a mapping"
        )
    if rate := said or told:
        return rate
    raise MappingError(
        f"{where}: {_UNKNOWN} Say it with `--fps RATE`, add `hz: RATE` to the mapping, or name the dataset of its "
        "stamps in `times_key`"
    )


def require_rate(mapping: Mapping, said: Rate | None, drop: Path, embodiment: Embodiment) -> None:
    """``rate_of_rows`` of a whole drop, before anything of it is read.

    Raises:
        MappingError: with the command that says the rate.
    """
    if said or mapping.hz or mapping.told_hz:
        rate_of_rows(mapping, said, str(drop))
        return
    raise MappingError(
        f"{drop}: {_UNKNOWN} Look up what the recorder was set to and say it: `gr00t ingest {drop} --embodiment "
        f"{embodiment.name} --fps RATE` (a mapping says it as `hz: RATE`, the marker of a drop as `fps: RATE`; "
        "`times_key` names a dataset of stamps)"
    )


_UNKNOWN = "its rows bear no stamps, and nothing in it says at which rate they were recorded; it is not guessed."


def unit_of_stamps(stamps: np.ndarray) -> str | None:
    """The unit that makes the steps of float stamps those of a recorder: s, ms, us or ns; None: they are no times.

    Counted rows (0, 1, 2, ..) are none: a step of exactly one unit says nothing.
    """
    steps = np.diff(stamps[np.isfinite(stamps)])
    if not len(steps) or not (steps > 0).all() or (steps == 1).all():
        return None
    period = float(np.median(steps))
    units = [unit for unit, one in _UNITS_NS.items() if NS / _FASTEST_HZ < period * one < NS / _SLOWEST_HZ]
    return units[0] if len(units) == 1 else None


def unit_ns(unit: str) -> int:
    """Nanoseconds of a unit of ``unit_of_stamps``."""
    return _UNITS_NS[unit]
