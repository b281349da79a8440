"""Joints that rest are not stuck, repeating streams are named with their part, what all have is the rig's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.checks.repeats import check_repeats
from gr00t_data.curate.checks.stalls import MOTION_04, check_stuck
from gr00t_data.curate.checks.times import TIME_03
from gr00t_data.curate.doctor import diagnose
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.rig import of_the_rig
from gr00t_data.curate.subject.signals import pairs_of
from gr00t_data.curate.subject.subject import Subject
from gr00t_data.embodiment.robot import Embodiment
from tests.data.builders import GR1, episode, sealed
from tests.data.curate.motions import ARM, HAND, moved, rows_of, subject


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return subject(tmp_path_factory.mktemp("rest") / "s")


def closing(stop: float, back: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """(state, action): a finger is told to close far beyond ``stop``, where it rests, and to open again at the end."""
    state, action = rows_of(3)
    path = np.concatenate(
        [np.linspace(0, 1.2, 20), np.full(36, 1.2) + 0.1 * np.sin(np.arange(36)), np.linspace(1.2, 0, 24)]
    )
    action[:, HAND.start] = path if back else np.maximum(path, path[::-1])
    state[:, HAND.start] = np.minimum(np.concatenate([[path[0]] * 2, path[:-2]]), stop)
    return state, action


def test_a_finger_that_rests_on_a_bottle_is_not_stuck(base: Subject) -> None:
    assert list(check_stuck(moved(base, *closing(0.5)))) == []


def test_a_thumb_at_its_stop_all_along_is_not_stuck(base: Subject) -> None:
    state, action = rows_of(3)
    action[:, HAND.start] = 0.3 + 0.3 * np.sin(np.arange(len(action)) / 6)
    state[:, HAND.start] = 0.0
    assert list(check_stuck(moved(base, state, action))) == []


def test_a_command_that_passes_the_reading_on_both_sides_says_that_it_is_stuck(base: Subject) -> None:
    state, action = rows_of(3)
    action[:, HAND.start] = 0.6 * np.sin(np.arange(len(action)) / 6)
    state[:, HAND.start] = 0.01
    (finding,) = check_stuck(moved(base, state, action))
    assert finding.code == "MOTION-04" and finding.severity == "error" and finding.frames == (0, 79)
    assert f"joint {GR1.state_part('left_hand').joints[0]!r}" in finding.message


def test_a_reading_that_comes_back_with_a_leap_was_stuck(base: Subject) -> None:
    state, action = rows_of(3)
    action[:, ARM.start] = np.linspace(0, 1.5, len(action))
    state[:, ARM.start] = action[:, ARM.start]
    state[20:60, ARM.start] = state[20, ARM.start]
    (finding,) = check_stuck(moved(base, state, action))
    assert finding.code == "MOTION-04" and finding.frames == (20, 59) and "leaps" in finding.message


def test_a_state_of_zeros_is_not_measured(base: Subject) -> None:
    state, action = rows_of(3)
    state[:] = 0
    found = list(check_stuck(moved(base, state, action)))
    assert {finding.code for finding in found} == {"MOTION-04"} and found[0].severity == "error"
    assert "'left_arm' is zero in every row" in found[0].message and found[0].frames == (0, 79)


@pytest.mark.parametrize("every", [2, 3, 4])
def test_rows_that_repeat_on_both_sides(base: Subject, every: int) -> None:
    state, action = rows_of(2)
    order = np.arange(len(state)) // every * every
    (finding,) = check_repeats(moved(base, state[order], action[order]))
    assert finding.code == "MOTION-05" and finding.severity == "error" and finding.frames is not None
    assert "state part 'left_arm'" in finding.message and "action part 'left_arm'" in finding.message
    said = float(finding.message.split("refreshed at about ")[1].split()[0])
    assert said == pytest.approx(20 / every, abs=1)


@pytest.mark.parametrize("every", [3, 4])
def test_a_part_of_the_state_is_refreshed_late(base: Subject, every: int) -> None:
    state, action = rows_of(2)
    state[:, ARM] = state[np.arange(len(state)) // every * every][:, ARM]
    (finding,) = check_repeats(moved(base, state, action))
    assert finding.code == "MOTION-05" and "state part 'left_arm' repeat" in finding.message
    assert "left_hand" not in finding.message and "action" not in finding.message


def test_a_coarse_sensor_does_not_repeat(base: Subject) -> None:
    state, action = rows_of(2)
    assert list(check_repeats(moved(base, np.round(state, 2), np.round(action, 2)))) == []


def test_a_command_that_never_comes_back(base: Subject) -> None:
    state, action = rows_of(2)
    action[40:] = action[40]
    (finding,) = check_repeats(moved(base, state, action))
    assert finding.code == "MOTION-05" and finding.frames == (40, 79) and "never comes back" in finding.message


def test_both_sides_stop_dead_and_leap(base: Subject) -> None:
    state, action = rows_of(5)
    state[:, ARM.start] = np.linspace(0, 1.2, 80)
    action[:, ARM.start] = np.linspace(0, 1.2, 80)
    state[30:45], action[30:45] = state[30], action[30]
    (finding,) = check_repeats(moved(base, state, action))
    assert finding.code == "MOTION-05" and finding.frames == (30, 44) and "recorder stalled" in finding.message


def test_parts_of_which_some_joints_are_commanded_are_paired_by_name(base: Subject) -> None:
    part = GR1.action_part("left_arm")
    fewer = replace(part, end=part.end - 1, joints=part.joints[1:], limits=part.limits and part.limits[1:])
    actions = tuple(fewer if one.name == "left_arm" else one for one in GR1.action)
    robot: Embodiment = replace(GR1, action=actions)
    state, action = rows_of(2)
    signals = replace(moved(base, state, action), embodiment=robot).signals
    own, told = next(pair for pair in pairs_of(signals) if pair[0].part.name == "left_arm")
    assert own.part.joints == told.part.joints == part.joints[1:]
    np.testing.assert_array_equal(own.values, state[:, ARM][:, 1:])
    np.testing.assert_array_equal(told.values, action[:, ARM][:, :-1])


def test_what_most_episodes_have_is_one_finding_of_the_store() -> None:
    slow = [TIME_03.finding(f"episode {number}: 18.2 Hz", severity="error") for number in range(5)]
    stuck = MOTION_04.finding("episode 2: stuck")
    found: dict[int, list[Finding]] = {n: [slow[n], *([stuck] if n == 2 else [])] for n in range(4)} | {4: []}
    left, of_store = of_the_rig(Path("store"), found)
    assert left == {0: [], 1: [], 2: [stuck], 3: [], 4: []}
    (finding,) = of_store
    assert (finding.code, finding.severity, finding.frames) == ("TIME-03", "warning", None)
    assert "in 4 of 5 episodes" in finding.message and "18.2 Hz" in finding.message
    assert of_the_rig(Path("store"), {n: found[n] for n in range(3)})[1] == []
    assert of_the_rig(Path("store"), {0: [slow[0]], 1: [], 2: [], 3: [], 4: []})[1] == []


def test_a_slow_clock_of_all_episodes_rejects_none(tmp_path: Path) -> None:
    made = []
    for seed in range(5):
        state, action = rows_of(seed)
        made.append(episode(rows=80, state=state, action=action, times_s=np.arange(80) / 17.0))
    report = diagnose(sealed(tmp_path / "s", made, robot=GR1), GR1)
    assert [finding.code for finding in report.findings if finding.code.startswith("TIME")] == ["TIME-03", "TIME-05"]
    assert all({"TIME-03", "TIME-05"}.isdisjoint(verdict.codes) for verdict in report.verdicts)
    assert all(verdict.kept_frames == 80 for verdict in report.verdicts)
