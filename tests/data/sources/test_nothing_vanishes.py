"""Whatever lies in a drop becomes an episode or is named with the reason: nothing is lost without a word."""

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as parquet
import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType

from gr00t_data.curate.build import build_index
from gr00t_data.disk import visible_files
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.content import counts
from gr00t_data.sources.formats.logs import rosbag
from gr00t_data.sources.human.readers import find as find_footage
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.neural.finding import find_clips
from gr00t_data.sources.recordings.mapping import parse_mapping
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.builders import GR1, episode, sealed
from tests.data.lerobot.folders import v3_of
from tests.data.sources import test_hdf5, test_logs, test_unitree
from tests.data.sources.human.ego_films import calm_film
from tests.data.sources.neural.drops import movie
from tests.data.sources.rig import rig
from tests.shell import invoke

BAG = parse_mapping({**test_logs.MAPPING, "format": rosbag.READER.name, "instruction": {"text": "press"}})


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    return rig(tmp_path)


def refusals(store: EpisodeStore) -> dict[str, str]:
    listed = {one.episode: one.reason for one in store.about.source.refused or ()}
    assert counts(store) == {
        "found": len(store.rows) + len(listed),
        "taken in": len(store.rows),
        "refused": len(listed),
    }
    return listed


def findings(store: EpisodeStore, robot: Embodiment, folder: Path, code: str) -> list[str]:
    index = build_index(store, robot, folder)
    every = [*index.findings, *(one for verdict in index.verdicts for one in verdict.findings)]
    return [one.message for one in every if one.code == code]


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
def test_one_bad_byte_of_a_log_refuses_it(tmp_path: Path, robot: Embodiment, compression: CompressionType) -> None:
    drop = tmp_path / "drop"
    test_logs.ros2_mcap(drop / "good.mcap")
    bad = test_logs.ros2_mcap(drop / "bad.mcap", chunk_size=4096, compression=compression)
    with bad.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    second = summary.chunk_indexes[1]
    content = bytearray(bad.read_bytes())
    content[second.chunk_start_offset + second.chunk_length // 2] ^= 0x10
    bad.write_bytes(content)
    left = refusals(ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(test_logs.MAPPING)))
    total = sum(summary.statistics.channel_message_counts.values())
    assert f" of {total} messages" in left["bad.mcap"] and "copy it again" in left["bad.mcap"]


def test_every_byte_of_a_log_is_noticed_or_changes_nothing(tmp_path: Path, robot: Embodiment) -> None:
    mapping = parse_mapping(test_logs.MAPPING)
    path = test_logs.ros2_mcap(tmp_path / "run.mcap", chunk_size=4096)
    whole = path.read_bytes()
    kept = ingest(path, robot, Lake(tmp_path / "lake"), mapping=mapping)
    noticed = 0
    for number, place in enumerate(np.random.default_rng(0).integers(len(whole), size=25)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x04]) + whole[place + 1 :])
        try:
            store = ingest(path, robot, Lake(tmp_path / "lake"), name=f"s{number}", mapping=mapping)
        except StoreError:
            noticed += 1
            continue
        assert store.row(0).length == kept.row(0).length and np.array_equal(store.state(0), kept.state(0)), place
    assert noticed > 15


def test_a_cut_log_says_so_in_its_verdict(tmp_path: Path, robot: Embodiment) -> None:
    path = test_logs.ros2_mcap(tmp_path / "run.mcap", chunk_size=4096)
    path.write_bytes(path.read_bytes()[:-9000])
    store = ingest(path, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(test_logs.MAPPING))
    (message,) = findings(store, robot, tmp_path / "index", "SOURCE-01")
    assert "is cut off" in message and "messages; how many are lost" in message


def test_a_bad_byte_in_the_storage_of_a_bag(tmp_path: Path, robot: Embodiment) -> None:
    (tmp_path / "drop").mkdir()
    test_logs.bag(tmp_path / "drop" / "good", 3)
    file = next(test_logs.bag(tmp_path / "drop" / "bad", 3).glob("*.mcap"))
    content = bytearray(test_logs.ros2_mcap(tmp_path / "with_checksums.mcap").read_bytes())
    content[len(content) // 3] ^= 0x10
    file.write_bytes(content)
    assert "damaged" in refusals(ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=BAG))["bad"]


def test_a_bag_that_counts_more_messages_than_it_holds(tmp_path: Path, robot: Embodiment) -> None:
    metadata = test_logs.bag(tmp_path / "run", 2) / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("message_count: 100", "message_count: 103"))
    with pytest.raises(StoreError, match=r"holds \d+ of the \d+ messages it counts"):
        ingest(tmp_path / "run", robot, Lake(tmp_path / "lake"), mapping=BAG)


def test_bags_that_lost_their_metadata_are_named(tmp_path: Path, robot: Embodiment) -> None:
    (tmp_path / "drop").mkdir()
    for name, ros in (("good", 2), ("lost", 2), ("torn", 3)):
        test_logs.bag(tmp_path / "drop" / name, ros)
    (tmp_path / "drop/lost/metadata.yaml").unlink()
    (tmp_path / "drop/torn/metadata.yaml").write_bytes(b"")
    left = refusals(ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=BAG))
    assert left.keys() == {"lost", "torn"}


