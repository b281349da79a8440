"""The published bounds of alignment hold on synthetic streams with known truth."""

import pytest

from benchmarks.align import CASES, Case, measure


@pytest.mark.parametrize("case", CASES, ids=str)
def test_errors_stay_inside_their_bounds(case: Case) -> None:
    found = measure(case, seconds=20.0)
    assert found.error_rad <= found.bound_rad
    assert found.lag_error_s <= found.lag_bound_s
    assert found.drift_error_ppm <= found.drift_bound_ppm
    assert found.error_rad < found.nearest_rad


def test_an_undeclared_latency_would_be_seen() -> None:
    assert measure(Case(200.0, latency_s=0.085), seconds=20.0).nearest_rad > 0.3
