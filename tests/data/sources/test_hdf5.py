"""HDF5 recordings that h5py wrote here: robomimic's family and ALOHA, and files that would lead out of themselves."""

import json
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.formats.hdf5 import aloha, robomimic
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.reader import reader_for
from gr00t_data.sources.recordings.mapping import MappingError, parse_mapping
from gr00t_data.sources.recordings.rate import Rate
from gr00t_data.sources.recordings.streams import StreamError
from gr00t_data.sources.told import Told
from gr00t_data.store.store import StoreError
from tests.data.sources.rig import rig

MAPPING: dict[str, Any] = {
    "format": "robomimic HDF5",
    "cameras": {"front_view": {"key": "obs/agentview_image"}},
    "state": {"arm": {"key": "obs/joint_pos"}, "gripper": {"key": "obs/gripper"}},
    "action": {"arm": {"key": "actions", "index": "0:3"}, "gripper": {"key": "actions", "index": [3]}},
}


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    return rig(tmp_path)


def demonstration(group: h5py.Group, rows: int, seed: int = 0, **images: Any) -> None:
    generator = np.random.default_rng(seed)
    group["actions"] = np.c_[generator.normal(size=(rows, 3)), generator.integers(0, 2, rows)]
    group["obs/joint_pos"] = generator.normal(size=(rows, 3)) / 10
    group["obs/gripper"] = generator.uniform(size=rows)
    pictures = np.zeros((rows, 16, 16, 3), np.uint8) + np.arange(rows, dtype=np.uint8)[:, None, None, None] * 4
    group.create_dataset("obs/agentview_image", data=pictures, compression="gzip", **images)


def robomimic_file(path: Path, rows: tuple[int, ...] = (12, 9), hz: float = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "env_kwargs": {"control_freq": hz}})
        for number, count in enumerate(rows):
            group = data.create_group(f"demo_{number}")
            demonstration(group, count, seed=number)
            group.attrs["success"] = number == 0
            group.attrs["ep_meta"] = json.dumps({"lang": f"lift cube {number}"})
    return path


