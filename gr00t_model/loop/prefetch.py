"""Batches prepared by a thread ahead of the step that uses them."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(make: Callable[[int], Item], start: int, stop: int, ahead: int) -> Iterator[Item]:
    """``make(i)`` for i in [start, stop), in order; one thread works up to ``ahead`` of them before they are asked for.

    ``make`` must be a pure function of its argument, so that ``ahead`` cannot change what comes out. An exception in it
    is raised here, at its turn. With ``ahead`` = 0 all happens in the caller.
    """
    if ahead == 0:
        yield from map(make, range(start, stop))
        return
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        waiting: deque[Future[Item]] = deque()
        following = start
        try:
            while waiting or following < stop:
                while following < stop and len(waiting) < ahead:
                    waiting.append(pool.submit(make, following))
                    following += 1
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
