"""Checks of the rows: each damage is named, with file, part, joint, frame and remedy."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from gr00t_data.curate.examine import check_episode
from gr00t_data.curate.finding import Finding, Verdict
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, change_parquet, change_row, episode, sealed, still_rows, unsealed


def checked(store: EpisodeStore) -> Verdict:
    return check_episode(store, 0, GR1)


def only(verdict: Verdict, code: str) -> Finding:
    assert verdict.codes == (code,), verdict.findings
    return verdict.findings[0]


def test_a_good_episode_is_accepted_without_findings(tmp_path: Path) -> None:
    verdict = checked(sealed(tmp_path / "s", [episode()]))
    assert verdict.accepted and verdict.findings == () and verdict.keep == ((0, 20),)
    assert verdict.length == 20 and verdict.instruction == "reach the green sphere"
    plain = TypeAdapter(Verdict)
    assert plain.validate_json(plain.dump_json(verdict)) == verdict


def test_shorter_than_the_action_horizon(tmp_path: Path) -> None:
    verdict = checked(sealed(tmp_path / "s", [episode(rows=15)]))
    assert not verdict.accepted and verdict.keep == ()
    assert "has 15 frames, the action horizon of 'gr1' is 16" in only(verdict, "ROWS-02").message
    assert checked(sealed(tmp_path / "long", [episode(rows=16)])).accepted


def test_nan_in_actions(tmp_path: Path) -> None:
    action = still_rows(20)
    action[[5, 9], 24] = np.nan
    store = sealed(tmp_path / "s", [episode(action=action)])
    verdict = checked(store)
    finding = only(verdict, "NAN-01")
    assert not verdict.accepted and finding.frames == (5, 9)
    assert str(store.data_path(0)) in finding.message
    assert "episode 0 frame 5: action part 'right_arm' joint 'right_shoulder_yaw' is nan" in finding.message


@pytest.mark.parametrize(
    ("column", "value", "frames", "severity"),
    [
        # left_shoulder_pitch: -3.1 .. 2.3 rad, a range of 5.4.
        ("state", 2.3001, slice(4, 5), None),  # rounding
        ("state", 2.4, slice(4, 5), "warning"),  # 0.1 rad beyond, once
        ("action", 2.4, slice(0, 20), "warning"),  # 0.1 rad beyond, always: below 5 % of the range
        ("action", 2.7, slice(0, 4), "warning"),  # 0.4 rad beyond in 20 % of the frames
        ("action", 2.7, slice(0, 5), "error"),  # 0.4 rad beyond in 25 %
        ("state", -6.0, slice(4, 5), "error"),  # 2.9 rad beyond, once
    ],
)
def test_limits(tmp_path: Path, column: str, value: float, frames: slice, severity: str | None) -> None:
    rows = still_rows(20)
    rows[frames, 0] = value
    changes: dict[str, Any] = {column: rows}
    verdict = checked(sealed(tmp_path / "s", [episode(**changes)]))
    assert verdict.accepted == (severity != "error")
    if severity is None:
        assert "LIMIT-01" not in verdict.codes
        return
    finding = only(verdict, "LIMIT-01")
    assert finding.severity == severity and finding.frames == (frames.start, frames.stop - 1)
    assert "part 'left_arm' joint 'left_shoulder_pitch'" in finding.message
    assert f"is {value:g} rad, expected -3.1 to 2.3 rad" in finding.message


def test_parquet_with_a_missing_column(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [episode()])
    change_parquet(store, 0, lambda table: table.drop_columns(["action"]))
    verdict = checked(store)
    assert not verdict.accepted
    finding = only(verdict, "COLUMN-01")
    assert f"{store.data_path(0)}: episode 0: column 'action' is missing" in finding.message
    assert "observation.state, timestamp" in finding.message and "write the file again" in finding.message


def test_missing_and_unreadable_parquet(tmp_path: Path) -> None:
    store = unsealed(sealed(tmp_path / "s", [episode()]))
    path = store.data_path(0)
    path.write_bytes(path.read_bytes()[:500])
    verdict = checked(store)
    assert "not a readable parquet file" in only(verdict, "FILE-01").message
    assert verdict.length == 20 and not verdict.accepted
    path.unlink()
    assert f"{path}: episode 0: no such file" in only(checked(store), "FILE-01").message


def test_rows_against_declared_length(tmp_path: Path) -> None:
    store = change_row(sealed(tmp_path / "s", [episode()]), 0, length=25)
    verdict = checked(store)
    assert not verdict.accepted and verdict.length == 20
    assert "holds 20 rows, meta/episodes.jsonl declares 25" in only(verdict, "ROWS-01").message


def test_rows_in_the_wrong_order(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [episode()])
    order = [*range(10), 11, 10, *range(12, 20)]
    change_parquet(store, 0, lambda table: table.take(order))
    verdict = checked(store)
    assert verdict.codes == ("ROWS-03", "TIME-01") and not verdict.accepted
    assert "frame_index is 11 in row 10, expected 10 (2 rows differ)" in verdict.findings[0].message


def test_another_width_than_the_embodiment(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [episode()])
    narrow = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(20 * 43)), 43)
    change_parquet(store, 0, lambda table: table.set_column(1, "action", narrow))
    finding = only(checked(store), "SHAPE-01")
    assert "action has 43 values a row, embodiment 'gr1' expects 44" in finding.message


def test_rows_of_different_widths(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [episode()])
    ragged = pa.array([[0.0] * (44 - (i == 3)) for i in range(20)])
    change_parquet(store, 0, lambda table: table.set_column(1, "action", ragged))
    assert not checked(store).accepted and checked(store).codes == ("SHAPE-01",)


def test_a_column_that_holds_no_numbers(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [episode()])
    words = pa.array([{"joint": "left"}] * 20)
    change_parquet(store, 0, lambda table: table.set_column(1, "action", words))
    assert not checked(store).accepted and checked(store).codes == ("SHAPE-01",)
