"""Stages in processes that are killed: a server with everything imported forks one for each attempt."""

import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np

from gr00t_data.curate.rules import rules_digest
from tests.pipelines.drops import GR1

PRELOAD = [
    "gr00t_data.stages.mix",
    "gr00t_data.batches.mixture.manifest",
    "tests.pipelines.drops",
    "tests.pipelines.killing",
]
RULES = rules_digest(GR1)
"""Asked for once, in the server, so that every process works by the same rules however the code changes meanwhile."""


def stages(root: str) -> None:
    """Take in every waiting drop, check it, measure and mix."""
    from gr00t_data.lake import Lake
    from gr00t_data.sources.landing.landing import take_in
    from gr00t_data.stages.ingest import waiting_drops
    from gr00t_data.stages.mix import measure_statistics, mix
    from gr00t_data.stages.stores import check

    lake = Lake(Path(root))
    for key in waiting_drops(lake):
        check(lake, take_in(lake, key, GR1), GR1)
    measure_statistics(lake, GR1)
    mix(lake, GR1)


def server() -> ForkServerContext:
    """Starts processes that have imported the stages already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def run(target: Callable[[str], None], root: Path, *, kill_after_s: float | None = None) -> int | None:
    """Exit status of ``target(root)`` in a process of its own; negative when the kill came before the end."""
    process = server().Process(target=target, args=(str(root),))
    process.start()
    process.join(kill_after_s)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode


def duration_s(target: Callable[[str], None], root: Path) -> float:
    """How long an undisturbed run takes."""
    start = time.monotonic()
    assert run(target, root) == 0
    return time.monotonic() - start


def delays_s(count: int, whole_s: float, seed: int) -> np.ndarray:
    """Random instants of a run, seconds after its start."""
    return np.random.default_rng(seed).uniform(0.0, whole_s, count)


KILLED = -signal.SIGKILL
