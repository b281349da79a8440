"""The benchmark of statistics: its error in rank by hand, and that it runs."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.statistics import _RANKS, opening, rank_error


def test_rank_error_by_hand() -> None:
    values = np.arange(1001.0)[:, None]
    exact = np.quantile(values, _RANKS, axis=0)
    assert rank_error(values, exact) == pytest.approx(0, abs=1e-3)
    assert rank_error(values, exact + 50) == pytest.approx(0.05, abs=1e-3)
    assert rank_error(np.ones((10, 1)), np.ones((5, 1))) == 0


def test_it_measures(tmp_path: Path) -> None:
    assert 0 < opening(tmp_path) < 1000
