"""The order of quaternions: said by fields, names, a person or evidence, and never guessed."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mcap_ros2.writer import Writer
from scipy.spatial.transform import Rotation

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.recordings.mapping import MappingError, load_mapping, parse_mapping
from gr00t_data.sources.recordings.quaternions import Vote, votes
from gr00t_data.sources.told import Told
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.sources.rig import rig
from tests.data.sources.test_logs import HEADER, START_S, header
from tests.shell import invoke

ARM = "{name: arm, joints: [joint_1, joint_2, joint_3], unit: rad, limits: [-3.0, 3.0], normalization: min_max}"
HAND = '{name: hand, joints: [qw, qx, qy, qz], unit: "1", limits: null, rotation: quaternion, normalization: min_max}'
ROWS = 60
ISAAC: dict[str, Any] = {
    "format": "robomimic HDF5",
    "hz": 20,
    "state": {"hand": {"key": "obs/eef_quat"}, "gripper": {"key": "obs/gripper_pos", "index": [0]}},
    "action": {"hand": {"key": "obs/eef_quat"}, "gripper": {"key": "actions", "index": [6]}},
}
ORDERS = {"wxyz": [3, 0, 1, 2], "xyzw": [0, 1, 2, 3]}
"""Columns of scipy's x y z w."""


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    """A hand with a gripper and no camera."""
    camera = "  - {name: front_view, role: front, column: observation.images.front_view}\n"
    return rig(
        tmp_path,
        **{
            ARM: HAND,
            "[arm, gripper]": "[hand, gripper]",
            "[front_view]": "[]",
            "cameras:\n" + camera: "cameras: []\n",
        },
    )


def turning(rows: int = ROWS, seed: int = 0) -> Rotation:
    """A hand that points down and turns about changing axes, half a radian to and fro."""
    seconds = np.arange(rows)[:, None] / 20
    phases = np.random.default_rng(seed).uniform(0, 6, (1, 3))
    return Rotation.from_rotvec(0.6 * np.sin([[1.1, 0.7, 1.7]] * seconds + phases)) * Rotation.from_euler("x", np.pi)


