"""The gate as one call: clips of the simulator in, an accepted store and a report out; again, and it is a no-op."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gr00t_data.curate.gate import gate as gates
from gr00t_data.curate.gate.scores import SCORES
from gr00t_data.curate.gate.thresholds import GateError, Thresholds
from gr00t_data.disk import read_json
from gr00t_data.lake import Lake
from gr00t_data.sources.neural.oracle.oracle import Wanted, dream
from gr00t_data.store.store import EpisodeStore
from gr00t_model.stages.gate import GateSettings, free_slot, gate_store
from tests.data.builders import GR1
from tests.data.sources.neural.roll_outs import PICK, PUSH, REACH, rolled_out

LIMITS = {"replay_robot": 4.0, "replay_scene": 12.0, "frozen": 0.15, "target": 0.0, "first_frame": 20.0}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    store = rolled_out(lake.stores / "simulator", 128)
    wanted = [Wanted(REACH), Wanted(PUSH), Wanted(PICK), Wanted(PUSH, "freeze")]
    wanted += [Wanted(PICK, "vanish"), Wanted(PICK, "wrong_object"), Wanted(PICK, "carry")]
    dream(store, GR1, wanted, lake.stores / "dreams", truth=lake.stores / "dreams-true")
    return lake


def decided(folder: Path) -> dict[int, list[str]]:
    """Clip -> names of the scores that spoke against it."""
    report = read_json(folder / "report.json")
    return {one["episode"]: [reason.split()[0] for reason in one["reasons"]] for one in report["decisions"]}


def test_defects_are_named_and_the_rest_is_sealed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EpisodeStore.open(lake.stores / "dreams-true")
    settings = GateSettings(Thresholds(LIMITS, {}, 0.0), slot=free_slot(GR1))
    told: list[tuple[str, int, int]] = []
    accepted, folder = gate_store(lake, store, GR1, settings=settings, progress=lambda *now: told.append(now))
    reasons = decided(folder)
    assert [reasons[index] for index in range(3)] == [[], [], []] and len(accepted.rows) == 3
    assert "frozen" in reasons[3] and "replay_scene" in reasons[4] and "target" in reasons[5]
    assert "replay_robot" in reasons[6]
    assert accepted.about.slot == 25 and accepted.kind == "neural" and accepted.root.parent == lake.stores
    report = read_json(folder / "report.json")
    assert report["accepted"] == 3 and report["kept_share"] == 3 / 7 and report["rejected_by"]["frozen"] == 1
    assert set(report["decisions"][0]["scores"]) == set(SCORES)
    assert Image.open(folder / "sheet-1.png").size[1] == 7 * 96
    assert told[-1] == ("scoring", 7, 7)
    monkeypatch.setattr(gates, "score_clip", None)  # measuring again would call it
    again, there = gate_store(lake, store, GR1, settings=settings)
    assert again.digest == accepted.digest and there == folder


def test_a_change_of_settings_is_another_store(lake: Lake) -> None:
    store = EpisodeStore.open(lake.stores / "dreams-true")
    strict = GateSettings(Thresholds({**LIMITS, "frozen": 0.5}, {}, 0.0))
    accepted, folder = gate_store(lake, store, GR1, settings=strict)
    assert len(accepted.rows) == 3 + (decided(folder)[3] == []) and accepted.about.slot is None
    without = GateSettings(Thresholds(LIMITS, {}, 0.0), replay=False)
    _, unreplayed = gate_store(lake, store, GR1, settings=without)
    assert unreplayed != folder and decided(unreplayed)[5] == []


def test_real_episodes_set_the_thresholds(lake: Lake) -> None:
    store = EpisodeStore.open(lake.stores / "dreams-true")
    real = EpisodeStore.open(lake.stores / "simulator")
    _, folder = gate_store(lake, store, GR1, real=[real], name="calibrated")
    thresholds = Thresholds.load(folder / "thresholds.json")
    assert thresholds.measured == {real.digest: [0, 1, 2]} and thresholds.calibrated_on and not thresholds.promised
    assert thresholds.limits["replay_robot"] > 0 and np.isfinite(list(thresholds.limits.values())).all()


def test_what_cannot_be_judged(lake: Lake) -> None:
    hidden, true = (EpisodeStore.open(lake.stores / name) for name in ("dreams", "dreams-true"))
    loose = GateSettings(Thresholds(LIMITS, {}, 0.0))
    with pytest.raises(GateError, match="label it first"):
        gate_store(lake, hidden, GR1, settings=loose)
    with pytest.raises(GateError, match="no real episode"):
        gate_store(lake, true, GR1)
    other = GateSettings(Thresholds(LIMITS, {}, 0.0, idm="a" * 64))
    with pytest.raises(GateError, match="was labelled by the model None, the thresholds were set with labels of aaaa"):
        gate_store(lake, true, GR1, settings=other)
    nobody = GateSettings(Thresholds({"velocity": -1.0}, {}, 0.0))
    with pytest.raises(GateError, match="none of 7 clips is accepted: velocity"):
        gate_store(lake, true, GR1, settings=nobody, name="nobody")
    assert list((lake.root / "gate").glob("nobody-*/report.json"))


def test_the_slot_of_generated_episodes() -> None:
    assert free_slot(GR1) == 25
