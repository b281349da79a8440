"""Two at once: real processes race for one lake, and lose nothing."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks.races.__main__ import repeat
from benchmarks.races.contest import gr00t
from benchmarks.races.pair import Pair, both_well, whole
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


def test_what_a_race_loses_is_counted(tmp_path: Path) -> None:
    """Two verbs that never waited for each other, and what they left is not what was expected."""
    words = ("landing", "--lake")
    lost = Pair(
        "lost", lambda root: None, lambda lake: [gr00t(*words, lake.root)] * 2, partial(whole, stores=1, episodes=1)
    )
    refused = replace(lost, works=lambda lake: [gr00t("no verb"), gr00t(*words, lake.root)], judge=both_well)
    for number, pair in enumerate((lost, refused)):
        raced = repeat(pair, tmp_path / str(number), 1)
        assert (raced.races, raced.failures) == (1, 1)
