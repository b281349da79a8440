"""Checks of the clock of the rows."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.examine import check_episode
from gr00t_data.curate.finding import Verdict
from tests.data.builders import GR1, episode, sealed


def checked(root: Path, times_s: np.ndarray) -> Verdict:
    return check_episode(sealed(root, [episode(rows=len(times_s), times_s=times_s)]), 0, GR1)


def test_time_that_goes_back(tmp_path: Path) -> None:
    times = np.arange(20) / 20
    times[[7, 8]] = times[[8, 7]]
    verdict = checked(tmp_path / "s", times)
    assert verdict.codes == ("TIME-01",) and not verdict.accepted
    assert verdict.findings[0].frames == (8, 8)
    assert "frame 8: timestamp 0.3500 s does not come after 0.4000 s" in verdict.findings[0].message


def test_time_that_is_not_a_number(tmp_path: Path) -> None:
    times = np.arange(20) / 20
    times[3] = np.nan
    verdict = checked(tmp_path / "s", times)
    assert not verdict.accepted and "frame 3: timestamp is nan" in verdict.findings[0].message


def test_chunks_across_a_gap_are_left_out(tmp_path: Path) -> None:
    times = np.arange(60) / 20
    times[40:] += 0.05
    verdict = checked(tmp_path / "s", times)
    finding = next(f for f in verdict.findings if f.code == "TIME-02")
    assert verdict.accepted and finding.severity == "warning" and finding.frames == (39, 40)
    # 16 rows from frame 24 are rows 24..39, the last before the gap.
    assert verdict.keep == ((0, 25), (40, 60)) and verdict.kept_frames == 45


def test_many_gaps_reject(tmp_path: Path) -> None:
    times = np.arange(40) / 20 + np.arange(40) // 8 * 0.2
    verdict = checked(tmp_path / "s", times)
    assert not verdict.accepted and "TIME-02" in verdict.codes


@pytest.mark.parametrize("hz", [10.0, 30.0])
def test_another_rate(tmp_path: Path, hz: float) -> None:
    verdict = checked(tmp_path / "s", np.arange(20) / hz)
    finding = next(f for f in verdict.findings if f.code == "TIME-03")
    assert finding.severity == "error" and not verdict.accepted
    assert f"({hz:.3f} Hz), expected 20 Hz as embodiment 'gr1'" in finding.message


def test_jitter_within_and_beyond_the_tolerance(tmp_path: Path) -> None:
    times = np.arange(20) / 20
    times[9] -= 0.02
    assert checked(tmp_path / "within", times).findings == ()
    times = np.where(np.arange(20) == 9, times - 0.01, times)
    verdict = checked(tmp_path / "beyond", times)
    assert verdict.accepted and "TIME-03" in verdict.codes
    assert {f.severity for f in verdict.findings} == {"warning"}


def test_start_of_real_data_is_said_and_not_punished(tmp_path: Path) -> None:
    verdict = checked(tmp_path / "s", (np.arange(20) + 1) / 20)
    assert verdict.accepted and verdict.codes == ("TIME-04", "TIME-05")
    start, end = verdict.findings
    assert start.severity == "info" and "frame 0: timestamp is 0.0500 s, expected 0" in start.message
    assert end.severity == "warning" and end.frames == (19, 19)
    assert "timestamp 1.0000 s is past the last frame of camera 'ego_view' at 0.9500 s (1 rows)" in end.message
    late = checked(tmp_path / "late", np.arange(20) / 20 + 5)
    assert next(f for f in late.findings if f.code == "TIME-04").severity == "warning"
