"""Parquet within bounds: a small file that unpacks to gigabytes is refused before it is unpacked."""

import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from gr00t_data.limits import TABLE_BYTES
from gr00t_data.store.tables import TableError, declared_bytes, opened_table, read_table


def blob_bomb(path: Path) -> Path:
    """4,000 equal values of 1 MB: 4 GB in a file of some kilobytes."""
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 4000, pa.int32()), pa.array([b"\0" * (1 << 20)]))
    table = pa.table({"x": values.cast(pa.dictionary(pa.int32(), pa.binary()))})
    parquet.write_table(table, path, compression="zstd")
    return path


def number_bomb(path: Path) -> Path:
    """40 million numbers, 320 MB, in a file of some kilobytes."""
    rows = pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array([0.0] * 4_000_000), 40)})
    with parquet.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for _ in range(10):
            writer.write_table(rows)
    return path


def test_numbers_are_added_up_before_they_are_read(tmp_path: Path) -> None:
    path = number_bomb(tmp_path / "bomb.parquet")
    assert path.stat().st_size < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TableError, match=r"bomb\.parquet: \d+ bytes unpack to 0\.3 GiB \(1000000 rows\)"):
        read_table(path, limit_bytes=256 << 20)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_repeated_texts_are_read_in_small_batches(tmp_path: Path) -> None:
    path = blob_bomb(tmp_path / "bomb.parquet")
    assert path.stat().st_size < 1 << 20
    with pytest.raises(TableError, match=r"unpacks to more than 0\.1 GiB"):
        read_table(path, limit_bytes=128 << 20)


def test_an_honest_file_is_read_as_it_is(tmp_path: Path) -> None:
    columns = {
        "a": pa.array([1, 2, 3], pa.int32()),
        "a.b": pa.array([[1.0], [2.0], [3.0]], pa.list_(pa.float32(), 1)),
        "text": pa.array(["x", None, "ü"]),
    }
    table = pa.table(columns).replace_schema_metadata({"huggingface": "{}"})
    parquet.write_table(table, tmp_path / "t.parquet")
    table = parquet.ParquetFile(tmp_path / "t.parquet").read()
    found = read_table(tmp_path / "t.parquet")
    assert found.equals(table) and found.schema.equals(table.schema, check_metadata=True)
    assert read_table(tmp_path / "t.parquet", ["a"]).column_names == ["a"]
    with opened_table(tmp_path / "t.parquet") as file:
        assert 3 * 4 + 3 * 4 <= declared_bytes(file.metadata) < 1000 < TABLE_BYTES
    with pytest.raises(TableError, match=r"column 'b' is missing; the file holds \['a', 'a\.b', 'text'\]"):
        read_table(tmp_path / "t.parquet", ["b"])


def test_damaged_files_are_named(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": list(range(1000))}), whole := tmp_path / "whole.parquet")
    with pytest.raises(TableError, match=r"gone\.parquet: no such file"):
        read_table(tmp_path / "gone.parquet")
    for name, content in {"cut": whole.read_bytes()[:-20], "empty": b"", "other": b"PK\x03\x04" * 50}.items():
        (tmp_path / f"{name}.parquet").write_bytes(content)
        with pytest.raises(TableError, match=rf"{name}\.parquet: cannot be read as parquet"):
            read_table(tmp_path / f"{name}.parquet")
