"""``--fix`` makes the metadata true again, keeps the old files, and touches nothing else."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gr00t_data.curate.examine import check_store
from gr00t_data.curate.repair.plan import plan_repair
from gr00t_data.curate.repair.repair import repair
from gr00t_data.disk import folder_digests
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError
from tests.data.builders import GR1, change_info, change_row, resealed, unsealed
from tests.data.curate.moving import moving_store
from tests.shell import invoke


@pytest.fixture(scope="module")
def sealed_store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    return moving_store(tmp_path_factory.mktemp("three") / "s", 3)


@pytest.fixture
def foreign(sealed_store: EpisodeStore, tmp_path: Path) -> EpisodeStore:
    """A folder without a seal, its metadata true."""
    ignored = shutil.ignore_patterns(Path(SEAL).name)
    return EpisodeStore.open(shutil.copytree(sealed_store.root, tmp_path / "s", ignore=ignored))


def change_json(store: EpisodeStore, name: str, **changes: Any) -> EpisodeStore:
    path = store.root / "meta" / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return EpisodeStore.open(store.root)


def planned(store: EpisodeStore) -> dict[str, tuple[str, ...]]:
    return {change.name: change.reasons for change in plan_repair(EpisodeStore.open(store.root), GR1)}


def test_nothing_to_do(foreign: EpisodeStore) -> None:
    assert planned(foreign) == {}
    done = repair(foreign, GR1)
    assert done.changes == () and done.backup is None and done.root == foreign.root


def test_in_place_with_backup(foreign: EpisodeStore) -> None:
    data = folder_digests(foreign.root / "data") | folder_digests(foreign.root / "videos")
    store = change_row(change_info(foreign, total_frames=7, total_videos=0), 1, length=99)
    broken = folder_digests(store.root / "meta")
    done = repair(store, GR1)
    assert planned(store) == {} and check_store(EpisodeStore.open(store.root), GR1)[0].code == "META-07"
    assert data == folder_digests(foreign.root / "data") | folder_digests(foreign.root / "videos")
    assert done.backup is not None and sorted(p.name for p in done.backup.iterdir()) == [
        "changes.txt",
        "episodes.jsonl",
        "info.json",
    ]
    kept = folder_digests(done.backup)
    assert all(kept[name] == broken[name] for name in ("episodes.jsonl", "info.json"))
    notes = (done.backup / "changes.txt").read_text().splitlines()
    assert notes[0] == "episodes.jsonl: episode 1: length 99 becomes 30, the rows of its file"
    again = repair(change_info(EpisodeStore.open(store.root), total_frames=8), GR1)
    assert again.backup is not None and again.backup.name == "002"


def test_a_sealed_store_gets_a_repaired_copy(tmp_path: Path) -> None:
    store = resealed(change_json(unsealed(moving_store(tmp_path / "s", 3)), "stats.json", action={}))
    before = folder_digests(store.root)
    done = repair(store, GR1)
    copy = EpisodeStore.open(done.root)
    copy.verify()
    assert folder_digests(store.root) == before and done.root == tmp_path / "s-repaired" and done.backup is None
    assert copy.data_path(1).stat().st_ino == store.data_path(1).stat().st_ino
    assert copy.digest != store.digest and planned(copy) == {}
    with pytest.raises(StoreError, match="s-repaired: exists already"):
        repair(store, GR1)


def test_statistics(foreign: EpisodeStore) -> None:
    path = foreign.root / "meta/stats.json"
    good = json.loads(path.read_text())
    del good["action"]["q01"], good["action"]["q99"]
    path.write_text(json.dumps(good))
    assert planned(foreign) == {"stats.json": ("'action' has no q01, q99: measured",)}
    path.write_text(json.dumps({**good, "action": {**good["action"], "mean": [9.0] * 44, "q01": 0, "q99": 0}}))
    assert planned(foreign) == {"stats.json": ("'action': mean is not that of the rows: measured again",)}
    path.unlink()
    repair(foreign, GR1)
    rows = np.concatenate([foreign.action(index) for index in range(3)])
    stored = json.loads(path.read_text())["action"]
    np.testing.assert_allclose(stored["q99"], np.quantile(rows, 0.99, axis=0), atol=1e-9)
    (foreign.root / "meta/episodes_stats.jsonl").write_text("{}\n")
    assert planned(foreign) == {"episodes_stats.jsonl": ("cannot be read: measured",)}


def test_statistics_of_pictures_are_kept(foreign: EpisodeStore) -> None:
    path = foreign.root / "meta/episodes_stats.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for number, line in enumerate(lines):
        line["stats"]["observation.images.ego_view"] = {"mean": [[[0.1 * number]]] * 3, "count": [100]}
        line["stats"]["action"]["max"] = [9.0] * 44
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "pictures was kept for 3 episodes" in planned(foreign)["episodes_stats.jsonl"][0]
    repair(foreign, GR1)
    after = [json.loads(line)["stats"] for line in path.read_text().splitlines()]
    assert [one["observation.images.ego_view"]["mean"][0][0][0] for one in after] == [0.0, 0.1, 0.2]
    assert after[1]["action"]["max"] == foreign.action(1).max(0).tolist()
    assert planned(foreign) == {}


def test_a_wrong_camera_key_takes_that_of_the_files(foreign: EpisodeStore) -> None:
    ego, wrong = "observation.images.ego_view", "observation.images.ego"
    features = {wrong if name == ego else name: said for name, said in foreign.info["features"].items()}
    store = change_info(foreign, features=features)
    modality = json.loads((store.root / "meta/modality.json").read_text())
    modality["video"]["ego_view"]["original_key"] = wrong
    change_json(store, "modality.json", video=modality["video"])
    repair(EpisodeStore.open(store.root), GR1)
    store = EpisodeStore.open(store.root)
    assert store.video_columns == [ego] and store.camera_columns == {"ego_view": ego}
    assert planned(store) == {}


def test_files_of_no_listed_episode_are_named_and_left(foreign: EpisodeStore) -> None:
    path = foreign.root / "meta/episodes.jsonl"
    path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:2]))
    change_info(foreign, splits={"train": "0:2"}, total_tasks=len(foreign.tasks))
    result = invoke(["doctor", str(foreign.root), "--fix"])
    names = "data/chunk-000/episode_000002.parquet, videos/chunk-000/observation.images.ego_view/episode_000002.mp4"
    assert f"left alone: 2 files that no listed episode uses ({names})" in result.stdout
    info = json.loads((foreign.root / "meta/info.json").read_text())
    assert (info["total_episodes"], info["total_videos"]) == (2, 2)
    assert (foreign.root / "data/chunk-000/episode_000002.parquet").is_file()


def test_after_a_repair_the_doctor_finds_nothing_of_it(foreign: EpisodeStore) -> None:
    store = change_row(change_info(foreign, total_frames=7, splits={"train": "0:99"}), 1, length=99)
    (store.root / "meta/stats.json").unlink()
    (store.root / "meta/episodes_stats.jsonl").unlink()
    (store.root / "meta/modality.json").unlink()
    features = dict(store.info["features"])
    features["action"] = {**features["action"], "shape": [43], "names": None}
    change_info(store, features=features)
    before = {finding.code for finding in check_store(EpisodeStore.open(store.root), GR1)}
    assert before >= {"META-01", "META-04", "META-09", "META-10", "STATS-01", "STATS-04"}
    repair(EpisodeStore.open(store.root), GR1)
    assert [finding.code for finding in check_store(EpisodeStore.open(store.root), GR1)] == ["META-07"]
    assert planned(store) == {}


def test_info(foreign: EpisodeStore) -> None:
    features = json.loads(json.dumps(foreign.info["features"]))
    features["action"] = {"dtype": "float32", "shape": [43]}
    features["observation.images.depth"] = {"dtype": "video", "shape": [8, 8, 3]}
    store = change_info(foreign, features=features, splits={"train": "0:100"}, data_path="../{episode_index}.parquet")
    reasons = " | ".join(planned(store)["info.json"])
    assert "data_path '../{episode_index}.parquet' leads to no file" in reasons
    assert "split 'train' 0:100 becomes 0:3" in reasons and "'observation.images.depth' is declared" in reasons
    repair(store, GR1)
    repair(EpisodeStore.open(store.root), GR1)
    fixed = EpisodeStore.open(store.root)
    assert fixed.info["features"]["action"]["shape"] == [44]
    assert fixed.info["features"]["action"]["names"] == list(GR1.action_names()) and planned(fixed) == {}


def test_tasks(foreign: EpisodeStore) -> None:
    path = foreign.root / "meta/tasks.jsonl"
    good = path.read_text()
    path.write_text("".join(good.splitlines(keepends=True)[1:]))
    assert planned(foreign)["tasks.jsonl"] == (
        "number 0 is used by rows and not listed: 'push the red square to the left'",
    )
    path.unlink()
    repair(foreign, GR1)
    assert EpisodeStore.open(foreign.root).tasks == {int(n): t for n, t in enumerate(foreign.tasks.values())}


def test_modality(foreign: EpisodeStore) -> None:
    good = (foreign.root / "meta/modality.json").read_text()
    modality = json.loads(good)
    modality["action"]["right_arm"] = {"start": 23, "end": 30}
    modality["video"] = {"ego_view": {"original_key": "observation.images.ego"}}
    modality["annotation"] = {"human.task": {"original_key": GR1.language_column}}
    (foreign.root / "meta/modality.json").write_text(json.dumps(modality))
    reasons = planned(foreign)["modality.json"]
    assert reasons[0] == "action part 'right_arm' is 23:30 and becomes 22:29" and len(reasons) == 4
    repair(foreign, GR1)
    fixed = json.loads((foreign.root / "meta/modality.json").read_text())
    assert fixed["annotation"].pop("human.task") and fixed == json.loads(good)
    (foreign.root / "meta/modality.json").unlink()
    repair(foreign, GR1)
    assert json.loads((foreign.root / "meta/modality.json").read_text()) == json.loads(good)


def test_rows_of_another_width_are_no_matter_of_metadata(foreign: EpisodeStore) -> None:
    from gr00t_data.embodiment.robot import load_embodiment

    changes = {change.name: change.reasons for change in plan_repair(foreign, load_embodiment("so100"))}
    assert "modality.json" not in changes


def test_unreadable_rows_stay_a_verdict(foreign: EpisodeStore) -> None:
    foreign.data_path(1).write_bytes(b"PAR1")
    assert "episodes.jsonl" not in planned(foreign) and "stats.json" in planned(foreign)
