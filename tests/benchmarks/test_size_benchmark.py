"""The published size of 2.7 billion parameters, for real: 12 GB of memory, 20 GB of disk, several minutes."""

from pathlib import Path

import pytest

from benchmarks import size


@pytest.mark.slow
def test_the_published_size_trains_is_exported_and_acts(tmp_path: Path) -> None:
    lake, base = size.lake_with_demonstrations(tmp_path / "lake"), tmp_path / "base"
    size.child("make", base)
    line, holds = size.case("LoRA rank 32", lake, base)
    assert holds, line
