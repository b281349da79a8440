"""Hostile HDF5: each attack costs its episode or file, the healthy one beside it is in, nothing outside is opened."""

import ast
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from benchmarks.hostile.watch import Canaries
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.formats.hdf5 import tree
from gr00t_data.sources.formats.hdf5.robomimic import READER
from gr00t_data.sources.human.hands.egodex import read_egodex
from gr00t_data.sources.human.hands.tracks import HandTracksError
from gr00t_data.sources.human.readers import egodex
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.reader import reader_for
from gr00t_data.sources.recordings.mapping import parse_mapping
from gr00t_data.sources.recordings.streams import StreamError
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.sources.hdf5_attacks import ARM, EPISODES, FILES, external_link, secrets, virtual, virtual_over_itself
from tests.data.sources.human.hand_files import motion, write_egodex, write_video
from tests.data.sources.rig import rig
from tests.data.sources.test_hdf5 import MAPPING, aloha_file, robomimic_file

ROOT = Path(__file__).parents[3]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    secrets(tmp_path / "outside")
    return tmp_path / "outside"


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    return rig(tmp_path)


def taken_in(tmp_path: Path, robot: Embodiment, outside: Path, **mapping: Any) -> tuple[EpisodeStore, str]:
    """The store of the drop, and why the only refused thing of it was refused; nothing outside was opened."""
    watched = Canaries(outside.iterdir())
    store = ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=parse_mapping({**MAPPING, **mapping}))
    assert watched.opened() == []
    (refused,) = list(store.about.source.refused or [])
    return store, refused.reason


@pytest.mark.parametrize("name", EPISODES)
def test_an_episode_is_refused_and_the_one_beside_it_is_in(
    tmp_path: Path, robot: Embodiment, outside: Path, name: str
) -> None:
    build, reason = EPISODES[name]
    with h5py.File(robomimic_file(tmp_path / "drop/demo.hdf5", (12, 12)), "a") as file:
        group = file["data/demo_1"]
        assert isinstance(group, h5py.Group)
        build(group, outside)
    store, said = taken_in(tmp_path, robot, outside)
    assert [row.source.episode for row in store.rows] == ["demo.hdf5#demo_0"]
    assert "demo" in said and re.search(reason, said), said


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_refused_and_the_one_beside_it_is_in(
    tmp_path: Path, robot: Embodiment, outside: Path, name: str
) -> None:
    build, reason = FILES[name]
    robomimic_file(tmp_path / "drop/a.hdf5", (12,))
    with h5py.File(robomimic_file(tmp_path / "drop/b.hdf5", (12, 12)), "a") as file:
        build(file, outside)
    watched = Canaries(outside.iterdir())
    store = ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert watched.opened() == []
    assert [row.source.episode for row in store.rows] == ["a.hdf5#demo_0"]
    reasons = " ".join(one.reason for one in store.about.source.refused or ())
    assert "b.hdf5" in reasons and re.search(reason, reasons), reasons


def test_a_link_of_a_class_of_its_own_is_refused(tmp_path: Path, robot: Embodiment, outside: Path) -> None:
    path = robomimic_file(tmp_path / "drop/demo.hdf5", (12, 12))
    with h5py.File(path, "a") as file:
        group = file["data/demo_1"]
        assert isinstance(group, h5py.Group)
        external_link(group, outside)
    content = path.read_bytes()
    message = b"\x40\x09joint_pos"  # class 64, nine letters
    assert content.count(message) == 1
    path.write_bytes(content.replace(message, b"\x7b" + message[1:]))
    assert "joint_pos: is a link of kind 123" in taken_in(tmp_path, robot, outside)[1]


def test_virtual_data_sets_over_plain_ones_of_their_file_are_read(tmp_path: Path, robot: Embodiment) -> None:
    path = robomimic_file(tmp_path / "drop/demo.hdf5", (12,))
    plain = ingest(path, robot, Lake(tmp_path / "plain"), mapping=parse_mapping(MAPPING)).state(0)
    with h5py.File(path, "a") as file:
        group = file["data/demo_0"]
        assert isinstance(group, h5py.Group)
        group.move(ARM, "inner")
        virtual(group, ARM, ".", "/data/demo_0/inner")
    store = ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    assert np.array_equal(store.state(0), plain)


def test_links_to_itself_stored_types_and_references_beside_are_harmless(tmp_path: Path, robot: Embodiment) -> None:
    path = robomimic_file(tmp_path / "drop/demo.hdf5", (12,))
    with h5py.File(path, "a") as file:
        group = file["data/demo_0"]
        assert isinstance(group, h5py.Group)
        group["again"], group["kind"] = group, np.dtype("f4")
        group.attrs["around"], group.attrs["many"] = group.ref, np.arange(50)
        group["seen"] = np.array([group.ref, group.ref], h5py.ref_dtype)
        group.create_dataset("obs/small", data=np.arange(12.0)[:, None], dtype=file["data/demo_0/kind"])
    assert len(ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING)).rows) == 1


