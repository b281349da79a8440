"""Tally: exact moments, exact quantiles below the limit, bounded error beyond it, the same however it was cut."""

import numpy as np
import pytest

from gr00t_data.batches.statistics import tally
from gr00t_data.batches.statistics.tally import RANK_ERROR, Tally, weighted

RANKS = (0.01, 0.5, 0.99)


@pytest.fixture
def rows() -> np.ndarray:
    """Normal, log-normal, constant, clipped: 20,000 rows of each."""
    random = np.random.default_rng(0)
    normal = random.normal(size=20_000)
    columns = [normal, np.exp(2 * random.normal(size=20_000)), np.full(20_000, 0.3), normal.clip(-1, 1)]
    return np.stack(columns, axis=1)


def cut(rows: np.ndarray, pieces: int) -> Tally:
    first, *others = [Tally.of(piece) for piece in np.array_split(rows, pieces)]
    for other in others:
        first.merge(other)
    return first


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_merged_moments_are_those_of_all_rows(rows: np.ndarray, pieces: int) -> None:
    found = cut(rows, pieces)
    assert found.count == len(rows)
    np.testing.assert_allclose(found.mean, rows.mean(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.std(), [*rows.std(0)[:2], 0, rows[:, 3].std()], rtol=1e-10, atol=0)
    assert np.array_equal(found.low, rows.min(0)) and np.array_equal(found.high, rows.max(0))
    assert np.array_equal(found.quantiles(RANKS), np.quantile(rows, RANKS, axis=0))


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_quantiles_beyond_the_limit(rows: np.ndarray, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "EXACT_ROWS", 500)
    found = cut(rows, pieces)
    assert found.rows is None
    for rank, values in zip(RANKS, found.quantiles(RANKS), strict=True):
        below, upto = (rows < values).mean(0), (rows <= values).mean(0)
        assert (np.maximum(below - rank, rank - upto) <= RANK_ERROR).all(), (rank, below, upto)


@pytest.mark.parametrize("limit", [500, 100_000])
def test_saved_and_loaded(rows: np.ndarray, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "EXACT_ROWS", limit)
    one = Tally.of(rows)
    content = one.to_bytes()
    back = Tally.from_bytes(content)
    assert np.array_equal(back.quantiles(RANKS), one.quantiles(RANKS)) and np.array_equal(back.std(), one.std())
    assert back.to_bytes() == content
    twice = []
    for _ in range(2):
        again = Tally.from_bytes(content)
        again.merge(Tally.from_bytes(content))
        assert again.count == 2 * len(rows)
        twice.append(again.to_bytes())
    assert twice[0] == twice[1]


def test_weighted_is_drawing_a_tally_by_its_share(rows: np.ndarray) -> None:
    """A store of 19,500 rows and one of 500, drawn equally often."""
    large, small = rows[:19_500], rows[19_500:] + 5
    found = weighted([Tally.of(large), Tally.of(small)], [0.5, 0.5])
    both = np.concatenate([large, np.repeat(small, 39, axis=0)])
    assert found.count == 20_000 and np.array_equal(found.high, both.max(0))
    np.testing.assert_allclose(found.mean, both.mean(0), rtol=1e-9)
    np.testing.assert_allclose(found.std(), both.std(0), rtol=1e-9)
    for rank, values in zip(RANKS, found.quantiles(RANKS), strict=True):
        below, upto = (both < values).mean(0), (both <= values).mean(0)
        # One row of the small store is a thousandth of the samples.
        assert (np.maximum(below - rank, rank - upto)[[0, 1, 3]] <= RANK_ERROR + 1e-3).all(), (rank, below, upto)


def test_what_cannot_be_tallied() -> None:
    with pytest.raises(ValueError, match=r"found \[0, 3\]"):
        Tally.of(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="row 1, dimension 0 is nan"):
        Tally.of(np.array([[0.0], [np.nan]]))
    with pytest.raises(ValueError, match="2 and 3 dimensions"):
        Tally.of(np.zeros((1, 2))).merge(Tally.of(np.zeros((1, 3))))
