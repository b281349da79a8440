"""Checks of the body as a whole: leaps, commands of the other side, and what a task for one arm is not."""

from dataclasses import replace

import numpy as np
import pytest

from gr00t_data.curate.checks.leaps import check_crossed
from gr00t_data.curate.compare.evidence import Rows
from gr00t_data.curate.compare.levels import check_levels
from gr00t_data.curate.compare.motion import compare_motion
from gr00t_data.curate.compare.row_evidence import row_evidence
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.signals import Signal, spans
from gr00t_data.curate.subject.subject import Subject, read_subject
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, episode, sealed
from tests.data.curate.motions import rows_of

ROWS = 60


@pytest.fixture
def subject(tmp_path):
    state, action = rows_of(1, ROWS)
    store: EpisodeStore = sealed(tmp_path / "s", [episode(rows=ROWS, state=state, action=action)])
    return read_subject(store, store.row(0), GR1)


def reordered(subject: Subject, order: list[int]) -> Subject:
    return replace(subject, arrays={name: values[order] for name, values in subject.arrays.items()})


def leaps(subjects: dict[int, Subject]) -> list[tuple[int, Finding]]:
    kept = {}
    for number, one in subjects.items():
        evidence = row_evidence(one.signals, np.zeros(0, dtype=np.int64))
        assert evidence is not None
        kept[number] = evidence
    return [(number, finding) for number, finding in compare_motion(Rows(kept, GR1)) if finding.code == "MOTION-02"]


def test_smooth_motion_does_not_leap(subject) -> None:
    assert list(check_crossed(subject)) == [] and leaps({0: subject}) == []


def test_blocks_in_the_wrong_order_leap_at_their_seams(subject) -> None:
    order = [*range(20), *range(28, 36), *range(20, 28), *range(36, ROWS)]
    ((_, finding),) = leaps({0: reordered(subject, order)})
    assert finding.code == "MOTION-02" and finding.frames is not None
    assert 18 <= finding.frames[0] <= 20 and 35 <= finding.frames[1] <= 37


def test_commands_of_the_other_arm(subject) -> None:
    left, right = GR1.action_part("left_arm").slice, GR1.action_part("right_arm").slice
    action = subject.arrays["action"].copy()
    action[:, left], action[:, right] = subject.arrays["action"][:, right], subject.arrays["action"][:, left]
    (finding,) = check_crossed(replace(subject, arrays=subject.arrays | {"action": action}))
    assert finding.code == "MOTION-07" and "'left_arm' follows the command of 'right_arm'" in finding.message


@pytest.mark.parametrize(("sides", "codes"), [(("state", "action"), set()), (("action",), {"MOTION-04"})])
def test_an_arm_that_rests_is_no_defect_a_command_that_rests_is(sides: tuple[str, ...], codes: set[str]) -> None:
    episodes = {}
    for number in range(12):
        state, action = rows_of(number, ROWS)
        for side, values in (("state", state), ("action", action)):
            part = GR1.state_part("left_arm").slice
            if number == 5 and side in sides:
                values[:, part] = values[0, part]
        signals = [
            Signal(side, part, values[:, part.slice], spans(part), GR1.control_hz)
            for side, parts, values in (("state", GR1.state, state), ("action", GR1.action, action))
            for part in parts
        ]
        evidence = row_evidence(signals, np.zeros(0, dtype=int))
        assert evidence is not None
        episodes[number] = evidence
    found = [
        (index, finding.code) for index, finding in check_levels(Rows(episodes, GR1)) if finding.code == "MOTION-04"
    ]
    assert {code for _, code in found} == codes and all(index == 5 for index, _ in found)
