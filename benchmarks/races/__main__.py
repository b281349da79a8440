"""Two at once: pairs of processes that write on one lake at the same moment, many times each.

python -m benchmarks.races --repeats 50

Each race begins on a fresh copy of its lake, at a barrier, one of the two up to 0.33 s later. Afterwards stores must
verify, every episode must be there, and no finding may say what is not true. A failure is printed with what both said.
Pairs of slow works are raced less often: ``--seconds`` bounds the time for each pair.
"""

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveFloat, PositiveInt

from benchmarks.command import Json, command, say, show, table
from benchmarks.races.contest import race
from benchmarks.races.pair import Lost, Pair
from benchmarks.races.pairs import PAIRS
from gr00t_data.lake import Lake

_STEP_S, _STEPS = 0.03, 12
"""One of the two begins later by so much, each time another one, up to a third of a second."""


@dataclass(frozen=True)
class Raced:
    """The races of one pair: how many, how many failed, in how many somebody waited and said so, and how long."""

    pair: str
    races: int
    failures: int
    waited: int
    seconds: float


def repeat(pair: Pair, folder: Path, repeats: int, most_seconds: float = float("inf")) -> Raced:
    """Race a pair; each time on a fresh copy of what was prepared once."""
    made = folder / "made"
    made.mkdir(parents=True)
    pair.prepare(made)
    failures = waited = races = 0
    start = time.monotonic()
    while races < repeats and time.monotonic() - start < most_seconds:
        lake = Lake(folder / "lake")
        shutil.rmtree(lake.root, ignore_errors=True)
        if (made / "lake").is_dir():
            shutil.copytree(made / "lake", lake.root, symlinks=True)
        late_s = (races // 2 % _STEPS * _STEP_S, 0.0)
        ended = race(pair.works(lake), folder, late_s if races % 2 else late_s[::-1])
        races += 1
        waited += any("waiting until" in one.said for one in ended)
        try:
            pair.judge(lake, ended)
        except (Lost, ValueError, OSError) as error:
            failures += 1
            say(f"{pair.name}, race {races}: {error!r}\n{error}")
    return Raced(pair.name, races, failures, waited, time.monotonic() - start)


@command
def main(
    repeats: PositiveInt = 50,
    seconds: Annotated[PositiveFloat, Parameter(help="For each pair at most.")] = 3600.0,
    only: Annotated[str, Parameter(help="Pairs whose names hold this.")] = "",
    as_json: Json = False,
) -> bool:
    """Race every pair; exit status 1 when a race lost something."""
    found = []
    for name, pair in PAIRS.items():
        if only in name:
            with tempfile.TemporaryDirectory(prefix="races-") as folder:
                found.append(repeat(pair, Path(folder), repeats, seconds))
            say(f"{time.strftime('%H:%M:%S')} {found[-1]}")
    rows = [(one.pair, one.races, one.failures, one.waited, f"{one.seconds:.0f}") for one in found]
    titles = ("two at once", "races", "failures", "one waited and said so", "seconds")
    show([vars(one) for one in found], table(titles, rows), as_json)
    return bool(found) and not any(one.failures for one in found)
