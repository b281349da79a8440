"""The simulator's claims: the expert succeeds, and recording is faster than real time.

python -m benchmarks.simulator --seeds 100
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from benchmarks.clocks import cpu_s
from benchmarks.command import command, heading, row
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.sources.sim.demos import record_episode
from gr00t_data.sources.sim.tasks import TASKS
from gr00t_data.sources.sim.world import CONTROL_HZ
from gr00t_data.stages.ingest import simulate
from gr00t_data.stages.mix import Lake
from gr00t_data.stages.settings import Demonstrations
from gr00t_model.evaluate.rates import Rate


def expert(task: str, seeds: int) -> str:
    """Success and wrong-object rate of the scripted expert, by object pose, seeds 0 .. seeds - 1."""
    episodes = [record_episode(task, seed, image_size=32) for seed in range(seeds)]
    wrong = Rate.of(bool(episode.source.wrong_object) for episode in episodes)
    return row(task, Rate.of(bool(episode.success) for episode in episodes), wrong)


def recording(episodes: int) -> str:
    """Seconds of demonstration per second of wall time and of CPU time: physics, 256 px picture, h264 and store."""
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.monotonic(), cpu_s()
        wanted = Demonstrations.of(dict.fromkeys(TASKS, episodes))
        store = simulate(Lake(Path(folder)), load_embodiment("gr1"), wanted)
        seconds = sum(row.length for row in store.rows) / CONTROL_HZ
        wall, cpu = time.monotonic() - wall, cpu_s() - cpu
    return (
        f"{3 * episodes} episodes, {seconds:.0f} s of demonstration: {seconds / wall:.1f}x real time on "
        f"{os.cpu_count()} cores, {seconds / cpu:.1f} s a CPU-second"
    )


@command
def main(
    seeds: Annotated[int, Parameter(help="Expert episodes per task.")] = 100,
    episodes: Annotated[int, Parameter(help="Recorded episodes per task, as in `gr00t demo --task all`.")] = 50,
) -> None:
    """Print the expert's success over unseen scenes and the recording rate."""
    print(heading("task", "expert success, 95% interval", "wrong object"))
    for task in TASKS:
        print(expert(task, seeds), flush=True)
    print(recording(episodes))
