"""The recorded numbers of the published data layer: statistics, transforms, rotations, images, mixtures.

The comparisons, with their tolerances, are in ``benchmarks/recorded``; ``python -m benchmarks.parity`` prints them.
"""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmarks.recorded.items import compare, data_items
from benchmarks.recorded.recording import Comparison, Item, Recordings, close, equal, uncompared, within
from benchmarks.recorded.vectors import configurations

RECORDINGS = Recordings.from_environment()


@pytest.mark.parametrize("name", data_items(RECORDINGS))
def test_recorded_numbers_of_the_data_layer(name: str) -> None:
    result = compare(name, RECORDINGS)
    if result.absent:
        pytest.skip(result.absent)
    assert result.comparisons and not result.failures, "\n".join(result.failures[:20])


def test_absent_items_say_what_is_missing(tmp_path: Path) -> None:
    empty = Recordings(tmp_path, tmp_path)
    assert configurations(empty) == []
    for name in data_items(empty):
        result = compare(name, empty)
        assert str(tmp_path) in result.absent and not result.comparisons


def test_a_difference_is_seen() -> None:
    assert close([1.0, 2.0], [1.0, 2.002], "v", "g", 1e-3).error == pytest.approx(0.002 / 2.002)
    assert within([1.0], [1.5], "v", "g", 0.5).holds and not within([1.0], [1.6], "v", "g", 0.5).holds
    assert not close([float("nan")], [1.0], "v", "g").holds
    assert not close([1.0], [1.0, 1.0], "v", "g").holds
    assert equal(np.array([1, 2, 3]), np.array([1, 0, 0]), "v", "g").error == 2.0
    assert not equal("a", "b", "v", "g").holds and equal({1: 2}, {1: 2}, "v", "g").holds


def test_a_vector_nobody_compares_is_seen(tmp_path: Path) -> None:
    save_file({"a": np.zeros(1), "b": np.zeros(1)}, tmp_path / "outputs.safetensors")
    assert uncompared(Item(tmp_path), [Comparison("outputs/a", "g", 0.0, 0.0)]) == ["outputs/b"]
