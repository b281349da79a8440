"""What the benchmark of the gate computes, on numbers known beforehand."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.neural.gate import wanted_defects
from benchmarks.neural.gate_measures import auroc, markdown, rejected_by, rejected_share, table, without_duplicates
from benchmarks.neural.gate_real import pieces
from gr00t_data.curate.copies.fingerprints import Fingerprint
from gr00t_data.curate.gate.scores import SCORES, ClipScores
from gr00t_data.curate.gate.thresholds import Thresholds
from gr00t_data.sources.neural.oracle.oracle import DEFECTS
from tests.data.builders import GR1, episode, sealed

NONE = Fingerprint(("s", 0), "", np.zeros((1, 1), dtype=np.float32))


def scored(**values: float) -> ClipScores:
    return ClipScores({**dict.fromkeys(SCORES, float("nan")), **values}, {}, NONE)


def test_auroc_of_known_numbers() -> None:
    good = np.array([1.0, 2, 3, 4])
    assert auroc(np.array([5.0, 9]), good) == 1 and auroc(np.array([0.0]), good) == 0
    assert auroc(good, good) == 0.5 and auroc(np.array([2.0]), good) == pytest.approx(1.5 / 4)
    assert np.isnan(auroc(np.array([np.nan]), good)) and auroc(np.array([np.nan, 9]), good) == 1


def test_the_table_names_defect_and_score() -> None:
    clean = [scored(jerk=1.0, frozen=0.0), scored(jerk=2.0, frozen=0.0)]
    bad = {"freeze": [scored(jerk=1.5, frozen=0.5)]}
    auc = table(bad, clean)
    assert auc["freeze"]["frozen"] == 1 and auc["freeze"]["jerk"] == 0.5 and np.isnan(auc["freeze"]["flow"])
    shown = markdown({"auroc": auc, "caught": {"freeze": 1.0}, "clips": {"freeze": 1}})
    assert "| freeze | 1 | 1.00 |" in shown and "flow" not in shown
    limits = without_duplicates(Thresholds({"frozen": 0.1, "duplicate": 0.8}, {}, 0.0))
    assert rejected_share([*clean, *bad["freeze"]], limits) == pytest.approx(1 / 3)
    assert rejected_by(bad["freeze"], limits) == {"frozen": 1} and "duplicate" not in limits.limits


def test_defects_are_spread_over_the_tasks(tmp_path: Path) -> None:
    tasks = ["reach"] * 4 + ["push"] * 4
    store = sealed(tmp_path / "s", [episode(6, seed, source={"task": task}) for seed, task in enumerate(tasks)])
    wanted = wanted_defects(store, list(range(8)), 2, 1.0)
    assert {one.defect for one in wanted} == set(DEFECTS)
    assert [one.episode for one in wanted if one.defect == "freeze"] == [0, 7]
    assert [one.episode for one in wanted if one.defect == "carry"] == [4, 7]


def test_recorded_episodes_are_cut_to_the_length_of_clips(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [episode(130, 0), episode(70, 1), episode(20, 2)])
    cut = pieces(store, GR1, tmp_path / "cut")
    assert [row.length for row in cut.rows] == [64, 64, 64]
    np.testing.assert_array_equal(cut.action(1), store.action(0)[64:128])
    assert [row.source.facts()["piece_of"] for row in cut.rows] == [0, 0, 1]
