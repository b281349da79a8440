"""Two at once: real processes race for one lake, and lose nothing."""

from pathlib import Path

import pytest

from benchmarks.races.__main__ import repeat
from benchmarks.races.pairs import PAIRS

_FEW, _MANY = 2, 50
_LONG_S = 3.0
"""Pairs whose races take longer are left to the slow tests."""


@pytest.mark.parametrize("name", [name for name, pair in PAIRS.items() if pair.seconds <= _LONG_S])
def test_two_at_once_lose_nothing(name: str, tmp_path: Path) -> None:
    assert repeat(PAIRS[name], tmp_path, _FEW).failures == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_two_at_once_lose_nothing_ever(name: str, tmp_path: Path) -> None:
    raced = repeat(PAIRS[name], tmp_path, _MANY, most_seconds=1800)
    assert raced.failures == 0 and raced.races
