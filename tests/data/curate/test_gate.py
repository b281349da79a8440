"""The gate on clips with planted defects: scores kept apart, thresholds from real episodes, reasons kept."""

import gc
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gr00t_data.curate.gate import gate
from gr00t_data.curate.gate.gate import ask_judge, judge, score_store, seal_accepted
from gr00t_data.curate.gate.opinion import Judge
from gr00t_data.curate.gate.scores import SCORES
from gr00t_data.curate.gate.sheet import write_sheets
from gr00t_data.curate.gate.thresholds import GateError, Thresholds, calibrate
from gr00t_data.sources.neural.oracle.oracle import Wanted, dream
from gr00t_data.store.episode import Episode
from gr00t_data.store.store import EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter
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
    writer = StoreWriter.create(root, GR1, kind="neural", licence="Apache-2.0", absent=["state"])
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
    assert thresholds.measured == {real.digest: [0, 1, 2, 3, 4]} and len(thresholds.calibrated_on) == 64
    assert not thresholds.promised  # five episodes cannot promise one in twenty
    thresholds.save(tmp_path / "t.json")
    assert Thresholds.load(tmp_path / "t.json") == thresholds
    with pytest.raises(GateError, match="no real episode"):
        calibrate([])
    (tmp_path / "odd.json").write_text('{"limits": {"beauty": 1}, "measured": {}, "false_rejects": 0}')
    with pytest.raises(GateError, match="no score 'beauty'"):
        Thresholds.load(tmp_path / "odd.json")


def test_each_defect_is_seen_by_its_own_score(real: EpisodeStore, thresholds: Thresholds, tmp_path: Path) -> None:
    seen = {"freeze": "frozen", "scene_cut": "scene_cut", "teleport": "teleport", "blur": "blur", "idle_tail": "frozen"}
    store = dream(real, GR1, [Wanted(1), *(Wanted(2, defect) for defect in seen)], tmp_path / "dreams")
    clips = score_store(store, GR1)
    judged = judge(clips, thresholds)
    assert judged[0].reasons == ()
    for one, (defect, name) in zip(judged[1:], seen.items(), strict=True):
        assert any(reason.startswith(name) for reason in one.reasons), (defect, one)
    assert clips[0].values["disagreement"] != clips[0].values["disagreement"]  # not labelled: NaN, which rejects nobody


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
    judged = judge(clips, thresholds)
    accepted = seal_accepted(store, GR1, judged, thresholds, tmp_path / "accepted", slot=25)
    assert [row.instruction for row in accepted.rows] == ["circle 20", "circle 22"]
    assert accepted.kind == "neural" and accepted.about.absent == ("state",) and accepted.about.slot == 25
    rejected = accepted.about.source.rejected
    assert [one["episode"] for one in rejected] == [1] and rejected[0]["reasons"][0].startswith("limits")
    np.testing.assert_array_equal(accepted.matrix(1, "label_spread"), store.matrix(2, "label_spread"))
    assert seal_accepted(store, GR1, judged, thresholds, tmp_path / "accepted", slot=25).digest == accepted.digest
    other = Thresholds({**thresholds.limits, "jerk": 1e9}, {}, 0.0)
    with pytest.raises(StoreError, match="other clips or thresholds"):
        seal_accepted(store, GR1, judged, other, tmp_path / "accepted", slot=25)
    (page,) = write_sheets(tmp_path, store, judged)
    assert Image.open(page).size == (6 * 96 + 440, 3 * 96)


def test_a_killed_gate_goes_on_with_the_same_decisions_only(
    thresholds: Thresholds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = labelled(tmp_path / "clips", [clip(23), clip(24)])
    judged = judge(score_store(store, GR1), thresholds)
    whole = seal_accepted(store, GR1, judged, thresholds, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "seal", lambda writer: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            seal_accepted(store, GR1, judged, thresholds, tmp_path / "killed")
    gc.collect()  # a killed process holds no lock
    other = Thresholds({**thresholds.limits, "jerk": 1e9}, {}, 0.0)
    with pytest.raises(StoreError, match="was begun with another set of clips, thresholds or decisions"):
        seal_accepted(store, GR1, judged, other, tmp_path / "killed")
    gc.collect()
    assert seal_accepted(store, GR1, judged, thresholds, tmp_path / "killed").digest == whole.digest


def test_a_store_without_labels_is_not_judged(real: EpisodeStore, thresholds: Thresholds, tmp_path: Path) -> None:
    store = dream(real, GR1, [Wanted(0)], tmp_path / "dreams")
    with pytest.raises(GateError, match="label it first"):
        seal_accepted(store, GR1, judge(score_store(store, GR1), thresholds), thresholds, tmp_path / "no")


def test_the_first_frame_is_compared_with_the_one_given(real: EpisodeStore) -> None:
    given = {0: film(0)[0], 1: 255 - film(1)[0]}
    clips = score_store(real, GR1, given)
    assert clips[0].values["first_frame"] < 10 and clips[1].values["first_frame"] > 40
    assert np.isnan(clips[2].values["first_frame"])


def test_scores_are_measured_once(real: EpisodeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = score_store(real, GR1, kept=tmp_path)
    monkeypatch.setattr(gate, "score_clip", None)  # measuring again would call it
    again = score_store(real, GR1, kept=tmp_path)
    for index, one in first.items():
        assert again[index].frames == one.frames
        np.testing.assert_equal(again[index].values, one.values)


def test_a_judge_can_reject_and_its_silence_does_not(
    real: EpisodeStore, thresholds: Thresholds, tmp_path: Path
) -> None:
    program = tmp_path / "judge.py"
    program.write_text(
        "import json, sys\nasked = json.load(sys.stdin)"
        "\nassert 'circle' in asked['prompt'] and len(asked['frames']) == 3"
        '\nif asked[\'instruction\'] == \'circle 0\': print(\'I think {"verdict": "reject", "reason": "no robot"}\')'
        "\nelif asked['instruction'] == 'circle 1': print('well')"
        "\nelse: print(json.dumps({'verdict': 'accept', 'reason': ''}))\n"
    )
    judged = judge(score_store(real, GR1), thresholds)
    found = ask_judge(real, judged, Judge((sys.executable, str(program)), frames=3, timeout_s=30))
    assert [one.accepted for one in found] == [False, True, True, True, True]
    assert found[0].reasons == ("judge: no robot",)
    assert found[1].opinion is not None and found[1].opinion.verdict is None and "no JSON" in found[1].opinion.problem
    accepted = seal_accepted(real, GR1, found, thresholds, tmp_path / "accepted")
    source = accepted.rows[0].source.facts()
    assert source is not None and source["judge"]["problem"] and "circle 1" in source["judge"]["prompt"]
