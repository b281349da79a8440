"""Reading an embodiment: slices, modality.json, digests, and what a broken YAML says."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gr00t_data.embodiment.modality import modality_json
from gr00t_data.embodiment.robot import Embodiment, EmbodimentError, load_embodiment

ROOT = Path(__file__).parents[3]

# Line numbers in the tests below count from the first line, "name: arm".
YAML = """\
name: arm
description: an arm
slot: 30
control_hz: 20
action_horizon: 16
tolerance_s: 0.025
language_key: annotation.human.action.task_description
cameras:
  - {name: front_view, role: front}
state:
  - name: arm
    joints: [j1, j2]
    unit: rad
    limits: [-3.0, 3.0]
    normalization: min_max
  - name: hand
    joints: [h1, h2, h3, h4]
    unit: "1"
    limits: [[0, 1], [0, 1], [0, 1], [-1, 1]]
    rotation: quaternion
    normalization: sin_cos
action:
  - name: arm
    joints: [j1, j2]
    unit: rad
    limits: null
    absolute: false
    normalization: min_max
default_selection: all
selections:
  all:
    cameras: [front_view]
    state: [arm, hand]
    action: [arm]
    state_rotations: {hand: rotation_6d}
  other_words:
    cameras: []
    state: [hand]
    action: [arm]
    language: annotation.human.coarse_action
    state_normalization: {hand: identity}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "arm.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, *replacements: tuple[str, str]) -> Embodiment:
    text = YAML
    for old, new in replacements:
        assert text.count(old) >= 1, f"the test's own YAML does not hold {old!r}"
        text = text.replace(old, new, 1)
    return load_embodiment(written(folder, text))


def test_modality_round_trips_through_json(tmp_path: Path) -> None:
    embodiment = loaded(tmp_path)
    modality = json.loads(json.dumps(modality_json(embodiment)))
    for side, parts in (("state", embodiment.state), ("action", embodiment.action)):
        assert list(modality[side]) == [part.name for part in parts]
        for part in parts:
            entry = modality[side][part.name]
            assert slice(entry["start"], entry["end"]) == part.slice
            assert entry.get("absolute", True) == part.absolute
            assert entry.get("rotation_type") == part.rotation
            assert entry.get("dtype", "float64") == part.dtype
    assert modality["video"] == {"front_view": {"original_key": "observation.images.front_view"}}
    assert modality["annotation"] == {
        "human.action.task_description": {},
        "human.coarse_action": {"original_key": "annotation.human.action.task_description"},
    }
    assert modality_json(embodiment, cameras=[])["video"] == {}


def test_language_column_and_part_column_become_original_keys(tmp_path: Path) -> None:
    embodiment = loaded(
        tmp_path,
        ("cameras:\n", "language_column: task_index\ncameras:\n"),
        ("    joints: [h1", "    column: observation.hand\n    joints: [h1"),
    )
    modality = modality_json(embodiment)
    assert modality["annotation"]["human.action.task_description"] == {"original_key": "task_index"}
    # A part in a column of its own counts from that column's start.
    assert modality["state"]["hand"] == {
        "start": 0,
        "end": 4,
        "original_key": "observation.hand",
        "rotation_type": "quaternion",
    }
    assert embodiment.state_dim == 6


