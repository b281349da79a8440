"""One byte changed in each kind of file of a lake, then the thing is used as its users do: who notices?

python -m benchmarks.rest

A small lake is made through the public stages. Of every kind of file, random bytes of random files are changed, one at
a time; each use that reads the file must refuse it, or make it again, and name it. What was verified before by the same
process is changed too. At the end: what verification costs.
"""

import multiprocessing
import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from benchmarks.command import Json, command, say, show, table
from benchmarks.rest.cost import Cost, measured
from benchmarks.rest.flips import Tally, begin, one_kind
from benchmarks.rest.kinds import KINDS, without_kind
from benchmarks.rest.lake import build

_TITLES = ("kind", "used by", "flips", "noticed", "words")
_WORDS = 160


def measure(only: str, flips: int, seed: int, every: bool, at_once: int) -> tuple[list[Tally], Cost]:
    """The tallies of the kinds whose name holds ``only``, and what verification costs."""
    folder = Path(tempfile.mkdtemp(prefix="rest-"))
    context = multiprocessing.get_context("spawn")
    numbers = [number for number, kind in enumerate(KINDS) if only in kind.name]
    try:
        with ProcessPoolExecutor(1, context) as pool:
            pool.submit(build, folder / "lake").result()
        if forgotten := without_kind(folder / "lake"):
            raise RuntimeError(f"of no kind in benchmarks/rest/kinds.py: {', '.join(forgotten)}")
        with ProcessPoolExecutor(at_once, context, begin, (folder,)) as pool:
            found = pool.map(one_kind, numbers, repeat(flips), repeat(seed), repeat(every))
            tallies = [_told(one) for one in found]
        with ProcessPoolExecutor(1, context) as pool:
            return tallies, pool.submit(measured, folder / "lake").result()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _told(found: Tally) -> Tally:
    say(f"{found.kind}: {found.noticed} of {found.flips} noticed")
    for use, missed in found.believed.items():
        say(f"  believed by {use}: {', '.join(missed[:3])}")
    return found


@command
def main(
    flips: Annotated[PositiveInt, Parameter(help="Bytes changed of each kind.")] = 20,
    only: Annotated[str, Parameter(help="Only the kinds whose name holds this.")] = "",
    seed: Annotated[int, Parameter(help="Of the files and bytes.")] = 0,
    every: Annotated[bool, Parameter(help="Each before every use of its file; else before two.")] = False,
    at_once: Annotated[PositiveInt | None, Parameter(help="Kinds at the same time; the processors by default.")] = None,
    as_json: Json = False,
) -> bool:
    """Print a table. Exit status 1 when a use believed a change, or verification costs too much."""
    found, cost = measure(only, flips, seed, every, at_once or os.cpu_count() or 1)
    total, noticed = sum(one.flips for one in found), sum(one.noticed for one in found)
    rows = [(one.kind, ", ".join(one.uses), one.flips, one.noticed, one.words[:_WORDS]) for one in found]
    lines = [*table(_TITLES, rows), "", f"{noticed} of {total} changed bytes were noticed before use.", *cost.lines()]
    facts = {"seed": seed, "kinds": [vars(one) for one in found], "flips": total, "noticed": noticed}
    show(facts | {"cost": vars(cost)}, lines, as_json)
    return total > 0 and noticed == total and cost.fits
