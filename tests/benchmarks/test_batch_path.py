"""The files that a batch passes from disk: found as they run, and not many."""

from benchmarks.house.batch_path import above_ground, batch_path

MOST = 12
"""Files above the ground floor."""


def test_a_batch_passes_few_files() -> None:
    found = batch_path()
    assert {"gr00t_data/disk.py", "gr00t_data/batches/loader.py", "gr00t_data/video/files.py"} <= set(found)
    assert "gr00t_data/batches/mixture/build.py" not in found, "what is done before the batch does not count"
    assert len(above_ground(found)) <= MOST, above_ground(found)
