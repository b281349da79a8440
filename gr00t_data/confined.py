"""Work on bytes that nobody vouches for, in a process of its own that may die: bounded memory and time, no core file.

What decodes foreign formats is C, and a file can make it crash, fill the memory or never end. Here that ends a worker
and becomes a ``ConfinedError`` of that one file; the caller goes on with the next. Workers are fresh interpreters (a
fork would copy the state and the locks of libraries), one core each, kept for the next task and gone when idle.

What comes back is JSON and raw arrays, put together as the return type of the function says. Nothing a worker sends is
unpickled: one that read hostile bytes can answer wrongly, and do no more.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gr00t_data.confined_worker import BYTES, PLAIN_KINDS, Limits, Place, Task, adapter, bytes_of, is_worker, name_of
from gr00t_data.limits import factor

T = TypeVar("T")

_STALLED_S = 120.0
"""A worker that uses no processor time for so long waits for what never comes."""
_LOOK_S = 1.0
_NO_ANSWER = (EOFError, OSError, LookupError, TypeError, ValueError, RecursionError)
"""What reading an answer raises when there is none, or one that is no answer."""
_ONE_CORE = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "OPENCV_FOR_THREADS_NUM"), "1"
)
_ALONE = _ONE_CORE | {"MALLOC_ARENA_MAX": "2", "HDF5_PLUGIN_PRELOAD": "::", "HDF5_PLUGIN_PATH": "/dev/null"}
"""Threads reserve address space, which is what is bounded; ``::`` keeps HDF5 from loading code it finds on a path."""
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from gr00t_data.confined_worker import serve; serve()"
)
_REMEDY = "leave it out, or set GR00T_LIMITS=2 or more, which multiplies every limit"


class ConfinedError(ValueError):
    """Reading something ended the process that read it, or passed its bounds; the message says what and how."""


class _Died(ConfinedError):
    """The worker is gone without an answer, and perhaps an earlier task is to blame."""


def confined(
    what: Path | str,
    function: Callable[..., T],
    *arguments: object,
    limits: Limits = Limits(),
    raises: tuple[type[Exception], ...] = (),
    stop: threading.Event | None = None,
) -> T:
    """``function(*arguments)``, computed in a worker. In a worker it is simply called.

    Args:
        what: is read; every message begins with it. A file that ended a worker is not read again until it changes.
        function: of a module, or a method; its annotated return type holds only plain values, arrays, bytes, paths,
            fractions, and dataclasses or pydantic models of those.
        raises: what it may raise, with a message as its only argument; that is raised here too.
        stop: when set, the worker is ended.

    Raises:
        ConfinedError: the worker died, passed a limit, or met an error of another type.
    """
    if is_worker():
        return function(*arguments)
    stamp = _stamp(what)
    if stamp in _ENDED:
        raise ConfinedError(_ENDED[stamp])
    limits = Limits(round(limits.memory_bytes * factor()), round(limits.cpu_s * factor()))
    task = (function, arguments, limits, Path.cwd(), _environment())
    answer = None
    while answer is None and (worker := _idle()) is not None:
        with suppress(_Died):  # a fresh one decides
            answer = worker.answer(what, task, limits, stop)
    try:
        answer = answer or _Worker().answer(what, task, limits, stop)
    except ConfinedError as error:
        if stamp is not None:
            _ENDED[stamp] = str(error)
        raise
    return _understood(what, answer, function, limits, raises)


def _stamp(what: Path | str) -> tuple[str, str] | None:
    """A file as it is now, and how large it may be."""
    if not isinstance(what, Path) or not what.is_file():
        return None
    at = what.stat()
    return f"{what.absolute()} {at.st_ino} {at.st_size} {at.st_mtime_ns}", str(factor())


def end_idle() -> None:
    """End the workers that wait for a task."""
    while (worker := _idle()) is not None:
        worker.end()


def _environment() -> dict[str, str]:
    return {**os.environ, **_ALONE}


class _Worker:
    """A process that answers one task after the other."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            program = [sys.executable, "-I", "-c", _PROGRAM, str(theirs.fileno()), json.dumps(sys.path)]
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                program, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=_environment()
            )
        self.connection = Connection(ours.detach())

    def answer(self, what: Path | str, task: Task, limits: Limits, stop: threading.Event | None) -> dict[str, Any]:
        """What it sends back, its arrays in place. Raises ConfinedError."""
        try:
            self.connection.send(task)
            self._wait(what, stop)
            said = json.loads(self.connection.recv_bytes(limits.memory_bytes))
            for place, shape, kind in said.pop("arrays"):
                _put(said, place, self._array(shape, kind, limits))
        except BaseException as error:
            self.end()
            if isinstance(error, ConfinedError) or not isinstance(error, _NO_ANSWER):
                raise
            raise self._epitaph(what, limits) from error
        _WAITING.append(self)
        return said

    def _epitaph(self, what: Path | str, limits: Limits) -> ConfinedError:
        status = self.process.returncode
        if -status == signal.SIGXCPU:
            return ConfinedError(f"{what}: reading it takes more than {limits.cpu_s} s of processor time; {_REMEDY}")
        name = f"signal {-status}, {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return _Died(f"{what}: reading it ended the reader ({name}); it is damaged or hostile: leave it out")

    def _wait(self, what: Path | str, stop: threading.Event | None) -> None:
        used, since = -1.0, time.monotonic()
        while not self.connection.poll(_LOOK_S):
            if (now := self._cpu_ticks()) != used:
                used, since = now, time.monotonic()
            elif time.monotonic() - since > _STALLED_S:
                raise ConfinedError(f"{what}: reading it came to a halt ({_STALLED_S:.0f} s without progress)")
            if stop is not None and stop.is_set():
                raise ConfinedError(f"{what}: reading it was stopped")

    def _cpu_ticks(self) -> float:
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except FileNotFoundError:  # not Linux: any task may take as long as it wants
            return time.monotonic()
        return float(fields[11]) + float(fields[12])

    def _array(self, shape: list[int], kind: str, limits: Limits) -> np.ndarray | bytes:
        dtype = np.dtype(np.uint8 if kind == BYTES else kind)
        size_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.kind not in PLAIN_KINDS or not 0 <= size_bytes <= limits.memory_bytes:
            raise OSError(f"an array of {kind} {shape} was sent")
        array = np.empty(shape, dtype)
        if size_bytes:
            self.connection.recv_bytes_into(bytes_of(array))
        return array.tobytes() if kind == BYTES else array

    def end(self) -> None:
        """Kill it, unless it is dead."""
        self.connection.close()
        try:
            self.process.wait(0.2)  # it may be about to say how it died
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


