"""What one more drop costs in a lake that holds many, beside what that drop costs alone.

python -m benchmarks.incremental --drops 100

Both times are from the landed drop to the manifest: take in, check, statistics, mixture. Lakes lie in a temporary
folder. Seconds are those of the processor, so that a busy machine does not decide.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

BOUND = 1.5
FRAMES = 100
SIDE_PX = 64


def put(landing: Path, name: str, episodes: int, seed: int) -> None:
    """A marked drop of episodes with wandering arms and noise for pictures."""
    from gr00t_data.embodiment import load_embodiment
    from gr00t_data.episode import Episode
    from gr00t_data.store import EpisodeStore

    gr1, rng = load_embodiment("gr1"), np.random.default_rng(seed)
    writer = EpisodeStore.create(landing / name, gr1, kind="real", licence="x")
    for _ in range(episodes):
        action = np.cumsum(rng.uniform(-0.003, 0.003, (FRAMES, 44)), axis=0)
        state = np.concatenate([action[:1], action[:-1]])
        frames = rng.integers(0, 255, (FRAMES, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
        writer.append(Episode("reach the red cube", np.arange(FRAMES) / 20, state, action, {"ego_view": frames}, True))
    (writer.seal().root / "meta/seal.json").unlink()
    (landing / name / "_SUCCESS").touch()


def laps(root: Path) -> dict[str, float]:
    """CPU-seconds of each stage, for whatever waits in the landing."""
    from gr00t_data.embodiment import load_embodiment
    from gr00t_data.lake import Lake
    from gr00t_data.stages import check, land, measure_statistics, mix, waiting_drops

    lake, gr1 = Lake(root), load_embodiment("gr1")
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        before = time.process_time()
        work()
        seconds[name] = time.process_time() - before

    stores = []
    timed("take in", lambda: stores.extend(land(lake, key, gr1) for key in waiting_drops(lake)))
    timed("check", lambda: [check(lake, store, gr1) for store in stores])
    timed("statistics", lambda: measure_statistics(lake, gr1))
    timed("mixture", lambda: mix(lake, gr1))
    return seconds | {"total": sum(seconds.values())}


def measure(drops: int, episodes: int, folder: Path) -> dict[str, dict[str, float]]:
    """Stage -> seconds alone, seconds beside ``drops`` others, ratio."""
    put(folder / "warm/landing", "warm", episodes, seed=10**6)
    laps(folder / "warm")  # imports, and the digest of the rules
    put(folder / "alone/landing", "new", episodes, seed=drops)
    alone = laps(folder / "alone")
    for seed in range(drops):
        put(folder / "many/landing", f"drop{seed:04d}", episodes, seed)
    laps(folder / "many")
    put(folder / "many/landing", "new", episodes, seed=drops)
    beside = laps(folder / "many")
    return {
        name: {"alone, s": alone[name], "beside, s": beside[name], "ratio": beside[name] / alone[name]}
        for name in alone
    }


def main(
    drops: Annotated[int, typer.Option(min=1, help="Drops that the lake holds already.")] = 100,
    episodes: Annotated[int, typer.Option(min=2, help="Episodes a drop.")] = 10,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print the cost of each stage. Exit status 1 when the total is above 1.5 times that of the drop alone."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(drops, episodes, Path(folder))
    if as_json:
        print(json.dumps({"drops": drops, "episodes": episodes, "bound": BOUND, "stages": found}, indent=1))
    else:
        print(
            f"| one more drop of {episodes} episodes beside {drops} | alone, s | beside, s | ratio |\n|---|---|---|---|"
        )
        for name, row in found.items():
            print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in row.values()) + " |")
    if found["total"]["ratio"] > BOUND:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
