"""Latency in the simulator (20 Hz): success and jitter of stop-and-go, asynchronous execution and real-time chunking.

An answer takes the same number of control steps each time. Stop-and-go holds while it waits; asynchronous execution
goes on with the running chunk and enters the new one at the step of that moment; real-time chunking does the same with
a chunk that goes on from the running one. Every way is tried in the same scenes, with the same seeds of the noise.

python -m benchmarks.realtime CHECKPOINT --latency-ms 0 50 100 200 300 --scenes 100 --every 4 8

Scenes that were tried are kept in ``--folder``, so that a killed run goes on. Exit status 1 when real-time chunking at
200 ms (at the first ``--every``) has less than 0.95 of the success without latency, or more than half of the jump of
asynchronous execution.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from cyclopts import Parameter
from cyclopts.validators import Number

from benchmarks.command import Json, command, show
from benchmarks.realtime.scenes import STEP_MS, Arm
from benchmarks.realtime.table import lines, rows
from benchmarks.realtime.trials import kept_jobs, tried
from gr00t_model.acting.chunks import RAMP_RATE, Execution

Numbers = Annotated[tuple[int, ...], Parameter(consume_multiple=True)]
BOUND_MS = 200
BOUNDS = {"success_share": 0.95, "jump_share": 0.5}
"""The least of the first, the most of the second, for real-time chunking at ``BOUND_MS``."""


def arms_of(latencies_ms: Sequence[int], every: Sequence[int], ramp_rate: float, overlap: int | None) -> list[Arm]:
    """All ways of executing at all latencies. Without latency, asynchronous execution is stop-and-go: tried once.

    Raises:
        ValueError: a latency that is no whole number of control steps.
    """
    if odd := [latency for latency in latencies_ms if latency < 0 or latency % STEP_MS]:
        raise ValueError(f"--latency-ms {odd[0]}: expected multiples of {STEP_MS} ms, a control step")
    ways: tuple[Execution, ...] = get_args(Execution)
    how = {way: (overlap, ramp_rate) if way == "real_time" else () for way in ways}
    return [
        Arm(way, latency // STEP_MS, steps, *how[way])
        for latency in latencies_ms
        for steps in every
        for way in ways
        if latency or way != "asynchronous"
    ]


def within_bounds(found: Sequence[dict[str, Any]], every: int) -> bool:
    """Whether real-time chunking keeps ``BOUNDS``, where it was tried with what it is compared with."""
    wanted = {"execution": "real_time", "latency_ms": BOUND_MS, "every": every}
    judged = [row for row in found if all(row[name] == value for name, value in wanted.items())]
    success = [row["success_share"]["share"] for row in judged if row["success_share"]]
    jump = [row["jump_share"]["share"] for row in judged if row["jump_share"]]
    return min(success, default=1.0) >= BOUNDS["success_share"] and max(jump, default=0.0) <= BOUNDS["jump_share"]


@command
def main(
    checkpoint: Annotated[Path, Parameter(help="Folder of a trained policy of the simulator's robot.")],
    latency_ms: Annotated[Numbers, Parameter(help="From an observation to its answer.")] = (0, 50, 100, 200, 300),
    scenes: Annotated[int, Parameter(validator=Number(gte=1), help="Scenes, the same number of each task.")] = 100,
    task: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = ("reach", "push"),
    every: Annotated[Numbers, Parameter(help="Control steps from one observation to the next.")] = (4,),
    ramp_rate: Annotated[float, Parameter(help="Of real-time chunking.")] = RAMP_RATE,
    overlap: Annotated[int | None, Parameter(help="Of real-time chunking; default: all steps that are left.")] = None,
    processes: int = 2,
    folder: Annotated[Path, Parameter(help="Where what was tried is kept.")] = Path("lake/realtime"),
    as_json: Json = False,
) -> bool:
    """Print the table."""
    arms = arms_of(latency_ms, every, ramp_rate, overlap)
    by_arm = {arm: kept_jobs(checkpoint, arm, task, scenes, folder) for arm in arms}
    records = tried({kept: job for jobs in by_arm.values() for kept, job in jobs.items()}, processes)
    found = rows({arm: [record for kept in jobs for record in records[kept]] for arm, jobs in by_arm.items()})
    show(found, lines(found), as_json)
    return within_bounds(found, every[0])
