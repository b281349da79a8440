"""Grippers with two values: what the YAML says comes back exactly, and what contradicts it is refused."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics
from gr00t_data.batches.transforms.transforms import TransformError, build_transforms, require_switches
from gr00t_data.embodiment.robot import Embodiment, EmbodimentError, load_embodiment

YAML = """
name: grasper
description: an arm that is one gripper
slot: 31
control_hz: 20.0
action_horizon: 16
tolerance_s: 0.025
language_key: annotation.human.action.task_description
cameras: [{name: front, role: front}]
state: [{name: gripper, joints: [finger], unit: "1", limits: null, normalization: min_max}]
action: [{name: gripper, joints: [finger], PART}]
default_selection: all
selections:
  all: {cameras: [front], state: [gripper], action: [gripper]SELECTION}
"""
PERCENT = "unit: percent, limits: [-10, 110], normalization: binary"
PLAIN = 'unit: "1", limits: null, normalization: binary'


def robot(folder: Path, part: str, selection: str = "") -> Embodiment:
    path = folder / "grasper.yaml"
    path.write_text(YAML.replace("PART", part).replace("SELECTION", selection))
    return load_embodiment(path)


def statistics(arm: Embodiment, *values: float) -> NormStats:
    state = {"gripper": PartStatistics.of(np.array([[0.0], [1.0]]))}
    action = {"gripper": PartStatistics.of(np.array(values)[:, None])}
    return NormStats(arm.name, arm.digest, "made up", state=state, action=action)


@pytest.mark.parametrize(
    ("part", "data"),
    [
        (f"{PERCENT}, closed: 0, open: 100", [0.0, 3.0, 60.0, 100.0]),
        (f"{PERCENT}, closed: 5, open: 95", [0.0, 100.0]),
        (f"{PLAIN}, closed: 1, open: -1", [-1.0, 1.0, 0.9]),
        (f"{PLAIN}, closed: -1, open: 1", [-1.0, 1.0]),
        (f"{PLAIN}, closed: 255, open: 0", [0.0, 255.0]),
        ("unit: m, limits: [0, 0.1], normalization: binary, closed: 0.0, open: 0.08", [0.0, 0.08]),
        ('unit: "1", limits: [-1, 1], normalization: binary, dtype: int64, closed: 1, open: -1', [-1.0, 1.0]),
        ("unit: normalised, limits: [-1, 1], normalization: binary, closed: 1, open: -1", [-1.0, 1.0]),
        (PLAIN, [0.0, 1.0]),
        (PLAIN, [0.0, 0.0]),
        (f"{PERCENT}, closed: 0, open: 100", [100.0, 98.0]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_two_values_come_back_exactly(tmp_path: Path, part: str, data: list[float], dtype: type):
    arm = robot(tmp_path, part)
    _, action = build_transforms(arm, None, statistics(arm, *data), 8, 8)
    low, high = arm.action_part("gripper").switch
    seen = action({"gripper": np.array([[low], [high]], dtype)})
    assert seen[:, 0].tolist() == [0.0, 1.0] and seen.dtype == dtype
    told = action.inverse(np.array([[0.4], [0.6], [-3.0], [7.0]], dtype) * np.eye(1, 8, dtype=dtype))["gripper"]
    assert told[:, 0].tolist() == [dtype(value) for value in (low, high, low, high)] and told.dtype == dtype


@pytest.mark.parametrize(
    ("part", "data", "words"),
    [
        (PLAIN, [-1.0, 1.0], r"binary between 0 and 1 \(1\), but the data run from -1 to 1"),
        (PLAIN, [0.0, 100.0], "the data run from 0 to 100"),
        (PLAIN, [0.0, 0.08], "from 0 to 0.08, and never cross the middle"),
        (PLAIN, [0.0, 0.4], "from 0 to 0.4, and never cross the middle, 0.5"),
        (PLAIN, [0.6, 1.0], "never cross the middle"),
        (f"{PLAIN}, closed: -1, open: 1", [0.0, 1.0], "binary between closed -1 and open 1"),
        (f"{PERCENT}, closed: 0, open: 100", [0.0, 1.0], "from 0 to 1, and never cross the middle, 50"),
        (f"{PERCENT}, closed: 0, open: 100", [0.0, 300.0], "the data run from 0 to 300"),
        (f"{PERCENT}, closed: 40, open: 60", [0.0, 100.0], "binary between closed 40 and open 60"),
        ("unit: m, limits: null, normalization: binary, closed: 0, open: 0.08", [0.0, 80.0], r"open 0\.08 \(m\)"),
    ],
)
def test_data_that_contradict_the_two_values_are_refused(tmp_path: Path, part: str, data: list[float], words: str):
    arm = robot(tmp_path, part)
    with pytest.raises(TransformError, match=words):
        build_transforms(arm, None, statistics(arm, *data), 8, 8)


def test_both_sides_of_every_selection_are_looked_at(tmp_path: Path):
    arm = robot(tmp_path, PLAIN)
    found = {"gripper": PartStatistics.of(np.array([[-1.0], [1.0]]))}
    require_switches("state", arm.state, {"gripper": "min_max"}, found)
    with pytest.raises(TransformError, match=r"^state\.gripper"):
        require_switches("state", arm.state, {"gripper": "binary"}, found)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (PERCENT, "found 'binary' with unit 'percent'.*the keys 'closed' and 'open' in percent"),
        (PERCENT.replace("percent", "normalised").replace("[-10, 110]", "null"), "with unit 'normalised'"),
        (PERCENT.replace("percent", "m").replace("[-10, 110]", "null"), "with unit 'm'"),
        (f"{PERCENT}, closed: 0, open: 1", "found 0 and 1 in percent; expected values in percent"),
        (f"{PERCENT}, closed: 0, open: 150", "found 150; expected -10 to 110, as the unit 'percent' has it"),
        (f"{PERCENT}, open: 100", "closed: found only 'open'; expected both, or neither"),
        (f"{PERCENT}, closed: 5, open: 5", "found 5, the same as closed"),
        (f"{PERCENT}, closed: true, open: 100", "closed: found True"),
        (f"{PERCENT}, closed: .nan, open: 100", "closed: found nan"),
        (f"{PLAIN}, closed: 0, opened: 1", "the unknown key 'opened'.*did you mean 'open'"),
        ('unit: "1", limits: [0, 1], normalization: binary, closed: -1, open: 1', "within the limits"),
        ('unit: "1", limits: null, normalization: binary, dtype: bool, closed: -1, open: 1', "dtype bool can hold"),
        ('unit: "1", limits: null, normalization: binary, dtype: int64, closed: 0, open: 0.5', "dtype int64 can hold"),
        ("unit: normalised, limits: null, normalization: binary, closed: 0, open: 100", "as the unit 'normalised'"),
    ],
)
def test_a_yaml_that_contradicts_itself_is_refused(tmp_path: Path, part: str, words: str):
    with pytest.raises(EmbodimentError, match=words):
        robot(tmp_path, part)


def test_a_selection_may_not_make_it_binary_unsaid(tmp_path: Path):
    part = PERCENT.replace("binary", "min_max")
    chosen = ", action_normalization: {gripper: binary}"
    with pytest.raises(
        EmbodimentError, match=r"selections\.all\.action_normalization\.gripper: found 'binary' with unit"
    ):
        robot(tmp_path, part, chosen)
    assert robot(tmp_path, f"{part}, closed: 0, open: 100", chosen).action_part("gripper").switch == (0, 100)


def test_saying_nothing_leaves_the_digest_as_it_was(tmp_path: Path):
    plain = robot(tmp_path, PLAIN)
    assert plain.digest == "2f715ed72dca12e363104211ab7a8d4c751110e30ebfb7013d8e5ceac32bd339"
    assert robot(tmp_path, f"{PLAIN}, closed: 0, open: 1").digest != plain.digest
