"""The marker says what a drop is, and so who reads it."""

from pathlib import Path

import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.human.settings import HumanSettings
from gr00t_data.sources.landing.landing import ROBOT_KINDS, changes, drops, look, take_in
from gr00t_data.stages.stores import check, sealed_stores
from gr00t_data.store.store import StoreError, sealed_in
from tests.data.sources.human.ego_films import calm_film, epic_csv
from tests.data.sources.neural.drops import listed, movie
from tests.pipelines.drops import GR1, put


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def marked(drop: Path, text: str) -> Path:
    (drop / "_SUCCESS").write_text(text)
    return drop


def generated(lake: Lake, name: str, clips: int = 2) -> Path:
    """A drop of generated clips with their manifest."""
    drop = lake.landing / name
    for number in range(clips):
        movie(drop / f"{number}.mp4", seed=number)
    lines = [{"file": f"{n}.mp4", "instruction": "pour the tea", "view": "single", "fps": 8} for n in range(clips)]
    return marked(listed(drop, *lines), "kind: neural\nlicence: CC-BY-4.0\nembodiment: gr1\n")


def test_generated_clips_land(lake):
    drop = generated(lake, "dreamed")
    put(lake, "monday", episodes=1)
    assert {one.key: one.kind for one in drops(lake)} == {"dreamed": "neural", "monday": None}
    assert [one.key for one in look(lake, {}, 0.0, None, kinds=("neural",)).ready] == ["dreamed"]
    assert [one.key for one in look(lake, {}, 0.0, None, kinds=("real",)).ready] == ["monday"]
    store = take_in(lake, "dreamed", GR1)
    store.verify()
    assert (store.kind, store.licence, len(store.rows)) == ("neural", "CC-BY-4.0", 2)
    assert store.about.absent == ("state", "action")
    assert {verdict.episode_index for verdict in check(lake, store, GR1).verdicts} == {0, 1}
    assert take_in(lake, "dreamed", GR1).digest == store.digest
    assert [one.key for one in look(lake, {}, 0.0, None).ready] == ["monday"]
    assert [one.root.name for one in sealed_stores(lake, GR1)] == ["dreamed"]
    drop.rename(lake.landing / "renamed")
    assert take_in(lake, "renamed", GR1).root == store.root


def test_a_killed_landing_of_clips_goes_on(lake):
    generated(lake, "dreamed", clips=3)

    def die(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_in(lake, "dreamed", GR1, progress=die)
    assert sealed_stores(lake, GR1) == [] and [one.key for one in look(lake, {}, 0.0, None).ready] == ["dreamed"]
    digest = take_in(lake, "dreamed", GR1).digest
    other = Lake(lake.root.parent / "other")
    generated(other, "dreamed", clips=3)
    assert take_in(other, "dreamed", GR1).digest == digest


def test_generated_demonstrations_with_labels_are_taken_over_as_they_are(lake):
    marked(put(lake, "labelled", episodes=1), "kind: neural\n")
    store = take_in(lake, "labelled", GR1)
    assert store.kind == "neural" and store.about.absent is None and store.about.source.format.endswith("v2")


def test_footage_of_people_lands(lake):
    drop = lake.landing / "kitchen"
    calm_film(drop / "P07_02.mp4", 2.0, seed=2)
    epic_csv(drop / "narrations.csv", [("c", "P07_02", 0.0, 1.8, "open door")])
    marked(drop, "kind: human\n")
    (one,) = look(lake, {}, 0.0, None, kinds=("human",)).ready
    assert one.key == "kitchen" and look(lake, {}, 0.0, None, kinds=ROBOT_KINDS).ready == ()
    hands = load_embodiment("human_hands")
    store = take_in(lake, "kitchen", hands, human=HumanSettings(faces="none"))
    assert (store.kind, store.licence, len(store.rows)) == ("human", "CC-BY-NC-4.0", 1)
    assert look(lake, {}, 0.0, None).ready == () and changes(lake) == {}
    (drop / "P07_02.mp4").touch()
    assert changes(lake) == {} and look(lake, {}, 0.0, None).ready == ()


def test_a_drop_without_clips_is_refused_in_words(lake):
    (lake.landing / "empty").mkdir(parents=True)
    (lake.landing / "empty/readme.txt").touch()
    marked(lake.landing / "empty", "kind: neural\n")
    with pytest.raises(StoreError, match="holds no generated clip"):
        take_in(lake, "empty", GR1)
    assert not lake.stores.exists() or list(lake.stores.iterdir()) == []


def test_a_marker_that_cannot_be_read_says_so_when_the_drop_is_taken_in(lake):
    marked(put(lake, "monday", episodes=1), "kind: dreamed\n")
    assert [one.key for one in look(lake, {}, 0.0, None).ready] == ["monday"]
    with pytest.raises(StoreError, match="leave it empty, or write embodiment, licence, kind"):
        take_in(lake, "monday", GR1)


@pytest.mark.parametrize("said", ["kind: neural\n", "kind: real\n", "kind: human\n", ""])
def test_a_link_out_of_a_drop_is_refused_whoever_reads_it(lake, said, tmp_path):
    secret = movie(tmp_path / "secret.mp4")
    drop = marked(generated(lake, "dreamed"), said)
    (drop / "2_steal_this.mp4").symlink_to(secret)
    with pytest.raises(StoreError, match="is a link out of the dataset"):
        take_in(lake, "dreamed", GR1)
    assert not lake.stores.exists() or list(lake.stores.iterdir()) == []


def test_a_drop_that_is_itself_a_link_is_refused(lake, tmp_path):
    made = put(Lake(tmp_path / "elsewhere"), "monday", episodes=1)
    lake.landing.mkdir(parents=True)
    (lake.landing / "monday").symlink_to(made)
    assert "is a link out of" in look(lake, {}, 0.0, None).waiting["monday"]
    with pytest.raises(StoreError, match=f"monday: is a link out of .*to {made}.*copy"):
        take_in(lake, "monday", GR1)
    assert not sealed_in(lake.stores)
