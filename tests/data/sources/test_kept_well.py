"""What recordings of others hold oddly and rightly: packed pictures, groups that are there twice, no order."""

from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
from mcap_ros2.writer import Writer

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.formats.hdf5 import robomimic
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.recordings.mapping import parse_mapping
from gr00t_data.sources.told import Told
from gr00t_data.video import files as video
from tests.data.sources.rig import rig
from tests.data.sources.test_hdf5 import MAPPING, aloha_file, robomimic_file
from tests.data.sources.test_logs import HEADER, JOINTS, ROS2_TYPES, header
from tests.data.sources.test_shared_topics import MAPPING as JOINTS_ONLY
from tests.data.sources.test_shared_topics import check, said


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    return rig(tmp_path)


def scene(level: int) -> np.ndarray:
    """RGB whose red is twice its green, so that exchanged channels show."""
    return np.full((16, 16, 3), (2 * level, level, 10), np.uint8)


@pytest.mark.parametrize("form", ["padded", "padded with its lengths", "rows of their own length", "bytes", "PNG"])
def test_every_packing_of_alohas_pictures(tmp_path: Path, form: str) -> None:
    robot = rig(tmp_path)
    drop = aloha_file(tmp_path / "drop/episode_0.hdf5")
    ending = ".png" if form == "PNG" else ".jpg"
    packed = [cv2.imencode(ending, scene(10 * n)[..., ::-1])[1].ravel() for n in range(10)]
    lengths = np.array([len(one) for one in packed])
    key = "observations/images/cam_high_front_view"
    with h5py.File(drop, "a") as file:
        del file[key]
        file.attrs["compress"] = True
        if form == "rows of their own length":
            rows = file.create_dataset(key, (10,), h5py.vlen_dtype(np.uint8))
            for number, one in enumerate(packed):
                rows[number] = one
        elif form == "bytes":
            file[key] = np.array([one.tobytes() for one in packed], dtype=f"V{lengths.max()}")
        else:
            file[key] = np.stack([np.pad(one, (0, lengths.max() - len(one))) for one in packed])
        if form == "padded with its lengths":
            file["compress_len"] = lengths[None].astype(np.float64)
    store = ingest(drop.parent, robot, Lake(tmp_path / "lake"), told=Told(fps=20))
    shown = video.decode(store.video_path(0, "front_view"))[:, 8, 8].astype(float)
    assert shown[:, 0] == pytest.approx(np.arange(10) * 20.0, abs=8)
    assert shown[:, 1] == pytest.approx(np.arange(10) * 10.0, abs=8)


def test_groups_that_isaac_lab_writes_twice(tmp_path: Path, robot: Embodiment) -> None:
    """Observations stand in `obs`, once more in `states`, and one step later in `next_obs`; `obs` is read."""
    drop = robomimic_file(tmp_path / "demo.hdf5", (12,))
    with h5py.File(drop, "a") as file:
        demo: Any = file["data/demo_0"]
        demo.copy("obs", demo, "next_obs")
        demo["next_obs/joint_pos"][...] = 9.0
        demo["states/articulation/robot/joint_position"] = np.full((12, 3), 7.0)
        demo["obs/arm"] = demo["obs/joint_pos"][()]
        demo["next_obs/arm"] = np.full((12, 3), 9.0)
        demo["initial_state/articulation/robot/joint_position"] = np.zeros((1, 3))
    found = robomimic.READER.propose(robomimic.READER.contents(drop), robot)
    assert found.state["arm"].key == "obs/arm" and found.undecided == []
    store = ingest(drop, robot, Lake(tmp_path / "lake"))
    with h5py.File(drop) as file:
        written: Any = file["data/demo_0/obs/joint_pos"]
        assert store.state(0)[:, :3] == pytest.approx(written[()], abs=1e-6)


def test_a_demonstration_under_two_names_is_two_links_to_one(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (12,))
    with h5py.File(drop, "a") as file:
        file["data/demo_1"] = file["data/demo_0"]
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert len(store.rows) == 2 and np.array_equal(store.state(0), store.state(1))


def test_messages_that_lie_out_of_order_are_put_in_theirs(tmp_path: Path) -> None:
    """As recorders with several writing threads leave them: runs of seven messages, each from its last to its first."""
    camera = "  - {name: front_view, role: front, column: observation.images.front_view}\n"
    robot = rig(tmp_path, **{"[front_view]": "[]", f"cameras:\n{camera}": "cameras: []\n"})
    path, kind = tmp_path / "run.mcap", "sensor_msgs/msg/JointState"
    messages = sorted([*said([*JOINTS]), *said([*JOINTS], "/command")])
    with path.open("wb") as stream:
        writer = Writer(stream)
        schema = writer.register_msgdef(kind, ROS2_TYPES[kind] + HEADER)
        for first in range(0, len(messages), 7):
            for stamp, topic, names, positions in messages[first : first + 7][::-1]:
                message = {"header": header(stamp), "name": names, "position": positions, "velocity": [], "effort": []}
                writer.write_message(topic, schema, message, stamp, stamp)
        writer.finish()
    store = ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(JOINTS_ONLY))
    check(store)
    alignment: Any = store.row(0).source.alignment
    assert alignment["streams"]["state.arm"]["reordered"] > 50
