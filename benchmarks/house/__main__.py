"""The code as a house, each figure beside its bound: sizes, floors, and what it takes to add one of each.

python -m benchmarks.house [--json]

Source is the four packages and the benchmarks, every line; sizes of files and functions are those of the packages.
The last rows run the tests that add one of each, which takes a few minutes. Exit status 1 when a bound is broken.
"""

import statistics
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.command import Json, command, show
from benchmarks.house.additions import ADDITIONS, touched
from benchmarks.house.batch_path import above_ground, batch_path
from benchmarks.house.sizes import ROOT, annotated, files, functions, length, lengths
from tests.test_architecture import FLOORS, FULLEST, circles, crowds, violations


class Figure(NamedTuple):
    """One row: what was found, its bound in words, and whether that holds. ``None``: it could not be measured."""

    what: str
    found: float | str | None
    bound: str
    holds: bool


def most(what: str, found: float, bound: float) -> Figure:
    """A figure that may not be above its bound."""
    return Figure(what, found, f"at most {bound:,}", found <= bound)


def least(what: str, found: float, bound: float) -> Figure:
    """A figure that may not be below its bound."""
    return Figure(what, found, f"at least {bound}", found >= bound)


def sizes() -> Iterator[Figure]:
    """Lines, files, functions, annotations and tests."""
    packages, every = files(*FLOORS), files(*FLOORS, "benchmarks")
    of_files, found = lengths(packages), list(functions(packages))
    of_functions = [length(one) for one in found]
    yield most("source lines", sum(lengths(every)), 57_700)
    yield Figure("source files", len(every), "", True)
    yield most("lines of a file, median", statistics.median(of_files), 150)
    yield most("lines of a file, 9 of 10 at most", round(statistics.quantiles(of_files, n=10)[-1]), 300)
    yield most("lines of a function, median", statistics.median(of_functions), 10)
    yield most("lines of a function, 9 of 10 at most", round(statistics.quantiles(of_functions, n=10)[-1]), 45)
    yield least("share of functions with every type", round(sum(map(annotated, found)) / len(found), 3), 0.98)
    yield least("test lines over source lines", round(sum(lengths(files("tests"))) / sum(of_files), 2), 0.5)


def floors() -> Iterator[Figure]:
    """What the law of ``tests/test_architecture.py`` counts."""
    yield most("import circles", len(circles(ROOT)), 0)
    yield most("arrows up", len(violations(ROOT)), 0)
    yield most("files in the fullest folder", max(crowds(ROOT).values()), FULLEST)


def additions() -> Iterator[Figure]:
    """Files to touch for one more of each."""
    for one in ADDITIONS:
        found = touched(one)
        holds = found is not None and found[0] <= one.files and found[1] <= one.lines
        yield Figure(f"files to touch: {one.what}", said(*found) if found else None, said(one.files, one.lines), holds)


def said(new: int, lines: int) -> str:
    """New files, and lines in others: ``1``, or ``1 + 1 line``."""
    return f"{new} + {lines} line{'s' * (lines > 1)}" if lines else str(new)


@command
def main(as_json: Json = False) -> bool:
    """Measure, print, and end with 1 when a bound is broken."""
    passed = len(above_ground(batch_path()))
    figures = [*sizes(), *floors(), most("files above the ground from disk to Batch", passed, 12), *additions()]
    wide = max(len(one.what) for one in figures)
    lines = (
        f"{one.what:{wide}}  {one.found!s:>12}  {one.bound:24}{'' if one.holds else '  BROKEN'}" for one in figures
    )
    show({one.what: one._asdict() for one in figures}, map(str.rstrip, lines), as_json, indent=2)
    return all(one.holds for one in figures)
