"""meta/stats.json and the declared columns: missing, torn, not finite, of other rows; each says file and remedy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gr00t_data.curate.checks.kept import without_frames
from gr00t_data.curate.checks.masked import MASK_01
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.metadata.stats import META_09, check_stats
from gr00t_data.curate.robust import FEWEST, MANY, median_of_others, usual, usual_extent
from gr00t_data.curate.subject.subject import Whole
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, change_info, episode, sealed, unsealed

STATS = "meta/stats.json"


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    """A store whose statistics are those of its rows."""
    made = unsealed(sealed(tmp_path / "s", [episode(), episode(seed=1)]))
    table = {column: measured(made, column) for column in ("observation.state", "action")}
    (made.root / STATS).write_text(json.dumps(table))
    return made


def measured(store: EpisodeStore, column: str) -> dict[str, list[float]]:
    rows = np.concatenate([store.matrix(row.index, column) for row in store.rows])
    quantiles = {"q01": np.quantile(rows, 0.01, axis=0), "q99": np.quantile(rows, 0.99, axis=0)}
    every = {"mean": rows.mean(0), "std": rows.std(0), "min": rows.min(0), "max": rows.max(0), **quantiles}
    return {key: values.tolist() for key, values in every.items()}


def found(store: EpisodeStore) -> list[Finding]:
    return list(check_stats(Whole(store, GR1)))


def only(store: EpisodeStore, code: str, severity: str) -> str:
    """The message of the one finding there is."""
    (finding,) = found(store)
    assert (finding.code, finding.severity) == (code, severity)
    return finding.message


def change(store: EpisodeStore, **entries: Any) -> None:
    """Change what is said of the action; None takes the entry out."""
    stats = json.loads((store.root / STATS).read_text())
    stats["action"] |= entries
    stats["action"] = {key: value for key, value in stats["action"].items() if value is not None}
    (store.root / STATS).write_text(json.dumps(stats))


def test_statistics_of_the_rows_are_not_complained_of(store: EpisodeStore) -> None:
    assert found(store) == []


def test_no_statistics_and_torn_ones(store: EpisodeStore) -> None:
    path = store.root / STATS
    path.write_text(path.read_text()[:300])
    assert only(store, "STATS-01", "error").startswith(f"{path}: not valid JSON (")
    path.unlink()
    assert only(store, "STATS-01", "warning").startswith(f"{path}: no such file; the published GR00T loader computes")


@pytest.mark.parametrize("content", ["[]", "3", '{"action": []}'])
def test_statistics_of_no_column(store: EpisodeStore, content: str) -> None:
    (store.root / STATS).write_text(content)
    assert [finding.message.partition(": ")[2] for finding in found(store)] == [
        f"says nothing about {column!r}; measure it again" for column in ("observation.state", "action")
    ]


@pytest.mark.parametrize(("key", "severity"), [("q01", "warning"), ("q99", "warning"), ("min", "error")])
def test_a_key_that_is_missing(store: EpisodeStore, key: str, severity: str) -> None:
    change(store, **{key: None})
    assert f"'action' has no {key}; the GR00T loader stops" in only(store, "STATS-01", severity)


@pytest.mark.parametrize("value", ["none", [["a"] * 44], {"of": 1}])
def test_what_is_no_number(store: EpisodeStore, value: Any) -> None:
    change(store, mean=value)
    assert "'action' holds something else than numbers" in only(store, "STATS-02", "error")


def test_what_is_not_finite(store: EpisodeStore) -> None:
    change(store, std=[float("nan")] * 44, max=[float("inf")] * 44)
    assert "'action': std, max holds NaN or infinity" in only(store, "STATS-02", "error")


def test_another_width_than_the_rows(store: EpisodeStore) -> None:
    change(store, q99=[0.0] * 43)
    assert "q99 has 43 values, the rows have 44" in only(store, "STATS-03", "error")


def test_statistics_of_other_rows(store: EpisodeStore) -> None:
    stats = json.loads((store.root / STATS).read_text())["action"]
    change(store, mean=[one + 0.2 * std for one, std in zip(stats["mean"], stats["std"], strict=True)])
    assert "is off by 0.20 standard deviations and 0.0 % of the rows" in only(store, "STATS-03", "warning")
    change(store, mean=stats["mean"], max=[one - 0.05 for one in stats["max"]])
    assert "of the rows lie outside its min and max" in only(store, "STATS-03", "error")


def test_rows_that_are_not_finite_are_not_measured(tmp_path: Path) -> None:
    action = np.zeros((20, 44))
    action[3, 3] = np.nan
    store = unsealed(sealed(tmp_path / "s", [episode(action=action)]))
    (store.root / STATS).write_text(json.dumps({c: measured(store, "observation.state") for c in ("action",)}))
    assert [finding.code for finding in found(store)] == ["STATS-01"]  # of the state, which is not named


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (None, "has no names, expected 44"),
        ([], "has no names, expected 44"),
        (["a", "b"], "has 2 names for shape [44]"),
    ],
)
def test_names_of_the_dimensions(store: EpisodeStore, names: Any, words: str) -> None:
    features = {**store.info["features"], "action": {**store.info["features"]["action"], "names": names}}
    assert f"feature 'action' {words}" in only(change_info(store, features=features), META_09.code, "warning")
    features["action"] |= {"names": {"motors": [str(n) for n in range(44)]}}
    assert found(change_info(store, features=features)) == []


def test_another_width_than_declared(store: EpisodeStore) -> None:
    names = [str(n) for n in range(43)]
    features = {**store.info["features"], "action": {"dtype": "float32", "shape": [43], "names": names}}
    message = only(change_info(store, features=features), "META-10", "error")
    assert "'action' declares 43 values a row, the files hold 44" in message


@pytest.mark.parametrize("count", [9, MANY + 1])
def test_what_is_usual_is_not_moved_by_one(count: int) -> None:
    """Few are judged without themselves, many with all: one among them moves neither centre nor spread."""
    values = 5 + np.arange(float(count)) % 3 - 1
    values[0] = 1e6
    centre, spread = usual(values, 0.1)
    assert np.abs(centre - 5).max() <= 0.5 and np.abs(median_of_others(values) - 5).max() <= 0.5
    assert spread.min() >= 0.1 and spread.max() <= 1.4826 and (values[0] - centre[0]) / spread[0] > 1e5


def test_too_few_have_no_usual() -> None:
    values = np.array([1.0, 2.0, np.nan, np.nan, np.nan])
    assert all(np.isnan(found).all() for found in usual(values, 0.1))
    whole = np.arange(float(FEWEST))
    assert np.isfinite(usual(whole, 0.1)[0]).all() and np.isnan(usual(whole[1:], 0.1)[0]).all()
    assert usual(np.ones(5), 0.25)[1].tolist() == [0.25] * 5  # never less than the floor


def test_an_episode_that_runs_away_does_not_set_the_extent() -> None:
    swing = np.sin(np.arange(100) / 5)[:, None]
    usual_one = usual_extent([swing] * 7)
    with_wild = usual_extent([swing] * 7 + [1000 * swing])
    assert usual_one[0] == pytest.approx(0.7, abs=0.05) and with_wild[0] < 2 * usual_one[0]
    assert np.isnan(usual_extent([np.full((4, 1), np.nan)] * 3)).all()


def test_what_a_finding_leaves_out_of_the_frames() -> None:
    """A masked stretch goes with every chunk that reaches into it; without a stretch, or a rule, nothing goes."""
    reach = GR1.action_horizon - 1
    assert without_frames(((0, 200),), MASK_01, (100, 110), GR1) == ((0, 100 - reach), (111, 200))
    assert without_frames(((0, 200),), MASK_01, None, GR1) == ((0, 200),)
    assert without_frames(((0, 200),), META_09, (100, 110), GR1) == ((0, 200),)
    assert without_frames(((0, 50), (60, 90)), MASK_01, (0, 300), GR1) == ()
