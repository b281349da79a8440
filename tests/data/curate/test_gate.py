"""The gate on clips with planted defects: scores kept apart, thresholds from real episodes, reasons kept."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gr00t_data.curate.gate import GateError, Thresholds, calibrate, gate_store, judge, score_store
from gr00t_data.curate.gate_scores import SCORES
from gr00t_data.curate.gate_sheet import write_sheet
from gr00t_data.episode import Episode
from gr00t_data.sources.neural.oracle import DEFECTS, Wanted, dream
from gr00t_data.store import EpisodeStore, StoreError
from tests.data.builders import GR1

SIDE, ROWS = 64, 30


def film(seed: int) -> np.ndarray:
    """uint8 [30, 64, 64, 3]: a textured ball that circles over a textured table."""
    generator = np.random.default_rng(seed)
    table = generator.integers(70, 130, (SIDE, SIDE, 1)).repeat(3, 2).astype(np.uint8)
    shown = np.repeat(table[None], ROWS, axis=0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    turn = generator.uniform(0, 6) + np.arange(ROWS) / (5 + 2 * (seed % 5)) * (-1) ** seed
    for number in range(ROWS):
        y, x = SIDE / 2 + 18 * np.sin(turn[number]), SIDE / 2 + 18 * np.cos(turn[number])
        shown[number][(rows - y) ** 2 + (columns - x) ** 2 < 60] = (220, 60 + 20 * (seed % 5), 40)
    return shown


def motion(seed: int, speed: float = 1.0) -> np.ndarray:
    phase = np.random.default_rng(seed).uniform(0, 6, 44)
    return 0.2 * np.sin(speed * np.arange(ROWS)[:, None] / 10 + phase)


def clip(seed: int, **changes) -> Episode:
    fields = {
        "instruction": f"circle {seed}",
        "times_s": np.arange(ROWS) / 20,
        "state": np.zeros((ROWS, 44)),
        "action": motion(seed),
        "video": {"ego_view": film(seed)},
        "columns": {"label_spread": np.full(ROWS, 0.1), "label_votes": np.full(ROWS, 16)},
    }
    return Episode(**{**fields, **changes})


def labelled(root: Path, clips: list[Episode]) -> EpisodeStore:
    writer = EpisodeStore.create(root, GR1, kind="neural", licence="Apache-2.0", absent=["state"])
    for one in clips:
        writer.append(one)
    return writer.seal()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    return labelled(tmp_path_factory.mktemp("real") / "real", [clip(seed) for seed in range(5)])


@pytest.fixture(scope="module")
def thresholds(real: EpisodeStore) -> Thresholds:
    return calibrate([(real, score_store(real, GR1))])


def test_real_episodes_set_the_thresholds(real: EpisodeStore, thresholds: Thresholds, tmp_path: Path) -> None:
    assert thresholds.false_rejects == 0 and thresholds.limits.keys() <= SCORES.keys()
    assert thresholds.measured == {real.digest: [0, 1, 2, 3, 4]}
    thresholds.save(tmp_path / "t.json")
    assert Thresholds.load(tmp_path / "t.json") == thresholds
    with pytest.raises(GateError, match="no real episode"):
        calibrate([])


def test_each_defect_is_seen_by_its_own_score(real: EpisodeStore, thresholds: Thresholds, tmp_path: Path) -> None:
    seen = {"freeze": "frozen", "scene_cut": "scene_cut", "teleport": "teleport", "blur": "blur", "idle_tail": "frozen"}
    store = dream(real, GR1, [Wanted(1), *(Wanted(2, defect) for defect in seen)], tmp_path / "dreams")
    clips = score_store(store, GR1)
    judged = judge(clips, thresholds)
    assert judged[0].reasons == ()
    for one, (defect, name) in zip(judged[1:], seen.items(), strict=True):
        assert any(reason.startswith(name) for reason in one.reasons), (defect, one)
    assert clips[0].values["disagreement"] != clips[0].values["disagreement"]  # not labelled: NaN, which rejects nobody


def test_every_defect_leaves_a_film() -> None:
    one, other = film(0), film(1)
    for name, plant in DEFECTS.items():
        found = plant(one, other, np.random.default_rng(0))
        assert found.dtype == np.uint8 and found.shape[1:] == one.shape[1:], name
        assert found.shape != one.shape or not np.array_equal(found, one), name
    with pytest.raises(ValueError, match="no defect 'melt'"):
        dream(None, GR1, [Wanted(0, "melt")], Path("nowhere"))  # type: ignore[arg-type]


def test_actions_that_no_robot_makes(real: EpisodeStore, thresholds: Thresholds, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, (ROWS, 44))
    clips = [
        clip(10, action=motion(10, speed=8)),
        clip(11, action=motion(11) + noise),
        clip(12, action=motion(12) + 6),
        clip(13, columns={"label_spread": np.full(ROWS, 0.9), "label_votes": np.full(ROWS, 16)}),
        clip(19),
        clip(19, action=motion(15)),
    ]
    store = labelled(tmp_path / "clips", clips)
    judged = judge(score_store(store, GR1), thresholds)
    names = [{reason.split()[0] for reason in one.reasons} for one in judged]
    assert "velocity" in names[0] and "jerk" in names[1] and "limits" in names[2]
    assert names[3:] == [{"disagreement"}, set(), {"duplicate"}]


def test_accepted_clips_are_sealed_and_rejected_ones_named(thresholds: Thresholds, tmp_path: Path) -> None:
    store = labelled(tmp_path / "clips", [clip(20), clip(21, action=motion(21) + 6), clip(22)])
    clips = score_store(store, GR1)
    accepted = gate_store(store, GR1, clips, thresholds, tmp_path / "accepted")
    assert [row.instruction for row in accepted.rows] == ["circle 20", "circle 22"]
    assert accepted.kind == "neural" and accepted.about["absent"] == ["state"]
    rejected = accepted.about["source"]["rejected"]
    assert [one["episode"] for one in rejected] == [1] and rejected[0]["reasons"][0].startswith("limits")
    np.testing.assert_array_equal(accepted.matrix(1, "label_spread"), store.matrix(2, "label_spread"))
    assert gate_store(store, GR1, clips, thresholds, tmp_path / "accepted").digest == accepted.digest
    other = Thresholds({**thresholds.limits, "jerk": 1e9}, {}, 0.0)
    with pytest.raises(StoreError, match="other clips or thresholds"):
        gate_store(store, GR1, clips, other, tmp_path / "accepted")
    sheet = Image.open(write_sheet(tmp_path / "sheet.png", store, judge(clips, thresholds)))
    assert sheet.size == (6 * 96 + 360, 3 * 96)


def test_a_store_without_labels_is_not_judged(real: EpisodeStore, thresholds: Thresholds, tmp_path: Path) -> None:
    store = dream(real, GR1, [Wanted(0)], tmp_path / "dreams")
    with pytest.raises(GateError, match="label it first"):
        gate_store(store, GR1, score_store(store, GR1), thresholds, tmp_path / "no")


def test_the_first_frame_is_compared_with_the_one_given(real: EpisodeStore) -> None:
    given = {0: film(0)[0], 1: 255 - film(1)[0]}
    clips = score_store(real, GR1, given)
    assert clips[0].values["first_frame"] < 5 and clips[1].values["first_frame"] > 12
    assert np.isnan(clips[2].values["first_frame"])
