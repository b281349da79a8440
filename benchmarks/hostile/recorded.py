"""MCAP files with one thing in them that is not as it should be, each beside a healthy one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mcap.writer import Writer
from mcap_ros2._dynamic import serialize_dynamic

from benchmarks.hostile.case import Place
from tests.data.sources import test_logs

_JOINTS, _IMAGE = "sensor_msgs/msg/JointState", "sensor_msgs/msg/CompressedImage"
_KINDS = {"/joint_states": _JOINTS, "/command": _JOINTS, "/front/image": _IMAGE}


def in_mcap(
    *,
    picture: Callable[[], bytes] | None = None,
    stamps: Callable[[int, int], int] = lambda number, stamp: stamp,
    definition: str | None = None,
) -> Callable[[Place], None]:
    """A recording like the healthy one, but for: its fourth picture, its stamps, the definition of its joints.

    Args:
        stamps: (number of the message, its stamp) -> the one that is written.
    """

    def build(place: Place) -> None:
        test_logs.ros2_mcap(place.drop / "good.mcap")
        _written(place.drop / "evil.mcap", picture and picture(), stamps, definition)

    return build


def _written(path: Path, picture: bytes | None, stamps: Callable[[int, int], int], definition: str | None) -> None:
    plain = {name: text + test_logs.HEADER for name, text in test_logs.ROS2_TYPES.items()}
    encode = {name: serialize_dynamic(name, text)[name] for name, text in plain.items()}
    with path.open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        texts = plain if definition is None else {**plain, _JOINTS: definition}
        types = {name: writer.register_schema(name, "ros2msg", text.encode()) for name, text in texts.items()}
        topics = {topic: writer.register_channel(topic, "cdr", types[kind]) for topic, kind in _KINDS.items()}
        pictures = 0
        for number, (stamp, topic, content) in enumerate(test_logs.events()):
            pictures += topic == "/front/image"
            if topic == "/front/image":
                shown = picture if picture is not None and pictures == 4 else content
                message: dict[str, Any] = {"format": "jpeg", "data": shown}
            else:
                message = {"name": test_logs.JOINTS, "position": content, "velocity": [], "effort": []}
            message["header"] = test_logs.header(stamp)
            told = stamps(number, stamp) & (2**64 - 1)
            writer.add_message(topics[topic], told, encode[_KINDS[topic]](message), told)
        writer.finish()
