"""Two clocks: known values by hand, and properties that hold for every seed. (In batches: test_pace.py.)"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gr00t_data.rates import (
    Pace,
    RateError,
    Summed,
    Turned,
    at_recorded_rate,
    between,
    last_before,
    linear,
    pace_of,
)
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, change_info, episode, sealed

TIMES = np.array([100, 200, 400])
SEEDS = (90210, 4711, 777)


@pytest.mark.parametrize(
    ("hz", "control_hz", "agrees"), [(20, 20, True), (29.97, 30, True), (20.21, 20, False), (19.79, 20, False)]
)
def test_rates_agree_within_a_hundredth(hz: float, control_hz: float, agrees: bool) -> None:
    assert Pace.of(hz, control_hz, "s").agrees is agrees
    assert (Pace(hz, control_hz).rows_a_step == 1.0) is agrees


@pytest.mark.parametrize(
    ("hz", "steps", "rows"), [(20, 0, 0), (20, 7, 7), (50, 16, 40), (12, 1, 1), (12, 0, 0), (12, 16, 10), (30, 3, 4)]
)
def test_steps_are_counted_in_rows(hz: float, steps: int, rows: int) -> None:
    """At least one row for at least one step, none for none."""
    assert Pace(hz, 20).rows(steps) == rows


def test_steps_that_end_within_the_rows() -> None:
    assert Pace(40, 20).whole_steps(5, 4).tolist() == [True, True, False, False]
    assert Pace(10, 20).whole_steps(1, 4).tolist() == [True, True, False, False]
    assert Pace(20, 20).whole_steps(0, 2).tolist() == [False, False]


@pytest.mark.parametrize("hz", [0.0, -20.0, float("inf"), float("nan")])
def test_a_rate_that_is_none_is_refused_with_the_owner(hz: float) -> None:
    with pytest.raises(RateError, match=rf"^monday: fps is {hz}, expected a positive number; correct meta/info.json$"):
        Pace.of(hz, 20, "monday")


def test_twice_the_recorded_rate_is_the_most() -> None:
    """The hundredth in which rates are the same counts here too."""
    assert Pace.of(10, 20, "s").rows_a_step == 0.5
    assert Pace.of(9.92, 20, "s").rows_a_step == pytest.approx(0.496)
    with pytest.raises(RateError, match=r"has 9\.8 rows a second, the embodiment runs at 20 Hz, 2\.04 times as fast"):
        Pace.of(9.8, 20, "s")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    return sealed(tmp_path_factory.mktemp("rates") / "s", [episode(4)])


def with_fps(store: EpisodeStore, fps: object) -> EpisodeStore:
    return change_info(store, fps=fps)


def test_a_store_that_says_nothing_has_the_rate_of_the_robot(store: EpisodeStore) -> None:
    assert pace_of(with_fps(store, None), GR1) == Pace(20, 20)
    assert pace_of(with_fps(store, 50), GR1) == Pace(50, 20)


@pytest.mark.parametrize("fps", ["fast", [20], {}])
def test_a_rate_that_is_no_number_names_the_store(store: EpisodeStore, fps: object) -> None:
    changed = with_fps(store, fps)
    with pytest.raises(RateError, match=r"/s: fps is no number \("):
        pace_of(changed, GR1)
    assert at_recorded_rate(GR1, changed) is GR1


def test_the_robot_as_the_rows_are_spaced(store: EpisodeStore) -> None:
    robot = replace(GR1, action_horizon=16)
    fast = at_recorded_rate(robot, with_fps(store, 50))
    assert (fast.control_hz, fast.action_horizon) == (50, 40)
    assert at_recorded_rate(robot, with_fps(store, 20.1)) is robot
    assert at_recorded_rate(robot, with_fps(store, 5)) is robot  # does not go together at all


def test_the_sample_that_holds_at_a_tick() -> None:
    ticks = np.array([0, 100, 199, 200, 399, 400, 900])
    assert last_before(TIMES, ticks).tolist() == [0, 0, 0, 1, 1, 2, 2]
    left, right, share = between(TIMES, ticks)
    assert left.tolist() == [0, 0, 0, 1, 1, 2, 2] and right.tolist() == [1, 1, 1, 2, 2, 2, 2]
    np.testing.assert_allclose(share, [0, 0, 0.99, 0, 0.995, 0, 1])


def test_straight_lines_between_samples() -> None:
    values = np.array([[1.0, 10.0], [3.0, np.nan], [5.0, 30.0]])
    found = linear(TIMES, values, np.array([50, 100, 150, 300, 400, 500]))
    np.testing.assert_allclose(found[:, 0], [1, 1, 2, 4, 5, 5])
    np.testing.assert_array_equal(np.isnan(found[:, 1]), [False, False, True, True, False, False])


def test_one_sample_holds_everywhere() -> None:
    assert linear(np.array([7]), np.array([[2.5]]), np.array([0, 7, 9])).tolist() == [[2.5]] * 3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_path_of_displacements_is_whole_however_it_is_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = np.concatenate([[0], np.cumsum(rng.integers(1, 50, 9))])
    steps = rng.normal(size=(9, 3))
    path = Summed.of(steps, edges)
    period = int(rng.integers(3, 40))
    cuts = np.arange(0, edges[-1] + period, period)
    np.testing.assert_allclose(path.over(cuts, period).sum(0), steps.sum(0), atol=1e-12)
    np.testing.assert_allclose(path.over(edges[3:4], int(edges[4] - edges[3])), steps[3:4], atol=1e-12)
    assert not path.over(np.array([-90, edges[-1]]), 50).any()


@pytest.mark.parametrize("moving_frame", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_path_of_turns_is_whole_however_it_is_cut(seed: int, moving_frame: bool) -> None:
    rng = np.random.default_rng(seed)
    steps = Rotation.from_rotvec(0.3 * rng.normal(size=(5, 3)))
    edges = np.concatenate([[0], np.cumsum(rng.integers(1, 50, 5))])
    turned = Turned.of(steps.as_quat(scalar_first=True), edges, moving_frame)
    cuts = np.arange(0, edges[-1] + 7, 7)
    found, whole = Rotation.identity(), Rotation.identity()
    for one in Rotation.from_quat(turned.over(cuts, 7), scalar_first=True):
        found = found * one if moving_frame else one * found
    for one in steps:
        whole = whole * one if moving_frame else one * whole
    assert (found.inv() * whole).magnitude() < 1e-12
    outside = Rotation.from_quat(turned.over(np.array([-20, int(edges[-1])]), 10), scalar_first=True)
    assert outside.magnitude().max() < 1e-12


def test_half_of_a_turn_is_half_its_angle() -> None:
    quarter = Rotation.from_rotvec([[0, 0, np.pi / 2]]).as_quat(scalar_first=True)
    half = Turned.of(quarter, np.array([0, 100]), moving_frame=True).over(np.array([0, 50]), 50)
    np.testing.assert_allclose(Rotation.from_quat(half, scalar_first=True).as_rotvec(), [[0, 0, np.pi / 4]] * 2)


def test_the_order_of_turns_is_that_of_the_frame() -> None:
    x, y = Rotation.from_rotvec([np.pi / 2, 0, 0]), Rotation.from_rotvec([0, np.pi / 2, 0])
    steps, edges = Rotation.concatenate([x, y]).as_quat(scalar_first=True), np.array([0, 10, 20])
    for moving_frame, wanted in ((True, x * y), (False, y * x)):
        over = Turned.of(steps, edges, moving_frame).over(np.array([0]), 20)
        assert (Rotation.from_quat(over[0], scalar_first=True).inv() * wanted).magnitude() < 1e-12