def test_what_is_no_file_or_another_format_is_named(tmp_path: Path, robot: Embodiment) -> None:
    drop = tmp_path / "drop"
    test_logs.ros2_mcap(drop / "good.mcap")
    (drop / "gone.mcap").symlink_to(drop / "nowhere.mcap")
    (drop / "folder.mcap").mkdir()
    (drop / "empty.mcap").touch()
    (drop / "notes.txt").write_text("of the operator")
    (drop / "linked").symlink_to(tmp_path)
    os.mkfifo(drop / "pipe.mcap")
    test_logs.bag(drop / "other.bag", 1)
    left = refusals(ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(test_logs.MAPPING)))
    assert left.keys() == {"gone.mcap", "folder.mcap", "empty.mcap", "linked", "pipe.mcap", "other.bag"}
    assert "leads nowhere" in left["gone.mcap"] and "expected a file" in left["folder.mcap"]
    assert "ingest it by itself" in left["other.bag"] and "a pipe" in left["pipe.mcap"]


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "drop/shut").mkdir(parents=True)
    (tmp_path / "drop/shut").chmod(0)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                for parent in (tmp_path, *tmp_path.parents[:3]):
                    parent.chmod(0o755)
                os.seteuid(65534)
            visible_files(tmp_path / "drop")
        except PermissionError as error:
            status = 0 if str(tmp_path / "drop/shut") in str(error) else 2
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_demonstrations_that_a_mask_lists_and_the_file_lacks(tmp_path: Path, robot: Embodiment) -> None:
    path = test_hdf5.robomimic_file(tmp_path / "drop/a.hdf5")
    with h5py.File(path, "a") as file:
        file["mask/train"] = np.array([b"demo_0", b"demo_7"])
        file["data/demo_9"] = 3.0
    left = refusals(ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=parse_mapping(test_hdf5.MAPPING)))
    assert left.keys() == {"a.hdf5#demo_7", "a.hdf5#demo_9"}


def test_pictures_without_their_document(tmp_path: Path, robot: Embodiment) -> None:
    for name in ("a", "b"):
        test_unitree.recorded(tmp_path / "drop" / name)
    (tmp_path / "drop/b/data.json").unlink()
    mapping = parse_mapping(test_unitree.MAPPING)
    assert refusals(ingest(tmp_path / "drop", robot, Lake(tmp_path / "lake"), mapping=mapping)).keys() == {"b"}


def drop_of(tmp_path: Path, version: str) -> Path:
    """Three episodes as a LeRobot folder that is no store of ours."""
    store = sealed(tmp_path / "store", [episode(seed=seed) for seed in range(3)])
    if version == "v3.0":
        return v3_of(store, tmp_path / "drop")
    shutil.copytree(store.root, tmp_path / "drop")
    for name in ("seal.json", "about.json"):
        (tmp_path / "drop/meta" / name).unlink(missing_ok=True)
    return tmp_path / "drop"


def without_line(drop: Path, number: int) -> None:
    lines = drop / "meta/episodes.jsonl"
    if lines.is_file():
        kept = [line for line in lines.read_text().splitlines() if json.loads(line)["episode_index"] != number]
        lines.write_text("\n".join(kept) + "\n")
        return
    (file,) = (drop / "meta/episodes").rglob("*.parquet")
    table = parquet.read_table(file)
    parquet.write_table(table.filter([one != number for one in table["episode_index"].to_pylist()]), file)


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_an_episode_without_a_line(tmp_path: Path, version: str) -> None:
    drop = drop_of(tmp_path, version)
    without_line(drop, 1)
    answer = invoke(["ingest", drop, "--lake", tmp_path / "lake", "--json"])
    said = json.loads(answer.stdout)
    assert (answer.exit_code, said["found"], said["taken in"], said["refused"]) == (1, 3, 2, 1)
    assert "lists it" in said["refusals"][0]["reason"] and "1" in said["refusals"][0]["episode"]


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_an_episode_that_only_info_counts(tmp_path: Path, version: str) -> None:
    drop = drop_of(tmp_path, version)
    info = json.loads((drop / "meta/info.json").read_text())
    (drop / "meta/info.json").write_text(json.dumps({**info, "total_episodes": 5}))
    left = refusals(ingest(drop, GR1, Lake(tmp_path / "lake")))
    assert left.keys() == {"episode 3", "episode 4"} and "declares 5 episodes, 3 were found" in left["episode 4"]


def test_data_without_a_line_is_found_in_any_folder(tmp_path: Path) -> None:
    drop = drop_of(tmp_path, "v2.1")
    without_line(drop, 2)
    (message,) = findings(EpisodeStore.open(drop), GR1, tmp_path / "index", "META-11")
    assert "episode_000002.parquet" in message


def test_clips_that_no_reader_took(tmp_path: Path) -> None:
    for name in ("videos/0.mp4", "videos/1.mp4", "videos/ego/5.mp4"):
        movie(tmp_path / name)
    movie(tmp_path / "videos/2.mp4").rename(tmp_path / "videos/2.MOV")
    (tmp_path / "videos/3.mp4").symlink_to(tmp_path / "gone.mp4")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/0.txt").write_text("push the cup")
    found = find_clips(tmp_path)
    left = {one.episode for one in found.refused}
    assert len(found.clips) == 1
    assert left == {"videos/1.mp4", "videos/2.MOV", "videos/3.mp4", "videos/ego/5.mp4"}


def test_poses_that_cannot_be_opened(tmp_path: Path) -> None:
    calm_film(tmp_path / "lid/0.mp4", 1.0)
    (tmp_path / "lid/0.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n torn")
    (tmp_path / "lid/1.mp4").symlink_to(tmp_path / "gone.mp4")
    found = find_footage(tmp_path)
    assert {one.episode for one in found.refused} == {"lid/0.hdf5", "lid/1.mp4"}
