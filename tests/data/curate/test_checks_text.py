"""Checks of the instruction and of the success label."""

from pathlib import Path

import pytest

from gr00t_data.curate.checks.text import is_placeholder
from gr00t_data.curate.examine import check_episode
from gr00t_data.curate.identifiers import is_identifier
from tests.data.builders import GR1, change_parquet, change_row, episode, sealed


@pytest.mark.parametrize(
    ("instruction", "code"), [("", "TEXT-01"), ("  ", "TEXT-01"), ("TODO", "TEXT-02"), ("...", "TEXT-02")]
)
def test_missing_and_placeholder_instruction(tmp_path: Path, instruction: str, code: str) -> None:
    verdict = check_episode(sealed(tmp_path / "s", [episode(instruction=instruction)]), 0, GR1)
    assert verdict.codes == (code,) and not verdict.accepted
    assert "write what the robot was asked to do" in verdict.findings[0].message


@pytest.mark.parametrize("text", ["N/A", " none. ", "<task description>", "123", "Valid"])
def test_placeholders(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize("text", ["pick the pear", "test the switch", "拿起红色方块", "wave"])
def test_instructions_are_no_placeholders(text: str) -> None:
    assert not is_placeholder(text)


def test_an_annotation_that_points_nowhere(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [episode()])
    position = store.columns(0).columns.index(GR1.language_column)
    nowhere = [[7] * 20]
    change_parquet(store, 0, lambda table: table.set_column(position, GR1.language_column, nowhere))
    assert check_episode(store, 0, GR1).codes == ("TEXT-01",)


def test_several_texts_are_said(tmp_path: Path) -> None:
    store = change_row(sealed(tmp_path / "s", [episode()]), 0, tasks=["reach the green sphere", "valid"])
    verdict = check_episode(store, 0, GR1)
    assert verdict.accepted and verdict.codes == ("TEXT-03",)
    assert "lists 2 texts ('reach the green sphere', 'valid')" in verdict.findings[0].message


def test_rows_that_change_the_instruction_are_no_fault(tmp_path: Path) -> None:
    one = episode(instruction="pick the pear", text_changes=((8, "put it on the plate"),))
    verdict = check_episode(sealed(tmp_path / "s", [one]), 0, GR1)
    assert verdict.findings == () and verdict.keep == ((0, 20),)
    assert (verdict.instruction, verdict.text_changes) == ("pick the pear", ((8, "put it on the plate"),))


@pytest.mark.parametrize("filler", ["", "TODO"])
def test_rows_without_an_instruction_are_left_out(tmp_path: Path, filler: str) -> None:
    one = episode(40, instruction=filler, text_changes=((4, "pick the pear"), (30, filler), (35, "put it down")))
    verdict = check_episode(sealed(tmp_path / "s", [one]), 0, GR1)
    assert verdict.accepted and verdict.codes == ("TEXT-12",) and verdict.keep == ((4, 30), (35, 40))
    assert f"rows 30 to 34 are under {filler!r}" in verdict.findings[1].message


_IDENTIFIERS = """
PosttrainPnPNovelFromPlateToBowlSplitA|pick_and_place_v2|task_0|task 0|Task: 3|task0|PickNPlace|pickPlace
KITCHEN_SCENE3_turn_on_the_stove|env.PickCube|libero/kitchen|C:\\data\\x|9f86d081884c7d65|libero_10 task_3
drawer-open-v2|3f2504e0-4f89-11d3-9a0c-0305e82c3301|PickCube-v1.|<open_drawer>|episode-12
"""
_SENTENCES = """
wave|Stop!|pick up the red cube|Pick up the red_cube.|拿起红色方块|push T|turn left|put LEGO brick in box 2|Lift 1.5 kg
Grab the M8 bolt|Pick-and-place the cube|hold iPhone|Grasp USB-C cable|don't|put it in the 2nd drawer
lingzu teleoperation
"""


@pytest.mark.parametrize("text", [text for line in _IDENTIFIERS.split("\n") for text in line.split("|") if text])
def test_identifiers(text: str) -> None:
    assert is_identifier(text)


@pytest.mark.parametrize("text", [text for line in _SENTENCES.split("\n") for text in line.split("|") if text])
def test_sentences_are_no_identifiers(text: str) -> None:
    assert not is_identifier(text)


def test_an_identifier_in_some_rows_is_found(tmp_path: Path) -> None:
    one = episode(instruction="pick the pear", text_changes=((8, "PnPFromPlateToBowlSplitA"),))
    verdict = check_episode(sealed(tmp_path / "s", [one]), 0, GR1)
    assert verdict.accepted and verdict.codes == ("TEXT-13",)
    assert "found 'PnPFromPlateToBowlSplitA' as an instruction" in verdict.findings[0].message


@pytest.mark.parametrize("changes", [{"success": False}, {"source": {"success": False}}])
def test_an_unsuccessful_demonstration(tmp_path: Path, changes: dict) -> None:
    verdict = check_episode(sealed(tmp_path / "s", [episode(**changes)]), 0, GR1)
    assert verdict.codes == ("SUCCESS-01",) and not verdict.accepted and verdict.keep == ()


def test_success_that_nobody_told_is_fine(tmp_path: Path) -> None:
    assert check_episode(sealed(tmp_path / "s", [episode(success=None)]), 0, GR1).accepted


def test_a_demonstration_labelled_invalid(tmp_path: Path) -> None:
    store = change_row(sealed(tmp_path / "s", [episode()]), 0, tasks=["reach the green sphere", "invalid"])
    verdict = check_episode(store, 0, GR1)
    assert "SUCCESS-02" in verdict.codes and not verdict.accepted
