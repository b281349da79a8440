"""Statistics: known values, what is measured, and the published stats.json."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics, measured_digest
from gr00t_data.batches.values.masks import read_parts
from gr00t_data.curate.build import build_index
from gr00t_data.curate.index import Index
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.builders import GR1

MEASURES = ("mean", "std", "min", "max", "q01", "q99")
Sources = list[tuple[EpisodeStore, Index]]


def test_known_values() -> None:
    statistics = PartStatistics.of(np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [5.0, 5.0]]))
    assert statistics.count == 4 and statistics.mean == (2.0, 5.0) and statistics.std == (np.sqrt(3.5), 0.0)
    assert statistics.min == (0.0, 5.0) and statistics.max == (5.0, 5.0)
    # Rank 0.03 and 2.97 of the sorted values 0, 1, 2, 5.
    np.testing.assert_allclose([statistics.q01[0], statistics.q99[0]], [0.03, 4.91])
    with pytest.raises(ValueError, match="the same width"):
        replace(statistics, min=(0.0,))


def test_only_accepted_episodes_are_measured(sources: Sources) -> None:
    statistics = measure(sources, GR1)
    arm = statistics.state["right_arm"]
    kept = [(store, v.episode_index) for store, index in sources for v in index.accepted]
    rows = np.concatenate([store.state(index) for store, index in kept])[:, 22:29]
    assert arm.count == len(rows) == 20 + 24 + 18 + 22
    np.testing.assert_allclose(arm.mean, rows.mean(0))
    np.testing.assert_allclose(arm.q99, np.quantile(rows, 0.99, axis=0))
    assert statistics.measured == measured_digest((store.digest, index) for store, index in reversed(kept))
    assert statistics.embodiment == "gr1" and set(statistics.action) == {part.name for part in GR1.action}


def test_a_store_is_read_once(sources: Sources, tmp_path: Path) -> None:
    first = measure(sources, GR1, kept=tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2 * len(sources) and first == measure(sources, GR1)
    before = [path.stat().st_mtime_ns for path in files]
    assert measure(sources, GR1, kept=tmp_path) == first
    assert [path.stat().st_mtime_ns for path in files] == before  # nothing was counted again


def test_a_damaged_or_replaced_tally_is_counted_again(sources: Sources, tmp_path: Path, caplog) -> None:
    first = measure(sources, GR1, kept=tmp_path)
    files = sorted(tmp_path.iterdir())
    whole, places = files[0].read_bytes(), np.random.default_rng(0)
    for damage in range(21):
        content = bytearray(whole)
        content[places.integers(len(content))] ^= 1 << places.integers(8)
        files[0].write_bytes(content if damage < 20 else files[2].read_bytes())
        caplog.clear()
        assert measure(sources, GR1, kept=tmp_path) == first
        assert f"{files[0]}: is not the file that was written; it is made again" in caplog.text
        assert files[0].read_bytes() == whole


def test_a_source_weighs_its_share(sources: Sources) -> None:
    statistics = measure(sources, GR1, weights=[3.0, 1.0])
    alone = [measure([source], GR1).state["right_arm"] for source in sources]
    np.testing.assert_allclose(statistics.state["right_arm"].mean, np.dot([0.75, 0.25], [one.mean for one in alone]))
    assert statistics.shares == {sources[0][0].digest: 0.75, sources[1][0].digest: 0.25}
    with pytest.raises(ValueError, match=r"one positive weight for each of 2 sources, found \[1.0, 0.0\]"):
        measure(sources, GR1, weights=[1.0, 0.0])


def test_saved_and_loaded(statistics: NormStats, tmp_path: Path) -> None:
    statistics.save(tmp_path / "statistics.json")
    loaded = NormStats.load(tmp_path / "statistics.json")
    assert loaded == statistics and loaded.digest == statistics.digest
    (tmp_path / "other.json").write_text('{"embodiment": "gr1"}')
    with pytest.raises(ValueError, match=r"other.json: not normalization statistics.*measure them again"):
        NormStats.load(tmp_path / "other.json")


def test_nothing_to_measure(sources: Sources) -> None:
    store, index = sources[0]
    none = replace(index, verdicts=index.rejected)
    with pytest.raises(ValueError, match=r"no accepted episode to measure in .*simulated"):
        measure([(store, none)], GR1)
    with pytest.raises(ValueError, match="changed after the check"):
        measure([(store, sources[1][1])], GR1)


def test_a_part_beyond_its_column(sources: Sources) -> None:
    wide = replace(GR1.state_part("waist"), end=45)
    with pytest.raises(StoreError, match=r"has 44 values a row, part 'waist' ends at 45"):
        read_parts(sources[0][0], 0, [wide])


@pytest.mark.parametrize(("published_behaviour", "tolerance"), [(False, 1e-5), (True, 1e-7)])
def test_published_statistics(
    pick_n_place: EpisodeStore, tmp_path: Path, published_behaviour: bool, tolerance: float
) -> None:
    index = build_index(pick_n_place, GR1, tmp_path)
    statistics = measure([(pick_n_place, index)], GR1, published_behaviour=published_behaviour)
    published = json.loads((pick_n_place.root / "meta/stats.json").read_text())
    for column, parts in (("observation.state", statistics.state), ("action", statistics.action)):
        for name in MEASURES:
            found = np.concatenate([getattr(part, name) for part in parts.values()])
            np.testing.assert_allclose(
                found, published[column][name], atol=tolerance, rtol=0, err_msg=f"{column} {name}"
            )
