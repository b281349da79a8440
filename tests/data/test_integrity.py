"""A recorded folder is opened only as it was; every byte counts, and a file is hashed once."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from gr00t_data.integrity import (
    RECORD,
    IntegrityError,
    digest_of,
    read_sealed,
    require_intact,
    write_record,
    write_sealed,
)
from gr00t_data.lake import Lake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "weights.safetensors").write_bytes(bytes(1000))
    (tmp_path / "inner/statistics.json").write_text('{"mean": 1.25}')
    (tmp_path / "metrics.json").write_text("{}")
    write_record(tmp_path, free=("metrics.json",))
    return tmp_path


def test_a_folder_as_it_was_opens_also_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    assert require_intact(folder)
    moved = tmp_path_factory.mktemp("moved") / "folder"
    folder.rename(moved)
    assert require_intact(moved)


def test_without_a_record_nothing_is_known(tmp_path: Path):
    assert not require_intact(tmp_path)


def test_what_may_change_is_as_it_was_written_before_it_leaves_the_house(folder: Path):
    write_sealed(folder / "metrics.json", {"loss": 0.5})
    assert require_intact(folder, asked=True)
    path = folder / "metrics.json"
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.1"))
    assert require_intact(folder)
    with pytest.raises(IntegrityError, match=r"metrics\.json: is not the file that was written"):
        require_intact(folder, asked=True)
    path.unlink()
    assert require_intact(folder, asked=True)


@pytest.mark.parametrize("name", ["weights.safetensors", "inner/statistics.json"])
def test_one_changed_bit_is_seen_whatever_the_stamp_says(folder: Path, name: str):
    assert require_intact(folder)
    path, before = folder / name, (folder / name).stat()
    content = bytearray(path.read_bytes())
    content[7] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(IntegrityError, match=f"{name} is not the recorded file.*copy the whole folder again"):
        require_intact(folder)


def test_files_that_went_or_came_are_named(folder: Path):
    (folder / "weights.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"weights\.safetensors is gone; model\S+json was added"):
        require_intact(folder)


def test_what_no_loader_reads_and_what_is_free_may_change(folder: Path):
    (folder / "README.md").write_text("mine")
    (folder / "metrics.json").write_text('{"step": 1}')
    assert require_intact(folder)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"sha256": 3, "free": []}'])
def test_a_damaged_record_is_no_record(folder: Path, text: str):
    (folder / RECORD).write_text(text)
    with pytest.raises(IntegrityError, match=r"is no record of digests|not valid JSON"):
        require_intact(folder)


def test_an_unchanged_file_is_hashed_once(folder: Path):
    weights = folder / "weights.safetensors"
    opened: list[str] = []

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]) == str(weights.resolve()):
            opened.append(event)

    time.sleep(0.2)  # a file that changed a moment ago is read every time
    sys.addaudithook(note)  # what Python itself says of every file that is opened; there is no way to take it off again
    first = [digest_of(weights) for _ in range(3)]
    assert len(set(first)) == 1 and len(opened) == 1
    weights.write_bytes(weights.read_bytes() + b"x")
    assert digest_of(weights) != first[0]


def test_a_sealed_file_is_read_as_it_was_written(tmp_path: Path):
    for value in ({}, {"a": 1}, {"text": 'ä"{', "deep": [{"x": None}], "zz": 1.5}):
        write_sealed(tmp_path / "one.json", value)
        assert read_sealed(tmp_path / "one.json") == value
    assert json.loads((tmp_path / "one.json").read_text())["zz"] == 1.5, "other programs read it as JSON"


def test_no_bit_of_a_sealed_file_may_change(tmp_path: Path):
    path = tmp_path / "one.json"
    write_sealed(path, {"fps": 20, "text": "pick the apple"})
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError, match=r"one\.json.*(is not the file that was written|not valid JSON).*copy"):
            read_sealed(path)
    path.write_bytes(whole[:-3])
    with pytest.raises(IntegrityError, match="is not the file"):
        read_sealed(path)


def test_a_file_without_a_seal_is_read_as_it_is(tmp_path: Path):
    (tmp_path / "old.json").write_text('{"digest": 1}')
    assert read_sealed(tmp_path / "old.json") == {"digest": 1}
    with pytest.raises(ValueError, match="field named seal"):
        write_sealed(tmp_path / "new.json", {"seal": 3})


def test_a_pointer_under_the_name_of_another_is_refused(tmp_path: Path):
    lake = Lake(tmp_path)
    (tmp_path / "made").mkdir()
    lake.point("one", tmp_path / "made", "a")
    written = (tmp_path / "current/one.json").read_bytes()
    (tmp_path / "current/two.json").write_bytes(written)
    assert lake.pointed("one") == (tmp_path / "made", "a")
    with pytest.raises(IntegrityError, match=r"two\.json: is the pointer one, copied or renamed; make again"):
        lake.pointed("two")
    write_sealed(tmp_path / "current/old.json", {"path": "made", "digest": "a"})
    assert lake.pointed("old") == (tmp_path / "made", "a")
