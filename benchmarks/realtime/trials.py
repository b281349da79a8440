"""Scenes are tried in processes of their own, a group at a time, and kept, so that a killed run goes on."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from pathlib import Path

from benchmarks.command import say
from benchmarks.realtime.scenes import Arm, Job, Record
from gr00t_data.code_key import closure_of
from gr00t_data.disk import digest_json, read_json, write_json
from gr00t_data.workers import worker_pool
from gr00t_model.evaluate.closed_loop import FIRST_SEED
from gr00t_model.evaluate.comparison import behaviour_digest
from gr00t_model.lineage.digests import model_digest

SCENES_AT_ONCE = 25


def kept_jobs(checkpoint: Path, arm: Arm, tasks: Sequence[str], scenes: int, folder: Path) -> dict[Path, Job]:
    """Where the records of an arm are kept, by weights, code and settings -> how they are made."""
    done_by = [model_digest(checkpoint), behaviour_digest(), closure_of("gr00t_model.acting.chunks")]
    seeds = range(FIRST_SEED, FIRST_SEED + scenes // len(tasks))
    jobs = [
        Job(str(checkpoint), task, tuple(seeds[start : start + SCENES_AT_ONCE]), arm)
        for task in tasks
        for start in range(0, len(seeds), SCENES_AT_ONCE)
    ]
    return {folder / f"{digest_json([done_by, job.settings()])[:16]}.json": job for job in jobs}


def tried(jobs: Mapping[Path, Job], processes: int) -> dict[Path, list[Record]]:
    """The records of every job; those that are there already are read."""
    done = {kept: read_json(kept) for kept in jobs if kept.is_file()}
    todo, started = {kept: job for kept, job in jobs.items() if kept not in done}, time.monotonic()
    say(f"{len(jobs)} groups of scenes, {len(done)} of them tried before")
    with worker_pool(processes, _one_thread) as pool:
        futures = {pool.submit(job.run): kept for kept, job in todo.items()}
        for count, future in enumerate(as_completed(futures), 1):
            kept = futures[future]
            done[kept] = future.result()
            write_json(kept, done[kept])
            left_s = (time.monotonic() - started) / count * (len(todo) - count)
            say(f"{count} of {len(todo)} groups, {left_s / 60:.0f} min left")
    return done


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
