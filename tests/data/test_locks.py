"""Locks, claims and what killed processes leave, with real processes."""

import contextlib
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gr00t_data.beside import sweep
from gr00t_data.disk import DiskError, claimed, replacing_folder, write_json
from gr00t_data.locks import Busy, alone, locked, sharing

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def another(program: str, *words: object) -> Iterator[subprocess.Popen[str]]:
    """A process that has printed ``there``, and lives until the block ends, or is killed."""
    head = "import sys, time\nfrom pathlib import Path\nfrom gr00t_data.disk import *\nfrom gr00t_data.locks import *\n"
    tail = "\n"
    process = subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(program) + tail, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n", process.communicate()[1]
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


_STAYS = "print('there', flush=True); time.sleep(60)"


def test_who_waits_says_for_whom_and_goes_on_when_the_other_is_killed(tmp_path: Path) -> None:
    waiting = "print('there', flush=True)\nwith claimed(Path(sys.argv[1])): print('mine')"
    with (
        another(f"with claimed(Path(sys.argv[1])): {_STAYS}", tmp_path / "pick") as holder,
        another(waiting, tmp_path / "pick") as waiter,
    ):
        assert waiter.stderr is not None
        line = waiter.stderr.readline()
        assert f"waiting until process {holder.pid} (-c, since " in line and f"is done with {tmp_path}/pick" in line
        holder.send_signal(signal.SIGKILL)
        assert waiter.communicate(timeout=30)[0] == "mine\n" and waiter.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_held_once_and_again_by_its_holder(tmp_path: Path) -> None:
    with locked(tmp_path / "a"), locked(tmp_path / "a", wait=False), claimed(tmp_path / "f"), claimed(tmp_path / "f"):
        pass
    with (
        another(f"with locked(Path(sys.argv[1])): {_STAYS}", tmp_path / "a"),
        pytest.raises(Busy, match="another process is at work on 'a'"),
        locked(tmp_path / "a", wait=False),
    ):
        pass


def test_many_share_and_one_that_wants_it_alone_is_let_in_before_more(tmp_path: Path) -> None:
    path = tmp_path / "people"
    late = "print('there', flush=True)\nwith sharing(Path(sys.argv[1])): print('in', time.monotonic())"
    only = "print('there', flush=True)\nwith alone(Path(sys.argv[1])): time.sleep(0.2); print('out', time.monotonic())"
    with another(f"with sharing(Path(sys.argv[1])): {_STAYS}", path) as first:
        with sharing(path), sharing(path):
            pass
        with another(only, path) as wants:
            assert wants.stderr is not None
            assert "waiting until process" in wants.stderr.readline()
            with another(late, path) as last:
                time.sleep(0.3)
                first.send_signal(signal.SIGKILL)
                out, came = wants.communicate(timeout=30)[0].split(), last.communicate(timeout=30)[0].split()
    assert (out[0], came[0]) == ("out", "in") and float(out[1]) <= float(came[1])
    with alone(path):
        pass


def test_what_a_killed_process_was_writing_is_swept_by_the_next(tmp_path: Path) -> None:
    program = f"with replacing(Path(sys.argv[1])), replacing_folder(Path(sys.argv[2])) as f: {_STAYS}"
    with another(program, tmp_path / "a.json", tmp_path / "store") as killed:
        assert len(list(tmp_path.glob(".*.gr00t-*"))) == 3 and sweep(tmp_path) == []  # while their owner lives
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(list(tmp_path.glob(".*"))) == 3
        with replacing_folder(tmp_path / "store") as folder:
            (folder / "x").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_claim_of_a_killed_process_is_swept_and_one_of_a_living_stays(tmp_path: Path) -> None:
    with another(f"with claimed(Path(sys.argv[1])): {_STAYS}", tmp_path / "a") as holder:
        assert sweep(tmp_path) == [] and len(list(tmp_path.iterdir())) == 1
        with pytest.raises(Busy, match=f"{tmp_path}/a"), claimed(tmp_path / "a", wait=False):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert len(sweep(tmp_path)) == 1 and list(tmp_path.iterdir()) == []


def test_a_file_that_its_writer_renames_over_is_not_swept_while_its_owner_lives(tmp_path: Path) -> None:
    program = f"""
        import numpy
        from safetensors.numpy import save_file
        with replacing(Path(sys.argv[1])) as path:
            save_file({{'a': numpy.zeros(3)}}, path)
            {_STAYS.replace("60", "2")}
    """
    with another(program, tmp_path / "a.safetensors") as writer:
        assert sweep(tmp_path) == [] and writer.wait(30) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_files_of_others_are_not_swept(tmp_path: Path) -> None:
    others = [tmp_path / name for name in (".a.ab12cd34", ".bashrc", ".x.gr00t-short", "gr00t-ab12cd3_")]
    for path in others:
        path.touch()
    (tmp_path / ".link.gr00t-ab12cd3_").symlink_to(tmp_path / ".bashrc")
    assert sweep(tmp_path) == [] and all(path.is_file() for path in others)


def test_a_folder_that_holds_something_is_not_replaced_unasked(tmp_path: Path) -> None:
    for number in range(2):
        with replacing_folder(tmp_path / "f", over=True) as folder:
            write_json(folder / "n.json", number)
    with pytest.raises(DiskError, match="exists already and is not replaced"), replacing_folder(tmp_path / "f"):
        pass
    with pytest.raises(OSError, match="not empty"), replacing_folder(tmp_path / "g") as folder:
        write_json(tmp_path / "g/n.json", 7)  # by somebody who claims nothing
    assert (tmp_path / "f/n.json").read_text() == "1\n" and (tmp_path / "g/n.json").read_text() == "7\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "g"]
