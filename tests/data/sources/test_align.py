"""Alignment: known values for each rule, both clocks kept, refusals that say by how much."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rotations import of_quaternions, part_of, slerp
from gr00t_data.sources.recordings.align import align
from gr00t_data.sources.recordings.binding import bound_parts, camera_of
from gr00t_data.sources.recordings.clocks import NS, AlignError, nearest, stamps_from_seconds, ticks, usable_clock
from gr00t_data.sources.recordings.mapping import Mapping, PartSource, parse_mapping
from gr00t_data.sources.recordings.resample import low_pass, resample
from gr00t_data.sources.recordings.streams import FrameReader, Stream, StreamError, in_order
from tests.data.sources.rig import camera, motion, raw, rig, stamps, stream


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    return rig(tmp_path)


def at(one: Stream, *seconds: float, period_s: float = 0.05) -> np.ndarray:
    """The stream's values at these times."""
    clock = usable_clock("s", one.times_ns, one.latency_ns)
    return resample(one, clock, np.array([round(s * NS) for s in seconds], dtype=np.int64), round(period_s * NS))


def of(kind: str, values: list, hz: float = 10.0, **fields: object) -> Stream:
    matrix = np.array(values, dtype=float)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    return Stream(kind, stamps(hz, len(values) / hz), matrix, **fields)  # type: ignore[arg-type]