def test_robomimic_becomes_a_sealed_store(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "drop/my démo.hdf5", (12, 9))
    store = ingest(drop.parent, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert [row.length for row in store.rows] == [12, 9] and [row.success for row in store.rows] == [True, False]
    assert store.row(1).instruction == "lift cube 1"
    with h5py.File(drop) as file:
        actions: Any = file["data/demo_1/actions"]
        assert store.action(1) == pytest.approx(actions[()], abs=1e-6)
    source = store.row(0).source.facts()
    assert source["episode"] == "my démo.hdf5#demo_0" and source["environment"] == "Lift"
    assert source["alignment"]["streams"]["state.arm"]["match_error_s"]["max"] == 0
    assert store.matrix(0, "row_time_ns")[1, 0] == 50_000_000
    assert store.info["features"]["source_time_ns.video.front_view"]["dtype"] == "int64"


def test_the_customary_names_are_proposed(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", hz=10)
    assert robomimic.READER.said_rate(drop) == Rate(10, "env_args.control_freq")
    found = robomimic.READER.propose(robomimic.READER.contents(drop), robot)
    assert found.cameras["front_view"].key == "obs/agentview_image"
    assert found.state["gripper"].key == "obs/gripper" and found.action["arm"].index == "0:3"
    assert found.state["arm"].key == "?"


def test_isaac_lab_says_its_rate_by_the_physics_step(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5")
    with h5py.File(drop, "a") as file:
        file["data"].attrs["env_args"] = json.dumps({"env_name": "Isaac", "sim_args": {"dt": 0.01, "decimation": 2}})
    assert robomimic.READER.said_rate(drop) == Rate(50, "sim_args.dt * decimation")


def test_demonstrations_come_in_natural_order(tmp_path: Path) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (2,) * 11)
    assert robomimic.READER.episode_names(drop)[9:] == ["demo.hdf5#demo_9", "demo.hdf5#demo_10"]


def test_without_a_rate_a_person_is_asked(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5")
    with h5py.File(drop, "a") as file:
        del file["data"].attrs["env_args"]
    with pytest.raises(MappingError, match="add `hz: RATE` to the mapping"):
        robomimic.READER.read_episode(drop, parse_mapping(MAPPING), robot, "demo.hdf5#demo_0")


def test_stamps_of_the_file_are_used(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (12,))
    with h5py.File(drop, "a") as file:
        file["data/demo_0/obs/time"] = 1.7e9 + np.arange(12) * 0.05
    mapping = parse_mapping({**MAPPING, "times_key": "obs/time"})
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping)
    assert store.matrix(0, "row_time_ns")[1, 0] == pytest.approx(1.70000000005e18)


def aloha_file(path: Path, rows: int = 10, compress: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = np.zeros((rows, 16, 16, 3), np.uint8) + np.arange(rows, dtype=np.uint8)[:, None, None, None] * 5
    with h5py.File(path, "w") as file:
        file["action"] = np.arange(rows * 4).reshape(rows, 4) / 100
        file["observations/qpos"] = np.arange(rows * 4).reshape(rows, 4) / 200
        file["observations/qvel"] = np.zeros((rows, 4))
        file.attrs["sim"], file.attrs["compress"] = False, compress
        if compress:
            jpegs = [cv2.imencode(".jpg", picture)[1].ravel() for picture in pictures]
            padded = np.stack([np.pad(jpeg, (0, max(map(len, jpegs)) - len(jpeg))) for jpeg in jpegs])
            file["observations/images/cam_high_front_view"] = padded
        else:
            file["observations/images/cam_high_front_view"] = pictures
    return path


@pytest.mark.parametrize("compress", [False, True])
def test_aloha_needs_no_mapping(tmp_path: Path, compress: bool) -> None:
    robot = rig(tmp_path, **{"control_hz: 20.0": "control_hz: 50.0", "tolerance_s: 0.025": "tolerance_s: 0.01"})
    for number in range(2):
        aloha_file(tmp_path / f"drop/episode_{number}.hdf5", compress=compress)
    store = ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), told=Told(fps=50))
    assert store.about.source.format == aloha.READER.name and [row.length for row in store.rows] == [10, 10]
    assert store.action(0)[:, 3] == pytest.approx(np.arange(10) * 0.04 + 0.03)
    assert store.about.source.mapping["state"]["gripper"]["index"] == "3:4"
    assert store.texts(0, robot.language_key) == ("", ())


def refusals(drop: Path, robot: Embodiment, **mapping: Any) -> str:
    """Why the only episode of a drop is refused."""
    with pytest.raises(StoreError) as refused:
        ingest(drop, robot, Lake(drop.parent / "lake"), mapping=parse_mapping({**MAPPING, **mapping}))
    return str(refused.value)


def test_links_to_other_files_are_not_followed(tmp_path: Path, robot: Embodiment) -> None:
    secret = robomimic_file(tmp_path / "elsewhere/secret.hdf5")
    drop = robomimic_file(tmp_path / "demo.hdf5", (12,))
    with h5py.File(drop, "a") as file:
        del file["data/demo_0/obs/joint_pos"]
        file["data/demo_0/obs/joint_pos"] = h5py.ExternalLink(str(secret), "/data/demo_0/obs/joint_pos")
    assert "is a link to another file" in refusals(drop, robot)
    with pytest.raises(StreamError, match="is a link to another file"):
        robomimic.READER.propose(robomimic.READER.contents(drop), robot)


def test_links_out_of_the_episode_are_not_followed(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (12, 12))
    with h5py.File(drop, "a") as file:
        for number, target in enumerate(("/data/demo_1/obs/joint_pos", "../../demo_0/obs/joint_pos")):
            del file[f"data/demo_{number}/obs/joint_pos"]
            file[f"data/demo_{number}/obs/joint_pos"] = h5py.SoftLink(target)
    assert refusals(drop, robot).count("is a link out of its episode") == 2


def test_links_inside_the_episode_and_loops(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (12, 12))
    with h5py.File(drop, "a") as file:
        file["data/demo_0/obs/alias"] = h5py.SoftLink("joint_pos")
        file["data/demo_1/obs/alias"] = h5py.SoftLink("alias")
    mapping = parse_mapping({**MAPPING, "state": {**MAPPING["state"], "arm": {"key": "obs/alias"}}})
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping)
    assert len(store.rows) == 1 and "demo_1" in store.about.source.refused[0].reason


def test_values_kept_in_other_files_are_not_read(tmp_path: Path, robot: Embodiment) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(12 * 3 * 8))
    drop = robomimic_file(tmp_path / "demo.hdf5", (12, 12))
    with h5py.File(drop, "a") as file:
        for number in range(2):
            del file[f"data/demo_{number}/obs/joint_pos"]
        kept = [(str(tmp_path / "secret.bin"), 0, 12 * 3 * 8)]
        file.create_dataset("data/demo_0/obs/joint_pos", (12, 3), "f8", external=kept)
        layout = h5py.VirtualLayout((12, 3), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (12, 3))
        file.create_virtual_dataset("data/demo_1/obs/joint_pos", layout)
    found = refusals(drop, robot)
    assert "keeps its values in another file" in found and "is put together from other files" in found


