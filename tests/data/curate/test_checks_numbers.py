"""The number of a row among all rows: gaps are fine, a number that is given twice is not."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gr00t_data.curate.copies.duplicates import Contents
from gr00t_data.curate.metadata.numbers import META_17, check_numbers
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, change_parquet, episode, sealed

LENGTHS = (20, 15, 25, 20)


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    return sealed(tmp_path / "s", [episode(rows, seed) for seed, rows in enumerate(LENGTHS)])


def number(store: EpisodeStore, index: int, values: np.ndarray) -> None:
    def change(table: pa.Table) -> pa.Table:
        return table.set_column(table.column_names.index("index"), "index", pa.array(values.astype(np.int64)))

    change_parquet(store, index, change)


def found(store: EpisodeStore) -> dict[int | None, str]:
    findings = list(check_numbers(Contents(store, GR1)))
    assert {finding.code for _, finding in findings} <= {META_17.code}
    return {index: finding.message for index, finding in findings}


def test_a_whole_set_and_one_with_episodes_taken_out(store: EpisodeStore) -> None:
    assert found(store) == {}
    for index, rows in enumerate(LENGTHS):  # as after every other episode was deleted: gaps, and another order
        number(store, index, 1000 * (4 - index) + np.arange(rows))
    assert found(store) == {}


def test_one_that_starts_again_is_named(store: EpisodeStore) -> None:
    number(store, 2, np.arange(25))
    (place,) = found(store).items()
    assert place[0] == 2 and "episode 2: index goes from 0, a number that rows of other episodes have" in place[1]


def test_all_that_start_again_are_one_finding(store: EpisodeStore) -> None:
    for index, rows in enumerate(LENGTHS):
        number(store, index, np.arange(rows))
    (place,) = found(store).items()
    assert place[0] is None and "3 of 4 episodes (1, 2, 3) begin with a number" in place[1]


def test_one_that_does_not_count_its_rows(store: EpisodeStore) -> None:
    values = 35 + np.arange(25)
    values[10:] += 1
    number(store, 2, values)
    assert "episode 2 frame 10: index does not go on by one a row" in found(store)[2]
