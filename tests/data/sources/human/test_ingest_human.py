"""A drop of footage becomes a sealed store: what it holds, what is refused, and that nothing is done twice."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from gr00t_data.disk import folder_digests
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.human.ingest import ingest_human
from gr00t_data.sources.human.reading import MASKED
from gr00t_data.sources.human.settings import ClipSettings, HumanSettings
from gr00t_data.stages.stores import check
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.films import film, only_sound
from tests.data.sources.human.ego_films import calm_film, epic_csv, turning

HANDS = load_embodiment("human_hands")
PLAIN = HumanSettings(faces="none")


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two kitchens, one with a glance aside, four narrations of which three become clips."""
    root = tmp_path_factory.mktemp("drops") / "kitchens"
    film(root / "P07_01.mp4", turning([(2.0, 0.05), (0.3, 1.5), (1.7, 0.05)], seed=1), fps=30, sound=True)
    calm_film(root / "P07_02.mp4", 3.0, seed=2)
    rows = [("a", "P07_01", 0.0, 4.0, "#C C picks up the cup"), ("b", "P07_01", 9.0, 10.0, "wash it")]
    rows += [("c", "P07_02", 0.0, 1.5, "open door"), ("d", "P07_02", 1.5, 3.0, "close door")]
    epic_csv(root / "narrations.csv", rows)
    return root


