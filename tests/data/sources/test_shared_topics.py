"""Topics that several nodes share, messages that list other joints, and pictures as cameras send them raw."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from mcap.writer import Writer as McapWriter
from mcap_ros2.writer import Writer as Ros2Writer
from rosbags.rosbag1 import Writer as Bag1Writer
from rosbags.typesys import Stores, get_typestore

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.formats.logs import mcap as mcap_log
from gr00t_data.sources.formats.logs import rosbag
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.recordings.clocks import NS
from gr00t_data.sources.recordings.images import raw_picture
from gr00t_data.sources.recordings.mapping import parse_mapping
from gr00t_data.sources.recordings.streams import StreamError
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.video import files as video
from tests.data.sources.rig import rig
from tests.data.sources.test_logs import HEADER, JOINTS, ROS2_TYPES, START_S, header

ARM = ("joint_1", "joint_2", "joint_3")
MAPPING: dict[str, Any] = {
    "format": "MCAP",
    "state": {
        "arm": {"key": "/joint_states", "field": "position", "names": ARM},
        "gripper": {"key": "/joint_states", "field": "position", "names": ["gripper"]},
    },
    "action": {
        "arm": {"key": "/command", "field": "position", "names": ARM},
        "gripper": {"key": "/command", "field": "position", "names": ["gripper"]},
    },
}


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    camera = "  - {name: front_view, role: front, column: observation.images.front_view}\n"
    return rig(tmp_path, **{"[front_view]": "[]", f"cameras:\n{camera}": "cameras: []\n"})


def value(joint: str, seconds: float) -> float:
    """What a joint reads: a slope of its own."""
    return seconds * (2 + JOINTS.index(joint)) / 10


Said = tuple[int, str, list[str], list[float]]


def said(joints: list[str], topic: str = "/joint_states", offset_ns: int = 0, start: int = 0) -> Iterator[Said]:
    """(stamp, topic, names, positions) at 100 Hz, up to two seconds."""
    for number in range(start, 200):
        stamp = START_S * NS + number * 10_000_000 + offset_ns
        yield stamp, topic, joints, [value(joint, (stamp - START_S * NS) / NS) for joint in joints]


def joint_log(path: Path, *publishers: Iterator[Said]) -> Path:
    """One channel a topic, as recorders of ROS 2 write it: whoever publishes."""
    with path.open("wb") as stream:
        writer = Ros2Writer(stream)
        kind = "sensor_msgs/msg/JointState"
        schema = writer.register_msgdef(kind, ROS2_TYPES[kind] + HEADER)
        for stamp, topic, names, positions in sorted(one for each in publishers for one in each):
            message = {"header": header(stamp), "name": names, "position": positions, "velocity": [], "effort": []}
            writer.write_message(topic, schema, message, stamp, stamp)
        writer.finish()
    return path


def check(store: EpisodeStore) -> None:
    seconds = store.matrix(0, "row_time_ns")[1:-1, 0] / NS - START_S  # the others lie at the rims of the messages
    assert len(seconds) == 39
    for column, joint in enumerate((*ARM, "gripper")):
        assert store.state(0)[1:-1, column] == pytest.approx(seconds * (2 + JOINTS.index(joint)) / 10, abs=1e-4)


def test_two_nodes_each_with_its_own_joints(tmp_path: Path, robot: Embodiment) -> None:
    arm, hand = said([*ARM[::-1]]), said(["gripper"], offset_ns=2_000_000)
    path = joint_log(tmp_path / "run.mcap", arm, hand, said([*JOINTS], "/command"))
    proposed = mcap_log.READER.propose(mcap_log.READER.contents(path), robot)
    assert proposed.undecided == [] and proposed.state["arm"].names == ARM
    for number, mapping in enumerate((proposed, parse_mapping(MAPPING))):
        store = ingest(path, robot, Lake(tmp_path / "lake"), name=str(number), mapping=mapping)
        check(store)
        assert store.row(0).source.facts()["left_out"] == {"state.arm": 200, "state.gripper": 200}
    assert mcap_log.READER.look(path, robot).facts["left_out"] == {"state.arm": 200, "state.gripper": 200}


def test_a_node_that_begins_late_is_seen(tmp_path: Path, robot: Embodiment) -> None:
    path = joint_log(
        tmp_path / "run.mcap", said(["gripper"]), said([*ARM], start=150, offset_ns=1), said([*JOINTS], "/command")
    )
    found = mcap_log.READER.contents(path)
    assert {one.names for one in found if one.key == "/joint_states"} == {("gripper",), ARM}
    assert mcap_log.READER.propose(mcap_log.READER.contents(path), robot).state["arm"].names == ARM


def test_messages_without_the_joint_or_without_numbers_are_counted(tmp_path: Path, robot: Embodiment) -> None:
    odd = [(START_S * NS + 5_000_000 + n * NS // 10, "/joint_states", [*JOINTS], list[float]()) for n in range(7)]
    odd += [(START_S * NS + 6_000_000 + n * NS // 10, "/joint_states", ["wheel"], [n / 1]) for n in range(5)]
    path = joint_log(tmp_path / "run.mcap", said([*JOINTS]), iter(odd), said([*JOINTS], "/command"))
    store = ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    check(store)
    assert store.row(0).source.facts()["left_out"] == {"state.arm": 12, "state.gripper": 12}


def two_senders(path: Path, names: tuple[str, str], second_starts: int = 0, first_ends: int = 200) -> Path:
    """A real robot and a leader, each with all joints, on the one topic; the leader reads 1 more."""
    with path.open("wb") as stream:
        writer = McapWriter(stream)
        writer.start()
        schema = writer.register_schema("any", "jsonschema", b"{}")
        joints = [writer.register_channel("/joint_states", "json", schema, {"callerid": name}) for name in names]
        command = writer.register_channel("/command", "json", schema, {"callerid": "/policy"})
        for number, (stamp, _, listed, positions) in enumerate(said([*JOINTS])):
            message = {"name": listed, "position": positions}
            if number < first_ends:
                writer.add_message(joints[0], stamp, json.dumps(message).encode(), stamp)
            if number >= second_starts:
                more = {"name": listed, "position": [one + (first_ends == 200) for one in positions]}
                writer.add_message(joints[1], stamp + 1, json.dumps(more).encode(), stamp + 1)
            writer.add_message(command, stamp, json.dumps(message).encode(), stamp)
        writer.finish()
    return path


def chosen(sender: str) -> dict[str, Any]:
    """The mapping with the state of one sender."""
    return {**MAPPING, "state": {name: {**one, "sender": sender} for name, one in MAPPING["state"].items()}}


def test_two_nodes_with_the_same_joints_are_not_mixed(tmp_path: Path, robot: Embodiment) -> None:
    path = two_senders(tmp_path / "run.mcap", ("/robot", "/leader"))
    with pytest.raises(StoreError, match=r"at once, and they are not mixed: '/leader' \(200 .*, '/robot' \(200"):
        ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert mcap_log.READER.propose(mcap_log.READER.contents(path), robot).undecided == ["state.arm", "state.gripper"]
    check(ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(chosen("/robot"))))
    other = ingest(path, robot, Lake(tmp_path / "lake"), name="leader", mapping=parse_mapping(chosen("/leader")))
    assert other.state(0)[0, 0] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("every", "frames"), [(1, ("", "")), (3, ("", "")), (1, ("robot", "leader"))])
def test_two_nodes_that_nothing_names(tmp_path: Path, robot: Embodiment, every: int, frames: tuple[str, str]) -> None:
    """One channel, as recorders of ROS 2 write it: a robot, and in turn a leader that reads 1 more."""
    path, kind = tmp_path / "run.mcap", "sensor_msgs/msg/JointState"
    with path.open("wb") as stream:
        writer = Ros2Writer(stream)
        schema = writer.register_msgdef(kind, ROS2_TYPES[kind] + HEADER)
        for number, (stamp, _, names, positions) in enumerate(said([*JOINTS])):
            for more in (0, 1) if number % every == 0 else (0,):
                head = {**header(stamp + more), "frame_id": frames[more]}
                message = {"header": head, "name": names, "velocity": [], "effort": []}
                message["position"] = [one + more for one in positions]
                writer.write_message("/joint_states", schema, message, stamp + more, stamp + more)
                if not more:
                    writer.write_message("/command", schema, message, stamp, stamp)
        writer.finish()
    lake = Lake(tmp_path / "lake")
    expected = r"'leader' \(200 messages\), 'robot'" if frames[0] else rf"continues the one {every + 1} before it"
    with pytest.raises(StoreError, match=expected):
        ingest(path, robot, lake, mapping=parse_mapping(MAPPING))
    if frames[0]:
        check(ingest(path, robot, lake, mapping=parse_mapping(chosen("robot"))))


def test_a_node_that_was_started_again_is_one(tmp_path: Path, robot: Embodiment) -> None:
    path = two_senders(tmp_path / "run.mcap", ("/robot_1", "/robot_2"), second_starts=80, first_ends=80)
    check(ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING)))


def test_two_nodes_in_a_bag_of_ros_1(tmp_path: Path, robot: Embodiment) -> None:
    types, kind = get_typestore(Stores.ROS1_NOETIC), "sensor_msgs/msg/JointState"
    with Bag1Writer(tmp_path / "run.bag") as writer:
        senders = [writer.add_connection("/joint_states", kind, typestore=types, callerid=n) for n in ("/arm", "/sim")]
        command = writer.add_connection("/command", kind, typestore=types, callerid="/policy")
        for stamp, _, names, positions in said([*JOINTS]):
            time = types.types["builtin_interfaces/msg/Time"](sec=stamp // NS, nanosec=stamp % NS)
            head = types.types["std_msgs/msg/Header"](seq=0, stamp=time, frame_id="")
            for connection, more in zip((*senders, command), (0, 1, 0), strict=True):
                joints = types.types[kind](head, names, np.array(positions) + more, np.zeros(0), np.zeros(0))
                writer.write(connection, stamp, types.serialize_ros1(joints, kind))
    mapping = {**MAPPING, "format": rosbag.READER.name}
    with pytest.raises(StoreError, match=r"'/arm' \(200 messages\), '/sim' \(200 messages\); write the one .*'/arm'"):
        ingest(tmp_path / "run.bag", robot, Lake(tmp_path / "lake"), mapping=parse_mapping(mapping))
    mapping = {**chosen("/arm"), "format": rosbag.READER.name}
    check(ingest(tmp_path / "run.bag", robot, Lake(tmp_path / "lake"), mapping=parse_mapping(mapping)))


def scene(height: int = 16, width: int = 24) -> np.ndarray:
    """uint8 [H, W, 3]: colours that change slowly, so that shared colours lose little."""
    y, x = np.mgrid[:height, :width]
    return np.stack([40 + 5 * x, 200 - 6 * y, 60 + 3 * x + 3 * y], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [("yuv422_yuy2", "yuyv422"), ("yuyv", "yuyv422"), ("yuv422", "uyvy422"), ("uyvy", "uyvy422")],
)
def test_pairs_of_pixels_are_the_colours_that_were_sent(encoding: str, pixels: str) -> None:
    frame = av.VideoFrame.from_ndarray(scene(), format="rgb24").reformat(format=pixels)
    plane = frame.planes[0]
    rows = np.frombuffer(bytes(plane), np.uint8).reshape(16, plane.line_size)
    found = raw_picture(rows.tobytes(), 16, 24, plane.line_size, encoding)
    assert np.abs(found.astype(int) - scene()).max() <= 6
    reference = frame.reformat(format="rgb24").to_ndarray()
    assert np.abs(found.astype(int) - reference).max() <= 4
    padded = np.pad(rows[:, :48], ((0, 0), (0, 8)))
    assert np.array_equal(raw_picture(padded.tobytes(), 16, 24, 56, encoding), found)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_mosaic_is_the_colours_that_were_seen(pattern: str) -> None:
    """Each pixel of the sensor sees the one colour that the pattern's name says, row by row."""
    colours = np.array(["rgb".index(letter) for letter in pattern]).reshape(2, 2)
    seen = np.take_along_axis(scene(), np.tile(colours, (8, 12))[..., None], axis=-1)[..., 0]
    found = raw_picture(seen.tobytes(), 16, 24, 24, f"bayer_{pattern}8")
    inner = np.abs(found.astype(int) - scene())[2:-2, 2:-2]
    assert found.shape == (16, 24, 3) and inner.max() <= 4


