"""Thresholds keep their promise: at most 5 % of unseen real episodes, whatever the scores look like."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gr00t_data.curate.copies.fingerprints import Fingerprint
from gr00t_data.curate.gate.scores import SCORES, ClipScores
from gr00t_data.curate.gate.thresholds import FIXED, GateError, calibrate
from gr00t_data.store.provenance import StoreAbout, StoreSource
from gr00t_data.store.store import EpisodeStore

NONE = Fingerprint(("s", 0), "", np.zeros((1, 1), dtype=np.float32))
HEAVY = ("jerk", "replay_scene", "disagreement")


def store(idm: str | None = None) -> EpisodeStore:
    """A sealed store as far as thresholds look at it: a name, a digest, its labels."""
    opened = EpisodeStore(Path("real"), {}, StoreAbout(source=StoreSource(idm=idm)))
    opened.__dict__["digest"] = "d" * 64
    return opened


def episodes(count: int, generator: np.random.Generator) -> dict[int, ClipScores]:
    """Scores with heavy tails, others that are all the same, others that are not known."""
    found: dict[int, ClipScores] = {}
    for number in range(count):
        size = generator.lognormal()  # one cause that several scores share
        values: dict[str, Any] = dict.fromkeys(SCORES, float("nan"))
        values |= {name: float(size * generator.lognormal(0, 0.7)) for name in HEAVY}
        values |= {"frozen": 0.0, "flow": float(generator.normal()), "velocity": float(generator.uniform())}
        found[number] = ClipScores(values, {}, NONE)
    return found


def test_the_share_holds_for_unseen_episodes() -> None:
    generator, rejected = np.random.default_rng(0), []
    for _ in range(12):
        thresholds = calibrate([(store(), episodes(60, generator))])
        assert thresholds.promised and thresholds.false_rejects <= 0.05
        rejected.append(np.mean([bool(thresholds.reasons(one)) for one in episodes(200, generator).values()]))
    assert (
        np.mean(rejected) <= 0.05 + 0.01 and np.mean(rejected) > 0.01
    )  # neither broken nor bought by rejecting nobody


def test_unknown_and_constant_scores() -> None:
    thresholds = calibrate([(store(), episodes(30, np.random.default_rng(1)))])
    assert thresholds.limits["frozen"] == 0.1 and "replay_robot" not in thresholds.limits
    assert thresholds.limits.keys() >= FIXED.keys()
    nothing = ClipScores(dict.fromkeys(SCORES, float("nan")), {}, NONE)
    assert thresholds.reasons(nothing) == []
    bad = ClipScores({**nothing.values, "jerk": 1e9}, {"jerk": 7}, NONE)
    assert thresholds.reasons(bad)[0].startswith("jerk 1e+09") and "frame 7" in thresholds.reasons(bad)[0]


def test_what_they_were_set_by_is_named() -> None:
    one, two = (calibrate([(store(idm), episodes(20, np.random.default_rng(2)))]) for idm in ("a", "b"))
    assert one.limits == two.limits and one.calibrated_on != two.calibrated_on and one.idm == "a"
    with pytest.raises(GateError, match="labelled by different models"):
        calibrate([(store("a"), episodes(3, np.random.default_rng(3))), (store("b"), {})])
