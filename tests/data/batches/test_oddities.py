"""Oddities: a still dimension and an outlier are named, ordinary ones are not."""

from dataclasses import replace

from gr00t_data.batches.statistics.oddities import oddities
from gr00t_data.batches.statistics.statistics import NormStats
from tests.data.builders import GR1


def test_still_and_far(statistics: NormStats) -> None:
    arm = statistics.state["right_arm"]
    arm = replace(arm, min=(-1.0,) * 7, max=(1.0,) * 7, q01=(-0.9,) * 7, q99=(0.9,) * 7)
    ordinary = replace(
        statistics, state=dict.fromkeys(statistics.state, arm), action=dict.fromkeys(statistics.action, arm)
    )
    assert oddities(ordinary, GR1) == []
    odd = replace(arm, min=(0.3, *arm.min[1:]), max=(0.3, *arm.max[1:-1], 30.0))
    [still, far] = oddities(replace(ordinary, state={**ordinary.state, "right_arm": odd}), GR1)
    assert still.startswith("state.right_arm: never move: 0 (0.3) rad")
    assert far.startswith("state.right_arm: outliers: 6 (-1..30, 1 % to 99 %: -0.9..0.9) rad; min_max squeezes")
