"""When a drop counts, and what happens to drops that are not what they seem."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from gr00t_data.lake import Lake
from gr00t_data.sources.landing import landing
from gr00t_data.sources.landing.drop import describe, key_of
from gr00t_data.sources.landing.landing import changes, look, take_in
from gr00t_data.sources.landing.marker import marker_of
from gr00t_data.sources.landing.records import landed
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.pipelines.drops import GR1, put

QUIET_S = 60.0


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def ready(lake: Lake, memory=None, now_s: float = 0.0, quiet_s: float | None = QUIET_S) -> list[str]:
    return [drop.key for drop in look(lake, memory or {}, now_s, quiet_s).ready]


def test_a_marked_drop_counts_at_once_and_a_quiet_one_after_a_while(lake):
    put(lake, "marked")
    put(lake, "quiet", marked=False)
    first = look(lake, {}, 1000.0, QUIET_S)
    assert [drop.key for drop in first.ready] == ["marked"] and "unchanged for 0 of 60 s" in first.waiting["quiet"]
    assert ready(lake, first.memory, 1059.0) == ["marked"]
    assert ready(lake, first.memory, 1060.0) == ["marked", "quiet"]
    assert ready(lake, first.memory, 9999.0, None) == ["marked"]


def test_a_drop_that_grows_waits_anew(lake):
    path = put(lake, "grows", marked=False)
    memory = look(lake, {}, 1000.0, QUIET_S).memory
    (path / "data/more.bin").write_bytes(b"1")
    second = look(lake, memory, 1061.0, QUIET_S)
    assert not second.ready and second.memory["grows"][1] == 1061.0
    (path / "data/more.bin").write_bytes(b"2")  # the same size at another time
    os.utime(path / "data/more.bin", ns=(0, 5))
    assert not look(lake, second.memory, 1130.0, QUIET_S).ready


def test_no_clock_is_trusted(lake):
    path = put(lake, "tomorrow", marked=False)
    for file in path.rglob("*"):
        os.utime(file, (4e9, 4e9))  # the year 2096
    memory = look(lake, {}, 1000.0, QUIET_S).memory
    assert ready(lake, memory, 1060.0) == ["tomorrow"]
    back = look(lake, memory, 400.0, QUIET_S)  # our own clock was set back
    assert not back.ready and ready(lake, back.memory, 460.0) == ["tomorrow"]


@pytest.mark.parametrize("name", ["videos/a.mp4.part", "data/.episode.parquet.Xa81bQ", "x.tmp"])
def test_files_under_way_hold_a_drop_back(lake, name):
    path = put(lake, "copying")
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).touch()
    looked = look(lake, {}, 0.0, 0.0)
    assert not looked.ready and "still being copied" in looked.waiting["copying"]


def test_a_drop_is_taken_in_once(lake):
    put(lake, "monday")
    store = take_in(lake, "monday", GR1)
    assert store.root.name == "monday" and ready(lake) == [] and landed(lake, "monday")
    assert take_in(lake, "monday", GR1).digest == store.digest
    shutil.rmtree(store.root)  # whoever deletes a store wants it again
    assert ready(lake) == ["monday"]


def test_a_renamed_drop_is_the_same_content(lake):
    path = put(lake, "monday")
    store = take_in(lake, "monday", GR1)
    shutil.copytree(path, lake.landing / "copy of monday")
    (key,) = ready(lake)
    assert take_in(lake, key, GR1).root == store.root
    assert [folder.name for folder in lake.stores.iterdir()] == ["monday"] and ready(lake) == []


def test_drops_of_one_shape_and_different_content_are_two(lake):
    path = put(lake, "monday")
    shutil.copytree(path, lake.landing / "tuesday")
    file = lake.landing / "tuesday/meta/tasks.jsonl"
    file.write_text(file.read_text().replace("red", "tan"))
    assert describe(path).shape == describe(lake.landing / "tuesday").shape
    stores = [take_in(lake, name, GR1) for name in ("monday", "tuesday")]
    assert stores[0].digest != stores[1].digest


def test_two_names_never_share_a_store(lake):
    assert key_of("monday") == "monday" and key_of("a b") != key_of("a-b") == "a-b"
    put(lake, "a b", seed=1)
    put(lake, "a-b", seed=2)
    keys = ready(lake)
    assert len({take_in(lake, key, GR1).digest for key in keys}) == 2


def test_a_drop_that_changes_afterwards_is_refused_and_its_store_stays(lake):
    path = put(lake, "monday")
    store = take_in(lake, "monday", GR1)
    os.utime(path / "meta/info.json", (1, 1))  # copied again, nothing new
    assert ready(lake) == ["monday"] and changes(lake) == {} and ready(lake) == []
    file = path / "meta/tasks.jsonl"
    file.write_text(file.read_text().replace("red", "green"))
    assert ready(lake) == ["monday"] and "another name" in changes(lake)["monday"]
    with pytest.raises(StoreError, match="other content"):
        take_in(lake, "monday", GR1)
    EpisodeStore.open(store.root).verify()


def test_a_drop_that_changes_while_it_is_read_leaves_nothing(lake):
    path = put(lake, "monday")

    def grow(done: int, total: int) -> None:
        if done == total:
            (path / "meta/late.json").write_text("{}")

    with pytest.raises(StoreError, match="changed while it was read"):
        take_in(lake, "monday", GR1, progress=grow)
    assert list(lake.stores.iterdir()) == [] and landed(lake, "monday") is None
    take_in(lake, "monday", GR1).verify()


def test_a_drop_larger_than_the_disk_is_refused_before_anything_is_written(lake):
    path = put(lake, "huge")
    with (path / "data/huge.bin").open("wb") as stream:
        stream.truncate(1 << 43)  # eight terabytes of nothing
    with pytest.raises(StoreError, match="nothing was written"):
        take_in(lake, "huge", GR1)
    assert list(lake.stores.iterdir()) == []


def test_two_at_once_make_one_store(lake):
    put(lake, "monday")
    digests: list[str] = []
    threads = [threading.Thread(target=lambda: digests.append(take_in(lake, "monday", GR1).digest)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 3 and len(set(digests)) == 1
    assert [folder.name for folder in lake.stores.iterdir()] == ["monday"]


def test_what_a_kill_left_is_swept_and_never_read(lake):
    put(lake, "monday")
    store = take_in(lake, "monday", GR1)
    shutil.copytree(store.root, lake.stores / ".tuesday.ab12cd3_")
    from gr00t_data.stages.stores import sealed_stores

    assert [one.root.name for one in sealed_stores(lake, GR1)] == ["monday"]
    put(lake, "tuesday", seed=3)
    take_in(lake, "tuesday", GR1)
    assert sorted(folder.name for folder in lake.stores.iterdir()) == ["monday", "tuesday"]


def test_the_marker_may_say_what_the_drop_is(lake):
    path = put(lake, "monday")
    assert marker_of(path).licence is None
    (path / "_SUCCESS").write_text("licence: CC-BY-4.0\nkind: human\n")
    assert (marker_of(path).licence, marker_of(path).kind) == ("CC-BY-4.0", "human")
    (path / "_SUCCESS").write_text("license: MIT\n")
    with pytest.raises(StoreError, match="leave it empty"):
        marker_of(path)
    with pytest.raises(StoreError, match="has no drop"):
        landing.find(lake, "../../etc")