_WAITING: list[_Worker] = []
"""Those of this process that have nothing to do."""
_ENDED: dict[tuple[str, str], str] = {}
"""Files that ended a worker of this process, and what was said of them."""


def _idle() -> _Worker | None:
    try:
        return _WAITING.pop()
    except IndexError:
        return None


atexit.register(end_idle)
os.register_at_fork(after_in_child=_WAITING.clear)


def _understood(
    what: Path | str,
    said: dict[str, Any],
    function: Callable[..., T],
    limits: Limits,
    raises: tuple[type[Exception], ...],
) -> T:
    if "answer" in said:
        try:
            return adapter(function).validate_python([said["answer"]])[0]
        except ValueError as error:
            raise ConfinedError(f"{what}: its reader answered what it should not: {error}") from error
    kind, text = str(said.get("raised")), str(said.get("text"))
    for known in raises:
        if kind == name_of(known):
            raise known(text)
    if kind == "MemoryError":
        raise ConfinedError(f"{what}: reading it takes more than {limits.memory_bytes >> 20} MB of memory; {_REMEDY}")
    raise ConfinedError(f"{what}: cannot be read ({kind} in {said.get('where')}: {text}); leave it out")


def _put(tree: Any, place: Place, value: np.ndarray | bytes) -> None:
    """Put a value into a tree, where the steps of ``place`` lead from its root."""
    for step in place[:-1]:
        tree = tree[step]
    tree[place[-1]] = value
