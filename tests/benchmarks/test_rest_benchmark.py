"""The benchmark of changed bytes: it counts what is believed, and its page says what happens."""

import os
from pathlib import Path

import pytest

from benchmarks.rest.cost import Cost, measured
from benchmarks.rest.flips import Bench, tried
from benchmarks.rest.kinds import KINDS, Kind, without_kind
from benchmarks.rest.lake import build
from benchmarks.rest.page import NOBODY, page_table
from benchmarks.rest.uses import USES

PAGE = Path(__file__).parents[2] / "docs/integrity.md"
BEGIN, END = "<!-- who notices -->\n", "<!-- end -->"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("rest")
    build(folder / "lake")
    return Bench(folder / "lake", folder / "work")


def test_the_page_has_a_row_for_every_kind_and_somebody_notices() -> None:
    table = PAGE.read_text().split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert [row[0] for row in cells] == [kind.name for kind in KINDS] and {len(row) for row in cells} == {4}
    assert [row for row in cells if NOBODY in row] == []


def test_uses_are_known() -> None:
    assert {use for kind in KINDS for use in kind.uses} == USES.keys()


@pytest.mark.slow
def test_what_is_noticed_and_what_is_believed_are_told_apart(bench: Bench) -> None:
    noticed = tried(bench, Kind("pointer", ("current/mixture_gr1.json",), ("preview", "verify")), 4, seed=0)
    assert (noticed.flips, noticed.noticed, noticed.believed) == (4, 4, {})
    assert "current/mixture_gr1.json: is not" in noticed.words
    drop = tried(bench, Kind("drop", ("landing/*/meta/info.json",), ("preview", "verify")), 2, seed=0)
    assert (drop.flips, drop.noticed, set(drop.believed)) == (2, 0, {"preview", "verify"})
    again = tried(bench, Kind("tally", ("statistics/tallies/*",), ("stats kept",)), 2, seed=0)
    assert (again.noticed, again.believed) == (2, {})
    assert {path: (bench.whole / path).read_bytes() for path in bench.stamps} == {
        path: (bench.lake.root / path).read_bytes() for path in bench.stamps
    }


@pytest.mark.slow
def test_every_file_of_a_lake_is_of_a_kind(bench: Bench) -> None:
    assert without_kind(bench.whole) == []
    assert all(bench.names(kind) for kind in KINDS)
    assert without_kind(PAGE.parent) == sorted(path.name for path in PAGE.parent.iterdir())


@pytest.mark.slow
def test_the_table_is_what_happens(bench: Bench, tmp_path: Path) -> None:
    """Changes with the words of errors. Rewrite with GR00T_WRITE_DOCS=1."""
    build(tmp_path / "other", seed=1)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    table = page_table(bench, tmp_path / "other")
    if os.environ.get("GR00T_WRITE_DOCS"):
        PAGE.write_text(f"{before}{BEGIN}{table}\n{END}{rest.partition(END)[2]}")
    assert PAGE.read_text().partition(BEGIN)[2].partition(END)[0].strip() == table


@pytest.mark.slow
def test_verification_is_cheap(bench: Bench) -> None:
    found = measured(bench.lake.root)
    bench.restore()
    assert found.fits and found.opening_ms > 0 and 0 < found.share < 1, found
    assert not Cost(opening_ms=21.0, training_s=1.0, share=0.0).fits
