"""Rows without stamps: their rate is what the file or a person says, and nothing else."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.landing.landing import take_in
from gr00t_data.sources.reader import reader_for
from gr00t_data.sources.recordings.mapping import MappingError, parse_mapping
from gr00t_data.sources.told import Told
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.builders import episode, sealed
from tests.data.sources.rig import rig
from tests.data.sources.test_hdf5 import MAPPING, aloha_file, robomimic_file
from tests.data.sources.test_logs import MAPPING as LOG_MAPPING
from tests.data.sources.test_logs import ros2_mcap
from tests.data.sources.test_unitree import MAPPING as UNITREE_MAPPING
from tests.data.sources.test_unitree import recorded
from tests.shell import invoke


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    return rig(tmp_path, **{"tolerance_s: 0.025": "tolerance_s: 0.06"})


def rate_hz(store: EpisodeStore, episode: int = 0) -> float:
    """Samples a second of the arm, by the stamps that alignment saw."""
    alignment: Any = store.row(episode).source.alignment
    return alignment["streams"]["state.arm"]["rate_hz"]


def test_aloha_is_asked_for_its_rate_with_the_command(tmp_path: Path, robot: Embodiment) -> None:
    drop = aloha_file(tmp_path / "drop/episode_0.hdf5").parent
    common = ("ingest", drop, "-e", tmp_path / "rig.yaml", "--lake", tmp_path / "lake")
    for more, status in (((), 2), (("--dry-run",), 1)):
        asked = invoke((*common, *more))
        assert asked.exit_code == status and f"`gr00t ingest {drop} --embodiment rig --fps RATE`" in asked.output
    assert not (tmp_path / "lake/stores/drop").exists()
    unsaid = invoke((*common, "--fps", 30))
    assert unsaid.exit_code == 2 and "says what the robot was asked to do; say it: `gr00t" in unsaid.output
    assert not (tmp_path / "lake/stores/drop").exists()
    assert invoke((*common, "--fps", 30, "--workers", 1, "--instruction", "wipe the table")).exit_code == 0
    store = EpisodeStore.open(tmp_path / "lake/stores/drop")
    assert (store.about.source.mapping or {})["told_hz"] == 30 and store.row(0).source.facts()["hz"] == 30
    assert store.row(0).instruction == "wipe the table" and "was told" in store.row(0).source.notes[-1]
    assert store.row(0).length == 7  # ten rows at 30 Hz last 0.3 s; at 50 Hz they would be 4 rows of 20 Hz
    assert store.state(0)[2, 0] == pytest.approx(3 * 0.02)  # 0.1 s later is the third sample


@pytest.mark.parametrize(
    ("place", "name", "value", "hz"),
    [
        ("attribute", "fps", 25, 25),
        ("attribute", "control_freq", np.float32(30), 30),
        ("attribute", "dt", 0.04, 25),
        ("dataset", "frequency", 30, 30),
        ("observations", "fps", 25, 25),
        ("rows", "timestamps", 1.7e9 + np.arange(10) / 25, 25),
        ("rows", "observations/timestamp", np.arange(10) * 40.0, 25),
        ("rows", "timestamp", 1_700_000_000_000_000_000 + np.arange(10) * 40_000_000, 25),
        ("rows", "time", 1_700_000_000_000_000 + np.arange(10) * 40_000, 25),
    ],
)
def test_what_an_aloha_file_says_of_its_rate_is_used(
    tmp_path: Path, robot: Embodiment, place: str, name: str, value: Any, hz: float
) -> None:
    drop = aloha_file(tmp_path / "drop/episode_0.hdf5")
    with h5py.File(drop, "a") as file:
        holder = {"attribute": file, "observations": file["observations"]}.get(place)
        if holder is None:
            file[name] = value
        else:
            holder.attrs[name] = value
    store = ingest(drop.parent, robot, Lake(tmp_path / "lake"))
    assert rate_hz(store) == pytest.approx(hz, rel=1e-5)
    assert store.row(0).length == int(9 / hz * 20 + 0.25) + 1


def test_counted_rows_and_odd_numbers_are_no_rate(tmp_path: Path, robot: Embodiment) -> None:
    drop = aloha_file(tmp_path / "drop/episode_0.hdf5")
    with h5py.File(drop, "a") as file:
        file["timestamp"] = np.arange(10)
        file["time"] = np.array([0.0, 0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
        file["timestamps"] = np.arange(9) / 30
        file.attrs["fps"], file.attrs["frame_rate"], file.attrs["hz"] = "fast", 0, True
    with pytest.raises(MappingError, match="its rows bear no stamps, and nothing in it says at which rate"):
        ingest(drop.parent, robot, Lake(tmp_path / "lake"))


def test_contradictions_are_refused(tmp_path: Path, robot: Embodiment) -> None:
    drop = aloha_file(tmp_path / "drop/episode_0.hdf5")
    with h5py.File(drop, "a") as file:
        file.attrs["fps"] = 25
    with pytest.raises(MappingError, match=r"--fps says 50 Hz, the recording itself 25 Hz \(fps\)"):
        ingest(drop.parent, robot, Lake(tmp_path / "lake"), told=Told(fps=50))
    aloha_file(tmp_path / "drop/episode_1.hdf5")
    store = ingest(drop.parent, robot, Lake(tmp_path / "lake"), told=Told(fps=25))
    assert [row.length for row in store.rows] == [8, 8]
    with h5py.File(drop, "a") as file:
        file.attrs["control_frequency"] = 50
    told = ingest(drop.parent, robot, Lake(tmp_path / "other"), told=Told(fps=25))
    refused = told.about.source.refused
    assert len(told.rows) == 1 and refused is not None
    assert "says 50 Hz (control_frequency) and 25 Hz (fps)" in refused[0].reason


def test_each_file_has_its_own_rate(tmp_path: Path, robot: Embodiment) -> None:
    for number, hz in enumerate((10, 40)):
        robomimic_file(tmp_path / f"drop/{number}.hdf5", (21,), hz=hz)
    store = ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert [row.length for row in store.rows] == [41, 11]
    assert [row.source.facts()["hz"] for row in store.rows] == [10, 40]


@pytest.mark.parametrize("none", [{}, {"sim_args": {"dt": 0.005, "decimation": 0}}])
def test_simulated_demonstrations_that_do_not_say_it(tmp_path: Path, robot: Embodiment, none: dict[str, Any]) -> None:
    """As Isaac Lab writes them: the environment's name and kind only."""
    drop = robomimic_file(tmp_path / "demo.hdf5", (12,))
    with h5py.File(drop, "a") as file:
        file["data"].attrs["env_args"] = json.dumps(
            {"env_name": "Isaac-Stack-Cube-Franka-IK-Rel-v0", "type": 2, **none}
        )
    with pytest.raises(MappingError, match=f"`gr00t ingest {drop} --embodiment rig --fps RATE`"):
        ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    with h5py.File(drop, "a") as file:
        file["data"].attrs["fps"] = 40
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert store.row(0).length == 6


