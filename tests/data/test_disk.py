"""Writing survives a full disk and a lake that cannot be written."""

import errno
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gr00t_data.disk import DiskError, digest_json, json_records, read_json, replacing, replacing_folder, write_json

ROOT = Path(__file__).parents[2]


def test_replacing_keeps_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": True})
    with pytest.raises(KeyError), replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert read_json(path) == {"old": True}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_replacing_folder_is_all_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), replacing_folder(tmp_path / "f") as folder:
        (folder / "x").write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with replacing_folder(tmp_path / "f") as folder:
        (folder / "x").write_text("whole")
    assert (tmp_path / "f/x").read_text() == "whole"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "set GR00T_LAKE"), (errno.EACCES, "set GR00T_LAKE")],
)
def test_system_errors_get_a_remedy(tmp_path: Path, number: int, remedy: str) -> None:
    with pytest.raises(DiskError, match=remedy), replacing(tmp_path / "x"):
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_more_leaves_no_half_written_store(tmp_path: Path) -> None:
    """The kernel refuses bytes beyond a limit, as a full disk does: a clear error, and the finished episodes stay."""
    program = f"""
        import resource, signal, sys
        sys.path.insert(0, {str(ROOT)!r})
        from pathlib import Path
        from tests.data.store.test_store import GR1, episode
        from gr00t_data.store.writing import StoreWriter
        writer = StoreWriter.create(Path(sys.argv[1]), GR1, kind="real", licence="x")
        writer.append(episode(0))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
        writer.append(episode(1, rows=200))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "s")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "nothing was left half-written" in result.stderr, result.stderr
    records = sorted(p.name for p in (tmp_path / "s/.pending").glob("*.json"))
    assert records == ["000000.json"]
    assert not list((tmp_path / "s").rglob("*000001*"))


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="no file system here that refuses even root")
def test_read_only_lake() -> None:
    """sysfs refuses new folders to everybody, root included, as a read-only lake does."""
    with pytest.raises(DiskError, match="set GR00T_LAKE to a folder that can be written"):
        write_json(Path("/sys/kernel/lake/current/x.json"), {})


def test_canonical_digest() -> None:
    assert digest_json({"b": 1, "a": [1, 2]}) == digest_json({"a": [1, 2], "b": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 2})


_COPY_BEYOND_A_LIMIT = """
import resource, signal, sys
from pathlib import Path
from gr00t_data.disk import DiskError, copy_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    copy_file(Path(sys.argv[1]), Path(sys.argv[2]))
except DiskError as error:
    print("refused", error)
"""


def test_a_copy_that_the_disk_takes_a_part_of_is_an_error(tmp_path):
    """A full disk takes the first bytes of a write and refuses the next one."""
    (tmp_path / "large").write_bytes(b"x" * 20_000)
    command = [sys.executable, "-c", _COPY_BEYOND_A_LIMIT, str(tmp_path / "large"), str(tmp_path / "copy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused")


TASKS = [{"task_index": 0, "task": "reach"}, {"task_index": 1, "task": "öffne die Lade, [bitte]"}]
LAYOUTS = {
    "lines": "\n".join(map(json.dumps, TASKS)),
    "pretty": "\n".join(json.dumps(one, indent=2) for one in TASKS),
    "mark and CRLF": "\ufeff" + "\r\n".join(json.dumps(one, ensure_ascii=False) for one in TASKS) + "\r\n\r\n",
    "list": json.dumps(TASKS),
    "pretty list": "\ufeff" + json.dumps(TASKS, indent=4, ensure_ascii=False),
    "with commas": ",\n".join(map(json.dumps, TASKS)) + ",\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_records_of_json_are_read_however_people_lay_them_out(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(LAYOUTS[layout].encode())
    assert [value for _, value in json_records(path)] == TASKS


def test_a_cut_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"a": ')
    with pytest.raises(ValueError, match=r"^3: "):
        json_records(path)


def test_a_pointer_of_git_lfs_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "info.json"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(ValueError, match=r"info\.json: is a git-lfs pointer, not the file; run `git lfs pull`"):
        read_json(path)
