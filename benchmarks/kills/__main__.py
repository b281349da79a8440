"""What survives kill -9 at random instants, beside a run that nobody disturbs.

python -m benchmarks.kills --kills 100

Most kills fall on the stages of the library (drop to manifest), which take a second each; some on the steps of a
Dagster run (`*evaluation_gr1`, tiny graph) and on trainings with one and two ranks. Half of the latter kill the one
process, half its process group. After some kills a run is let end, and its bytes are compared with those of the
undisturbed run.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.kills.scenes import Stages, Steps, Training
from benchmarks.kills.tally import Left, Scene, Tally, harass, left_by

_BEFORE_WORK = 0.3
"""Share of a training that is imports; kills there are cheap to survive, so they fall after it."""


def say(line: str) -> None:
    """To standard error, with the time."""
    typer.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)


def undisturbed(scene: Scene) -> tuple[Left, float]:
    """What a run leaves that nobody kills, and how long it takes, seconds; everything is cleared afterwards."""
    start = time.monotonic()
    end = scene.run()
    seconds = time.monotonic() - start
    if end.status != 0:
        raise RuntimeError(f"{scene.name}: the undisturbed run ended with {end.status}: {end.output}")
    left = left_by(scene.root)
    scene.clear()
    say(f"{scene.name}: undisturbed in {seconds:.1f} s, {len(left.files)} files and {len(left.weights)} weights")
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
            tallies.append(harass(trained, kills, seconds, wanted, seed, say, _BEFORE_WORK))
    if steps:
        graph = Steps(folder / "lake")
        wanted, seconds = undisturbed(graph)
        tallies.append(harass(graph, steps, seconds, wanted, seed, say))
    return tallies


def main(
    kills: Annotated[int, typer.Option(min=1, help="Kills in all, when the next two do not say otherwise.")] = 100,
    steps: Annotated[int, typer.Option(min=0, help="Kills of Dagster steps.")] = 7,
    training: Annotated[int, typer.Option(min=0, help="Kills of trainings, half of them with two ranks.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the instants.")] = 0,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print a table. Exit status 1 when anything was lost, corrupted, left running or different."""
    with tempfile.TemporaryDirectory() as folder:
        tallies = measure(Path(folder), max(kills - steps - training, 0), steps, training, seed)
    rows = [tally.row() for tally in tallies]
    if as_json:
        print(json.dumps({"seed": seed, "rows": rows, "failures": [f for t in tallies for f in t.failures]}, indent=1))
    else:
        print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
        for row in rows:
            print("| " + " | ".join(map(str, row.values())) + " |")
        for failure in (line for tally in tallies for line in tally.failures):
            print(failure)
    if not all(tally.clean for tally in tallies):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
