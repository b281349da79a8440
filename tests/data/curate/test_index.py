"""The index: idempotent, named by what it depends on, readable after a round trip."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gr00t_data.curate.build import build_index
from gr00t_data.curate.index import index_path, load_index, summary_rows
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, episode, sealed

DATA = Path(os.environ.get("GR00T_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
PICK_N_PLACE = DATA / "teleop/robot_sim.PickNPlace"


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    return sealed(tmp_path / "s", [episode(), episode(rows=10, seed=1), episode(seed=2)])


def test_built_once_and_read_back(store: EpisodeStore, tmp_path: Path) -> None:
    calls = []
    index = build_index(store, GR1, tmp_path / "index", lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    path = index_path(tmp_path / "index", store, GR1)
    assert [file.name for file in (tmp_path / "index").iterdir()] == [path.name]
    assert path.name.startswith(store.digest[:16]) and load_index(path) == index
    before = path.read_bytes()
    assert build_index(store, GR1, tmp_path / "index", lambda done, total: calls.append((0, 0))) == index
    assert len(calls) == 3 and path.read_bytes() == before
    assert [v.episode_index for v in index.accepted] == [0, 2] and [v.episode_index for v in index.rejected] == [1]


def test_other_rules_give_another_file(store: EpisodeStore, tmp_path: Path) -> None:
    build_index(store, GR1, tmp_path / "index")
    build_index(store, replace(GR1, digest="0" * 64), tmp_path / "index")
    assert len(list((tmp_path / "index").iterdir())) == 2


def test_a_moved_store_and_a_damaged_index(store: EpisodeStore, tmp_path: Path) -> None:
    index = build_index(store, GR1, tmp_path / "index")
    moved = EpisodeStore.open(shutil.copytree(store.root, tmp_path / "moved"))
    again = build_index(moved, GR1, tmp_path / "index")
    assert again == replace(index, store_path=str(moved.root))
    path = index_path(tmp_path / "index", store, GR1)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"not an index of verdicts.*delete it"):
        load_index(path)
    assert build_index(store, GR1, tmp_path / "index") == index


def test_summary_rows(store: EpisodeStore, tmp_path: Path) -> None:
    rows = summary_rows(build_index(store, GR1, tmp_path / "index"))
    assert [row["verdict"] for row in rows] == ["accepted", "rejected", "accepted"]
    assert rows[1]["codes"] == "ROWS-02" and "has 10 frames" in str(rows[1]["reason"])
    assert [row["kept_frames"] for row in rows] == [20, 0, 20]


def test_real_teleoperation(tmp_path: Path) -> None:
    if not PICK_N_PLACE.is_dir():
        pytest.skip(f"no real data at {PICK_N_PLACE} (set GR00T_SHARED_DATA)")
    index = build_index(EpisodeStore.open(PICK_N_PLACE), GR1, tmp_path / "index")
    assert [v.length for v in index.accepted] == [416, 470, 470, 412, 328]
    assert sum(v.kept_frames for v in index.accepted) == 2096
    assert {(f.code, f.severity) for f in index.findings} == {
        ("META-05", "info"),  # no frame_index
        ("META-06", "warning"),  # declares observation.images.egoview without files
        ("META-07", "info"),  # has no front_view, which the default selection does not use
        ("META-16", "info"),  # names no licence
        ("TEXT-09", "info"),  # offers the instruction under one of the two names that selections ask for
        ("TIME-05", "warning"),  # every episode has a row after its last frame
        ("SPLIT-03", "info"),  # its split names the 100 episodes it was cut from
    }
    assert all(v.codes == ("TEXT-03", "TIME-04") for v in index.verdicts)
    assert index.verdicts[4].instruction == "pick the cupcake from the counter and place it in the plate"