def test_pixels_that_come_in_twos() -> None:
    with pytest.raises(StreamError, match="4 x 5 cannot be yuyv, whose pixels come in twos"):
        raw_picture(bytes(40), 4, 5, 10, "yuyv")
    with pytest.raises(StreamError, match="picture of 4 x 4 needs 32 bytes, found 16"):
        raw_picture(bytes(16), 4, 4, 0, "yuv422_yuy2")
    with pytest.raises(StreamError, match=r"encoding '16UC1', expected one of .*yuv422_yuy2, .*bayer_rggb8"):
        raw_picture(bytes(32), 4, 4, 8, "16UC1")


@pytest.mark.parametrize(("encoding", "made"), [("yuv422_yuy2", "yuyv422"), ("bayer_rggb8", "")])
def test_raw_pictures_of_a_topic_become_video(tmp_path: Path, encoding: str, made: str) -> None:
    kind = "sensor_msgs/msg/Image"
    text = "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\n"
    path, robot = tmp_path / "run.mcap", rig(tmp_path)
    with path.open("wb") as stream:
        writer = Ros2Writer(stream)
        image = writer.register_msgdef(kind, f"{text}uint8[] data\n{HEADER}")
        joint = "sensor_msgs/msg/JointState"
        joints = writer.register_msgdef(joint, ROS2_TYPES[joint] + HEADER)
        colours = np.array([[0, 1], [1, 2]])
        raw = np.take_along_axis(scene(), np.tile(colours, (8, 12))[..., None], axis=-1).tobytes()
        if made:
            raw = bytes(av.VideoFrame.from_ndarray(scene(16, 32), format="rgb24").reformat(format=made).planes[0])
        size = {"height": 16, "width": 32 if made else 24, "step": len(raw) // 16}
        for stamp, _, names, positions in said([*JOINTS]):
            message = {"header": header(stamp), "name": names, "position": positions, "velocity": [], "effort": []}
            for topic in ("/joint_states", "/command"):
                writer.write_message(topic, joints, message, stamp, stamp)
            fields = {"encoding": encoding, "is_bigendian": 0, "data": raw, **size}
            writer.write_message("/cam/image_raw", image, {"header": header(stamp), **fields}, stamp, stamp)
        writer.finish()
    mapping = parse_mapping({**MAPPING, "cameras": {"front_view": {"key": "/cam/image_raw"}}})
    store = ingest(path, robot, Lake(tmp_path / "lake"), mapping=mapping)
    shown = video.decode(store.video_path(0, "front_view"))[5].astype(int)
    expected = scene(16, size["width"]).astype(int)
    assert np.abs(shown - expected)[2:-2, 2:-2].mean() < 6
