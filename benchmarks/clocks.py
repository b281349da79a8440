"""How benchmarks take the time: seconds of the processor, so that the machine's other work does not count."""

import resource
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import numpy as np

Clock = Callable[[], float]
Key = TypeVar("Key", bound=Hashable)


def elapsed(work: Callable[[], object], clock: Clock = time.process_time) -> float:
    """Seconds that ``work`` takes."""
    start = clock()
    work()
    return clock() - start


def medians(
    acts: Mapping[Key, Callable[[], object]], rounds: int, warm_up: int = 3, clock: Clock = time.process_time
) -> dict[Key, float]:
    """Median seconds of each, taken in turn so that a slow moment of the machine hits all alike.

    Args:
        warm_up: rounds before those that count; the first ones allocate.
    """
    taken = [[elapsed(act, clock) for act in acts.values()] for _ in range(warm_up + rounds)]
    return dict(zip(acts, np.median(taken[warm_up:], axis=0).tolist(), strict=True))


def cpu_s(*who: int) -> float:
    """Seconds of the processor; without an argument those of this process and of its children that have ended."""
    used = [resource.getrusage(one) for one in who or (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
