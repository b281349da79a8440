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
from gr00t_data.sources.recordings.mapping import MappingError, parse_mapping
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
    found = unitree.READER.propose(unitree.READER.contents(tmp_path / "drop"), robot)
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


DEX3 = [f"kLeftHand{name}" for name in ("Thumb0", "Thumb1", "Thumb2", "Middle0", "Middle1", "Index0", "Index1")]
ARM = ["ShoulderPitch", "ShoulderRoll", "ShoulderYaw", "Elbow", "WristRoll", "WristPitch", "WristYaw"]


def teleoperated(folder: Path, fingers: int, body: int = 0, rows: int = 31, pictures: int = 1) -> Path:
    """An episode as xr_teleoperate writes it, at 30 Hz: joint j of part p reads p / 10 + j / 100 + row / 1000."""
    (folder / "colors").mkdir(parents=True)
    widths = {"left_arm": 7, "right_arm": 7, "left_ee": fingers, "right_ee": fingers}
    data = []
    for row in range(rows):
        colors = {f"color_{n}": f"colors/{row:06d}_color_{n}.jpg" for n in range(pictures)}
        for n, name in enumerate(colors.values()):
            cv2.imwrite(str(folder / name), np.full((16, 16, 3), row * 4 + n * 60, np.uint8))
        read = {
            part: {"qpos": [p / 10 + j / 100 + row / 1000 for j in range(width)], "qvel": [], "torque": []}
            for p, (part, width) in enumerate(widths.items())
        }
        sides = {"states": {**read, "body": {"qpos": [j + row / 1000 for j in range(body)]}}}
        sides["actions"] = {**read, "body": {"qpos": [0.0, 0.0, 0.0] if body else []}}
        more = {"depths": None, "tactiles": None, "audios": None, "sim_state": ""}
        data.append({"idx": row, "colors": colors, **sides, **more})
    sizes = {"width": 640, "height": 480, "fps": 30.0}
    names = {"left_arm": [f"kLeft{one}" for one in ARM], "right_arm": [f"kRight{one}" for one in ARM]}
    names |= {"left_ee": DEX3, "right_ee": [one.replace("Left", "Right") for one in DEX3], "waist": ["kWaistYaw"]}
    info = {"version": "1.0.0", "image": sizes, "depth": sizes, "joint_names": names, "sim_state": ""}
    text = {"goal": "pick up the red cup", "desc": "", "steps": ""}
    document = {"info": info, "text": text, "data": data, "rewards": {"success": True}}
    (folder / "data.json").write_text(json.dumps(document, indent=4))
    return folder


@pytest.mark.parametrize(("name", "fingers"), [("unitree_g1", 7), ("unitree_g1_inspire", 6)])
def test_what_the_recorder_of_the_g1_writes_needs_no_mapping(tmp_path: Path, name: str, fingers: int) -> None:
    drop, g1 = teleoperated(tmp_path / "drop/episode_0000", fingers, pictures=3).parent, load_embodiment(name)
    assert unitree.READER.propose(unitree.READER.contents(drop), g1).undecided == []
    store = ingest(drop, g1, Lake(tmp_path / "lake"))
    assert store.row(0).length == 21 and store.row(0).instruction == "pick up the red cup"
    steps = np.arange(0, 31, 1.5)[:, None] / 1000
    for number, part in enumerate(("left_arm", "right_arm", "left_hand", "right_hand")):
        expected = number / 10 + np.arange(g1.state_part(part).dim) / 100 + steps
        assert store.state(0)[:, g1.state_part(part).slice] == pytest.approx(expected, abs=1e-6)
        commanded = expected - np.tile([[0.0], [0.0005]], (11, 1))[:21]  # the last command holds
        assert store.action(0)[:, g1.action_part(part).slice] == pytest.approx(commanded, abs=1e-6)
    assert video.decode(store.video_path(0, "rs_view"))[10, 4, 4, 0] == pytest.approx(60, abs=4)
    unread = [f"{side}.{part}" for side in ("state", "action") for part in ("left_leg", "right_leg", "waist")]
    assert (store.about.absent or ()) == (tuple(unread) if name == "unitree_g1" else ())
    if name == "unitree_g1":
        assert not store.state(0)[:, :15].any() and not store.action(0)[:, :15].any()


def test_the_body_of_the_g1_gives_its_legs_and_waist(tmp_path: Path) -> None:
    g1 = load_embodiment("unitree_g1")
    store = ingest(teleoperated(tmp_path / "drop", 7, body=35), g1, Lake(tmp_path / "lake"))
    assert store.state(0)[0, :15] == pytest.approx(np.arange(15), abs=1e-6)
    assert store.about.absent == ("action.left_leg", "action.right_leg", "action.waist")


def test_a_hand_of_six_motors_is_none_of_seven(tmp_path: Path) -> None:
    drop = teleoperated(tmp_path / "drop", 6, rows=3)
    with pytest.raises(MappingError, match=r"state.left_hand is undecided; state.right_hand is undecided"):
        unitree.READER.mapping(drop, load_embodiment("unitree_g1"))


def test_what_only_later_rows_hold_is_found(tmp_path: Path) -> None:
    drop = teleoperated(tmp_path / "drop", 7, rows=3)
    document = json.loads((drop / "data.json").read_text())
    document["data"][0]["states"]["left_ee"]["qpos"] = []
    (drop / "data.json").write_text(json.dumps(document))
    found = {one.key: one.width for one in unitree.READER.contents(drop)}
    assert found["states.left_ee.qpos"] == 7 and "states.body.qpos" not in found


def test_an_episode_without_pictures_is_refused(tmp_path: Path, robot: Embodiment) -> None:
    folder = recorded(tmp_path / "drop")
    document = json.loads((folder / "data.json").read_text())
    for row in document["data"]:
        row["colors"] = {}
    (folder / "data.json").write_text(json.dumps(document))
    assert "no row has a picture of 'color_0'" in reason(folder, robot)