def test_filters_of_h5py_are_read(tmp_path: Path, robot: Embodiment) -> None:
    path = robomimic_file(tmp_path / "drop/demo.hdf5", (12, 12))
    with h5py.File(path, "a") as file:
        for number, packing in enumerate(({"compression": "lzf"}, {"compression": "gzip"})):
            arm: Any = file[f"data/demo_{number}/{ARM}"]
            values = arm[()]
            del file[f"data/demo_{number}/{ARM}"]
            file.create_dataset(f"data/demo_{number}/{ARM}", data=values, shuffle=True, fletcher32=True, **packing)
    assert len(ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING)).rows) == 2


def test_a_file_that_links_out_is_neither_read_nor_proposed_from(tmp_path: Path, outside: Path) -> None:
    with h5py.File(aloha_file(tmp_path / "drop/episode_0.hdf5"), "a") as file:
        del file["observations/qpos"]
        file["observations/qpos"] = h5py.ExternalLink(str(outside / "secret.h5"), "/x")
    watched = Canaries(outside.iterdir())
    with pytest.raises(StoreError, match="no reader knows this format"):
        reader_for(tmp_path / "drop")
    assert watched.opened() == []


def test_a_mapping_is_not_proposed_from_a_virtual_data_set_of_itself(tmp_path: Path, robot: Embodiment) -> None:
    path = robomimic_file(tmp_path / "demo.hdf5", (12,))
    with h5py.File(path, "a") as file:
        group = file["data/demo_0"]
        assert isinstance(group, h5py.Group)
        virtual_over_itself(group, tmp_path)
    with pytest.raises(StreamError, match="which is no plain data set"):
        READER.propose(READER.contents(path), robot)


def test_a_look_at_a_hostile_file_says_why(tmp_path: Path, robot: Embodiment, outside: Path) -> None:
    path = robomimic_file(tmp_path / "drop/demo.hdf5", (12, 12))
    with h5py.File(path, "a") as file:
        file.create_dataset("spare", (4,), "f8", external=[(str(outside / "secret.txt"), 0, 32)])
    look = READER.look(tmp_path / "drop", robot, parse_mapping(MAPPING))
    assert "spare: keeps its values in another file" in str(look.facts["problem"])


@pytest.mark.parametrize("key", ["transforms/camera", "transforms/leftHand", "camera/intrinsic", "elsewhere"])
@pytest.mark.parametrize("kind", ["link", "storage", "virtual"])
def test_egodex_files_do_not_lead_out(tmp_path: Path, outside: Path, key: str, kind: str) -> None:
    film, path = write_video(tmp_path / "drop-0.mp4", 12), write_egodex(tmp_path / "drop-0.hdf5", motion(12))
    with h5py.File(path, "a") as file:
        shape = (3, 3) if "intrinsic" in key else (12, 4, 4)
        if key in file:
            del file[key]
        if kind == "link":
            file[key] = h5py.ExternalLink(str(outside / "secret.h5"), "/x")
        elif kind == "storage":
            file.create_dataset(key, shape, "f8", external=[(str(outside / "secret.txt"), 0, h5py.h5f.UNLIMITED)])
        else:
            virtual(file, key, str(outside / "secret.h5"), "/x", shape)
    watched = Canaries(outside.iterdir())
    with pytest.raises(HandTracksError, match=r"another file|other files"):
        read_egodex(path, 12)
    assert film.is_file() and watched.opened() == []
    found = egodex.READER.read(tmp_path)
    assert watched is not None and not found.footage and "other file" in found.refused[0].reason


def test_egodex_shapes_are_compared_before_they_are_read(tmp_path: Path) -> None:
    write_video(tmp_path / "0.mp4", 12)
    with h5py.File(write_egodex(tmp_path / "0.hdf5", motion(12)), "a") as file:
        del file["transforms/leftHand"], file["camera/intrinsic"]
        file.create_dataset("transforms/leftHand", (10**12, 4, 4), "f8", chunks=(1024, 4, 4))
        file.create_dataset("camera/intrinsic", (10**9, 10**9), "f8", chunks=(64, 64))
    with pytest.raises(HandTracksError, match=r"shape \(1000000000000, 4, 4\), the video has 12 frames"):
        read_egodex(tmp_path / "0.hdf5", 12)
    assert "camera/intrinsic is (1000000000, 1000000000)" in egodex.READER.read(tmp_path).refused[0].reason


def test_a_linked_egodex_file_is_refused_unopened(tmp_path: Path) -> None:
    write_egodex(tmp_path / "elsewhere.hdf5", motion(12))
    (tmp_path / "drop").mkdir()
    write_video(tmp_path / "drop/0.mp4", 12)
    (tmp_path / "drop/0.hdf5").symlink_to(tmp_path / "elsewhere.hdf5")
    watched = Canaries([tmp_path / "elsewhere.hdf5"])
    for look in (egodex.READER.recognises, egodex.READER.read):
        with pytest.raises(StoreError, match=r"0\.hdf5: is a link, and is not read"):
            look(tmp_path / "drop")
    assert watched.opened() == []


def test_one_module_imports_h5py() -> None:
    found = set()
    for package in ("gr00t_data", "gr00t_model", "assets", "pipelines"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                found |= {file for name in names if name.split(".")[0] == "h5py"}
    assert found == {Path(tree.__file__)}
