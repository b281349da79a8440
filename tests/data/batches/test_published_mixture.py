"""The published mixture: its shares, its known defects, and the merge that counts what is really drawn."""

import numpy as np
import pytest

from benchmarks.recorded.published_mixture import PublishedMixture, merge_statistics, sample_seed
from gr00t_data.batches.statistics.statistics import PartStatistics

SHORT_AND_LONG = PublishedMixture(({0: 10, 1: 30}, {7: 20}), (1.0, 0.5), balance_trajectory_weights=False)


def of(values: list[float]) -> PartStatistics:
    return PartStatistics.of(np.array(values)[:, None])


def test_shares_are_what_the_sampler_does() -> None:
    # 40 frames of weight 1 and 20 of weight 0.5: 0.8 and 0.2; the two episodes of the first are drawn alike.
    np.testing.assert_allclose(SHORT_AND_LONG.dataset_shares, [0.8, 0.2])
    shares = {(0, 0): 0.4, (0, 1): 0.4, (1, 7): 0.2}
    drawn = SHORT_AND_LONG.draw(epoch=0, count=3000)
    for (dataset, episode), share in shares.items():
        rows = drawn[(drawn[:, 0] == dataset) & (drawn[:, 1] == episode)]
        assert len(rows) / len(drawn) == pytest.approx(share, abs=0.03)
        assert rows[:, 2].min() >= 0 and rows[:, 2].max() < SHORT_AND_LONG.episodes[dataset][episode]


def test_an_epoch_shows_the_weight_one_datasets_once() -> None:
    assert len(SHORT_AND_LONG) == 50  # 40 frames at a share of 0.8
    assert len(PublishedMixture(({0: 10},), (1.0,))) == 10


def test_training_draws_by_epoch_and_validation_does_not() -> None:
    first, second = (SHORT_AND_LONG.draw(epoch, 50) for epoch in (0, 1))
    assert (first != second).any()
    first, second = (SHORT_AND_LONG.draw(epoch, 50, train=False) for epoch in (0, 1))
    np.testing.assert_array_equal(first, second)
    assert sample_seed(0, 1, 2) != sample_seed(0, 2, 1) and 0 <= sample_seed(0, 1, 2) < 2**128


def test_what_the_published_code_refuses() -> None:
    with pytest.raises(ValueError, match=r"found \(0.5, 2.0\): divide all weights by the largest"):
        PublishedMixture(({0: 1}, {0: 1}), (0.5, 2.0))
    with pytest.raises(ValueError, match="2 weights and datasets of"):
        PublishedMixture(({0: 1},), (1.0, 1.0))
    with pytest.raises(ValueError, match="at least one episode"):
        PublishedMixture(({},), (1.0,))


def test_a_merge_of_known_values() -> None:
    merged = merge_statistics([of([0.0, 2.0]), of([10.0, 10.0])], [0.75, 0.25])
    # Mean 0.75 * 1 + 0.25 * 10; variance 0.75 * (1 + 2.25**2) + 0.25 * 6.75**2.
    assert merged.mean == (3.25,) and merged.std == pytest.approx((np.sqrt(0.75 * 6.0625 + 0.25 * 45.5625),))
    assert merged.min == (0.0,) and merged.max == (10.0,) and merged.count == 4
    assert merged.q99 == pytest.approx((0.75 * 1.98 + 0.25 * 10,))
    outermost = merge_statistics([of([0.0, 2.0]), of([10.0, 10.0])], [0.75, 0.25], "min_max")
    assert outermost.q01 == pytest.approx((0.02,)) and outermost.q99 == (10.0,)


def test_the_published_merge_of_a_robot_that_owns_a_part() -> None:
    alone, weights = [of([2.0, 4.0])], [0.7, 0.3]
    assert merge_statistics(alone, weights, "min_max").mean == pytest.approx((0.7 * 3,))
    with pytest.raises(ValueError, match="1 sources of one robot came with 2 weights"):
        merge_statistics(alone, weights)
    with pytest.raises(ValueError, match="found 'median'"):
        merge_statistics(alone, [1.0], "median")


def test_the_published_deviation_of_a_still_joint_is_not_a_number() -> None:
    still = PartStatistics(1, (0.9,), (0.0,), (0.9,), (0.9,), (0.9,), (0.9,))
    shares = [0.6, 0.4]  # 0.6 * 0.81 + 0.4 * 0.81 is a rounding less than 0.9 * 0.9
    assert np.isnan(merge_statistics([still] * 2, shares).std[0])
