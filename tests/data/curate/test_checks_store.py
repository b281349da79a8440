"""Checks of a store as a whole, and what they do to its episodes."""

import json
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.build import build_index
from gr00t_data.curate.examine import check_store
from gr00t_data.curate.finding import Finding
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, change_info, episode, sealed, unsealed


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    return unsealed(sealed(tmp_path / "s", [episode(), episode(seed=1)]))


def found(store: EpisodeStore, code: str) -> list[Finding]:
    return [finding for finding in check_store(store, GR1) if finding.code == code]


def test_our_own_store_only_lacks_the_optional_camera(store: EpisodeStore) -> None:
    findings = check_store(store, GR1)
    assert [(f.code, f.severity) for f in findings] == [("META-07", "info")]
    assert "'front_view'" in findings[0].message


def test_declared_camera_without_files(store: EpisodeStore) -> None:
    features = {**store.info["features"], "observation.images.second": {"dtype": "video", "shape": [8, 8, 3]}}
    findings = found(change_info(store, features=features), "META-06")
    assert len(findings) == 1 and findings[0].severity == "warning"
    assert f"{store.root}/meta/info.json: declares camera 'observation.images.second'" in findings[0].message


def test_a_wrong_camera_key_is_one_finding_that_names_the_nearest_folder(store: EpisodeStore, tmp_path: Path) -> None:
    ego, wrong = "observation.images.ego_view", "observation.images.ego"
    features = {wrong if name == ego else name: said for name, said in store.info["features"].items()}
    store = change_info(store, features=features)
    modality = json.loads((store.root / "meta/modality.json").read_text())
    modality["video"]["ego_view"]["original_key"] = wrong
    (store.root / "meta/modality.json").write_text(json.dumps(modality))
    (finding,) = found(store, "META-06")
    assert finding.severity == "error"
    assert f"declares camera {wrong!r}, but there is no file of it" in finding.message
    assert f"the videos there are of {ego!r}: write that key instead" in finding.message
    verdicts = build_index(store, GR1, tmp_path / "index").verdicts
    assert [verdict.codes for verdict in verdicts] == [("STORE-01",)] * 2, "no episode is told to copy its video again"


def test_a_mapping_to_another_key_than_declared(store: EpisodeStore) -> None:
    modality = json.loads((store.root / "meta/modality.json").read_text())
    modality["video"]["ego_view"]["original_key"] = "observation.images.ego_veiw"
    (store.root / "meta/modality.json").write_text(json.dumps(modality))
    (finding,) = found(store, "META-06")
    assert finding.message.startswith(f"{store.root}/meta/modality.json: declares camera 'observation.images.ego_veiw'")
    assert "the videos there are of 'observation.images.ego_view': write that key instead" in finding.message


def test_totals(store: EpisodeStore) -> None:
    findings = found(change_info(store, total_frames=39, total_episodes=3), "META-01")
    assert ["total_episodes is 3" in findings[0].message, "adds up to 40" in findings[1].message] == [True, True]


def test_another_rate_bars_the_store(store: EpisodeStore, tmp_path: Path) -> None:
    store = change_info(store, fps=8)
    assert found(store, "META-02")[0].severity == "error"
    index = build_index(store, GR1, tmp_path / "index")
    assert index.accepted == () and all("STORE-01" in verdict.codes for verdict in index.verdicts)


def test_another_rate_within_reach_is_a_warning(tmp_path: Path) -> None:
    """Rows that are 1/30 s apart and say so; a label alone does not make it so."""
    one = episode(30, times_s=np.arange(30) / 30)
    fast = change_info(sealed(tmp_path / "fast", [one]), fps=30)
    assert found(fast, "META-02")[0].severity == "warning"
    index = build_index(fast, GR1, tmp_path / "index")
    assert len(index.accepted) == 1 and index.accepted[0].keep == ((0, 30),)
    label = change_info(sealed(tmp_path / "label", [episode()]), fps=30)
    verdict = build_index(label, GR1, tmp_path / "index").verdicts[0]
    assert not verdict.accepted and "TIME-03" in verdict.codes


def test_missing_rate_is_a_warning(store: EpisodeStore) -> None:
    del store.info["fps"]
    assert found(store, "META-02")[0].severity == "warning"


def test_a_rate_that_is_no_number_is_an_error(store: EpisodeStore) -> None:
    (finding,) = found(change_info(store, fps="fast"), "META-02")
    assert finding.severity == "error" and "fps is 'fast', expected 20; correct it" in finding.message


def test_modality_slices(store: EpisodeStore) -> None:
    path = store.root / "meta/modality.json"
    modality = json.loads(path.read_text())
    modality["state"]["neck"] = {"start": 18, "end": 21}
    del modality["action"]["waist"]
    path.write_text(json.dumps(modality))
    neck, waist = found(EpisodeStore.open(store.root), "META-03")
    assert "state part 'neck' is 18:21 of 'observation.state', embodiment 'gr1' has 19:22" in neck.message
    assert "action part 'waist' is missing" in waist.message and waist.severity == "error"
    path.unlink()
    assert found(EpisodeStore.open(store.root), "META-04")[0].severity == "warning"


def test_frame_index_column(store: EpisodeStore) -> None:
    features = {name: value for name, value in store.info["features"].items() if name != "frame_index"}
    assert found(change_info(store, features=features), "META-05")[0].severity == "info"


def test_a_camera_in_use_is_absent(tmp_path: Path) -> None:
    store = unsealed(sealed(tmp_path / "s", [episode(video={})]))
    path = store.root / "meta/modality.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "video": {}}))
    findings = found(EpisodeStore.open(store.root), "META-07")
    assert [f.severity for f in findings] == ["error", "info"] and "maps no camera 'ego_view'" in findings[0].message


def test_another_robot(store: EpisodeStore) -> None:
    findings = check_store(store, load_embodiment("so100"))
    assert {"META-03", "META-07"} <= {f.code for f in findings if f.severity == "error"}


def test_an_episode_listed_twice(store: EpisodeStore) -> None:
    path = store.root / "meta/episodes.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
    assert "lists episode 0 2 times" in found(EpisodeStore.open(store.root), "META-08")[0].message


def test_no_episode(store: EpisodeStore) -> None:
    (store.root / "meta/episodes.jsonl").write_text("")
    assert found(EpisodeStore.open(store.root), "META-08")[0].severity == "error"


def test_a_path_template_that_leaves_the_folder_is_a_verdict(store: EpisodeStore, tmp_path: Path) -> None:
    store = change_info(store, data_path="../{episode_index}.parquet", video_path="../{episode_index}.mp4")
    index = build_index(store, GR1, tmp_path / "index")
    assert index.accepted == () and {"FILE-01", "VIDEO-01"} <= set(index.verdicts[0].codes)


def test_the_chunk_of_v3_in_a_path_of_v21_is_read_with_a_warning(store: EpisodeStore, tmp_path: Path) -> None:
    paths = {
        name: str(store.info[name]).replace("episode_chunk", "chunk_index") for name in ("data_path", "video_path")
    }
    store = change_info(store, **paths)
    assert [(f.code, f.severity) for f in check_store(store, GR1)] == [
        *[("META-15", "warning")] * 2,
        ("META-07", "info"),
    ]
    assert "LeRobot insists on" in found(store, "META-15")[0].message
    np.testing.assert_allclose(store.state(1), episode(seed=1).state, atol=1e-6)
    assert len(build_index(store, GR1, tmp_path / "index").accepted) == 2