def test_limits_and_selections_are_spelt_out(tmp_path: Path) -> None:
    embodiment = loaded(tmp_path)
    assert embodiment.state_part("arm").limits == ((-3.0, 3.0), (-3.0, 3.0))
    assert embodiment.state_part("hand").limits == ((0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (-1.0, 1.0))
    assert embodiment.action_part("arm").limits is None
    assert embodiment.selection().state_normalization == {"arm": "min_max", "hand": "sin_cos"}
    assert embodiment.selection().state_rotations == {"hand": "rotation_6d"}
    assert embodiment.selection("other_words").state_normalization == {"hand": "identity"}
    assert pickle.loads(pickle.dumps(embodiment)) == embodiment


def test_digest_follows_the_meaning_and_not_the_layout(tmp_path: Path) -> None:
    digest = loaded(tmp_path).digest
    assert len(digest) == 64
    assert loaded(tmp_path, ("slot: 30", "slot: 30   # a comment")).digest == digest
    assert loaded(tmp_path, ("an arm", "another text")).digest == digest
    assert loaded(tmp_path, ("[-3.0, 3.0]", "[-3.0, 3.1]")).digest != digest


def test_text_reloads_to_the_same_embodiment(tmp_path: Path) -> None:
    gr1 = load_embodiment("gr1")
    assert load_embodiment(written(tmp_path, gr1.text)) == gr1


# (replacements in YAML, line, field, words of the message)
BROKEN = {
    "extra key": ([("unit: rad", "units: rad")], 13, "state.arm.units", ["'units'", "did you mean 'unit'"]),
    "extra key at the top": ([("slot: 30", "slots: 30")], 3, "slots", ["did you mean 'slot'"]),
    "extra key in a selection": (
        [("    language:", "    langage:")],
        40,
        "selections.other_words.langage",
        ["language"],
    ),
    "missing key": ([("    unit: rad\n", "")], 11, "state.arm.unit", ["found nothing", "the key 'unit'"]),
    "text for a number": ([("slot: 30", "slot: thirty")], 3, "slot", ["'thirty'", "a valid integer"]),
    "yes for a number": ([("slot: 30", "slot: yes")], 3, "slot", ["found True"]),
    "exponent without a point": ([("0.025", "25e-3")], 6, "tolerance_s", ["'25e-3'", "plain decimal"]),
    "number for text": ([('unit: "1"', "unit: 1")], 18, "state.hand.unit", ["found 1", "'rad'"]),
    "out of range": ([("slot: 30", "slot: 32")], 3, "slot", ["found 32", "less than 32"]),
    "bad unit": ([("unit: rad", "unit: radd")], 13, "state.arm.unit", ["'radd'", "did you mean 'rad'"]),
    "bad mode": ([("sin_cos", "sincos")], 21, "state.hand.normalization", ["did you mean 'sin_cos'"]),
    "limits of wrong length": ([(", [-1, 1]]", "]")], 19, "state.hand.limits", ["found 3 pairs", "4 pairs"]),
    "limits upside down": ([("[-3.0, 3.0]", "[3.0, -3.0]")], 14, "state.arm.limits", ["[3.0, -3.0]", "low < high"]),
    "limits not numbers": ([("[-3.0, 3.0]", "[low, high]")], 14, "state.arm.limits", ["'low'", "numbers"]),
    "limits infinite": ([("[-3.0, 3.0]", "[-.inf, 3.0]")], 14, "state.arm.limits", ["-inf", "finite"]),
    "duplicate part": ([("name: hand", "name: arm")], 16, "state.arm.name", ["'arm' a second time"]),
    "duplicate joint": ([("[h1,", "[j1,")], 17, "state.hand.joints.0", ["'j1' a second time", "'arm'"]),
    "duplicate key": (
        [("    unit: rad\n", "    unit: rad\n    unit: m\n")],
        14,
        "state.arm.unit",
        ["twice", "13 and 14"],
    ),
    "rotation of wrong size": ([("h3, h4]", "h3]"), (", [-1, 1]]", "]")], 20, "state.hand.rotation", ["4 joints"]),
    "integers not binary": (
        [("unit: rad", "dtype: int64\n    unit: rad")],
        16,
        "state.arm.normalization",
        ["'binary'"],
    ),
    "selection of an unknown part": (
        [("state: [arm, hand]", "state: [arm, hands]")],
        33,
        "selections.all.state.1",
        ["'hands'", "did you mean 'hand'"],
    ),
    "selection of an unknown camera": (
        [("cameras: [front_view]", "cameras: [front]")],
        32,
        "selections.all.cameras.0",
        ["'front'", "front_view"],
    ),
    "normalization of an unread part": (
        [("{hand: identity}", "{arm: identity}")],
        41,
        "selections.other_words.state_normalization.arm",
        ["'arm'", "this selection reads"],
    ),
    "conversion of no rotation": (
        [("{hand: rotation_6d}", "{arm: rotation_6d}")],
        35,
        "selections.all.state_rotations.arm",
        ["no rotation"],
    ),
    "unknown default": ([("default_selection: all", "default_selection: al")], 29, "default_selection", ["mean 'all'"]),
    "tab": ([("    unit: rad", "\tunit: rad")], 13, "syntax", ["'\\t'", "spaces, never with tabs"]),
    "indentation": ([("    unit: rad", "   unit: rad")], 13, "syntax", ["expected"]),
    "unclosed bracket": ([("[j1, j2]", "[j1, j2")], 13, "syntax", ["expected"]),
    "impossible date": ([("an arm", "2024-13-45")], 2, "description", ["2024-13-45"]),
    "forbidden character": ([("an arm", "an \x07 arm")], 2, "syntax", ["does not allow"]),
    "python object": ([("an arm", "!!python/name:os.system")], 2, "description", ["python/name"]),
    "list that holds itself": ([("joints: [j1, j2]", "joints: &a [j1, *a]")], 11, "state.arm", ["without end"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_yaml_gives_one_message_with_file_line_and_field(tmp_path: Path, case: str) -> None:
    replacements, line, field, words = BROKEN[case]
    with pytest.raises(EmbodimentError) as caught:
        loaded(tmp_path, *replacements)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'arm.yaml'}:{line}: {field}: found "), message
    assert "; expected " in message and "\n" not in message
    for word in words:
        assert word in message


def test_everything_wrong_in_a_file_is_said_at_once_each_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(EmbodimentError) as caught:
        loaded(
            tmp_path,
            ("slot: 30", "slot: thirty"),
            ("    unit: rad", "    units: rad"),
            ("limits: [[0, 1], [0, 1], [0, 1], [-1, 1]]", "limits: [[0, 1], [0, 1], [0, 1]]"),
            ("absolute: false\n", "absolute: false\n    absolute: true\n"),
            ("    normalization: min_max\ndefault", "    normalization: minmax\ndefault"),
            ("state: [arm, hand]", "state: [arm, hands]"),
            ("default_selection: all", "default_selection: none"),
        )
    where = str(tmp_path / "arm.yaml")
    found = [line.removeprefix(f"{where}:").split(": ", 2)[:2] for line in str(caught.value).splitlines()]
    assert found == [
        ["3", "slot"],
        ["13", "state.arm.units"],
        ["19", "state.hand.limits"],
        ["28", "action.arm.absolute"],
        ["29", "action.arm.normalization"],
        ["30", "default_selection"],
        ["34", "selections.all.state.1"],
    ]


def test_what_follows_from_a_fault_is_not_said_beside_it(tmp_path: Path) -> None:
    with pytest.raises(EmbodimentError) as caught:
        loaded(tmp_path, ("  - name: hand", "  - nam: hand"), ("joints: [j1, j2]\n    unit: rad", "joints: [j1, j2]"))
    lines = str(caught.value).splitlines()
    assert [line.split(": ", 2)[1] for line in lines] == ["state.arm.unit", "state.1.nam"]


LEROBOT_NAMES = {
    "as recorded": ("[j1.pos, j2.pos]", ("j1", "j2")),
    "a list in a list": ("[[j1.pos, j2.pos]]", ("j1", "j2")),
    "motors": ("{motors: [main_shoulder_pan, main_gripper]}", ("main_shoulder_pan", "main_gripper")),
    "name to position": ("{shoulder_pan.pos: 1, gripper.pos: 0}", ("gripper", "shoulder_pan")),
    "two arms": ("[left.joint_1.pos, right.joint_1.pos]", ("left_joint_1", "right_joint_1")),
}


@pytest.mark.parametrize("case", LEROBOT_NAMES)
def test_names_of_info_json_can_be_pasted(tmp_path: Path, case: str) -> None:
    pasted, joints = LEROBOT_NAMES[case]
    assert loaded(tmp_path, ("joints: [j1, j2]", f"joints: {pasted}")).state_part("arm").joints == joints


def test_units_of_servos_and_how_recordings_are_converted(tmp_path: Path) -> None:
    servo = loaded(tmp_path, ("unit: rad\n    limits: [-3.0, 3.0]", "unit: ticks\n    limits: [0, 4095]"))
    assert servo.state_part("arm").unit == "ticks"
    plain, from_ticks = (
        loaded(tmp_path),
        ("unit: rad", "unit: rad\n    recorded_unit: ticks\n    zero_tick: [2048, 2000]"),
    )
    part = loaded(tmp_path, from_ticks).state_part("arm")
    assert (part.recorded_unit, part.zero_tick, part.ticks_per_turn) == ("ticks", (2048.0, 2000.0), 4096)
    assert loaded(tmp_path, from_ticks).digest == plain.digest, "how recordings are read is not what data mean"
    with pytest.raises(EmbodimentError, match=r"13: state\.arm\.zero_tick: found 1 numbers; expected one for all"):
        loaded(tmp_path, ("    unit: rad", "    zero_tick: [2048]\n    unit: rad"))


@pytest.mark.parametrize(
    ("text", "found"), [("", "nothing"), ("- a\n- b\n", "a list"), ("just words\n", "'just words'")]
)
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(
        EmbodimentError, match=rf"arm\.yaml:1: document: found {found}; expected a mapping with the keys"
    ):
        load_embodiment(written(tmp_path, text))


def test_nested_aliases_end_quickly(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    with pytest.raises(EmbodimentError, match="without end"):
        load_embodiment(written(tmp_path, bomb))


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(EmbodimentError, match=r"'gr2'; did you mean 'gr1'.*so100.*path of a \.yaml"):
        load_embodiment("gr2")
    with pytest.raises(EmbodimentError, match=r"nowhere\.yaml: no such file"):
        load_embodiment(tmp_path / "nowhere.yaml")
    gr1 = load_embodiment("gr1")
    with pytest.raises(
        EmbodimentError, match=r"gr1 has no state part 'left_arms'; did you mean 'left_arm'; known: left_arm"
    ):
        gr1.state_part("left_arms")
    with pytest.raises(EmbodimentError, match="gr1 has no camera 'side'; known: ego_view, front_view"):
        gr1.camera("side")
    with pytest.raises(EmbodimentError, match="gr1 has no selection 'all'"):
        gr1.selection("all")


def test_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "arm.yaml"
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(EmbodimentError, match=r"arm\.yaml: cannot be read as UTF-8"):
        load_embodiment(path)


def test_schemas_are_found_in_an_installed_wheel(tmp_path: Path) -> None:
    package = tmp_path / "gr00t_data"  # the wheel's layout: the schemas inside the package
    package.mkdir()
    for file in (ROOT / "gr00t_data").glob("*.py"):
        shutil.copy(file, package)
    shutil.copytree(ROOT / "gr00t_data/embodiment", package / "embodiment")
    shutil.copytree(ROOT / "schemas", package / "schemas")
    program = "import gr00t_data.embodiment.robot as e; print(e.__file__, e.load_embodiment('gr1').state_dim)"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ""},
    )
    assert result.stdout.split() == [str(package / "embodiment" / "robot.py"), "44"]


@pytest.mark.parametrize("text", ["[" * 50_000, "name: !!timestamp x\n", "name: !!bool x\n", "name: !!binary '%'\n"])
def test_depth_and_tags_that_do_not_fit_are_named(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(EmbodimentError, match=r"odd\.yaml"):
        load_embodiment(str(path))
