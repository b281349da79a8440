"""Rows as they are oddly written: nested numbers, joints that were never measured, stamps twice, uneven ends."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.formats.hdf5 import robomimic
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.reader import reader_for
from gr00t_data.sources.recordings.mapping import dump_mapping, parse_mapping
from gr00t_data.store.store import StoreError
from gr00t_data.video import files as video
from tests.data.sources.rig import rig
from tests.data.sources.test_hdf5 import MAPPING, robomimic_file
from tests.data.sources.test_unitree import MAPPING as UNITREE_MAPPING
from tests.data.sources.test_unitree import recorded
from tests.shell import invoke


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    return rig(tmp_path)


def changed(drop: Path, key: str, values: Any, demo: int = 0) -> Path:
    with h5py.File(drop, "a") as file:
        if f"data/demo_{demo}/{key}" in file:
            del file[f"data/demo_{demo}/{key}"]
        file[f"data/demo_{demo}/{key}"] = values
    return drop


def mapped(**changes: Any) -> Any:
    return parse_mapping({**MAPPING, **changes})


@pytest.mark.parametrize("dtype", ["f4", "f2", "i8", "u1"])
def test_rows_of_two_by_three_are_six_numbers_in_order(tmp_path: Path, robot: Embodiment, dtype: str) -> None:
    values = np.arange(12 * 6).reshape(12, 2, 3).astype(dtype)
    drop = changed(robomimic_file(tmp_path / "demo.hdf5", (12,)), "obs/arms", values)
    assert next(one.width for one in robomimic.READER.contents(drop) if one.key == "obs/arms") == 6
    state = {"arm": {"key": "obs/arms", "index": "3:6"}, "gripper": {"key": "obs/gripper"}}
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapped(state=state))
    assert store.state(0)[:, :3].tolist() == np.arange(72).reshape(12, 6)[:, 3:].tolist()


def test_nested_numbers_of_json_rows_are_in_order(tmp_path: Path, robot: Embodiment) -> None:
    folder = recorded(tmp_path / "drop")
    document = json.loads((folder / "data.json").read_text())
    for row, one in enumerate(document["data"]):
        one["states"]["left_arm"]["qpos"] = [[row, row + 1, row + 2], [row + 3, row + 4, row + 5]]
    (folder / "data.json").write_text(json.dumps(document))
    state = {**UNITREE_MAPPING["state"], "arm": {"key": "states.left_arm.qpos", "index": [5, 0, 3]}}
    mapping = parse_mapping({**UNITREE_MAPPING, "state": state})
    store = ingest(folder, robot, Lake(tmp_path / "lake"), mapping=mapping)
    assert store.state(0)[:3, :3].tolist() == [[5, 0, 3], [8, 3, 6], [11, 6, 9]]


def test_a_joint_that_was_never_measured_is_named(tmp_path: Path, robot: Embodiment) -> None:
    values = np.random.default_rng(0).normal(size=(12, 3))
    values[:, 1] = np.nan
    drop = changed(robomimic_file(tmp_path / "demo.hdf5", (12, 12)), "obs/joint_pos", values)
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapped())
    assert len(store.rows) == 1
    refused = store.about.source.refused
    assert refused is not None and len(refused) == 1
    reason = refused[0].reason
    assert "state.arm: joint_2 in 'obs/joint_pos' is no number in any of the 12 samples" in reason
    look = reader_for(drop).look(drop, robot, mapped())
    assert "joint_2" in str(look.facts["problem"])


def test_one_sample_that_is_no_number_is_left_to_the_checks(tmp_path: Path, robot: Embodiment) -> None:
    values = np.zeros((12, 3))
    values[5] = np.nan
    drop = changed(robomimic_file(tmp_path / "demo.hdf5", (12,)), "obs/joint_pos", values)
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapped())
    assert np.isnan(store.state(0)[:, 0]).tolist() == [row == 5 for row in range(12)]


def test_stamps_that_are_there_twice_are_said(tmp_path: Path, robot: Embodiment) -> None:
    times = 5 + np.arange(12) * 0.05
    times[4] = times[3]
    drop = changed(robomimic_file(tmp_path / "demo.hdf5", (12,)), "obs/time", times)
    mapping = mapped(times_key="obs/time", tolerance_s=0.06)
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping)
    with h5py.File(drop) as file:
        written: Any = file["data/demo_0/obs/joint_pos"]
        assert store.state(0)[3, :3] == pytest.approx(written[4], abs=1e-6)
    said = "1 of 12 stamps in 'obs/time' are those of other rows; of such rows the last counts"
    assert store.row(0).source.notes == (said,)
    (tmp_path / "m.yaml").write_text(dump_mapping(mapping))
    where = ("-e", tmp_path / "rig.yaml", "--lake", tmp_path / "other", "--mapping", tmp_path / "m.yaml")
    shown = invoke(("ingest", drop, *where, "--workers", 1))
    assert f"demo.hdf5#demo_0: {said}" in shown.stderr


def test_streams_of_another_length_are_of_another_rate(tmp_path: Path, robot: Embodiment) -> None:
    drop = changed(robomimic_file(tmp_path / "demo.hdf5", (12,)), "obs/joint_pos", np.zeros((36, 3)))
    with pytest.raises(StoreError, match=r"different lengths, .*'obs/joint_pos': 36.*'camera front_view': 12"):
        ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapped())
    shorter = changed(robomimic_file(tmp_path / "short.hdf5", (12,)), "obs/joint_pos", np.zeros((10, 3)))
    store = ingest(shorter, robot, Lake(tmp_path / "lake"), mapping=mapped())
    assert store.row(0).length == 10 and "lengths differ" in store.row(0).source.notes[0]


def test_rows_without_a_picture_are_said(tmp_path: Path, robot: Embodiment) -> None:
    folder = recorded(tmp_path / "drop")
    document = json.loads((folder / "data.json").read_text())
    for row in (4, 7):
        document["data"][row]["colors"] = {}
    (folder / "data.json").write_text(json.dumps(document))
    store = ingest(folder, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(UNITREE_MAPPING))
    assert store.row(0).source.notes == ("camera 'front_view': 2 of 30 rows have no picture",)


def test_a_video_of_another_rate_is_read_by_its_own_clock(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "demo.hdf5", (12,))
    levels = np.arange(24, dtype=np.uint8)[:, None, None, None] * 8
    video.encode(tmp_path / "eye demo_0.mp4", np.zeros((24, 16, 16, 3), np.uint8) + levels, 40)
    mapping = mapped(cameras={"front_view": {"file": "eye {episode}.mp4"}})
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping)
    shown = video.decode(store.video_path(0, "front_view"))[:, 8, 8, 0]
    assert shown == pytest.approx(np.arange(12) * 16.0, abs=4)
    video.encode(tmp_path / "eye demo_0.mp4", np.zeros((24, 16, 16, 3), np.uint8) + levels, 20)
    with pytest.raises(StoreError, match=r"different lengths, .*'obs/joint_pos': 12.*'camera front_view': 24"):
        ingest(drop, robot, Lake(tmp_path / "other"), mapping=mapping)
