"""One episode of a store against the others: shifted, reversed, inverted, permuted, beside its command."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.checks.catalogue import found_in, without_consequences
from gr00t_data.curate.compare.evidence import Rows
from gr00t_data.curate.compare.motion import best_lag
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Subject
from tests.data.builders import GR1
from tests.data.curate.motions import ARM, HAND, LAG_ROWS, evidence, rows_of, subject

Change = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
EPISODES = 7


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return subject(tmp_path_factory.mktemp("compare") / "s")


def found(base: Subject, change: Change | None, bad: int = 3) -> dict[int, set[str]]:
    kept = {}
    for number in range(EPISODES):
        state, action = rows_of(number + 10)
        if change and number == bad:
            state, action = change(state.copy(), action.copy())
        kept[number] = evidence(base, state, action)
    compared: dict[int, list[Finding]] = {}
    for number, finding in found_in(Rows(kept, GR1)):
        compared.setdefault(number, []).append(finding)
    return {n: {f.code for f in without_consequences(findings)} for n, findings in compared.items()}


def late(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return state, action[np.clip(np.arange(len(action)) - 5, 0, None)]


def early(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return state, action[np.clip(np.arange(len(action)) + 3, 0, len(action) - 1)]


def backwards(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return state[::-1], action[::-1]


def copied(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return state, state.copy()


def jump(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    state[40:, ARM] += 0.6
    action[40:, ARM] += 0.6
    return state, action


def offset(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    state[:, ARM.start + 1] += 0.5
    return state, action


def idle(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = [*[0] * 30, *range(len(state))]
    return state[order], action[order]


def test_a_clean_store_has_no_finding(base: Subject) -> None:
    assert found(base, None) == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (late, "MOTION-09"),
        (early, "MOTION-09"),
        (backwards, "MOTION-10"),
        (jump, "MOTION-02"),
        (offset, "MOTION-15"),
        (idle, "IDLE-01"),
    ],
)
def test_one_defect_has_one_code(base: Subject, change: Change, code: str) -> None:
    assert found(base, change) == {3: {code}}


def test_a_copied_state(base: Subject) -> None:
    assert "MOTION-08" in found(base, copied)[3]


@pytest.mark.parametrize("both", [True, False])
def test_inverted_hands(base: Subject, both: bool) -> None:
    def invert(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        action[:, HAND] *= -1
        state[:, HAND] *= -1 if both else 1
        return state, action

    assert "MOTION-06" in found(base, invert)[3] and set(found(base, invert)) == {3}


def test_permuted_fingers(base: Subject) -> None:
    def permute(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = [HAND.start + i for i in (3, 2, 5, 4, 1, 0)]
        action[:, HAND], state[:, HAND] = action[:, order], state[:, order]
        return state, action

    assert found(base, permute) == {3: {"MOTION-07"}}


def test_a_lag_curve_peaks_where_the_state_follows(base: Subject) -> None:
    curve = evidence(base, *rows_of(0)).lags["left_arm"]
    assert best_lag(curve) == pytest.approx(LAG_ROWS, abs=0.3)
    assert np.isnan(best_lag(np.zeros(25, dtype=np.float32)))
    assert Path(base.path).suffix == ".parquet"
