"""What one more drop costs in a lake that holds many, beside what that drop costs alone.

python -m benchmarks.incremental --drops 100

Both times are from the landed drop to the manifest: take in, check, statistics, mixture. Lakes lie in a temporary
folder. The seconds of the processor decide, those of the wall are shown beside them.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from cyclopts.types import PositiveInt
from cyclopts.validators import Number

from benchmarks.command import Json, command, show, table

BOUND = 1.5
FRAMES = 100
SIDE_PX = 64


def put(landing: Path, name: str, episodes: int, seed: int) -> None:
    """A marked drop of episodes with wandering arms and noise for pictures."""
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.store.episode import Episode
    from gr00t_data.store.writing import StoreWriter

    gr1, rng = load_embodiment("gr1"), np.random.default_rng(seed)
    writer = StoreWriter.create(landing / name, gr1, kind="real", licence="x")
    for _ in range(episodes):
        action = np.cumsum(rng.uniform(-0.003, 0.003, (FRAMES, 44)), axis=0)
        state = np.concatenate([action[:1], action[:-1]])
        frames = rng.integers(0, 255, (FRAMES, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
        writer.append(Episode("reach the red cube", np.arange(FRAMES) / 20, state, action, {"ego_view": frames}, True))
    (writer.seal().root / "meta/seal.json").unlink()
    (landing / name / "_SUCCESS").touch()


Seconds = dict[str, tuple[float, float]]
"""Stage -> seconds of the processor, seconds on the wall."""


def laps(root: Path) -> Seconds:
    """Each stage, for whatever waits in the landing."""
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.lake import Lake
    from gr00t_data.sources.landing.landing import take_in
    from gr00t_data.stages.ingest import waiting_drops
    from gr00t_data.stages.mix import measure_statistics, mix
    from gr00t_data.stages.stores import check

    lake, gr1 = Lake(root), load_embodiment("gr1")
    seconds: Seconds = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        seconds[name] = time.process_time() - cpu, time.perf_counter() - wall

    stores = []
    timed("take in", lambda: stores.extend(take_in(lake, key, gr1) for key in waiting_drops(lake)))
    timed("check", lambda: [check(lake, store, gr1) for store in stores])
    timed("statistics", lambda: measure_statistics(lake, gr1))
    timed("mixture", lambda: mix(lake, gr1))
    cpu, wall = (sum(lap[clock] for lap in seconds.values()) for clock in (0, 1))
    return seconds | {"total": (cpu, wall)}


def measure(drops: int, episodes: int, rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Stage -> seconds alone and beside ``drops`` others, medians over rounds that take turns, and their ratios."""
    put(folder / "warm/landing", "warm", episodes, seed=10**6)
    laps(folder / "warm")  # imports, and the digest of the rules
    for seed in range(drops):
        put(folder / "many/landing", f"drop{seed:04d}", episodes, seed)
    laps(folder / "many")
    alone: list[Seconds] = []
    beside: list[Seconds] = []
    for turn in range(rounds):
        for place, found in ((f"alone{turn}", alone), ("many", beside)):
            put(folder / place / "landing", f"new{turn}", episodes, seed=drops + turn)
            found.append(laps(folder / place))
    return {name: _ratios([lap[name] for lap in alone], [lap[name] for lap in beside]) for name in alone[0]}


def _ratios(alone: list[tuple[float, float]], beside: list[tuple[float, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, one, other in zip(
        ("CPU", "wall"), *(np.median(laps, axis=0).tolist() for laps in (alone, beside)), strict=True
    ):
        found |= {f"alone, {name}-s": one, f"beside, {name}-s": other, f"{name} ratio": other / one}
    return found


@command
def main(
    drops: Annotated[PositiveInt, Parameter(help="Drops that the lake holds already.")] = 100,
    episodes: Annotated[int, Parameter(validator=Number(gte=2), help="Episodes a drop.")] = 10,
    rounds: Annotated[PositiveInt, Parameter(help="New drops, one after the other.")] = 3,
    as_json: Json = False,
) -> bool:
    """Print the cost of each stage. Exit status 1 when the total is above 1.5 times that of the drop alone."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(drops, episodes, rounds, Path(folder))
    titles = f"one more drop of {episodes} episodes beside {drops}", *found["total"]
    lines = table(titles, ((name, *map("{:.2f}".format, values.values())) for name, values in found.items()))
    show({"drops": drops, "episodes": episodes, "bound": BOUND, "stages": found}, lines, as_json)
    return found["total"]["CPU ratio"] <= BOUND
