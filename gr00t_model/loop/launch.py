"""Start the trainer as a group of processes that does not outlive whoever started it. No torch, no Dagster."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from gr00t_model.loop.run import Outcome, RunFolder
from gr00t_model.loop.stop import WATCH_VARIABLE

_POLL_S = 0.2
_TAIL_LINES = 40
_SPINS = "1000"
"""OpenMP threads wait for each other by spinning; on a busy machine the default makes a step many times slower."""


class TrainingError(RuntimeError):
    """The trainer ended without finishing; the message holds its last lines."""


@dataclass(frozen=True)
class Launched:
    """How a training ended.

    Attributes:
        outcome: what the trainer wrote last (state, step, steps done in this start).
        seconds: wall time, start of the processes included.
    """

    outcome: Outcome
    seconds: float


def command(run: RunFolder) -> list[str]:
    """The command line of the trainer: accelerate starts one process, or one rank each (also on a CPU)."""
    processes = run.machine.num_processes
    many = ["--multi_gpu", "--main_process_port", "0"] if processes > 1 else []
    options = [*many, "--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no"]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", *options, "--dynamo_backend", "no"]
    return [*launcher, "-m", run.trainer, str(run.run_json)]


def launch(run: RunFolder, on_line: Callable[[str], None], grace_s: float = 30.0) -> Launched:
    """Train ``run`` in processes of its own and wait for the end.

    Any exception that reaches this call while it waits (a cancelled Dagster run, Ctrl-C) stops the trainer: SIGTERM to
    every process, so that it saves its state, and SIGKILL to what is left after ``grace_s`` seconds; then it is
    raised again. Should this process die without a chance to do so, the trainer sees its standard input close and
    stops by itself.

    Args:
        on_line: called with each line that the trainer prints, without its line end.

    Raises:
        TrainingError: the trainer failed.
    """
    started = time.monotonic()
    process = _start(command(run))
    lines = _lines_of(process)
    tail: list[str] = []
    try:
        _forward(process, lines, on_line, tail)
    except BaseException:
        stop(process.pid, grace_s)
        _drain(lines, on_line)
        raise
    finally:
        _close(process)
    return Launched(_outcome(run, process, tail), time.monotonic() - started)


def _start(arguments: list[str]) -> subprocess.Popen[str]:
    environment = {"GOMP_SPINCOUNT": _SPINS} | os.environ | {WATCH_VARIABLE: "1", "PYTHONUNBUFFERED": "1"}
    if not _has_gpu():
        environment["ACCELERATE_USE_CPU"] = "true"
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        bufsize=1,
        env=environment,
        start_new_session=True,
    )


def _has_gpu() -> bool:
    """Whether an NVIDIA device is there, without importing torch."""
    return Path("/dev/nvidia0").exists() and os.environ.get("CUDA_VISIBLE_DEVICES", "0") not in ("", "-1")


def _lines_of(process: subprocess.Popen[str]) -> "queue.Queue[str]":
    """Lines of the trainer through a thread, so that waiting for one can be interrupted."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.rstrip())

    threading.Thread(target=read, name="trainer-output", daemon=True).start()
    return lines


def _forward(
    process: subprocess.Popen[str], lines: "queue.Queue[str]", on_line: Callable[[str], None], tail: list[str]
) -> None:
    """Hand each line on until the process has ended and its lines are spent."""
    while True:
        try:
            line = lines.get(timeout=_POLL_S)
        except queue.Empty:
            if process.poll() is not None:
                return
            continue
        tail.append(line)
        del tail[:-_TAIL_LINES]
        on_line(line)


def _drain(lines: "queue.Queue[str]", on_line: Callable[[str], None]) -> None:
    """Last words of a stopped trainer."""
    time.sleep(_POLL_S)
    while not lines.empty():
        on_line(lines.get_nowait())


def _close(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.wait()


def _outcome(run: RunFolder, process: subprocess.Popen[str], tail: list[str]) -> Outcome:
    outcome = run.outcome()
    if outcome is None or (process.returncode != 0 and outcome.state != "interrupted"):
        raise TrainingError(f"{run.root}: the trainer ended with status {process.returncode}:\n" + "\n".join(tail))
    return outcome


def stop(pid: int, grace_s: float) -> None:
    """End a process and all its descendants: SIGTERM, ``grace_s`` seconds, SIGKILL.

    Ranks live in sessions of their own, so a signal to one process group would miss them: the family is listed first,
    and listed again before the kill in case it has grown.
    """
    family = _family(pid)
    for process in family:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=grace_s)
    late = [process for survivor in alive for process in _family(survivor.pid)]
    for process in {*alive, *late}:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs([*alive, *late], timeout=grace_s)


def _family(pid: int) -> list[psutil.Process]:
    """The process and its descendants, children first."""
    try:
        parent = psutil.Process(pid)
        return [*reversed(parent.children(recursive=True)), parent]
    except psutil.NoSuchProcess:
        return []


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
