"""A file that says something about a drop is read where it lies, never through a link; and no link leads out."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gr00t_data.lake import Lake
from gr00t_data.sources.formats.logs import rosbag
from gr00t_data.sources.human.find_hands import read_tracks
from gr00t_data.sources.human.readers import find as find_footage
from gr00t_data.sources.ingest import ingest
from gr00t_data.sources.landing.drop import describe
from gr00t_data.sources.neural.finding import find_clips
from gr00t_data.sources.neural.ingest import ingest_clips
from gr00t_data.sources.recordings.mapping import parse_mapping
from gr00t_data.store.store import StoreError
from tests.data.builders import GR1
from tests.data.sources import test_logs
from tests.data.sources.human.ego_films import calm_film, epic_csv
from tests.data.sources.neural.drops import listed, movie
from tests.data.sources.rig import rig


def linked(path: Path) -> Path:
    """The same file, moved within its folder and linked from its old name."""
    kept = path.rename(path.with_name(f"kept_{path.name}.txt"))
    path.symlink_to(kept)
    return path


def of_bag(drop: Path) -> None:
    test_logs.bag(drop / "run", 2)
    linked(drop / "run/metadata.yaml")
    ingest(drop, rig(drop.parent), Lake(drop.parent / "lake"), mapping=parse_mapping(BAG))


def of_clips(drop: Path) -> None:
    movie(drop / "a.mp4")
    linked(listed(drop, {"file": "a.mp4", "instruction": "push"}) / "manifest.jsonl")
    find_clips(drop)


def of_narrations(drop: Path) -> None:
    calm_film(drop / "P07_01.mp4", 1.0)
    linked(epic_csv(drop / "a.csv", [("n", "P07_01", 0, 1, "wash")]))
    find_footage(drop)


def of_hands(drop: Path) -> None:
    (drop / "a.json").write_text("{}")
    read_tracks(linked(drop / "a.json"), calm_film(drop / "a.mp4", 1.0))


BAG = {**test_logs.MAPPING, "format": rosbag.READER.name, "instruction": {"text": "press"}}


@pytest.mark.parametrize("read", [of_bag, of_clips, of_narrations, of_hands])
def test_what_is_said_of_a_drop_is_not_read_through_a_link(tmp_path: Path, read: Callable[[Path], None]) -> None:
    (tmp_path / "drop").mkdir()
    with pytest.raises(StoreError, match="is a link, and is not read"):
        read(tmp_path / "drop")


def test_a_label_that_is_a_link_refuses_its_clip(tmp_path: Path) -> None:
    for number in range(2):
        movie(tmp_path / f"videos/{number}.mp4", seed=number)
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / f"labels/{number}.txt").write_text("push the cup")
    linked(tmp_path / "labels/1.txt")
    (tmp_path / "labels/2.txt").mkdir()
    movie(tmp_path / "videos/2.mp4", seed=2)
    found = find_clips(tmp_path)
    assert [one.name for one in found.clips] == ["videos/0.mp4"]
    assert {"videos/1.mp4", "videos/2.mp4"} <= {one.episode for one in found.refused}


def test_a_marker_that_is_a_link_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop/a.mcap").touch()
    (tmp_path / "said").write_text("kind: human")
    (tmp_path / "drop/_SUCCESS").symlink_to(tmp_path / "said")
    drop = describe(tmp_path / "drop")
    assert drop.kind is None and "is a link" in drop.marker_fault


def test_no_link_leads_out_of_a_drop(tmp_path: Path) -> None:
    movie(tmp_path / "secret.mp4")
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/1_push.mp4").symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(StoreError, match="is a link out of the dataset"):
        ingest_clips(tmp_path / "clips", GR1, Lake(tmp_path / "lake"))