def test_unitree_without_a_rate_of_its_pictures(tmp_path: Path, robot: Embodiment) -> None:
    image = {"width": 17, "height": 15, "fps": 10**400}
    drop = recorded(tmp_path / "drop", info={"version": "1.0.0", "image": image})
    mapping = parse_mapping(UNITREE_MAPPING)
    with pytest.raises(MappingError, match="--fps RATE"):
        ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping)
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping, told=Told(fps=30))
    assert store.row(0).length == 20
    with pytest.raises(MappingError, match=r"30 Hz, the recording itself 60 Hz \(info.image.fps\)"):
        ingest(recorded(tmp_path / "said"), robot, Lake(tmp_path / "lake"), mapping=mapping, told=Told(fps=30))


def test_the_marker_of_a_drop_says_it(tmp_path: Path, robot: Embodiment) -> None:
    lake = Lake(tmp_path / "lake")
    words = "\ninstruction: wipe"
    for rows, name, said in (
        (10, "bare", "fps: 30" + words),
        (11, "quoted", "fps: '30'\nlicence: MIT" + words),
        (12, "silent", ""),
    ):
        drop = aloha_file(lake.landing / name / "episode_0.hdf5", rows).parent
        (drop / "_SUCCESS").write_text(said)
    with pytest.raises(MappingError, match="--fps RATE"):
        take_in(lake, "silent", robot)
    assert [
        take_in(lake, name, robot, told=Told(fps=25, instruction="wipe")).row(0).length for name in ("bare", "silent")
    ] == [7, 10]
    assert take_in(lake, "quoted", robot).about.licence == "MIT"
    (lake.landing / "bare/_SUCCESS").write_text("fps: -3\n")
    with pytest.raises(StoreError, match="greater than 0"):
        take_in(lake, "bare", robot)


def test_what_bears_stamps_takes_no_rate(tmp_path: Path, robot: Embodiment) -> None:
    path = ros2_mcap(tmp_path / "run.mcap")
    with pytest.raises(MappingError, match="bears stamps of its own; leave --fps 30 out"):
        ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(LOG_MAPPING), told=Told(fps=30))
    with pytest.raises(MappingError, match="leave --fps 30 --quaternions xyzw out"):
        dataset = sealed(tmp_path / "dataset", [episode()]).root
        reader_for(dataset).look(dataset, robot, told=Told(30, "xyzw"))
