"""Processes that work for this one, and end with it however it ends."""

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

_LEFT_ALONE_STATUS = 1


def worker_pool(workers: int, prepare: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """A pool of ``workers`` fresh interpreters.

    They are not forked: a fork copies locks that threads of numerical libraries hold. Workers of the standard library
    wait for work for ever when their parent is killed (SIGKILL leaves it no chance to tell them); these see it die.

    Args:
        prepare: called once in each worker before its first task.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(prepare,))


def _begin(prepare: Callable[[], None] | None) -> None:
    threading.Thread(target=_end_with_parent, name="watch-parent", daemon=True).start()
    if prepare is not None:
        prepare()


def _end_with_parent() -> None:
    """The kernel closes the pipe between the two when the parent dies."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(_LEFT_ALONE_STATUS)
