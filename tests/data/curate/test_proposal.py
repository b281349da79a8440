"""A robot that nobody described: the doctor works without a robot file, and proposes one that can be read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gr00t_data.curate.proposal import propose_robot
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.builders import change_info, change_rows, sealed, unsealed
from tests.data.curate.moving import pictures
from tests.data.sources.test_odd_lerobot import with_rows
from tests.shell import invoke

JOINTS = ["shoulder_pan.pos", "shoulder_lift.pos", "elbow_flex.pos", "wrist_flex.pos", "wrist_roll.pos", "gripper.pos"]


@pytest.fixture
def unknown(tmp_path: Path) -> EpisodeStore:
    """Six joints in degrees and percent at 30 Hz, one camera, as LeRobot's writer names them; no word on the robot."""
    robot, rows = load_embodiment("so100"), 60
    made = []
    for seed in range(3):
        way = np.random.default_rng(seed).uniform(10, 40, 5)
        angle = way * (1 - np.cos(np.linspace(0, 3, rows)))[:, None]
        state = np.concatenate([angle, 50 - 50 * np.cos(np.linspace(0, 6, rows))[:, None]], axis=1)
        action = state[np.minimum(np.arange(rows) + 2, rows - 1)]
        film = {"webcam": pictures(rows, seed, "blue", False)}
        made.append(Episode("pick it up", np.arange(rows) / 30, state, action, film))
    store = unsealed(sealed(tmp_path / "arm", made, "real", robot))
    for name in ("about.json", "modality.json"):
        (store.root / "meta" / name).unlink()
    features = {**store.info["features"]}
    for column in ("observation.state", "action"):
        features[column] = {**features[column], "names": JOINTS}
    return change_info(store, features=features, robot_type="my arm")


def loaded(text: str, folder: Path) -> Embodiment:
    path = folder / "proposed.yaml"
    path.write_text(text)
    return load_embodiment(path)


def test_names_widths_cameras_and_rate_are_those_of_the_folder(unknown: EpisodeStore, tmp_path: Path) -> None:
    robot = loaded(propose_robot(unknown), tmp_path)
    assert (robot.name, robot.control_hz, robot.state_dim, robot.action_dim) == ("my_arm", 30.0, 6, 6)
    assert robot.state_names() == tuple(name.removesuffix(".pos") for name in JOINTS)
    assert [(part.name, part.unit) for part in robot.state] == [("arm", "deg"), ("gripper", "percent")]
    assert [(camera.name, camera.column) for camera in robot.cameras] == [("webcam", "observation.images.webcam")]


def test_two_arms_and_radians(unknown: EpisodeStore, tmp_path: Path) -> None:
    names = ["left_j1", "left_j2", "left_gripper", "right_j1", "right_j2", "right_gripper"]
    features = {**unknown.info["features"]}
    features["action"] = {**features["action"], "names": names}
    robot = loaded(propose_robot(change_info(unknown, features=features)), tmp_path)
    assert [(part.name, part.dim) for part in robot.action] == [
        ("left_arm", 2),
        ("left_gripper", 1),
        ("right_arm", 2),
        ("right_gripper", 1),
    ]


def test_a_scale_that_ends_at_a_hundred_is_no_angle(unknown: EpisodeStore, tmp_path: Path) -> None:
    for row in unknown.rows:
        scaled = unknown.matrix(row.index, "observation.state")
        scaled[:, :5] = np.clip(scaled[:, :5] * 3, -100, 100)
        change_rows(unknown, row.index, lambda table, scaled=scaled: with_rows(table, "observation.state", scaled))
    robot = loaded(propose_robot(unknown), tmp_path)
    assert [(part.name, part.unit) for part in robot.state] == [("arm", "range_m100_100"), ("gripper", "percent")]


def test_without_names_the_joints_are_numbered(unknown: EpisodeStore, tmp_path: Path) -> None:
    features = {**unknown.info["features"]}
    features["action"] = {**features["action"], "names": None}
    robot = loaded(propose_robot(change_info(unknown, features=features)), tmp_path)
    assert robot.action_names() == tuple(f"joint_{dim}" for dim in range(6))


def test_what_says_too_little_is_refused(unknown: EpisodeStore) -> None:
    features = {name: said for name, said in unknown.info["features"].items() if name != "action"}
    with pytest.raises(StoreError, match=r"declares none of action, actions .*--embodiment"):
        propose_robot(change_info(unknown, features=features))


def doctor(root: Path, *more: str) -> tuple[int, dict[str, Any]]:
    result = invoke(["doctor", str(root), "--json", *more])
    return result.exit_code, json.loads(result.stdout)


def test_the_doctor_without_a_robot(unknown: EpisodeStore, tmp_path: Path) -> None:
    status, report = doctor(unknown.root)
    errors = [f for one in [report, *report["episodes"]] for f in one["findings"] if f["severity"] == "error"]
    assert errors == []
    assert status == 0 and [one["verdict"] for one in report["episodes"]] == ["accepted"] * 3
    assert loaded(report["proposed_robot"], tmp_path).name == "my_arm"
    unknown.video_place(1, "webcam").write_bytes(b"no video")
    status, report = doctor(unknown.root)
    assert status == 1 and "VIDEO-02" in {finding["code"] for finding in report["episodes"][1]["findings"]}
    assert invoke(["doctor", str(unknown.root), "--fix"]).exit_code == 3


def test_a_store_that_names_its_robot_is_checked_against_that(unknown: EpisodeStore) -> None:
    (unknown.root / "meta/about.json").write_text(json.dumps({"embodiment": "so100"}))
    assert "proposed_robot" not in doctor(unknown.root)[1]
