"""Each motion check on a smooth episode with one defect: its code, and nothing on the clean twin."""

from collections.abc import Callable

import numpy as np
import pytest

from gr00t_data.curate.checks.catalogue import without_consequences
from gr00t_data.curate.checks.motion import check_motion, check_quaternion
from gr00t_data.curate.checks.repeats import check_repeats
from gr00t_data.curate.checks.stalls import check_stuck
from gr00t_data.curate.subject.signals import Signal
from gr00t_data.curate.subject.subject import Subject
from tests.data.builders import GR1
from tests.data.curate.motions import ARM, HAND, moved, rows_of, subject

Change = Callable[[np.ndarray, np.ndarray], None]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return subject(tmp_path_factory.mktemp("motion") / "s")


def codes(base: Subject, change: Change | None = None, seed: int = 1) -> set[str]:
    state, action = rows_of(seed)
    if change:
        change(state, action)
    changed = moved(base, state, action)
    found = [*check_motion(changed), *check_stuck(changed), *check_repeats(changed)]
    return {finding.code for finding in without_consequences(found)}


def spike(state: np.ndarray, action: np.ndarray) -> None:
    state[40, ARM.start + 1] += 0.6


def clip(state: np.ndarray, action: np.ndarray) -> None:
    column = action[:, ARM.start + 1]
    np.minimum(column, np.quantile(column, 0.7), out=column)


def stuck(state: np.ndarray, action: np.ndarray) -> None:
    state[:, ARM.start + 2] = state[0, ARM.start + 2]


def hold_state(state: np.ndarray, action: np.ndarray) -> None:
    state[:] = state[np.arange(len(state)) // 4 * 4]


def stall(state: np.ndarray, action: np.ndarray) -> None:
    action[30:44] = action[30]


def tremble(state: np.ndarray, action: np.ndarray) -> None:
    state[:, ARM] += np.random.default_rng(0).normal(0, 0.07, state[:, ARM].shape)


def chatter(state: np.ndarray, action: np.ndarray) -> None:
    action[30:50, HAND] = (np.arange(20) // 2 % 2 * 1.6 - 0.8)[:, None]


def seams(state: np.ndarray, action: np.ndarray) -> None:
    action[:, ARM] += np.repeat(np.random.default_rng(0).choice([-0.3, 0.3], (5, 7)), 16, axis=0)


def test_smooth_motion_has_no_finding(base: Subject) -> None:
    assert all(codes(base, seed=seed) == set() for seed in range(6))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (spike, "MOTION-01"),
        (clip, "MOTION-03"),
        (stuck, "MOTION-04"),
        (hold_state, "MOTION-05"),
        (stall, "MOTION-05"),
        (tremble, "MOTION-11"),
        (chatter, "MOTION-13"),
    ],
)
def test_one_defect_has_one_code(base: Subject, change: Change, code: str) -> None:
    assert codes(base, change) == {code}


def test_seams_between_chunks(base: Subject) -> None:
    assert "MOTION-12" in codes(base, seams)


def test_the_message_names_the_joint_and_the_frame(base: Subject) -> None:
    state, action = rows_of(1)
    spike(state, action)
    finding = next(iter(check_motion(moved(base, state, action))))
    assert "frame 40: state part 'left_arm' joint 'left_shoulder_roll'" in finding.message
    assert finding.frames == (40, 40) and finding.severity == "warning"


def test_quaternions(base: Subject) -> None:
    from dataclasses import replace

    part = replace(GR1.state_part("left_arm"), rotation="quaternion", start=0, end=4, limits=None, unit="1")
    turn = np.linspace(0, 1, 30)[:, None]
    good = np.concatenate([np.cos(turn), np.sin(turn), 0 * turn, 0 * turn], axis=1)

    def found(values: np.ndarray) -> list[str]:
        signal = Signal("state", part, values, np.ones(4), 20.0)
        return [finding.message.split("quaternion ")[1][:10] for finding in check_quaternion(base, signal)]

    assert found(good) == []
    assert found(good * np.where(np.arange(30) < 12, 1, 1.2)[:, None]) == ["has length"]
    assert found(good * np.where(np.arange(30) < 12, 1, -1)[:, None]) == ["changes it"]
