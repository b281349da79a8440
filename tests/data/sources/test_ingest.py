"""Ingest: a drop becomes a sealed store, once, whole or not at all."""

import json
import math
import re
from pathlib import Path

import pytest

from gr00t_data.lake import Lake
from gr00t_data.sources.content import store_name
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.reader import reader_for
from gr00t_data.store.store import StoreError
from tests import NOWHERE
from tests.data.lerobot.folders import change_json
from tests.data.store.test_store import GR1, sealed

REAL = Path(__file__).parents[4] / "shared/data/teleop/robot_sim.PickNPlace"


def drop(folder: Path, count: int = 2) -> Path:
    store = sealed(folder, count)
    (folder / "meta/seal.json").unlink()
    (folder / "meta/about.json").unlink()
    (folder / "_SUCCESS").touch()
    return store.root


def test_a_drop_becomes_a_sealed_store_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    source = drop(tmp_path / "my drop")
    before = sorted(p.name for p in source.rglob("*"))
    store = ingest(source, GR1, lake, licence="CC-BY-4.0")
    assert store.root == lake.stores / "my-drop" and store.sealed and store.licence == "CC-BY-4.0"
    assert store.about.source.format == "GR00T-LeRobot v2"
    assert ingest(source, GR1, lake).digest == store.digest
    assert sorted(p.name for p in source.rglob("*")) == before


def test_other_content_under_the_same_name_is_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    ingest(drop(tmp_path / "a/drop"), GR1, lake)
    with pytest.raises(StoreError, match="under another name"):
        ingest(drop(tmp_path / "b/drop", 3), GR1, lake)


def test_unknown_formats_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such drop"):
        ingest(tmp_path / "nothing", GR1, Lake(tmp_path))
    (tmp_path / "zip").mkdir()
    (tmp_path / "zip/demo.hdf5").touch()
    with pytest.raises(StoreError, match=r"no reader knows this format.*demo\.hdf5"):
        ingest(tmp_path / "zip", GR1, Lake(tmp_path))
    assert not (tmp_path / "stores").exists()


def test_a_drop_that_breaks_half_way_leaves_nothing(tmp_path: Path) -> None:
    source = drop(tmp_path / "drop")
    (source / "meta/info.json").write_text(json.dumps({"codebase_version": "v2.1", "fps": 20}))
    (source / "data/loop").symlink_to(NOWHERE)
    (source / "data/unreadable").mkdir()
    lake = Lake(tmp_path / "lake")

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(source, GR1, lake, progress=interrupt)
    assert list(lake.stores.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        *(("fps", said, "a rate in Hz") for said in ("fast", "20", 0, -5, True, None, [20], math.nan, math.inf, 1e308)),
        *(("chunks_size", said, "a whole number from 1 up") for said in ("many", 0, 2.5)),
        *(("total_episodes", said, "a whole number from 0 up") for said in ("many", -1, None, [2])),
        ("total_frames", "x" * 9_000, "a whole number from 0 up"),
    ],
)
def test_a_number_of_info_that_cannot_be_is_refused(tmp_path: Path, name: str, said: object, expected: str) -> None:
    source, lake = drop(tmp_path / "drop"), Lake(tmp_path / "lake")
    change_json(source / "meta/info.json", **{name: said})
    told = rf"drop/meta/info.json: {name} is {re.escape(repr(said)[:60])}, expected {expected}"
    for take in (lambda: ingest(source, GR1, lake), lambda: reader_for(source).look(source, GR1)):
        with pytest.raises(StoreError, match=told):
            take()
    assert not list(lake.stores.iterdir())


def test_names_are_safe() -> None:
    assert store_name("../.. my drop/ü") == "my-drop"
    assert store_name("///") == "drop"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real PickNPlace data is not here (../shared/data)")
def test_real_teleoperation(tmp_path: Path) -> None:
    store = ingest(REAL, GR1, Lake(tmp_path))
    assert len(store.rows) == 5 and sum(row.length for row in store.rows) == 2096
    assert store.cameras == ("ego_view",) and store.state(0).shape == (416, 44)
    assert store.texts(0, GR1.language_key)[0].startswith("pick the pear")
