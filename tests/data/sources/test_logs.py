"""MCAP files and ROS bags that their own libraries wrote here; cut off, silent and disordered ones among them."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from mcap_ros2.writer import Writer as Ros2Writer
from rosbags.rosbag1 import Writer as Bag1Writer
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Bag2Writer
from rosbags.typesys import Stores, get_typestore

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.formats.logs import mcap as mcap_log
from gr00t_data.sources.formats.logs import rosbag
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.recordings.clocks import NS
from gr00t_data.sources.recordings.mapping import parse_mapping
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.video import files as video
from tests.data.sources.rig import rig

START_S = 1_700_000_000
JOINTS = ["joint_3", "joint_1", "joint_2", "gripper"]
MAPPING: dict[str, Any] = {
    "format": "MCAP",
    "instruction": {"key": "/task"},
    "cameras": {"front_view": {"key": "/front/image"}},
    "state": {
        "arm": {"key": "/joint_states", "field": "position", "names": JOINTS[1:3] + JOINTS[:1]},
        "gripper": {"key": "/joint_states", "field": "position", "names": ["gripper"]},
    },
    "action": {
        "arm": {"key": "/command", "field": "position", "index": "0:3"},
        "gripper": {"key": "/command", "field": "position", "index": [3]},
    },
}
ROS2_TYPES = {
    "sensor_msgs/msg/JointState": "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\n"
    "float64[] effort\n",
    "sensor_msgs/msg/CompressedImage": "std_msgs/Header header\nstring format\nuint8[] data\n",
}
HEADER = f"{'=' * 80}\nMSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n" + (
    f"{'=' * 80}\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n"
)


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    return rig(tmp_path)


def jpeg(level: int) -> bytes:
    return cv2.imencode(".jpg", np.full((16, 16, 3), level, np.uint8))[1].tobytes()


def events(seconds: float = 2.0) -> Iterator[tuple[int, str, Any]]:
    """(stamp, topic, content) in time order: states at 100 Hz, commands at 50 Hz, pictures at 30 Hz."""
    rates = (("/joint_states", 100.0), ("/command", 50.0), ("/front/image", 30.0))
    merged = [(START_S * NS + round(n * NS / hz), t, n) for t, hz in rates for n in range(int(seconds * hz))]
    for stamp, topic, n in sorted(merged):
        seconds_in = (stamp - START_S * NS) / NS
        values = [seconds_in * (2 + j) / 10 for j in range(4)]
        yield stamp, topic, jpeg(n * 4) if topic == "/front/image" else values


def header(stamp: int) -> dict[str, Any]:
    return {"stamp": {"sec": stamp // NS, "nanosec": stamp % NS}, "frame_id": ""}


def ros2_mcap(path: Path, delay_ns: int = 5_000_000, **options: Any) -> Path:
    """States by name, pictures as JPEG; the recorder is 5 ms late, and so is its clock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        writer = Ros2Writer(stream, **options)
        types = {name: writer.register_msgdef(name, text + HEADER) for name, text in ROS2_TYPES.items()}
        text = writer.register_msgdef("std_msgs/msg/String", "string data\n")
        writer.write_message("/task", text, {"data": "press the button"}, START_S * NS)
        for stamp, topic, content in events():
            if topic == "/front/image":
                kind, message = "sensor_msgs/msg/CompressedImage", {"format": "jpeg", "data": content}
            else:
                kind = "sensor_msgs/msg/JointState"
                message = {"name": JOINTS, "position": content, "velocity": [], "effort": []}
            message["header"] = header(stamp)
            writer.write_message(topic, types[kind], message, stamp + delay_ns, stamp + delay_ns // 2)
        writer.finish()
    return path


def check(store: EpisodeStore, rows: int = 40) -> None:
    """The store holds what ``events`` says."""
    assert store.row(0).length == rows
    seconds = store.matrix(0, "row_time_ns")[:, 0] / NS - START_S
    assert store.state(0)[:, :3] == pytest.approx(seconds[:, None] * np.array([3, 4, 2]) / 10, abs=1e-4)
    assert store.action(0)[:, 0] == pytest.approx(seconds * 2 / 10, abs=0.02 * 0.2 + 1e-4)
    shown = video.decode(store.video_path(0, "front_view"))[:, 8, 8, 0].astype(float)
    assert shown == pytest.approx(np.rint(seconds * 30) * 4, abs=6)


def test_ros2_messages_in_mcap(tmp_path: Path, robot: Embodiment) -> None:
    path = ros2_mcap(tmp_path / "drop/run 1 – ü.mcap")
    store = ingest(path.parent, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    check(store)
    assert store.row(0).instruction == "press the button"
    streams = store.row(0).source.alignment["streams"]
    assert streams["state.arm"]["rate_hz"] == pytest.approx(100, rel=0.01)
    assert streams["state.arm"]["offset_s"] == pytest.approx(-0.005) and abs(streams["state.arm"]["drift_ppm"]) < 1


def test_the_clock_is_chosen_by_the_mapping(tmp_path: Path, robot: Embodiment) -> None:
    path = ros2_mcap(tmp_path / "run.mcap")
    first = {}
    for clock in ("header", "publish", "log"):
        mapping = parse_mapping({**MAPPING, "clock": clock})
        store = ingest(path, robot, Lake(tmp_path / "lake"), name=clock, mapping=mapping)
        first[clock] = int(store.columns(0)["source_time_ns.video.front_view"][0])
    assert first["publish"] - first["header"] == 2_500_000 and first["log"] - first["header"] == 5_000_000


def test_joint_names_and_topics_are_proposed(tmp_path: Path, robot: Embodiment) -> None:
    found = mcap_log.READER.propose(mcap_log.READER.contents(ros2_mcap(tmp_path / "run.mcap")), robot)
    assert found.state["arm"].names == ("joint_1", "joint_2", "joint_3") and found.state["arm"].key == "/joint_states"
    assert found.instruction.key == "/task"
    assert found.action["gripper"].key == "/command" and found.cameras["front_view"].key == "/front/image"


def json_mcap(path: Path) -> Path:
    with path.open("wb") as stream:
        writer = McapWriter(stream)
        writer.start()
        schema = writer.register_schema("any", "jsonschema", b"{}")
        channels = {
            t: writer.register_channel(t, "json", schema) for t in ("/joint_states", "/command", "/front/image")
        }
        for stamp, topic, content in events():
            message: dict[str, Any] = {"timestamp": {"sec": stamp // NS, "nsec": stamp % NS}}
            if topic == "/front/image":
                message |= {"format": "jpeg", "data": base64.b64encode(content).decode()}
            else:
                message |= {"name": JOINTS, "position": content}
            writer.add_message(channels[topic], stamp, json.dumps(message).encode(), stamp)
        writer.finish()
    return path


def test_json_messages_in_mcap(tmp_path: Path, robot: Embodiment) -> None:
    store = ingest(json_mcap(tmp_path / "run.mcap"), robot, Lake(tmp_path), mapping=parse_mapping(MAPPING))
    check(store)


def test_protobuf_messages_in_mcap(tmp_path: Path, robot: Embodiment) -> None:
    from google.protobuf.struct_pb2 import ListValue
    from google.protobuf.timestamp_pb2 import Timestamp
    from mcap_protobuf.writer import Writer as ProtobufWriter

    with (tmp_path / "run.mcap").open("wb") as stream, ProtobufWriter(stream) as writer:
        for number in range(5):
            writer.write_message("/list", ListValue(values=[]), number * NS, number * NS)
            writer.write_message("/time", Timestamp(seconds=number, nanos=7), number * NS, number * NS)
    log = mcap_log.McapLog(tmp_path / "run.mcap")
    contents = [message.decode() for message in log.messages(["/time"])]
    assert [(one.seconds, one.nanos) for one in contents] == [(number, 7) for number in range(5)]


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_cut_mid_message_is_kept_up_to_the_cut(tmp_path: Path, robot: Embodiment, share: float) -> None:
    path = ros2_mcap(tmp_path / "run.mcap", chunk_size=4096, compression=CompressionType.NONE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    store = ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert 40 * share - 12 < store.row(0).length < 40
    check(store, store.row(0).length)
    assert "is cut off or damaged; what lies before is kept" in store.row(0).source.notes[0]


def test_a_file_that_is_no_mcap_is_refused(tmp_path: Path, robot: Embodiment) -> None:
    ros2_mcap(tmp_path / "drop/a.mcap")
    (tmp_path / "drop/b.mcap").write_bytes(b"#ROSBAG V2.0\n")
    store = ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert "is no MCAP file, it begins with b'#ROSBAG" in store.about.source.refused[0].reason


def test_absent_topics_and_fields_are_named(tmp_path: Path, robot: Embodiment) -> None:
    path = ros2_mcap(tmp_path / "run.mcap")
    wrong = {"key": "/joint_statez", "field": "position"}
    with pytest.raises(StoreError, match=r"no message on /joint_statez; it has /command, /front/image, /joint_states"):
        ingest(
            path, robot, Lake(tmp_path), mapping=parse_mapping({**MAPPING, "state": {"arm": wrong, "gripper": wrong}})
        )
    wrong = {"key": "/joint_states", "field": "pose.x"}
    with pytest.raises(StoreError, match=r"has no field 'pose' \(of 'pose.x'\); there are header, name, position"):
        ingest(
            path, robot, Lake(tmp_path), mapping=parse_mapping({**MAPPING, "state": {"arm": wrong, "gripper": wrong}})
        )
    wrong = {"key": "/joint_states", "field": "position", "names": ["elbow"]}
    with pytest.raises(StoreError, match=r"lists \['joint_3', .* expected \['elbow'\]"):
        ingest(
            path, robot, Lake(tmp_path), mapping=parse_mapping({**MAPPING, "state": {"arm": wrong, "gripper": wrong}})
        )


def ros_messages(store: Any, stamp: int, topic: str, content: Any, seq: dict[str, int]) -> tuple[str, Any]:
    time = store.types["builtin_interfaces/msg/Time"](sec=stamp // NS, nanosec=stamp % NS)
    head = store.types["std_msgs/msg/Header"](stamp=time, frame_id="", **seq)
    if topic == "/front/image":
        image = store.types["sensor_msgs/msg/Image"]
        pixels = np.ascontiguousarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_BGR))
        fields = {"height": 16, "width": 16, "encoding": "bgr8", "is_bigendian": 0, "step": 48, "data": pixels.ravel()}
        return "sensor_msgs/msg/Image", image(header=head, **fields)
    empty = np.zeros(0)
    joints = store.types["sensor_msgs/msg/JointState"]
    return "sensor_msgs/msg/JointState", joints(head, JOINTS, np.array(content), empty, empty)


def bag(path: Path, ros: int) -> Path:
    store = get_typestore(Stores.ROS1_NOETIC if ros == 1 else Stores.ROS2_HUMBLE)
    connections: dict[str, Any] = {}
    storage = StoragePlugin.MCAP if ros == 3 else StoragePlugin.SQLITE3
    with Bag1Writer(path) if ros == 1 else Bag2Writer(path, version=9, storage_plugin=storage) as writer:
        for stamp, topic, content in events():
            kind, message = ros_messages(store, stamp, topic, content, {"seq": 0} if ros == 1 else {})
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            data = store.serialize_ros1(message, kind) if ros == 1 else store.serialize_cdr(message, kind)
            writer.write(connections[topic], stamp, data)
    return path


@pytest.mark.parametrize(("ros", "name"), [(1, "run.bag"), (2, "run"), (3, "run é")])
def test_ros_bags_without_ros(tmp_path: Path, robot: Embodiment, ros: int, name: str) -> None:
    (tmp_path / "drop").mkdir()
    path = bag(tmp_path / "drop" / name, ros)
    mapping = parse_mapping({**MAPPING, "format": rosbag.READER.name, "instruction": {"text": "press the button"}})
    for number, drop in enumerate((path, tmp_path / "drop")):
        store = ingest(drop, robot, Lake(tmp_path / "lake"), name=f"s{number}", mapping=mapping)
        check(store)
        assert store.row(0).instruction == "press the button"
    assert rosbag.READER.propose(rosbag.READER.contents(path), robot).state["gripper"].names == ("gripper",)


@pytest.mark.parametrize(("ros", "name"), [(1, "run.bag"), (2, "run/run.db3"), (3, "run/run.mcap")])
def test_a_bag_cut_off_is_refused_with_a_remedy(tmp_path: Path, robot: Embodiment, ros: int, name: str) -> None:
    (tmp_path / "drop").mkdir()
    bag(tmp_path / "drop" / Path(name).parts[0], ros)
    file = tmp_path / "drop" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(StoreError, match=r"cannot be read .*; it may be cut off: copy it again, or rebuild its index"):
        mapping = parse_mapping({**MAPPING, "format": rosbag.READER.name})
        ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=mapping)
    assert not list((tmp_path / "lake").rglob("*.parquet"))
