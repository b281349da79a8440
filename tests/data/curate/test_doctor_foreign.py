"""The doctor reads what ingest reads: LeRobot v3.0 folders, and folders that say another version than they are."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gr00t_data.lerobot.to_v3 import FileSizes
from gr00t_data.store.store import EpisodeStore
from gr00t_model.shell.doctor import COULD_NOT_CHECK
from tests.data.lerobot.folders import change_episodes, change_json, change_rows, copy, store_of, v3_of
from tests.shell import invoke


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    return store_of(tmp_path_factory.mktemp("v21") / "fruit", lengths=(40, 30, 50))


@pytest.fixture(scope="module")
def v3(store: EpisodeStore) -> Path:
    folder = v3_of(store, store.root.parent / "v3" / "fruit")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\ntags:\n- LeRobot\n---\nFruit.\n")
    return folder


def found(folder: Path, *more: str) -> tuple[int, dict[str, Any]]:
    result = invoke(["doctor", str(folder), "-e", "gr1", "--json", *more])
    return result.exit_code, json.loads(result.stdout)


def codes(report: dict[str, Any]) -> list[list[str]]:
    every = [report["findings"], *(one["findings"] for one in report["episodes"])]
    return [[finding["code"] for finding in findings] for findings in every]


def test_a_v3_folder_is_found_as_sound_as_the_store_it_was_made_from(store: EpisodeStore, v3: Path) -> None:
    status, report = found(v3)
    assert status == 0 and report["store"] == str(v3)
    assert [one["verdict"] for one in report["episodes"]] == ["accepted"] * 3
    assert codes(report) == codes(found(store.root)[1])
    assert "gr00t-" not in json.dumps(report), "the temporary folder is named nowhere"


def test_several_files_and_their_own_names(store: EpisodeStore, tmp_path: Path) -> None:
    folder = v3_of(store, tmp_path / "many", FileSizes(data_mb=1e-4, video_mb=1e-4))
    assert len(list(folder.glob("data/*/*.parquet"))) == 3

    def broken(table: pa.Table) -> pa.Table:
        action = np.stack(table["action"].to_numpy())
        action[3, 5] = np.nan
        values = pa.FixedSizeListArray.from_arrays(pa.array(action.ravel()), action.shape[1])
        return table.set_column(table.column_names.index("action"), "action", values)

    change_rows(folder, broken, "chunk-000/file-001")
    (folder / "videos/observation.images.ego_view/chunk-000/file-002.mp4").unlink()
    status, report = found(folder)
    nan, lost = (next(f for f in report["episodes"][n]["findings"] if f["severity"] == "error") for n in (1, 2))
    assert status == 1 and nan["code"] == "NAN-01"
    assert nan["message"].startswith(f"{folder}/data/chunk-000/file-001.parquet: episode 1 frame 3: ")
    assert lost["code"] == "VIDEO-01"
    assert lost["message"].startswith(f"{folder}/videos/observation.images.ego_view/chunk-000/file-002.mp4: episode 2")


def test_what_a_v3_folder_declares_is_looked_at_as_it_stands(v3: Path, tmp_path: Path) -> None:
    folder = copy(v3, tmp_path / "wrong")
    change_json(folder / "meta/info.json", total_frames=999)
    stats = json.loads((folder / "meta/stats.json").read_text())
    stats["action"]["max"] = [value - 5 for value in stats["action"]["max"]]
    (folder / "meta/stats.json").write_text(json.dumps(stats))
    of_store = {finding["code"]: finding["message"] for finding in found(folder)[1]["findings"]}
    assert "total_frames is 999" in of_store["META-01"] and of_store["META-01"].startswith(f"{folder}/meta/info.json")
    assert "'action' does not describe the rows" in of_store["STATS-03"]


@pytest.mark.parametrize(("is_v3", "said"), [(True, "v2.1"), (True, "v2.0"), (True, "v1.6"), (False, "v3.0")])
def test_a_wrong_version_is_one_finding(store: EpisodeStore, v3: Path, tmp_path: Path, is_v3: bool, said: str) -> None:
    folder = copy(v3 if is_v3 else store.root, tmp_path / "labelled")
    (folder / "meta/seal.json").unlink(missing_ok=True)
    change_json(folder / "meta/info.json", codebase_version=said)
    status, report = found(folder)
    assert status == 1 and report["episodes"] == [] and codes(report) == [["META-12"]]
    held = "v3.0 (meta/episodes/chunk-000/file-000.parquet, meta/tasks.parquet, data/chunk-000/file-000.parquet)"
    held = held if is_v3 else "v2.1 (meta/episodes.jsonl, meta/tasks.jsonl, data/chunk-000/episode_000000.parquet)"
    message = report["findings"][0]["message"]
    assert f"codebase_version is {said!r}, but the files are laid out as {held}; write" in message


def test_a_wrong_camera_key_of_a_v3_folder(v3: Path, tmp_path: Path) -> None:
    folder, ego = copy(v3, tmp_path / "key"), "observation.images.ego_view"
    (folder / "videos" / ego).rename(folder / "videos/observation.images.ego")
    of_store = {finding["code"]: finding for finding in found(folder)[1]["findings"]}
    assert of_store["META-06"]["severity"] == "error"
    assert "the videos there are of 'observation.images.ego': write that key" in of_store["META-06"]["message"]


def test_statistics_of_other_episodes_in_a_v3_folder(v3: Path, tmp_path: Path) -> None:
    folder = copy(v3, tmp_path / "foreign")

    def rotate(lines: list[dict[str, Any]]) -> None:
        names = [name for name in lines[0] if name.startswith("stats/")]
        stats = [{name: line[name] for name in names} for line in lines]
        for at, line in enumerate(lines):
            line |= stats[at - 1]

    change_episodes(folder, rotate)
    (message,) = (one["message"] for one in found(folder)[1]["findings"] if one["code"] == "STATS-04")
    assert message.startswith(f"{folder}/meta/episodes: ") and "3 episodes (0, 1, 2)" in message


def test_what_cannot_be_read_is_a_finding_too(v3: Path, tmp_path: Path) -> None:
    folder = copy(v3, tmp_path / "cut")
    path = folder / "data/chunk-000/file-000.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    status, report = found(folder)
    assert status == COULD_NOT_CHECK and codes(report) == [["META-13"]]
    assert report["findings"][0]["message"].startswith(str(path))


def test_a_v3_folder_is_not_repaired_in_place(v3: Path) -> None:
    result = invoke(["doctor", str(v3), "-e", "gr1", "--fix"])
    assert result.exit_code == COULD_NOT_CHECK and f"`gr00t convert {v3} TARGET --to v2.1`" in result.stderr


def test_the_original_is_left_as_it_was(v3: Path, tmp_path: Path) -> None:
    folder = copy(v3, tmp_path / "kept")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    page = tmp_path / "page.html"
    assert found(folder, "--report", str(page))[0] == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert str(folder) in page.read_text()
    shutil.rmtree(folder)
