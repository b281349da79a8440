"""Paths in a configuration go with the lake, those of folders that are not there yet too."""

from pathlib import Path

from gr00t_data.lake import Lake
from gr00t_model.lineage.paths import located_fields, portable_fields


def test_a_cache_that_is_not_there_yet_lies_in_the_lake_of_the_file(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name / "stores").mkdir(parents=True)
    here, there = Lake(tmp_path / "here"), Lake(tmp_path / "there")
    written = portable_fields({"data": {"cache": str(here.cache)}}, here.runs / "a/run.json")
    assert str(here.root) not in str(written)
    assert located_fields(written, there.runs / "a/run.json") == {"data": {"cache": str(there.cache)}}
    elsewhere = {"data": {"cache": str(tmp_path / "elsewhere")}}
    assert located_fields(portable_fields(elsewhere, here.runs / "a/run.json"), here.runs / "a/run.json") == elsewhere
