"""Recordings into stores: the same bytes whatever the workers and interruptions, and commands that say what they do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gr00t_data.curate.build import build_index
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.embodiment.units import with_recorded_units
from gr00t_data.lake import Lake
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.reader import reader_for
from gr00t_data.sources.recordings.mapping import MappingError, dump_mapping, load_mapping, parse_mapping
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.video import files as video
from gr00t_data.video.packets import probe
from tests.data.sources.rig import rig
from tests.data.sources.test_hdf5 import MAPPING, robomimic_file
from tests.shell import invoke

ROOT = Path(__file__).parents[3]


@pytest.fixture
def robot(tmp_path: Path) -> Embodiment:
    return rig(tmp_path)


def test_bytes_depend_neither_on_workers_nor_on_interruptions(tmp_path: Path, robot: Embodiment) -> None:
    drop, mapping = robomimic_file(tmp_path / "drop.hdf5", (12, 9, 7)), parse_mapping(MAPPING)
    alone = ingest(drop, robot, Lake(tmp_path / "one"), mapping=mapping)
    several = ingest(drop, robot, Lake(tmp_path / "two"), mapping=mapping, workers=2)

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    lake = Lake(tmp_path / "three")
    with pytest.raises(KeyboardInterrupt):
        ingest(drop, robot, lake, mapping=mapping, progress=interrupt)
    seen: list[tuple[int, int]] = []
    resumed = ingest(drop, robot, lake, mapping=mapping, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (2, 3) and alone.digest == several.digest == resumed.digest
    assert not list(alone.root.rglob(".pending"))


@pytest.mark.slow
def test_a_killed_ingest_goes_on_where_it_stopped(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "drop.hdf5", (40,) * 12)
    (tmp_path / "mapping.yaml").write_text(dump_mapping(parse_mapping(MAPPING)))
    start = "from gr00t_model.shell.train import main; main()"
    command = [sys.executable, "-c", start, "ingest", str(drop), "-e", str(tmp_path / "rig.yaml")]
    command += ["--mapping", str(tmp_path / "mapping.yaml"), "--lake", str(tmp_path / "killed"), "--workers", "2"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    pending = tmp_path / "killed/stores/drop/.pending"
    while process.poll() is None and len(list(pending.glob("*.json"))) < 3:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    whole = ingest(drop, robot, Lake(tmp_path / "whole"), mapping=parse_mapping(MAPPING))
    resumed = ingest(drop, robot, Lake(tmp_path / "killed"), mapping=parse_mapping(MAPPING))
    assert resumed.digest == whole.digest


def test_the_same_again_is_no_work_and_another_mapping_is_refused(tmp_path: Path, robot: Embodiment) -> None:
    drop, lake = robomimic_file(tmp_path / "drop.hdf5", (8,)), Lake(tmp_path / "lake")
    first = ingest(drop, robot, lake, mapping=parse_mapping(MAPPING))
    assert ingest(drop, robot, lake).digest == first.digest
    with pytest.raises(StoreError, match="is a sealed store with another mapping"):
        ingest(drop, robot, lake, mapping=parse_mapping({**MAPPING, "hz": 20}))
    with pytest.raises(StoreError, match=r"with another unit of the recording; make it anew \(--replace"):
        ingest(drop, with_recorded_units(robot, ["arm=deg"]), lake)


def test_a_store_begun_with_another_mapping_is_not_gone_on_with(tmp_path: Path, robot: Embodiment) -> None:
    drop, lake = robomimic_file(tmp_path / "drop.hdf5", (8, 8)), Lake(tmp_path / "lake")

    def interrupt(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(drop, robot, lake, mapping=parse_mapping(MAPPING), progress=interrupt)
    with pytest.raises(StoreError, match="was begun with another drop, mapping or embodiment and holds 1 episodes"):
        ingest(drop, robot, lake, mapping=parse_mapping({**MAPPING, "hz": 20}))


def test_a_drop_where_nothing_can_be_used_can_be_tried_again(tmp_path: Path, robot: Embodiment) -> None:
    drop, lake = robomimic_file(tmp_path / "drop.hdf5", (8,)), Lake(tmp_path / "lake")
    slow = parse_mapping({**MAPPING, "hz": 5})
    with pytest.raises(StoreError, match=r"none of its 1 episodes could be used: .* ms too far"):
        ingest(drop, robot, lake, mapping=slow)
    assert ingest(drop, robot, lake, mapping=parse_mapping(MAPPING)).sealed


def test_a_mapping_in_the_drop_is_used(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "drop/demo.hdf5", (8,)).parent
    with pytest.raises(MappingError, match=r"state\.arm is undecided.*--write-mapping FILE"):
        ingest(drop, robot, Lake(tmp_path / "lake"))
    (drop / "mapping.yaml").write_text(dump_mapping(parse_mapping(MAPPING)))
    assert ingest(drop, robot, Lake(tmp_path / "lake")).sealed


def test_what_was_ingested_passes_the_checks(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "drop.hdf5", (12, 9))
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    index = build_index(store, robot, tmp_path / "index")
    codes = {finding.code for verdict in index.verdicts for finding in verdict.findings}
    assert not codes & {"TIME-01", "TIME-02", "VIDEO-03", "VIDEO-05", "COLUMN-01", "SHAPE-01"}
    assert not [finding for finding in index.findings if finding.severity == "error"]


def test_a_video_beside_the_recording_is_copied_not_encoded(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "drop/demo.hdf5", (12, 12)).parent
    for number, fps in enumerate((20, 40)):
        pictures = np.zeros((12 * (1 + number), 16, 16, 3), np.uint8)
        video.encode(drop / f"eye demo_{number}.mp4", pictures, fps)
    mapping = parse_mapping({**MAPPING, "cameras": {"front_view": {"file": "eye {episode}.mp4"}}})
    store = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=mapping)
    kept, encoded = (store.video_path(n, "front_view").read_bytes() for n in range(2))
    assert kept == (drop / "eye demo_0.mp4").read_bytes() and encoded != (drop / "eye demo_1.mp4").read_bytes()
    assert probe(store.video_path(1, "front_view")).frames == 12
    outside = parse_mapping({**MAPPING, "cameras": {"front_view": {"file": "../../secret.mp4"}}})
    with pytest.raises(StoreError, match="leads out of the folder"):
        ingest(drop, robot, Lake(tmp_path / "other"), mapping=outside)


def test_a_dataset_without_modality_gets_one(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "drop.hdf5", (12,))
    made = ingest(drop, robot, Lake(tmp_path / "lake"), mapping=parse_mapping(MAPPING))
    foreign = tmp_path / "foreign"
    made.root.rename(foreign)
    for name in ("modality.json", "seal.json", "about.json"):
        (foreign / "meta" / name).unlink()
    store = ingest(foreign, robot, Lake(tmp_path / "lake"))
    assert store.cameras == ("front_view",) and store.about.source.added == ("meta/modality.json",)
    assert not (foreign / "meta/modality.json").exists()
    with pytest.raises(MappingError, match="leave the mapping out"):
        ingest(foreign, robot, Lake(tmp_path / "other"), mapping=parse_mapping(MAPPING))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"state": {"arm": {"key": "a", "indx": [1]}}}, r"state\.arm\.indx: Extra inputs"),
        ({"state": {"arm": {"key": "a", "index": "3:1"}}}, r"state\.arm\.index.*expected a list of numbers"),
        ({"state": {"arm": {}}}, r"state\.arm: .*expected either key or constant"),
        ({"state": {"arm": {"key": "a", "kind": "spline"}}}, r"state\.arm\.kind: Input should be 'joint'"),
        ({"hz": 0}, "hz: Input should be greater than 0"),
        ({"state": {"arm": {"key": "?"}}}, r"state\.arm: the key is still '\?'"),
        ([1], "the file: Input should be"),
    ],
)
def test_wrong_mappings_are_explained(tmp_path: Path, change: Any, expected: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(json.dumps({**MAPPING, **change} if isinstance(change, dict) else change))
    with pytest.raises(MappingError, match=expected):
        load_mapping(path)


def test_yaml_that_builds_objects_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(f"format: !!python/object/apply:os.mkdir [{tmp_path}/made]")
    with pytest.raises(MappingError, match="could not determine a constructor"):
        load_mapping(path)
    assert not (tmp_path / "made").exists()


def test_a_mapping_is_written_read_and_checked(tmp_path: Path, robot: Embodiment) -> None:
    mapping = parse_mapping({**MAPPING, "state": {"arm": {"key": "é x", "constant": None}, "grip": {"constant": 0.5}}})
    (tmp_path / "m.yaml").write_text(dump_mapping(mapping))
    assert load_mapping(tmp_path / "m.yaml") == mapping
    drop = robomimic_file(tmp_path / "drop.hdf5", (8,))
    with pytest.raises(
        MappingError, match=r"state\.gripper has no source; state\.grip is no name of rig; did you mean"
    ):
        reader_for(drop).mapping(drop, robot, mapping)


def gr00t(*arguments: Any) -> Any:
    return invoke(arguments)


def test_the_command_shows_writes_and_uses_a_mapping(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "drop.hdf5", (12, 9))
    common = (drop, "-e", tmp_path / "rig.yaml", "--lake", tmp_path / "lake")
    shown = gr00t("ingest", *common, "--dry-run")
    assert (
        shown.exit_code == 1 and "state.arm is undecided" in shown.output and "key: obs/agentview_image" in shown.output
    )
    assert not (tmp_path / "lake").exists()
    assert gr00t("ingest", *common, "--write-mapping", tmp_path / "m.yaml").exit_code == 0
    text = (tmp_path / "m.yaml").read_text()
    assert "#   obs/joint_pos: 3 numbers\n" in text and "#   obs/agentview_image: pictures\n" in text
    (tmp_path / "m.yaml").write_text(text.replace("key: '?'", "key: obs/joint_pos"))
    shown = gr00t("ingest", *common, "--mapping", tmp_path / "m.yaml", "--dry-run", "--json")
    report = json.loads(shown.stdout)
    assert shown.exit_code == 0 and report["rows"][0]["width"] == 3 and report["episodes"] == 2
    done = gr00t("ingest", *common, "--mapping", tmp_path / "m.yaml", "--workers", 1)
    assert EpisodeStore.open(tmp_path / "lake/stores/drop").sealed and done.exit_code == 0, done.output


def test_the_command_names_refused_episodes(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "drop.hdf5", (12, 9))
    with h5py.File(drop, "a") as file:
        del file["data/demo_1/obs/gripper"]
    (tmp_path / "m.yaml").write_text(dump_mapping(parse_mapping(MAPPING)))
    common = (drop, "-e", tmp_path / "rig.yaml", "--lake", tmp_path / "lake", "--mapping", tmp_path / "m.yaml")
    done = gr00t("ingest", *common, "--workers", 1)
    assert done.exit_code == 1 and "refused drop.hdf5#demo_1" in done.stderr and "has no dataset" in done.stderr


def test_a_look_says_what_stands_in_the_way(tmp_path: Path, robot: Embodiment) -> None:
    drop = robomimic_file(tmp_path / "drop.hdf5", (12,), hz=5)
    found = reader_for(drop).look(drop, robot, parse_mapping(MAPPING))
    assert "ms too far" in found.facts["problem"] and len(found.rows) == 5
