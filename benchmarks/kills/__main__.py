"""What survives kill -9 at random instants, beside a run that nobody disturbs.

python -m benchmarks.kills --kills 100

Most kills fall on the stages of the library (drop to manifest), which take a second each; some on the steps of a
Dagster run (`*evaluation_gr1`, tiny graph) and on trainings with one and two ranks. Half of the latter kill the one
process, half its process group. After some kills a run is let end, and its bytes are compared with those of the
undisturbed run.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveInt

from benchmarks.command import Json, command, say, show, table
from benchmarks.kills.scenes import Stages, Steps, Training
from benchmarks.kills.tally import Left, Scene, Tally, harass, left_by

_BEFORE_WORK = 0.3
"""Share of a training that is imports; kills there are cheap to survive, so they fall after it."""


def note(line: str) -> None:
    """To standard error, with the time."""
    say(f"{time.strftime('%H:%M:%S')} {line}")


def undisturbed(scene: Scene) -> tuple[Left, float]:
    """What a run leaves that nobody kills, and how long it takes, seconds; everything is cleared afterwards."""
    start = time.monotonic()
    end = scene.run()
    seconds = time.monotonic() - start
    if end.status != 0:
        raise RuntimeError(f"{scene.name}: the undisturbed run ended with {end.status}: {end.output}")
    left = left_by(scene.root)
    scene.clear()
    note(f"{scene.name}: undisturbed in {seconds:.1f} s, {len(left.files)} files and {len(left.weights)} weights")
    return left, seconds


def measure(folder: Path, stages: int, steps: int, training: int, seed: int) -> list[Tally]:
    """The tallies of all parts that have a kill."""
    tallies = []
    if stages:
        scene = Stages(folder / "stages")
        scene.prepare()
        undisturbed(scene)  # starts the server that has the imports
        wanted, seconds = undisturbed(scene)
        tallies.append(harass(scene, stages, seconds, wanted, seed, lambda line: None))
    for ranks, kills in ((1, training - training // 2), (2, training // 2)):
        if kills:
            trained = Training(folder / f"ranks{ranks}", ranks)
            trained.prepare()
            wanted, seconds = undisturbed(trained)
            tallies.append(harass(trained, kills, seconds, wanted, seed, note, _BEFORE_WORK))
    if steps:
        graph = Steps(folder / "lake")
        wanted, seconds = undisturbed(graph)
        tallies.append(harass(graph, steps, seconds, wanted, seed, note))
    return tallies


@command
def main(
    kills: Annotated[PositiveInt, Parameter(help="Kills in all, when the next two do not say otherwise.")] = 100,
    steps: Annotated[NonNegativeInt, Parameter(help="Kills of Dagster steps.")] = 7,
    training: Annotated[NonNegativeInt, Parameter(help="Kills of trainings, half of them with two ranks.")] = 8,
    seed: Annotated[int, Parameter(help="Of the instants.")] = 0,
    as_json: Json = False,
) -> bool:
    """Print a table. Exit status 1 when anything was lost, corrupted, left running or different."""
    with tempfile.TemporaryDirectory() as folder:
        tallies = measure(Path(folder), max(kills - steps - training, 0), steps, training, seed)
    rows = [tally.row() for tally in tallies]
    failures = [line for tally in tallies for line in tally.failures]
    lines = [*table(rows[0], (one.values() for one in rows)), *failures]
    show({"seed": seed, "rows": rows, "failures": failures}, lines, as_json)
    return all(tally.clean for tally in tallies)
