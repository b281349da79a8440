"""Processes and threads that work for this one, and end with it however it ends."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_LEFT_ALONE_STATUS = 1
_AHEAD = 2
"""Answers a thread may be ahead of who takes them: bounds what waits."""


def in_threads(
    work: Callable[[Item, threading.Event], Answer], items: Iterable[Item], workers: int
) -> Iterator[Answer]:
    """``work(item, stop)`` of every item in order, by threads that each wait for a process (see ``confined``).

    Args:
        work: ends soon after ``stop`` is set, which happens when nobody takes answers any more.
        workers: threads.
    """
    stop, workers = threading.Event(), max(workers, 1)
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[Answer]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item, stop))
            if len(waiting) >= workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


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