def test_a_shape_that_claims_everything_is_not_loaded(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (12,))
    with h5py.File(drop, "a") as file:
        del file["data/demo_0/obs/joint_pos"]
        file.create_dataset("data/demo_0/obs/joint_pos", (10**9, 3), "f8", chunks=(1024, 3), compression="gzip")
    assert "more than a recording holds" in refusals(drop, robot)


def test_a_file_of_another_format_is_named_for_what_it_is(tmp_path: Path, robot: Embodiment) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop/demo.hdf5").write_bytes(b"PK\x03\x04zip")
    with pytest.raises(StoreError, match=r"no reader knows this format.*'demo.hdf5' begins with b'PK"):
        reader_for(tmp_path / "drop")
    robomimic_file(tmp_path / "drop/good.hdf5", (12,))
    store = ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert len(store.rows) == 1
    assert "is no HDF5 file, it begins with b'PK" in store.about.source.refused[0].reason


def test_a_file_cut_off_is_refused_and_the_others_kept(tmp_path: Path, robot: Embodiment) -> None:
    whole = robomimic_file(tmp_path / "drop/a.hdf5", (12,)).read_bytes()
    (tmp_path / "drop/b.hdf5").write_bytes(whole[: len(whole) // 2])
    store = ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert len(store.rows) == 1 and "damaged or cut off" in store.about.source.refused[0].reason


def test_odd_episodes_are_kept_or_refused_with_a_reason(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (12, 1, 0, 12, 12))
    with h5py.File(drop, "a") as file:
        stamps: Any = 5 + np.arange(12) * 0.05
        for number, count in enumerate((12, 1, 0, 12, 12)):
            file[f"data/demo_{number}/time"] = stamps[:count] * (np.nan if number == 3 else 1)
        last: Any = file["data/demo_4/time"]
        last[6] = np.nan
    keyed = {**MAPPING, "times_key": "time", "cameras": {"front_view": {"key": "obs/agentview_image"}}}
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(keyed))
    assert [row.length for row in store.rows] == [12, 1]
    reasons = {one.episode: one.reason for one in store.about.source.refused}
    assert "has no sample" in reasons["demo.hdf5#demo_2"] and "has no sample" in reasons["demo.hdf5#demo_3"]
    assert "row 6 (at 0.300 s) lies 50.0 ms from its sample" in reasons["demo.hdf5#demo_4"]
    loose = ingest(drop, robot, Lake(tmp_path / "loose"), mapping=parse_mapping({**keyed, "tolerance_s": 0.06}))
    assert [row.length for row in loose.rows] == [12, 1, 12]
    assert loose.row(2).source.alignment["streams"]["video.front_view"]["unstamped"] == 1


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ({"index": "0:9"}, "index 8 of 'obs/joint_pos' does not exist, it has 3 values"),
        ({"scale": [1, 2]}, "'obs/joint_pos' gives 3 values: operands could not be broadcast"),
        ({"index": [2, 0]}, "its source has 2 values, the part has 3"),
    ],
)
def test_mappings_that_do_not_fit_are_refused(
    tmp_path: Path, robot: Embodiment, arm: dict[str, Any], expected: str
) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (12,))
    state = {**MAPPING["state"], "arm": {"key": "obs/joint_pos", **arm}}
    assert expected in refusals(drop, robot, state=state)


def test_order_scale_and_offset_are_applied(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (12,))
    arm = {"key": "obs/joint_pos", "index": [2, 0, 1], "scale": [1, 2, 3], "offset": 0.5}
    mapping = parse_mapping({**MAPPING, "state": {**MAPPING["state"], "arm": arm}})
    raw = robomimic.READER.read_episode(drop, mapping, robot, "demo.hdf5#demo_0").state["arm"]
    with h5py.File(drop) as file:
        recorded: Any = file["data/demo_0/obs/joint_pos"]
        assert not isinstance(raw, np.ndarray)
        assert raw.values == pytest.approx(recorded[()][:, [2, 0, 1]] * [1, 2, 3] + 0.5)


def test_lengths_that_differ_are_noted(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (12,))
    with h5py.File(drop, "a") as file:
        actions: Any = file["data/demo_0/actions"]
        shorter = actions[:11]
        del file["data/demo_0/actions"]
        file["data/demo_0/actions"] = shorter
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert store.row(0).length == 11 and "lengths differ" in store.row(0).source.notes[0]
