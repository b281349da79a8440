"""The benchmark of attacks sees what it is there to see: reasons, crashes, memory, opened files and leaks."""

import faulthandler
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.hostile.attack_modules import every_case
from benchmarks.hostile.case import CANARY, Case, Place
from benchmarks.hostile.child import Outcome, tried


def outcome(tmp_path: Path, runs: Callable[[list[str]], int], reason: str = "refused") -> Outcome:
    case = Case("kind", "name", lambda place: place.drop.mkdir(), lambda place: [str(place.root)], reason, None, runs)
    return tried(case, tmp_path / "case")


def refuses(words: list[str]) -> int:
    print("refused: too large")
    return 1


def opens(words: list[str]) -> int:
    print("refused", (Path(words[0]) / "outside/secret.txt").read_text()[:5])
    return 1


def leaks(words: list[str]) -> int:
    (Path(words[0]) / "lake/copy").write_text(f"x{CANARY}")
    return refuses(words)


def fills(words: list[str]) -> int:
    return refuses([str(np.ones(150_000_000).sum())])


def crashes(words: list[str]) -> int:
    refuses(words)
    raise KeyError("x")


def aborts(words: list[str]) -> int:
    refuses(words)
    sys.stdout.flush()
    faulthandler.disable()  # pytest's would print every frame
    os.abort()


def starts(words: list[str]) -> int:
    os.system("true")
    return refuses(words)


def test_what_is_met_has_no_fault(tmp_path: Path) -> None:
    found = outcome(tmp_path, refuses)
    assert found.faults == [] and found.refused and found.status == 1 and 0 < found.peak_mb < 1000


@pytest.mark.parametrize(
    ("runs", "fault"),
    [
        (opens, "outside/secret.txt"),
        (leaks, "leaked into lake/copy"),
        (fills, "took 1"),
        (crashes, "crashed"),
        (aborts, "crashed"),
        (starts, "os.system"),
    ],
)
def test_what_is_not_met_is_named(tmp_path: Path, runs: Callable[[list[str]], int], fault: str) -> None:
    assert any(fault in one for one in outcome(tmp_path, runs).faults)


def test_another_reason_is_none(tmp_path: Path) -> None:
    assert any("no reason like" in one for one in outcome(tmp_path, refuses, "nested deeper").faults)


def test_there_are_as_many_cases_as_promised() -> None:
    cases = every_case()
    assert len(cases) >= 150 and max(Counter((case.kind, case.name) for case in cases).values()) == 1


def test_place_names_what_is_not_the_drops(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.secret.parent == place.outside and not place.outside.is_relative_to(place.drop)
