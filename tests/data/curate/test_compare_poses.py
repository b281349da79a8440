"""Against the other episodes: lost homes, cut demonstrations, hands the other way round; and what a command means."""

from collections.abc import Callable

import numpy as np
import pytest

from gr00t_data.curate.checks.relative import check_meaning
from gr00t_data.curate.compare.evidence import Rows
from gr00t_data.curate.compare.levels import check_levels
from gr00t_data.curate.compare.motion import compare_motion
from gr00t_data.curate.compare.poses import compare_poses
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Subject
from tests.data.builders import GR1
from tests.data.curate.motions import ARM, HAND, evidence, moved, rows_of, subject

Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
LOOKS = {"poses": compare_poses, "levels": check_levels, "motion": compare_motion}
EPISODES = 16
BAD = 5


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return subject(tmp_path_factory.mktemp("poses") / "s")


def found(base: Subject, look: str, change: Change | None, bad: tuple[int, ...] = (BAD,)) -> list[tuple[int, Finding]]:
    kept = {}
    for number in range(EPISODES):
        state, action = rows_of(number + 30)
        if change and number in bad:
            state, action = change(state, action)
        kept[number] = evidence(base, state, action)
    return list(LOOKS[look](Rows(kept, GR1)))


def homed(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    state[:, ARM.start + 3] += 0.5
    action[:, ARM.start + 3] += 0.5
    return state, action


def cut(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return state[:27], action[:27]


def turned(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    state[:, HAND], action[:, HAND] = 1 - state[:, HAND], 1 - action[:, HAND]
    return state, action


def commands_turned(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    action[:, HAND] = 1 - action[:, HAND]
    return state, action


def permuted(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = [HAND.start + i for i in (3, 2, 5, 4, 1, 0)]
    state[:, HAND], action[:, HAND] = state[:, order], action[:, order]
    return state, action


@pytest.mark.parametrize("look", LOOKS)
def test_a_clean_store_has_no_finding(base: Subject, look: str) -> None:
    assert found(base, look, None) == []


def test_a_motor_that_was_homed_wrongly(base: Subject) -> None:
    ((number, finding),) = found(base, "poses", homed)
    assert (number, finding.code) == (BAD, "MOTION-16")
    assert f"part 'left_arm' joint {GR1.state_part('left_arm').joints[3]!r} stands +" in finding.message


def test_a_demonstration_that_was_cut_after_a_third(base: Subject) -> None:
    ((number, finding),) = found(base, "poses", cut)
    assert (number, finding.code, finding.frames) == (BAD, "MOTION-17", (26, 26))
    assert "ends after 27 rows (the others have 80)" in finding.message


def test_a_hand_that_is_one_less_itself(base: Subject) -> None:
    hits = [(number, finding) for number, finding in found(base, "levels", turned) if finding.code == "MOTION-06"]
    assert {number for number, _ in hits} == {BAD} and "left_hand" in hits[0][1].message


def test_a_command_the_other_way_round_is_seen_by_what_the_hand_does(base: Subject) -> None:
    messages = [f.message for n, f in found(base, "levels", commands_turned) if n == BAD and f.code == "MOTION-06"]
    assert any("goes against its command" in message and "'left_hand'" in message for message in messages)


def presses(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    action[20:70, HAND.start + 1] += 1.5
    return state, action


def zero_lost(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    state[:, HAND.start + 1] += 1.5
    return state, action


@pytest.mark.parametrize(("change", "numbers"), [(presses, set()), (zero_lost, {BAD})])
def test_a_finger_that_presses_has_not_lost_its_zero(base: Subject, change: Change, numbers: set[int]) -> None:
    hits = [(number, finding) for number, finding in found(base, "levels", change) if finding.code == "MOTION-15"]
    assert {number for number, _ in hits} == numbers
    assert all(GR1.state_part("left_hand").joints[1] in finding.message for _, finding in hits)


def test_fingers_permuted_in_a_third_of_the_episodes(base: Subject) -> None:
    bad = (1, 4, 7, 10, 13)
    hits = {(number, finding.code) for number, finding in found(base, "levels", permuted, bad)}
    assert hits == {(number, "MOTION-07") for number in bad}


def test_an_idle_start_under_noise_of_the_sensors(base: Subject) -> None:
    def waits(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = [*[0] * 40, *range(len(state))]
        noise = np.random.default_rng(0).normal(0, 2e-3, (len(order), state.shape[1]))
        return state[order] + noise, action[order]

    ((number, finding),) = [one for one in found(base, "motion", waits) if one[1].code.startswith("IDLE")]
    assert (number, finding.code) == (BAD, "IDLE-01") and finding.frames is not None
    assert 35 <= finding.frames[1] <= 45


@pytest.mark.parametrize("steps", [True, False])
def test_displacements_that_are_called_targets(base: Subject, steps: bool) -> None:
    state, action = rows_of(3)
    state[:, ARM] += 0.8
    action[:, ARM] += 0.8
    assert list(check_meaning(moved(base, state, action))) == []
    own = action[:, ARM]
    action[:, ARM] = np.diff(own, axis=0, append=own[-1:]) if steps else own - state[:, ARM]
    (finding,) = check_meaning(moved(base, state, action))
    assert finding.code == "MOTION-18" and finding.severity == "error"
    assert "action part 'left_arm' is absolute" in finding.message and "absolute: false" in finding.message


def test_targets_that_are_called_displacements(base: Subject) -> None:
    from dataclasses import replace

    parts = tuple(replace(part, absolute=part.name != "left_arm") for part in GR1.action)
    state, action = rows_of(3)
    state[:, ARM] += 0.8
    action[:, ARM] += 0.8
    (finding,) = check_meaning(replace(moved(base, state, action), embodiment=replace(GR1, action=parts)))
    assert finding.code == "MOTION-18" and "'left_arm' is relative" in finding.message
    assert "absolute: true" in finding.message
