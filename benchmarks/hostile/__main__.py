"""Attacks through the public verbs: refused with a reason, within memory and time, and nothing else harmed.

python -m benchmarks.hostile

Each case is a folder with an attack and, where the verb takes several items, a healthy one beside it. It is built and
tried in processes of its own, forked from this one. What is asked of every case: a reason as expected, peak memory of
each of its processes under 1 GB, under 20 CPU-s, no traceback and no signal, nothing opened outside the drop (Python's
audit hooks, and files beside the drop whose opening the kernel reports), no text of those files in the lake, and the
healthy item in.
"""

import importlib
import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from benchmarks.command import Json, command, say, show, table
from benchmarks.hostile.attack_modules import every_case
from benchmarks.hostile.case import CASES
from benchmarks.hostile.child import MOST_CPU_S, MOST_MB, Outcome, tried
from benchmarks.hostile.models import MADE

_IMPORTED = (
    *("av", "cv2", "h5py", "mcap.reader", "mcap_ros2.decoder", "polars", "pyarrow.parquet", "rosbags.highlevel"),
    *("gr00t_data.sources.landing.landing", "gr00t_data.stages.stores", "gr00t_model.shell.main"),
)
_TITLES = ("kind", "cases", "refused with a reason", "most MB", "most CPU-s", "crashed", "opened outside", "others in")


def measure(only: str, at_once: int) -> list[Outcome]:
    """Try every case whose kind or name holds ``only``, some at once."""
    chosen = [number for number, case in enumerate(every_case()) if only in f"{case.kind}, {case.name}"]
    found = list[Outcome]()
    with tempfile.TemporaryDirectory(prefix="hostile-made-") as made:
        os.environ[MADE] = made
        for imports in dict.fromkeys(CASES[number].imports for number in chosen):
            for name in (*_IMPORTED, *imports):
                importlib.import_module(name)  # forked processes have it already
            alike = [number for number in chosen if CASES[number].imports == imports]
            with multiprocessing.get_context("fork").Pool(at_once) as pool:
                found += pool.imap(_one, alike, chunksize=1)
    return found


def _one(number: int) -> Outcome:
    case, folder = CASES[number], Path(tempfile.mkdtemp(prefix="hostile-"))
    try:
        outcome = tried(case, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for fault in outcome.faults:
        say(f"{case.kind}, {case.name}: {fault}")
    return outcome


def rows(outcomes: list[Outcome]) -> list[dict[str, object]]:
    """A line a kind."""
    found = []
    for kind in dict.fromkeys(one.kind for one in outcomes):
        mine = [one for one in outcomes if one.kind == kind]
        beside = [one for one in mine if one.beside is not None]
        values = (
            kind,
            len(mine),
            sum(one.refused for one in mine),
            round(max(one.peak_mb for one in mine)),
            round(max(one.cpu_s for one in mine), 1),
            sum("crashed" in fault for one in mine for fault in one.faults),
            sum(bool(one.opened) for one in mine),
            f"{sum(not one.beside for one in beside)} of {len(beside)}" if beside else "-",
        )
        found.append(dict(zip(_TITLES, values, strict=True)))
    return found


@command
def main(
    only: Annotated[str, Parameter(help="Only the cases whose kind or name holds this.")] = "",
    at_once: Annotated[PositiveInt | None, Parameter(help="Cases at the same time; the processors by default.")] = None,
    as_json: Json = False,
) -> bool:
    """Print a table, one line a kind. Exit status 1 when a case was not met as it should be; each is named."""
    outcomes = measure(only, at_once or os.cpu_count() or 1)
    faulty = [one for one in outcomes if one.faults]
    found = rows(outcomes)
    bounds = f"bounds: {MOST_MB:.0f} MB, {MOST_CPU_S:.0f} CPU-s; {len(outcomes)} cases, {len(faulty)} not met"
    faults = [f"{one.kind}, {one.name}: {fault}" for one in faulty for fault in one.faults]
    show({"rows": found, "faults": faults}, [*table(_TITLES, (one.values() for one in found)), bounds], as_json)
    return not faulty and bool(outcomes)