def isaac_file(path: Path, order: str, evidence: str = "", episodes: int = 2) -> Path:
    """As Isaac Lab's recorder lays it out: groups in groups, gzip, name and kind of the environment in `env_args`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Isaac-Stack-Cube-Franka-IK-Rel-v0", "type": 2})
        for number in range(episodes):
            written = _isaac_episode(order, evidence, number)
            for key, values in written.items():
                data.create_dataset(f"demo_{number}/{key}", data=values.astype(np.float32), compression="gzip")
    return path


def _isaac_episode(order: str, evidence: str, number: int) -> dict[str, np.ndarray]:
    hand = turning(seed=number)
    quaternions = hand.as_quat(canonical=evidence == "sign")[:, ORDERS[order]]
    if evidence != "sign":
        quaternions *= np.random.default_rng(number).choice([-1, 1], ROWS)[:, None]
    turns = (hand[1:] * hand[:-1].inv()).as_rotvec() * 20
    actions = np.zeros((ROWS, 7))
    actions[:, 6] = np.arange(ROWS) % 2
    if evidence == "commands":
        actions[:-1, 3:6] = turns / 10 + np.random.default_rng(number).normal(0, 0.005, turns.shape)
    base = np.concatenate([[0.1, 0.2, 0.0], Rotation.from_euler("z", 0.4).as_quat()[ORDERS[order]]])
    written = {"actions": actions, "obs/eef_quat": quaternions, "obs/gripper_pos": np.tile([0.04, -0.04], (ROWS, 1))}
    written |= {"obs/eef_pos": np.zeros((ROWS, 3)), "obs/joint_pos": np.zeros((ROWS, 9))}
    if evidence == "base":
        written["initial_state/articulation/robot/root_pose"] = base[None]
    if evidence == "matrix":
        poses = np.tile(np.eye(4), (ROWS, 1, 1))
        poses[:, :3, :3] = hand.as_matrix() @ Rotation.from_euler("z", 0.7).as_matrix()
        written["obs/datagen_info/eef_pose/franka"] = poses
    if evidence == "speed":
        written["obs/eef_ang_vel"] = np.vstack([turns[:1], turns])
    return written


def angles(store: EpisodeStore, seed: int = 0) -> float:
    """How far the stored rotations are from the real ones, in radians."""
    found = Rotation.from_quat(store.state(0)[:, :4], scalar_first=True)
    return float((found.inv() * turning(seed=seed)).magnitude().max())


@pytest.mark.parametrize("order", ["wxyz", "xyzw"])
def test_nothing_decides_it_and_a_person_is_asked(tmp_path: Path, robot: Embodiment, order: Any) -> None:
    drop = isaac_file(tmp_path / "demo.hdf5", order)
    mapping = parse_mapping(ISAAC)
    with pytest.raises(MappingError) as asked:
        ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping)
    assert "not guessed (nothing in it tells them apart)" in str(asked.value)
    assert f"`gr00t ingest {drop} --embodiment rig --quaternions wxyz` (or xyzw)" in str(asked.value)
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping, told=Told(quaternions=order))
    assert angles(store) < 1e-3
    source: Any = store.about.source.mapping
    assert source["state"]["hand"]["order"] == order and source["state"]["hand"]["order_by"] == "told"


@pytest.mark.parametrize("order", ["wxyz", "xyzw"])
@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        ("base", "'initial_state/articulation/robot/root_pose' stands upright"),
        ("matrix", "it turns with 'obs/datagen_info/eef_pose/franka'"),
        ("speed", "it turns as 'obs/eef_ang_vel' says"),
        ("commands", "it turns as 'actions' says"),
    ],
)
def test_what_else_is_in_the_file_decides_it(
    tmp_path: Path, robot: Embodiment, order: str, evidence: str, why: str
) -> None:
    drop = isaac_file(tmp_path / "demo.hdf5", order, evidence)
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(ISAAC))
    source: Any = store.about.source.mapping
    assert source["state"]["hand"]["order"] == order and why in source["state"]["hand"]["order_by"]
    assert angles(store) < 1e-3


def test_the_evidence_is_shown_and_a_contradiction_refused(tmp_path: Path, robot: Embodiment) -> None:
    drop = isaac_file(tmp_path / "demo.hdf5", "xyzw", "base")
    (tmp_path / "m.yaml").write_text(json.dumps(ISAAC))
    common = (
        "ingest",
        drop,
        "-e",
        tmp_path / "rig.yaml",
        "--lake",
        tmp_path / "lake",
        "--mapping",
        tmp_path / "m.yaml",
    )
    shown = invoke((*common, "--dry-run"))
    assert shown.exit_code == 0 and "order: xyzw" in shown.output and "stands upright" in shown.output
    refused = invoke((*common, "--quaternions", "wxyz"))
    assert refused.exit_code == 2 and "--quaternions says wxyz, the recording something else (xyzw: " in refused.output
    assert invoke((*common, "--write-mapping", tmp_path / "out.yaml")).exit_code == 0
    assert load_mapping(tmp_path / "out.yaml").state["hand"].order == "xyzw"


def test_two_orders_in_one_drop_are_not_decided(tmp_path: Path, robot: Embodiment) -> None:
    for order in ORDERS:
        isaac_file(tmp_path / f"drop/{order}.hdf5", order, "base", episodes=1)
    with pytest.raises(MappingError, match=r"not guessed \(wxyz: .* stands upright.*; xyzw: .*stands upright"):
        ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=parse_mapping(ISAAC))


def test_robosuite_writes_the_real_part_last(tmp_path: Path, robot: Embodiment) -> None:
    drop = isaac_file(tmp_path / "demo.hdf5", "xyzw")
    with h5py.File(drop, "a") as file:
        arguments = {"env_name": "Lift", "type": 1, "env_version": "1.4.1", "env_kwargs": {"control_freq": 20}}
        file["data"].attrs["env_args"] = json.dumps(arguments)
    mapping = parse_mapping({**ISAAC, "hz": None})
    assert angles(ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping)) < 1e-3


def test_positions_written_out_are_in_the_order_of_the_part(tmp_path: Path, robot: Embodiment) -> None:
    drop = isaac_file(tmp_path / "demo.hdf5", "xyzw")
    hand = {"key": "obs/eef_quat", "index": [3, 0, 1, 2]}
    sides = {side: {**ISAAC[side], "hand": hand} for side in ("state", "action")}
    assert angles(ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping({**ISAAC, **sides}))) < 1e-3


def test_four_joints_are_no_quaternion(tmp_path: Path, robot: Embodiment) -> None:
    drop = isaac_file(tmp_path / "demo.hdf5", "wxyz")
    hand = {"key": "obs/joint_pos", "index": "0:4", "order": "wxyz"}
    mapping = parse_mapping({**ISAAC, "state": {**ISAAC["state"], "hand": hand}})
    with pytest.raises(StoreError, match="'obs/joint_pos' holds no quaternions: their lengths go from 0 to 0,"):
        ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping, told=Told(quaternions="wxyz"))


@pytest.mark.parametrize("order", ["wxyz", "xyzw"])
def test_a_real_part_kept_positive_shows_itself(order: str) -> None:
    turned = Rotation.from_euler("z", np.linspace(0, 6, 80)[:, None]) * Rotation.from_euler("xy", [0.3, 0.2])
    found = votes(turned.as_quat(canonical=True)[:, ORDERS[order]], {})
    assert [vote.order for vote in found] == [order] and "never negative" in found[0].why
    assert votes(turned[:30].as_quat(canonical=True)[:, ORDERS[order]], {}) == []


def test_an_object_turned_half_round_says_nothing() -> None:
    standing = np.tile([0, 0, 0, 0, 0, 0, 1.0], (3, 1))
    assert votes(turning().as_quat(), {"root_pose": standing}) == []  # upright as either
    lying = np.tile([0, 0, 0, 1.0, 0, 0, 0], (3, 1))
    found = votes(turning().as_quat(), {"root_pose": lying})
    assert found == [Vote("wxyz", "'root_pose' stands upright, as xyzw it would lie or stand on its head")]


POSE = "std_msgs/Header header\ngeometry_msgs/Pose pose\n" + "=" * 80 + "\nMSG: geometry_msgs/Pose\n"
POSE += "geometry_msgs/Point position\ngeometry_msgs/Quaternion orientation\n" + "=" * 80 + "\n"
POSE += "MSG: geometry_msgs/Point\nfloat64 x\nfloat64 y\nfloat64 z\n" + "=" * 80 + "\n"
POSE += "MSG: geometry_msgs/Quaternion\nfloat64 x\nfloat64 y\nfloat64 z\nfloat64 w\n" + HEADER
LIST = "std_msgs/Header header\nfloat64[] data\n" + HEADER


def pose_log(path: Path) -> Path:
    """A hand as `geometry_msgs/PoseStamped` and as a bare list, at 20 Hz."""
    with path.open("wb") as stream:
        writer = Writer(stream)
        pose = writer.register_msgdef("geometry_msgs/msg/PoseStamped", POSE)
        bare = writer.register_msgdef("my_msgs/msg/Numbers", LIST)
        for number, (x, y, z, w) in enumerate(turning().as_quat().tolist()):
            stamp = START_S * 10**9 + number * 50_000_000
            place = {"x": 0.1, "y": 0.2, "z": 0.3}
            message = {"position": place, "orientation": {"x": x, "y": y, "z": z, "w": w}}
            writer.write_message("/hand", pose, {"header": header(stamp), "pose": message}, stamp, stamp)
            writer.write_message(
                "/list", bare, {"header": header(stamp), "data": [x, y, z, w, number % 2]}, stamp, stamp
            )
        writer.finish()
    return path


@pytest.mark.parametrize(
    "hand",
    [
        {"key": "/hand", "field": "pose.orientation"},
        {"key": "/hand", "field": "pose", "index": "3:7"},
        {"key": "/hand", "field": "pose", "index": [6, 3, 4, 5]},
        {"key": "/list", "field": "data", "index": [3, 0, 1, 2]},
        {"key": "/list", "field": "data", "index": "0:4", "order": "xyzw"},
    ],
)
def test_messages_name_the_fields_of_a_quaternion(tmp_path: Path, robot: Embodiment, hand: dict[str, Any]) -> None:
    gripper = {"key": "/list", "field": "data", "index": [4]}
    sides = {side: {"hand": hand, "gripper": gripper} for side in ("state", "action")}
    mapping = parse_mapping({"format": "MCAP", **sides})
    assert angles(ingest(pose_log(tmp_path / "run.mcap"), robot, Lake(tmp_path / "lake"), mapping=mapping)) < 1e-6


def test_a_list_of_a_message_is_asked_for(tmp_path: Path, robot: Embodiment) -> None:
    bare = {"hand": {"key": "/list", "field": "data", "index": "0:4"}, "gripper": {"key": "/list", "index": [4]}}
    mapping = parse_mapping({"format": "MCAP", "state": bare, "action": bare})
    drop, lake = pose_log(tmp_path / "run.mcap"), Lake(tmp_path / "lake")
    with pytest.raises(StoreError, match="not guessed; say it with `--quaternions wxyz`"):
        ingest(drop, robot, lake, mapping=mapping)
    assert angles(ingest(drop, robot, lake, mapping=mapping, told=Told(quaternions="xyzw"))) < 1e-6
    named = {"hand": {"key": "/hand", "field": "pose.orientation", "order": "wxyz"}, "gripper": bare["gripper"]}
    wrong = parse_mapping({"format": "MCAP", "state": named, "action": named})
    with pytest.raises(StoreError, match="names its fields in the order xyzw, the mapping says wxyz"):
        ingest(drop, robot, Lake(tmp_path / "other"), mapping=wrong)
