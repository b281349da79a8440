"""From a drop to accepted episodes with wrists that count, and the kitchen clip with hands that a detector found."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches.loader import Loader
from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.human.detector.environment import mediapipe_python
from gr00t_data.sources.human.ingest import ingest_human
from gr00t_data.sources.human.settings import HumanSettings
from gr00t_data.stages.stores import check
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from gr00t_model.shell.hands import COULD_NOT_DETECT
from tests.data.sources.human.ego_films import turning
from tests.data.sources.human.hand_files import motion, write_egodex
from tests.shell import invoke

HANDS = load_embodiment("human_hands")
KITCHEN = Path(__file__).parents[5] / "shared/data/ego"
WRIST = HumanSettings(labels="wrist", faces="none")
FRAMES = 60


def egodex_drop(drop: Path, sizes: dict[str, int]) -> Path:
    """Videos of 60 frames whose tracks have as many poses as stated; ``gone`` has a left hand that is lost for 20."""
    (drop / "fold_towel").mkdir(parents=True)
    for seed, (name, poses) in enumerate(sizes.items()):
        view = turning([(FRAMES / 30, 0.02)], seed=seed)
        video.encode(drop / f"fold_towel/{name}.mp4", view, 30)
        doubt = np.where((np.arange(poses) >= 20) & (np.arange(poses) < 40), 0.1, 0.9)
        lost = {"leftHand": doubt} if name == "gone" else None
        write_egodex(drop / f"fold_towel/{name}.hdf5", motion(poses, seed), confidence=lost)
    return drop


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    sizes = {"0": FRAMES, "gone": FRAMES, "short": FRAMES - 7}
    ingest_human(egodex_drop(lake.root / "drop", sizes), HANDS, lake, name="egodex", settings=WRIST)
    return lake


def test_wrists_of_egodex_count_where_they_are_known(lake: Lake) -> None:
    store = EpisodeStore.open(lake.stores / "egodex")
    index = check(lake, store, HANDS)
    assert len(index.accepted) == 2 and store.about.absent == () and store.licence == "CC-BY-NC-ND-4.0"
    manifest = build_manifest("m", HANDS, [(store, index, 1.0)], held_out_share=0)
    loader = Loader(
        [Member(manifest, measure([(store, index)], HANDS), HANDS)],
        batch_size=64,
        horizon=16,
        max_state_dim=64,
        max_action_dim=32,
        with_images=False,
    )
    batch = loader.batch_of(loader.samples(0))
    assert batch.action_mask is not None and batch.action is not None
    left, right = (HANDS.action_part(f"{side}_wrist_position").start for side in ("left", "right"))
    known = batch.action_mask[:, :, [left, right]].float().mean((0, 1)).tolist()
    assert known[0] < 0.9 < known[1]
    assert batch.action[batch.action_mask].abs().max() < 1.1


def test_tracks_of_another_length_are_a_verdict_with_its_reason(lake: Lake) -> None:
    (refused,) = EpisodeStore.open(lake.stores / "egodex").about.source.refused
    assert "short.hdf5" in refused.reason and "(53, 4, 4), the video has 60 frames" in refused.reason


def test_the_sheet_from_the_shell(lake: Lake, tmp_path: Path) -> None:
    out = tmp_path / "hands.png"
    shown = invoke(["hands", "sheet", str(lake.stores / "egodex"), "--out", str(out), "--json"])
    assert shown.exit_code == 0 and out.is_file()
    assert invoke(["hands", "sheet", str(tmp_path), "--out", str(out)]).exit_code == COULD_NOT_DETECT


@pytest.mark.slow
@pytest.mark.skipif(mediapipe_python() is None, reason="no MediaPipe here: `gr00t hands setup` makes its environment")
@pytest.mark.skipif(not KITCHEN.is_dir(), reason="the kitchen clip is not here (../shared/data/ego)")
def test_three_clips_of_the_kitchen_show_hands(tmp_path: Path) -> None:
    shutil.copytree(KITCHEN, tmp_path / "drop", copy_function=shutil.copyfile)
    lake = Lake(tmp_path / "lake")
    store = ingest_human(tmp_path / "drop", HANDS, lake, settings=HumanSettings(hands="mediapipe", faces="none"))
    index = check(lake, store, HANDS)
    said = [row.source.hands for row in store.rows]
    assert [one["mode"] for one in said] == ["action-free"] * 3 and len(index.accepted) == 3
    assert [one["shares"]["any"] >= least for one, least in zip(said, (1.0, 1.0, 0.7), strict=True)] == [True] * 3
    assert all(one["licence"] == "Apache-2.0" for one in said) and "Apache-2.0" in store.licence
    assert store.about.absent == ("action", "state")