def test_ticks_do_not_add_up_errors() -> None:
    assert ticks(7, 3, 30.0).tolist() == [7, 33333340, 66666673]
    assert ticks(0, 1, 30.0, first=30 * 86400)[0] == 86400 * NS
    assert ticks(10, 2, 20.0, first=-1).tolist() == [10 - NS // 20, 10]


def test_seconds_become_exact_nanoseconds_and_nan_is_left_out() -> None:
    times, usable = stamps_from_seconds(np.array([1.7e9 + 0.5, np.nan, np.inf, 2.000000001]))
    assert times.tolist() == [1_700_000_000_500_000_000, 2_000_000_001] and usable.tolist() == [
        True,
        False,
        False,
        True,
    ]


def test_nearest_takes_the_earlier_of_two_equals() -> None:
    assert nearest(np.array([0, 10, 20]), np.array([-5, 4, 5, 6, 99])).tolist() == [0, 0, 0, 1, 2]


def test_joints_lie_on_straight_lines() -> None:
    assert at(of("joint", [0, 1, 3]), 0.05, 0.1, 0.15)[:, 0] == pytest.approx([0.5, 1, 2])


def test_a_nan_does_not_spread_to_a_sample_that_was_met() -> None:
    found = at(of("joint", [0, np.nan, 2]), 0.0, 0.05, 0.2)[:, 0]
    assert found[0] == 0 and np.isnan(found[1]) and found[2] == 2


def test_angles_go_the_shorter_way_round() -> None:
    found = at(of("angle", [3.0, -3.0]), 0.05)[0, 0]
    assert abs(found) == pytest.approx(np.pi) and at(of("angle", [350, 10], turn=360.0), 0.05)[0, 0] == 360
    assert at(of("joint", [3.0, -3.0]), 0.05)[0, 0] == pytest.approx(0)


def test_angles_at_their_samples_keep_every_digit() -> None:
    values = np.random.default_rng(0).uniform(-3.1, 3.1, 50)
    assert np.array_equal(at(of("angle", list(values)), *np.arange(50) / 10)[:, 0], values)
    turned = np.linspace(0, 20, 50)
    assert at(of("angle", list(turned)), 0.05)[0, 0] == pytest.approx(turned[1] / 2)


def test_quaternions_ignore_the_sign_they_were_written_with() -> None:
    half = np.sqrt(0.5)
    written = of("quaternion", [[1, 0, 0, 0], [-half, 0, 0, -half]], rotation="quaternion")
    found = at(written, 0.05)[0]
    assert found == pytest.approx([np.cos(np.pi / 8), 0, 0, np.sin(np.pi / 8)])


def test_axis_angles_are_interpolated_as_rotations() -> None:
    found = at(of("quaternion", [[0, 0, 3.0], [0, 0, -3.0]], rotation="axis_angle"), 0.05)[0]
    assert abs(found[2]) == pytest.approx(np.pi)


def test_a_quaternion_of_length_zero_is_refused() -> None:
    with pytest.raises(AlignError, match="sample 1 is a quaternion of length zero"):
        at(of("quaternion", [[1, 0, 0, 0], [0, 0, 0, 0]], rotation="quaternion"), 0.05)


def test_commands_hold_until_the_next_one() -> None:
    assert at(of("command", [1, 2, 3]), 0.0, 0.0999, 0.1, 5.0)[:, 0].tolist() == [1, 1, 2, 3]


def test_forces_are_filtered_before_they_are_thinned_out() -> None:
    times = stamps(1000, 4)
    slow, fast = np.sin(2 * np.pi * 1.0 * times / NS), np.sin(2 * np.pi * 41.0 * times / NS)
    seconds = np.arange(10, 70) / 20
    kept = at(Stream("force", times, slow[:, None]), *seconds)[:, 0]
    assert kept == pytest.approx(np.sin(2 * np.pi * seconds), abs=0.01)
    assert np.abs(at(Stream("force", times, fast[:, None]), *seconds)).max() < 0.01
    assert np.abs(at(Stream("joint", times, fast[:, None]), *seconds)).max() > 0.5
    assert low_pass(0.1).sum() == pytest.approx(1)


def test_displacements_add_up_whatever_the_ratio_of_rates() -> None:
    steps = np.random.default_rng(1).normal(size=(90, 2))
    one = of("relative", list(steps), hz=30)
    rows = at(one, *np.arange(60) / 20)
    assert rows.sum(0) == pytest.approx(steps.sum(0))
    assert at(of("relative", list(steps), hz=60), 0.05)[0] == pytest.approx(steps[3:6].sum(0))
    assert np.allclose(at(of("relative", list(steps), hz=20), *np.arange(90) / 20), steps)


@pytest.mark.parametrize("moving", [False, True])
def test_turns_are_multiplied_in_their_frame(moving: bool) -> None:
    x, y = [0.4, 0, 0], [0, 0.3, 0]
    one = of("relative", [x, y], hz=40, rotation="axis_angle", moving_frame=moving)
    from gr00t_data.rotations import axis_angle_to_matrix, matrix_to_axis_angle

    first, second = axis_angle_to_matrix(np.array(x)), axis_angle_to_matrix(np.array(y))
    expected = first @ second if moving else second @ first
    assert at(one, 0.0)[0] == pytest.approx(matrix_to_axis_angle(expected), abs=1e-12)


def test_slerp_turns_evenly() -> None:
    a, b = np.array([[1.0, 0, 0, 0]]), np.array([[np.cos(0.6), np.sin(0.6), 0, 0]])
    third = slerp(a, b, np.array([1 / 3]))
    assert third[0] == pytest.approx([np.cos(0.2), np.sin(0.2), 0, 0])
    half = part_of(of_quaternions(b), np.array([0.5]))
    assert (half * half).as_quat(scalar_first=True) == pytest.approx(b)


def test_streams_at_the_control_rate_come_through_unchanged(robot: Embodiment) -> None:
    one = raw()
    aligned = align(one, robot)
    assert len(aligned) == 40 and np.array_equal(aligned.times_ns, stamps(20, 2))
    assert np.array_equal(aligned.state[:, :3], motion(stamps(20, 2)))
    assert np.array_equal(aligned.pictures["front_view"], np.arange(40))


def test_three_times_the_rate_gives_every_third_sample(robot: Embodiment) -> None:
    one = raw(state={"arm": stream(60), "gripper": stream(60, dims=1)}, cameras={"front_view": camera(60)})
    aligned = align(one, robot)
    assert np.array_equal(aligned.pictures["front_view"][:5], [0, 3, 6, 9, 12])
    assert aligned.state[:, :3] == pytest.approx(motion(aligned.times_ns))


def test_both_stamps_are_kept(robot: Embodiment) -> None:
    late = camera(30, latency_ns=NS // 10)
    aligned = align(raw(cameras={"front_view": late}), robot)
    assert np.array_equal(aligned.columns["row_time_ns"], aligned.times_ns)
    seen = aligned.columns["source_time_ns.video.front_view"]
    assert seen.dtype == np.int64 and np.array_equal(seen, late.times_ns[aligned.pictures["front_view"]])
    assert np.abs(seen - NS // 10 - aligned.times_ns).max() <= NS / 60 + 1
    assert set(aligned.columns) == {"row_time_ns"} | {
        f"source_time_ns.{name}"
        for name in ("state.arm", "state.gripper", "action.arm", "action.gripper", "video.front_view")
    }


def test_the_latency_of_the_embodiment_is_taken_off(tmp_path: Path) -> None:
    late = "column: observation.images.front_view, latency_s: 0.04}"
    robot = rig(tmp_path, **{"column: observation.images.front_view}": late})
    mapping = parse_mapping({"format": "any", "cameras": {"front_view": {"key": "a"}}})
    frames = FrameReader(lambda n: np.zeros((2, 2, 3), np.uint8))
    stream = camera_of(mapping.cameras["front_view"], "front_view", robot, stamps(20, 2), frames)
    assert stream.latency_ns == 40_000_000 and robot.digest != rig(tmp_path).digest
    own = mapping.cameras["front_view"].model_copy(update={"latency_s": 0.0})
    assert camera_of(own, "front_view", robot, stamps(20, 2), frames).latency_ns == 0


def test_rows_cover_what_all_streams_cover(robot: Embodiment) -> None:
    one = raw(
        action={"arm": stream(kind="command", times_ns=stamps(20, 1, 0.5)), "gripper": stream(kind="binary", dims=1)}
    )
    aligned = align(one, robot)
    assert (aligned.times_ns[0], aligned.times_ns[-1]) == (NS // 2, 1450000000)
    assert aligned.evidence.cut_head_s == 0.5 and aligned.evidence.cut_tail_s == 0.5


def test_a_switch_that_is_sent_once_holds_to_the_end(robot: Embodiment) -> None:
    switch = Stream("binary", np.array([0, NS // 2]), np.array([[0.0], [1.0]]))
    aligned = align(raw(action={"arm": stream(kind="command"), "gripper": switch}), robot)
    assert len(aligned) == 40 and aligned.action[:, 3].tolist() == [0.0] * 10 + [1.0] * 30


def test_a_gap_is_refused_with_its_size(robot: Embodiment) -> None:
    holed = np.delete(stamps(20, 2), [20, 21])
    one = raw(state={"arm": stream(times_ns=holed), "gripper": stream(dims=1)})
    with pytest.raises(
        AlignError, match=r"demo: state\.arm: row 20 .* lies 50\.0 ms .* allowed are 25\.0 ms: 25\.0 ms too"
    ):
        align(one, robot)
    assert len(align(one, robot, tolerance_s=0.06)) == 40
    own = raw(state={"arm": stream(times_ns=holed, tolerance_ns=NS), "gripper": stream(dims=1)})
    assert align(own, robot).evidence.streams["state.arm"].match_error_s["max"] == 0.05


def test_a_slow_stream_is_not_passed_off_as_a_fast_one(robot: Embodiment) -> None:
    with pytest.raises(AlignError, match=r"video\.front_view: row .* 50\.0 ms from its sample"):
        align(raw(cameras={"front_view": camera(10)}), robot)


def test_a_command_that_stops_is_refused(robot: Embodiment) -> None:
    stopped = np.append(stamps(20, 1), stamps(20, 2)[-1])
    with pytest.raises(AlignError, match=r"action\.arm: row 38 .* lies 900\.0 ms"):
        align(
            raw(action={"arm": stream(kind="command", times_ns=stopped), "gripper": stream(kind="binary", dims=1)}),
            robot,
        )


def test_stamps_out_of_order_and_twice_are_put_right_and_counted(robot: Embodiment) -> None:
    times = stamps(20, 2)
    order = np.r_[0:10, 11, 10, 12:40, 39]
    mixed = Stream("joint", times[order], motion(times)[order])
    aligned = align(raw(state={"arm": mixed, "gripper": stream(dims=1)}), robot)
    evidence = aligned.evidence.streams["state.arm"]
    assert np.array_equal(aligned.state[:, :3], motion(times))
    assert (evidence.reordered, evidence.duplicates) == (1, 1)


def test_a_clock_that_was_set_back_is_refused(robot: Embodiment) -> None:
    times = np.r_[stamps(20, 1, 100), stamps(20, 1, 50)]
    with pytest.raises(AlignError, match=r"state\.arm: its clock jumps back by 50\.950 s after sample 19"):
        align(raw(state={"arm": stream(times_ns=times), "gripper": stream(dims=1)}), robot)


def test_streams_that_never_meet_are_refused(robot: Embodiment) -> None:
    with pytest.raises(AlignError, match=r"ends 98\.050 s before video\.front_view begins"):
        align(raw(cameras={"front_view": camera(times_ns=stamps(20, 2, 100))}), robot)


def test_missing_parts_and_wrong_widths_are_refused(robot: Embodiment) -> None:
    with pytest.raises(AlignError, match=r"state\.gripper: no stream"):
        align(raw(state={"arm": stream()}), robot)
    with pytest.raises(AlignError, match=r"state\.arm: its source has 2 values, the part has 3 \(joint_1"):
        align(raw(state={"arm": stream(dims=2), "gripper": stream(dims=1)}), robot)
    with pytest.raises(AlignError, match="has no sample"):
        align(raw(cameras={"front_view": camera(times_ns=np.zeros(0, np.int64))}), robot)


def test_a_single_row_is_an_episode(robot: Embodiment) -> None:
    short: Any = {"times_ns": np.array([5], dtype=np.int64)}
    one = raw(
        state={"arm": stream(**short), "gripper": stream(dims=1, **short)},
        action={"arm": stream(kind="relative", **short), "gripper": stream(kind="binary", dims=1, **short)},
        cameras={"front_view": camera(**short)},
    )
    aligned = align(one, robot)
    assert len(aligned) == 1 and aligned.action[0, :3] == pytest.approx(motion(short["times_ns"])[0])


def test_constants_fill_their_part(robot: Embodiment) -> None:
    aligned = align(raw(state={"arm": stream(), "gripper": np.array([0.5])}), robot)
    assert (aligned.state[:, 3] == 0.5).all() and "source_time_ns.state.gripper" not in aligned.columns


def test_a_constant_of_another_width_is_named(robot: Embodiment) -> None:
    mapping = Mapping(format="any", state={"arm": PartSource(constant=(0.0, 0.1)), "gripper": PartSource(constant=0.5)})
    bound = bound_parts(mapping, robot, lambda name, _: pytest.fail(f"{name} has no samples"))
    with pytest.raises(AlignError, match=r"state\.arm: its source has 2 values, the part has 3"):
        align(raw(state=bound["state"]), robot)


def test_evidence_says_how_the_clocks_were(robot: Embodiment) -> None:
    generator = np.random.default_rng(3)
    received = stamps(100, 60)
    jitter = generator.normal(0, 1e-3 * NS, len(received)).astype(np.int64)
    drifting = (received * (1 + 50e-6)).astype(np.int64) + NS // 50
    arm = stream(times_ns=drifting + jitter, received_ns=received)
    one = raw(
        state={"arm": arm, "gripper": stream(seconds=60, dims=1)},
        action={"arm": stream(50, 60, kind="command"), "gripper": stream(kind="binary", seconds=60, dims=1)},
        cameras={"front_view": camera(30, 60)},
    )
    evidence = align(one, robot).evidence.streams
    assert evidence["state.arm"].rate_hz == pytest.approx(100, rel=0.01)
    assert evidence["state.arm"].drift_ppm == pytest.approx(50, abs=5)
    assert evidence["state.arm"].offset_s == pytest.approx(0.0215, abs=0.001)
    assert 0.0005 < evidence["state.arm"].jitter_s["p50"] < 0.002
    assert evidence["video.front_view"].unused_share == pytest.approx(1 / 3, abs=0.01)
    assert evidence["video.front_view"].stale_share == 0
    assert evidence["video.front_view"].drift_ppm is None


def test_the_lag_of_the_arm_behind_its_command_is_found(robot: Embodiment) -> None:
    times = stamps(100, 20)
    follows = Stream("joint", times, motion(times - 120_000_000))
    one = raw(
        state={"arm": follows, "gripper": stream(seconds=20, dims=1)},
        action={"arm": stream(50, 20, kind="command"), "gripper": stream(kind="binary", seconds=20, dims=1)},
        cameras={"front_view": camera(20, 20)},
    )
    found = align(one, robot).evidence.lag_s["arm"]
    assert found.lag_s == pytest.approx(0.12, abs=0.005) and found.correlation > 0.95


def test_frames_are_kept_only_while_they_are_wanted() -> None:
    assert list(in_order("abcdef", [0, 0, 2, 1, 4])) == list("aacbe")
    with pytest.raises(StreamError, match="frame 6 does not exist"):
        list(in_order("abcdef", [6]))
