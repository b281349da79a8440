"""The worker's side of ``confined``: tasks come in, are done within limits, and go out as JSON and raw arrays."""

import json
import os
import queue
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import GenericAlias
from typing import Any, TypeVar, get_type_hints

import numpy as np
from pydantic import ConfigDict, TypeAdapter

T = TypeVar("T")
Place = list[str | int]
"""The steps from the root of a tree of JSON to something in it."""

BYTES = "bytes"
"""The kind under which bytes travel: as an array does."""
PLAIN_KINDS = "biufUS"
"""Kinds of arrays that travel: their bytes are their values."""
_IDLE_S = 20.0
"""A worker without work ends after so long: it holds some 150 MB."""
_ALLOWANCE_S_BYTES = 1 << 20
_PICTURES_A_SECOND = 10
"""Decoding AV1 of 640 x 480 makes 240 a second, encoding 1920 x 1080 as h264 some 20."""


@dataclass(frozen=True)
class Limits:
    """What a task may use.

    Attributes:
        memory_bytes: beyond what the worker held before.
        cpu_s: processor time, counted anew at every ``alive``.
    """

    memory_bytes: int = 768 << 20
    cpu_s: int = 8

    @classmethod
    def of_input(cls, size_bytes: int, pictures: int = 0) -> "Limits":
        """More for larger files: honest data unpacks to a few times its size, and takes a second a MB at most.

        Args:
            pictures: that are decoded or encoded, however small a file holds them: each may take a tenth of a second.
        """
        cpu_s = cls.cpu_s + size_bytes // _ALLOWANCE_S_BYTES + pictures // _PICTURES_A_SECOND
        return cls(cls.memory_bytes + 3 * size_bytes, cpu_s)


Task = tuple[Callable[..., object], tuple[object, ...], Limits, Path, dict[str, str]]
"""Function, arguments, limits, working folder and environment."""


class _State:
    """Whether this process is a worker, and what its task may use between two signs of life."""

    confined = False
    cpu_s = 0


def is_worker() -> bool:
    """Whether this process works for another one, within limits."""
    return _State.confined


def alive() -> None:
    """Tell the bounds that work goes on: processor time is counted anew from here. Outside a worker it does nothing."""
    if _State.confined:
        _allow_cpu(_State.cpu_s)


def adapter(function: Callable[..., T]) -> "TypeAdapter[tuple[T]]":
    """How what a function, method or partial of one returns is written down and read."""
    while isinstance(function, partial):
        function = function.func
    return _adapter_of(getattr(function, "__func__", function))


@cache
def _adapter_of(function: Callable[..., T]) -> "TypeAdapter[tuple[T]]":
    one: Any = GenericAlias(tuple, (get_type_hints(function)["return"],))  # alone, a model refuses the configuration
    return TypeAdapter(one, config=ConfigDict(arbitrary_types_allowed=True))


def name_of(kind: type) -> str:
    """The full name of a class, as answers name errors."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def bytes_of(array: np.ndarray) -> memoryview:
    """The bytes of a contiguous array that is not empty, to be read or written."""
    return array.reshape(-1).view(np.uint8).data


def serve() -> None:
    """What a worker does: answer tasks until nobody is there to ask."""
    connection = Connection(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked is interrupted too, and ends this one
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries write there what stands in the files
    _State.confined = True
    tasks: queue.Queue[Task | Exception] = queue.Queue()
    threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
    while True:
        try:
            task = tasks.get(timeout=_IDLE_S)
        except queue.Empty:
            return
        said, arrays = _done(task)
        connection.send_bytes(json.dumps(said, default=_plain).encode())
        for array in arrays:
            if array.nbytes:
                connection.send_bytes(bytes_of(np.ascontiguousarray(array)))


def _listen(connection: Connection, tasks: "queue.Queue[Task | Exception]") -> None:
    """Ends the process when the one that asks has ended, however it did. What comes is from there, and believed."""
    while True:
        try:
            tasks.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)
        except Exception as error:  # a task that names what is not there
            tasks.put(error)


def _done(task: Task | Exception) -> tuple[dict[str, Any], list[np.ndarray]]:
    try:
        if isinstance(task, Exception):
            raise task
        function, arguments, limits, folder, environment = task
        os.chdir(folder)
        os.environ.update(environment)
        form = adapter(function)
        with _bounded(limits):
            answer = function(*arguments)
        places: list[tuple[Place, list[int], str]] = []
        arrays: list[np.ndarray] = []
        (tree,) = form.dump_python((answer,), by_alias=True, exclude_unset=True, warnings=False)
        return {"answer": _without_arrays(tree, ["answer"], places, arrays), "arrays": places}, arrays
    except Exception as error:  # whatever it is, it says something about what was read, and is told there
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        return {"raised": name_of(type(error)), "text": str(error), "where": where, "arrays": []}, []


def _without_arrays(
    tree: Any, place: Place, places: list[tuple[Place, list[int], str]], arrays: list[np.ndarray]
) -> Any:
    if isinstance(tree, np.ndarray):
        if tree.dtype.kind not in PLAIN_KINDS:
            raise TypeError(f"an array of {tree.dtype} does not travel")
        places.append((place, list(tree.shape), tree.dtype.str))
        arrays.append(tree)
        return None
    if isinstance(tree, bytes):
        places.append((place, [len(tree)], BYTES))
        arrays.append(np.frombuffer(tree, np.uint8))
        return None
    if isinstance(tree, dict):
        return {key: _without_arrays(value, [*place, str(key)], places, arrays) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_without_arrays(value, [*place, number], places, arrays) for number, value in enumerate(tree)]
    return tree


def _plain(value: object) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path | Fraction):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} does not travel")


@contextmanager
def _bounded(limits: Limits) -> Iterator[None]:
    """Soft limits on this process, which are lifted again."""
    held_bytes = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    _State.cpu_s = limits.cpu_s
    _limit(resource.RLIMIT_AS, held_bytes + limits.memory_bytes)
    _allow_cpu(limits.cpu_s)
    try:
        yield
    finally:
        _limit(resource.RLIMIT_AS, None)
        _limit(resource.RLIMIT_CPU, None)


def _allow_cpu(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + seconds)


def _limit(which: int, soft: int | None) -> None:
    """None: as much as this user may."""
    hard = resource.getrlimit(which)[1]
    most = sys.maxsize if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(which, (hard if soft is None else min(soft, most), hard))
