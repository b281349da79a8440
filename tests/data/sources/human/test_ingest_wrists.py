"""EgoDex from the drop to a store with wrist labels, or without them."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from gr00t_data.batches.values.masks import wholly_masked
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.human.ingest import ingest_human
from gr00t_data.sources.human.settings import ClipSettings, HumanSettings, LabelSettings
from gr00t_data.stages.stores import check
from gr00t_data.store.store import EpisodeStore
from tests.data.films import film
from tests.data.sources.human.ego_films import turning
from tests.data.sources.human.hand_files import motion, write_egodex

HANDS = load_embodiment("human_hands")
SECONDS = 2.0


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drops") / "egodex"
    for number in range(2):
        frames = turning([(SECONDS, 0.05)], seed=number)
        film(root / f"fold_towel/{number}.mp4", frames, fps=30)
        path = write_egodex(root / f"fold_towel/{number}.hdf5", motion(len(frames), seed=number))
        with h5py.File(path, "a") as file:
            file.attrs["llm_description"] = f"Fold towel {number}."
    return root


def ingested(drop: Path, lake: Path, **settings) -> EpisodeStore:
    return ingest_human(drop, HANDS, Lake(lake), settings=HumanSettings(faces="none", **settings))


def test_wrist_labels_are_slowed_down_and_count(drop: Path, tmp_path: Path) -> None:
    store = ingested(drop, tmp_path, labels="wrist", wrists=LabelSettings(slow_down=2.0))
    assert [row.length for row in store.rows] == [80, 80] and store.about.absent == ()
    assert [row.instruction for row in store.rows] == ["fold towel 0", "fold towel 1"]
    assert not wholly_masked(store, "action") and not wholly_masked(store, "state")
    assert np.ptp(store.state(0), axis=0).max() > 0.01
    shown_s = store.matrix(0, "source_time_s")[:, 0]
    assert np.abs(shown_s - np.arange(80) / 40).max() <= 0.5 / 30 + 1e-6
    assert store.row(0).source.hands["mode"] == "wrist" and "CC-BY-NC-ND-4.0" in store.licence
    assert store.row(0).source.facts()["frames"]["rows_repeating_a_frame"] > 0


def test_the_same_drop_without_labels(drop: Path, tmp_path: Path) -> None:
    store = ingested(drop, tmp_path, clips=ClipSettings(longest_s=1.5))
    assert [row.length for row in store.rows] == [20, 20, 20, 20]
    assert wholly_masked(store, "action") and wholly_masked(store, "state")
    assert not store.state(0).any() and store.matrix(0, "hand_count").max() == 2
    assert all(verdict.accepted for verdict in check(Lake(tmp_path), store, HANDS).verdicts)