@pytest.fixture(scope="module")
def store(drop: Path, tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    return ingest_human(drop, HANDS, Lake(tmp_path_factory.mktemp("lake")), settings=PLAIN)


def test_what_the_store_holds(store: EpisodeStore) -> None:
    assert (store.kind, store.about.embodiment, store.licence) == ("human", "human_hands", "CC-BY-NC-4.0")
    assert store.sealed and sorted(store.about.absent) == ["action", "state"]
    assert [row.instruction for row in store.rows] == ["pick up the cup", "open door", "close door"]
    assert [row.length for row in store.rows] == [80, 30, 30] and store.fps == 20
    said = store.row(0).source.facts()
    assert said is not None
    assert (said["participant"], said["dataset"], said["video"]) == ("P07", "epic-kitchens-100", "P07_01.mp4")
    assert (said["start_s"], said["end_s"], said["original"]) == (0.0, 4.0, "#C C picks up the cup")
    assert said["licence"] == "CC-BY-NC-4.0" and "EPIC-KITCHENS-100" in said["consent"]
    assert said["extra"]["verb"] == "pick-up" and len(said["video_sha256"]) == 64
    (refused,) = store.about.source.refused
    assert refused.episode == "b" and "lies outside" in refused.reason


def test_nothing_but_pictures_is_written(store: EpisodeStore) -> None:
    path = store.video_path(0, "ego_view")
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert (container.streams.video[0].width, container.streams.video[0].height) == (256, 256)
    assert store.row(0).source.facts()["frames"]["sound_dropped"]
    assert not store.state(0).any() and not store.action(0).any()


def test_a_masked_stretch_is_not_in_the_keep_range(store: EpisodeStore, tmp_path: Path) -> None:
    masked = np.flatnonzero(store.matrix(0, MASKED)[:, 0])
    assert masked.min() == pytest.approx(40, abs=2) and masked.max() == pytest.approx(45, abs=2)
    index = check(Lake(tmp_path), store, HANDS)
    assert len(index.accepted) == 3
    first, finding = index.verdicts[0], next(f for f in index.verdicts[0].findings if f.code == "MASK-01")
    assert finding.frames == (masked.min() - 1, masked.max())
    kept = np.concatenate([np.arange(start, end) for start, end in first.keep])
    future = kept[:, None] + np.arange(HANDS.action_horizon + 1)
    assert not np.isin(future, masked).any()
    assert len(kept) == 80 - len(masked) - 1 - (HANDS.action_horizon - 1)


def test_the_same_drop_again_is_a_no_op_and_another_is_refused(drop: Path, store: EpisodeStore, tmp_path: Path) -> None:
    lake, before = Lake(store.root.parent.parent), folder_digests(drop)
    stamps = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    assert ingest_human(drop, HANDS, lake, settings=PLAIN).digest == store.digest
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == stamps
    assert folder_digests(drop) == before
    with pytest.raises(StoreError, match="another settings"):
        ingest_human(drop, HANDS, lake, settings=PLAIN.model_copy(update={"clips": ClipSettings(longest_s=2)}))
    other = shutil.copytree(drop, tmp_path / "kitchens")
    calm_film(other / "P07_02.mp4", 3.0, seed=3)
    with pytest.raises(StoreError, match="another content"):
        ingest_human(other, HANDS, lake, settings=PLAIN)


_KILLED = """
import os, signal, sys
from pathlib import Path
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.human.ingest import ingest_human
from gr00t_data.sources.human.settings import HumanSettings
def die(done, total):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
drop, lake = map(Path, sys.argv[1:])
ingest_human(drop, load_embodiment("human_hands"), Lake(lake), settings=HumanSettings(faces="none"), progress=die)
"""


def test_a_killed_ingest_goes_on_and_gives_the_same_bytes(drop: Path, store: EpisodeStore, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED, str(drop), str(tmp_path)]
    assert subprocess.run(command, env=os.environ, check=False).returncode == -signal.SIGKILL
    begun = tmp_path / "stores/kitchens"
    made = (begun / "videos/chunk-000/observation.images.ego_view/episode_000000.mp4").stat().st_mtime_ns
    assert not (begun / "meta/seal.json").exists()
    with pytest.raises(StoreError, match="was begun with another"):
        ingest_human(drop, HANDS, Lake(tmp_path), settings=PLAIN.model_copy(update={"licence": "MIT"}))
    again = ingest_human(drop, HANDS, Lake(tmp_path), settings=PLAIN)
    assert again.digest == store.digest
    assert (again.video_path(0, "ego_view")).stat().st_mtime_ns == made


def test_a_drop_that_gave_no_clip_can_be_tried_again_otherwise(drop: Path, store: EpisodeStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no clip could be made"):
        ingest_human(drop, HANDS, Lake(tmp_path), settings=PLAIN.model_copy(update={"labels": "wrist"}))
    assert ingest_human(drop, HANDS, Lake(tmp_path), settings=PLAIN).digest == store.digest


def test_bad_videos_are_refused_and_the_others_stay(drop: Path, tmp_path: Path) -> None:
    root = shutil.copytree(drop, tmp_path / "mixed")
    (root / "narrations.csv").unlink()
    only_sound(root / "sound.mp4")
    (root / "empty.mp4").write_bytes(b"")
    whole = (root / "P07_02.mp4").read_bytes()
    (root / "torn.mp4").write_bytes(whole[: len(whole) // 2])
    (root / "copy.mp4").write_bytes(whole)
    said = {"consent": "signed", "clips": ClipSettings(instruction="tidy up"), "licence": "CC0-1.0"}
    settings = PLAIN.model_copy(update=said)
    made = ingest_human(root, HANDS, Lake(tmp_path), settings=settings)
    reasons = {one.episode: one.reason for one in made.about.source.refused}
    assert "holds no video stream (it holds audio)" in reasons["sound.mp4"]
    assert "not a readable video" in reasons["empty.mp4"] and "not a readable video" in reasons["torn.mp4"]
    assert "holds the same bytes as" in reasons["copy.mp4"] + reasons.get("P07_02.mp4", "")
    assert {row.instruction for row in made.rows} == {"tidy up"} and made.licence == "CC0-1.0"
    assert all(row.source.hands["mode"] == "action-free" for row in made.rows)


def test_one_damaged_place_does_not_cost_the_video(tmp_path: Path) -> None:
    path = calm_film(tmp_path / "drop/v.mp4", 8.0)
    content = bytearray(path.read_bytes())
    middle = slice(int(0.45 * len(content)), int(0.6 * len(content)))
    content[middle] = b"\xff" * (middle.stop - middle.start)
    path.write_bytes(content)
    rows = [("a", "v", 0.0, 2.0, "open door"), ("b", "v", 3.5, 4.8, "pour water"), ("c", "v", 6.5, 8.0, "close door")]
    epic_csv(tmp_path / "drop/a.csv", rows)
    store = ingest_human(tmp_path / "drop", HANDS, Lake(tmp_path), settings=PLAIN)
    assert [row.instruction for row in store.rows] == ["open door", "close door"]
    (refused,) = store.about.source.refused
    assert "cannot be decoded" in refused.reason or "lists" in refused.reason


def test_a_drop_of_which_nothing_can_be_used_is_no_store(tmp_path: Path) -> None:
    only_sound((tmp_path / "drop").mkdir() or tmp_path / "drop/a.mp4")
    with pytest.raises(StoreError, match=r"no clip could be made.*no video stream"):
        ingest_human(tmp_path / "drop", HANDS, Lake(tmp_path), settings=PLAIN.model_copy(update={"consent": "yes"}))


def test_footage_without_consent_and_wrists_without_depth_are_refused(drop: Path, tmp_path: Path) -> None:
    root = tmp_path / "phone"
    calm_film(root / "a.mp4", 2.0)
    settings = PLAIN.model_copy(update={"clips": ClipSettings(instruction="wash the cup")})
    with pytest.raises(StoreError, match="nobody says that the people in it agreed"):
        ingest_human(root, HANDS, Lake(tmp_path / "one"), settings=settings)
    with pytest.raises(StoreError, match="has no wrists in space"):
        ingest_human(drop, HANDS, Lake(tmp_path / "two"), settings=PLAIN.model_copy(update={"labels": "wrist"}))


def test_a_stated_licence_is_added_to_a_known_one(drop: Path, tmp_path: Path) -> None:
    made = ingest_human(drop, HANDS, Lake(tmp_path), settings=PLAIN.model_copy(update={"licence": "CC-BY-NC-ND-4.0"}))
    assert made.licence == "CC-BY-NC-4.0 AND CC-BY-NC-ND-4.0"
