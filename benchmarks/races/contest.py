"""Processes that begin at the same moment: each waits at a barrier until all have their imports."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.context import ForkServerContext
from pathlib import Path
from threading import Barrier

Work = Callable[[], object]
"""What a process does; a function of a module, or a ``partial`` of one, since it travels."""
_IMPORTS = (
    "benchmarks.races.pairs",
    "gr00t_model.shell.main",
    "gr00t_model.shell.ingest",
    "gr00t_model.stages.train",
    "gr00t_model.training.checkpoint",
    "gr00t_data.sources.ingest",
    "gr00t_data.sources.human.ingest",
    "gr00t_data.sources.neural.ingest",
    "gr00t_data.stages.mix",
    "gr00t_data.curate.doctor",
    "cv2",
)
_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status (None: it had to be killed), and what it printed."""

    status: int | None
    said: str


@cache
def _context() -> ForkServerContext:
    """Processes are forked from one that has the imports and nothing else, so that a race costs no start."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTS))
    return context


def race(works: Sequence[Work], folder: Path, late_s: Sequence[float] = (0.0, 0.0)) -> list[Ended]:
    """Do all works at the same moment, each in a process of its own; their output lies in ``folder``.

    Args:
        late_s: how long after that moment each begins, seconds, so that they meet in other places.
    """
    barrier = _context().Barrier(len(works))
    said = [folder / f"said-{number}" for number in range(len(works))]
    processes = [
        _context().Process(target=_run, args=(barrier, work, path, late))
        for work, path, late in zip(works, said, late_s, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()
    return [
        Ended(None if (code := process.exitcode) is None or code < 0 else code, path.read_text("utf-8", "replace"))
        for process, path in zip(processes, said, strict=True)
    ]


def _run(barrier: Barrier, work: Work, said: Path, late_s: float) -> None:
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    barrier.wait(_PATIENCE_S)
    time.sleep(late_s)
    work()


def _verb(words: tuple[str, ...]) -> None:
    from gr00t_model.shell.main import main

    sys.argv = ["gr00t", *words]
    main(words)


def gr00t(*words: object) -> Work:
    """``gr00t`` with these words, as the shell starts it."""
    return partial(_verb, tuple(map(str, words)))
