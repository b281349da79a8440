"""Unitree recordings: JSON and pictures as the published recorder lays them out."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.formats import unitree
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.recordings.mapping import parse_mapping
from gr00t_data.sources.recordings.rate import Rate
from gr00t_data.store.store import StoreError
from gr00t_data.video import files as video
from tests.data.sources.rig import rig

MAPPING: dict[str, Any] = {
    "format": "Unitree JSON",
    "cameras": {"front_view": {"key": "color_0"}},
    "state": {"arm": {"key": "states.left_arm.qpos"}, "gripper": {"key": "states.left_ee.qpos"}},
    "action": {"arm": {"key": "actions.left_arm.qpos"}, "gripper": {"key": "actions.left_ee.qpos"}},
}


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    return rig(tmp_path)


def recorded(folder: Path, rows: int = 30, joint_names: tuple[str, ...] = (), **changes: Any) -> Path:
    """One episode at 60 pictures a second."""
    (folder / "colors").mkdir(parents=True)
    data = []
    for row in range(rows):
        name = f"colors/{row:06d}_color_0.jpg"
        cv2.imwrite(str(folder / name), np.full((15, 17, 3), row * 4, np.uint8))
        sides = {
            side: {"left_arm": {"qpos": [row / 100 + j + s for j in range(3)]}, "left_ee": {"qpos": [row % 2]}}
            for s, side in enumerate(("states", "actions"))
        }
        data.append({"idx": row, "colors": {"color_0": name}, "depths": {}, **sides})
    info = {
        "version": "1.0.0",
        "image": {"width": 17, "height": 15, "fps": 60},
        "joint_names": {"left_arm": joint_names},
    }
    document = {"info": info, "text": {"goal": "pick the apple", "desc": "", "steps": ""}, "data": data, **changes}
    (folder / "data.json").write_text(json.dumps(document))
    return folder


def test_a_folder_of_episodes_becomes_a_store(tmp_path: Path, robot: Embodiment) -> None:
    for number in range(2):
        recorded(tmp_path / f"drop/episode_{number:04d}")
    store = ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert [row.length for row in store.rows] == [10, 10] and store.row(0).instruction == "pick the apple"
    assert store.state(0)[:, 0] == pytest.approx(np.arange(0, 30, 3) / 100)
    assert store.action(1)[:, 1] == pytest.approx(np.arange(0, 30, 3) / 100 + 2)
    shown = video.decode(store.video_path(0, "front_view"))
    assert shown.shape == (10, 16, 18, 3) and shown[:, 4, 4, 0] == pytest.approx(np.arange(0, 30, 3) * 4.0, abs=4)


def test_joint_names_decide_the_order(tmp_path: Path, robot: Embodiment) -> None:
    recorded(tmp_path / "drop", joint_names=("joint_3", "joint_1", "joint_2"))
    found = unitree.READER.propose(tmp_path / "drop", robot)
    assert unitree.READER.said_rate(tmp_path / "drop") == Rate(60, "info.image.fps")
    assert found.state["arm"].names == ("joint_1", "joint_2", "joint_3")
    assert found.cameras["front_view"].key == "color_0" and found.undecided == ["state.gripper", "action.gripper"]
    mapping = parse_mapping({**MAPPING, "state": {**MAPPING["state"], "arm": found.state["arm"].model_dump()}})
    name = unitree.READER.episode_names(tmp_path / "drop")[0]
    raw = unitree.READER.read_episode(tmp_path / "drop", mapping, robot, name)
    arm = raw.state["arm"]
    assert not isinstance(arm, np.ndarray) and arm.values[0].tolist() == [1.0, 2.0, 0.0]


def reason(drop: Path, robot: Embodiment) -> str:
    with pytest.raises(StoreError) as refused:
        ingest(drop, robot, Lake(drop.parent / "lake"), mapping=parse_mapping(MAPPING))
    return str(refused.value)


def test_json_that_is_cut_off_is_refused(tmp_path: Path, robot: Embodiment) -> None:
    folder = recorded(tmp_path / "drop")
    text = (folder / "data.json").read_text()
    (folder / "data.json").write_text(text[: len(text) // 2])
    assert "is no JSON, or cut off" in reason(folder, robot)


def test_pictures_outside_the_folder_are_not_read(tmp_path: Path, robot: Embodiment) -> None:
    cv2.imwrite(str(tmp_path / "secret.jpg"), np.zeros((16, 16, 3), np.uint8))
    for number, name in enumerate(("../secret.jpg", str(tmp_path / "secret.jpg"), "colors/link.jpg")):
        folder = recorded(tmp_path / f"drop{number}", rows=5)
        (folder / "colors/link.jpg").symlink_to(tmp_path / "secret.jpg")
        document = json.loads((folder / "data.json").read_text())
        document["data"][2]["colors"]["color_0"] = name
        (folder / "data.json").write_text(json.dumps(document))
        assert "leads out of the folder" in reason(folder, robot)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"data": []}, "has no rows in `data`"),
        ({"data": [{"colors": {}, "states": {}, "actions": {}}]}, "row 0: has no field 'left_arm'"),
        ({"data": "text"}, "has no rows in `data`"),
    ],
)
def test_rows_that_lack_what_is_mapped_are_refused(
    tmp_path: Path, robot: Embodiment, change: dict[str, Any], expected: str
) -> None:
    assert expected in reason(recorded(tmp_path / "drop", **change), robot)


def test_a_picture_that_is_none_is_refused(tmp_path: Path, robot: Embodiment) -> None:
    folder = recorded(tmp_path / "drop")
    (folder / "colors/000003_color_0.jpg").write_bytes(b"no picture")
    assert "000003_color_0.jpg: picture of 10 bytes is no JPEG" in reason(folder, robot)


def test_a_picture_cut_off_is_refused_though_decoders_fill_it(tmp_path: Path, robot: Embodiment) -> None:
    folder = recorded(tmp_path / "drop")
    path = folder / "colors/000003_color_0.jpg"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:-500])
    assert cv2.imread(str(path)) is not None
    assert "is a JPEG that was cut off" in reason(folder, robot)


def test_the_g1_needs_only_what_was_not_recorded(tmp_path: Path) -> None:
    rows: dict[str, Any] = {
        part: {"qpos": [0.1] * 7, "qvel": [], "torque": []} for part in ("left_arm", "right_arm", "left_ee", "right_ee")
    }
    folder = recorded(tmp_path / "drop", rows=1)
    document = json.loads((folder / "data.json").read_text())
    document["data"][0] |= {"states": rows | {"body": {"qpos": []}}, "actions": rows}
    (folder / "data.json").write_text(json.dumps(document))
    found = unitree.READER.propose(folder, load_embodiment("unitree_g1"))
    assert found.state["left_hand"].key == "states.left_ee.qpos" and found.cameras["rs_view"].key == "color_0"
    assert found.action["right_arm"].key == "actions.right_arm.qpos"
    legs = ["left_leg", "right_leg", "waist"]
    assert found.undecided == [f"{side}.{part}" for side in ("state", "action") for part in legs]


def test_an_episode_without_pictures_is_refused(tmp_path: Path, robot: Embodiment) -> None:
    folder = recorded(tmp_path / "drop")
    document = json.loads((folder / "data.json").read_text())
    for row in document["data"]:
        row["colors"] = {}
    (folder / "data.json").write_text(json.dumps(document))
    assert "no row has a picture of 'color_0'" in reason(folder, robot)
