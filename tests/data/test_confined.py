"""Work in a process that may die: what comes back, and what happens when it does not."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from gr00t_data.confined import ConfinedError, confined, end_idle
from gr00t_data.confined_worker import Limits, alive

ROOT = Path(__file__).parents[2]
SMALL = Limits(memory_bytes=256 << 20, cpu_s=1)
PARENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from gr00t_data.confined import confined
from tests.data.test_confined import process, sleep
confined("a", process)
print("working", flush=True)
confined("a", sleep)
"""


@dataclass(frozen=True)
class Answer:
    """Things of every kind that travels."""

    name: str
    rows: np.ndarray
    by_name: dict[str, np.ndarray | Path]
    pair: tuple[int, float]
    missing: float | None = None


def everything(rows: int) -> list[Answer]:
    values = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)[:, ::-1]
    named: dict[str, np.ndarray | Path] = {"a": np.zeros((0, 3)), "b": Path("x/y"), "c": np.array([True])}
    return [Answer("é\udc80", values, named, (1 << 70, float("nan"))), Answer("", np.array(3), {}, (0, 0.1))]


def process() -> int:
    return os.getpid()


def sleep() -> None:
    time.sleep(600)


def crash() -> None:
    ctypes.string_at(0)


def crash_unless_fresh(folder: Path) -> str:
    """What a worker does that an earlier task has hurt."""
    if not (folder / "tried").exists():
        (folder / "tried").touch()
        crash()
    return "well"


def abort() -> None:
    os.abort()


def leave() -> None:
    os._exit(3)


def crash_always(folder: Path) -> None:
    (folder / f"try {os.getpid()}").touch()
    crash()


def hoard() -> int:
    return len(bytearray(1 << 40))


def spin(rounds: int, sign: bool) -> str:
    for _ in range(rounds):
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
        if sign:
            alive()
    return "done"


def refuse(kind: type[ValueError]) -> None:
    raise kind("no such thing")


def object_array() -> np.ndarray:
    return np.array([object()])


class Refused(ValueError):
    pass


def test_arrays_and_models_come_back_as_they_were() -> None:
    (first, second), (same, other) = everything(3), confined("a", everything, 3)
    assert (same.name, str(same.pair), same.by_name["b"]) == (first.name, str(first.pair), Path("x/y"))
    assert same.rows.dtype == np.float32 and np.array_equal(same.rows, first.rows)
    assert [value.shape for value in same.by_name.values() if isinstance(value, np.ndarray)] == [(0, 3), (1,)]
    assert other.rows.shape == () and other.rows == 3 and other.pair == second.pair


def test_a_worker_is_kept_for_the_next_task() -> None:
    assert confined("a", process) == confined("b", process) != os.getpid()
    end_idle()


@pytest.mark.parametrize(
    ("work", "arguments", "said"),
    [
        (crash, (), r"demo.hdf5: reading it ended the reader \(signal 11, SIGSEGV\)"),
        (abort, (), r"signal 6, SIGABRT"),
        (leave, (), "exit status 3"),
        (hoard, (), "takes more than 256 MB of memory"),
        (spin, (100, False), "takes more than 1 s of processor time"),
        (refuse, (LookupError,), r"cannot be read \(LookupError in test_confined.py:\d+: no such thing\)"),
        (object_array, (), "cannot be read"),
    ],
)
def test_what_ends_a_worker_is_an_error_of_what_was_read(work, arguments, said) -> None:
    started = time.monotonic()
    with pytest.raises(ConfinedError, match=said):
        confined("demo.hdf5", work, *arguments, limits=SMALL)
    assert time.monotonic() - started < 30
    assert confined("next", process)


def test_errors_that_are_expected_come_out_as_they_are() -> None:
    with pytest.raises(Refused, match=r"^no such thing$"):
        confined("a", refuse, Refused, raises=(Refused,))
    with pytest.raises(ConfinedError, match="Refused"):
        confined("a", refuse, Refused)


def test_a_file_is_not_blamed_for_what_an_earlier_one_did(tmp_path: Path) -> None:
    confined("a", process)
    assert confined("b", crash_unless_fresh, tmp_path) == "well"


def test_a_file_that_ended_a_worker_is_not_read_again_until_it_changes(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for _ in range(2):
        with pytest.raises(ConfinedError, match="signal 11"):
            confined(tmp_path / "file", crash_always, tmp_path)
    assert len(list(tmp_path.glob("try*"))) <= 2
    (tmp_path / "file").write_text("better")
    assert confined(tmp_path / "file", process)


def test_a_task_is_stopped() -> None:
    stop = threading.Event()
    threading.Timer(1, stop.set).start()
    with pytest.raises(ConfinedError, match="was stopped"):
        confined("a", sleep, stop=stop)


def test_work_that_goes_on_may_take_its_time() -> None:
    assert confined("a", spin, 6, True, limits=SMALL) == "done"


def test_within_a_worker_it_is_a_call() -> None:
    assert confined("a", confined, "b", process) == confined("a", process)


def test_limits_grow_with_what_is_read() -> None:
    assert Limits.of_input(0) == Limits()
    assert Limits.of_input(100 << 20) == Limits(Limits().memory_bytes + (300 << 20), Limits().cpu_s + 100)


def test_no_core_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfinedError):
        confined("a", crash)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_parent_leaves_no_worker(tmp_path: Path, how: signal.Signals) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, program, ROOT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert parent.stdout and parent.stdout.readline() == "working\n"
    family = psutil.Process(parent.pid).children(recursive=True)
    assert family
    parent.send_signal(how)
    parent.communicate(timeout=20)
    _, left = psutil.wait_procs(family, timeout=10)
    for one in left:
        one.kill()
    assert not left
