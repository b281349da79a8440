"""Does video without actions teach a policy a new object? FLARE (arXiv 2505.15659, section 4.3) in the simulator.

A robot's demonstrations of "reach the ..." never name an object of one colour. Further episodes show just those
objects being reached, as pictures and instructions alone: they count for the alignment loss only. The base model knows
the colour, as a large vision-language model would. Tried on scenes that name an object of that colour.

Arms: the demonstrations alone; with the video; with the video and the futures of a batch exchanged; with the actions
of the video (what it could teach at best).

python -m benchmarks.policies.flare_video FOLDER [--colour purple] [--episodes 60] [--steps 600] [--seeds 3] [--json]
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import count, islice
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.policies.arms import Arm, Outcome, Say, Scenes, grounded, lines, outcomes, successes
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.sim.demos import record_episode
from gr00t_data.sources.sim.draw import COLOURS, draw_scene
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import Kind, StoreSource
from gr00t_data.store.store import SEAL, EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_model.evaluate.closed_loop import FIRST_SEED

TASK = "reach"
_OTHERS, _TOLD, _SHOWN = "other-colours", "colour-with-actions", "colour-video"


def scenes_of(colour: str, named: bool, first: int) -> Iterator[int]:
    """Seeds from ``first`` on whose scene names an object of the colour, or of any other one."""
    return (seed for seed in count(first) if (draw_scene(TASK, seed).things[0].colour == colour) == named)


def record(lake: Lake, name: str, seeds: list[int], kind: Kind) -> EpisodeStore:
    """The expert's episodes of these scenes. Of the kind ``human``, states and actions are kept out: zeros, absent."""
    root = lake.stores / name
    if (root / SEAL).is_file():
        return EpisodeStore.open(root)
    source = StoreSource.model_validate({"seeds": seeds})
    writer = StoreWriter.create(root, load_embodiment("gr1"), kind=kind, licence="Apache-2.0", source=source)
    for seed in seeds[len(writer) :]:
        episode = record_episode(TASK, seed)
        writer.append(_without_actions(episode) if kind == "human" else episode)
    return writer.seal()


def _without_actions(episode: Episode) -> Episode:
    return replace(episode, state=np.zeros_like(episode.state), action=np.zeros_like(episode.action))


def arms(steps: int, batch_size: int) -> list[Arm]:
    """The four arms. All take the same steps of the same size; where there is video, half of the rows are video."""
    common = (f"steps={steps}", f"batch_size={batch_size}")
    return [
        Arm("demonstrations alone", (_OTHERS,), common),
        Arm("with video", (_OTHERS, _SHOWN), common),
        Arm("with video, futures exchanged", (_OTHERS, _SHOWN), (*common, "model.flare.control=shuffled")),
        Arm("with the video's actions", (_OTHERS, _TOLD), common),
    ]


def compare(
    folder: Path, colour: str, episodes: int, steps: int, seeds: int, trials: int, stills: int, say: Say
) -> list[Outcome]:
    """Record, ground, train every arm with every seed, and compare."""
    lake = Lake(folder.absolute())
    say(f"recording {2 * episodes} episodes")
    new = list(islice(scenes_of(colour, True, 0), episodes))
    record(lake, _OTHERS, list(islice(scenes_of(colour, False, 0), episodes)), "simulated")
    record(lake, _TOLD, new, "simulated")
    record(lake, _SHOWN, new, "human")
    grounded(lake, stills, say)
    scenes = Scenes(TASK, tuple(islice(scenes_of(colour, True, FIRST_SEED), trials)))
    tried: dict[str, list[list[bool]]] = {arm.name: [] for arm in arms(steps, 32)}
    for seed in range(seeds):
        for arm in arms(steps, 32):
            tried[arm.name].append(successes(lake, arm, seed, scenes, say))
    return outcomes(tried)


def main(
    folder: Annotated[Path, typer.Argument(help="Where to work; what is there already is not done again.")],
    colour: Annotated[str, typer.Option(help="Colour that the robot's demonstrations never name.")] = "purple",
    episodes: Annotated[int, typer.Option(help="Episodes of each kind.")] = 60,
    steps: Annotated[int, typer.Option(help="Training steps of 32 rows.")] = 600,
    seeds: Annotated[int, typer.Option(help="Policies an arm.")] = 3,
    trials: Annotated[int, typer.Option(help="Scenes each policy is tried in.")] = 50,
    stills: Annotated[int, typer.Option(help="Stills that ground the base.")] = 4000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Print the success of every arm on the new colour, with intervals."""
    if colour not in COLOURS:
        raise typer.BadParameter(f"{colour!r}: choose from {', '.join(COLOURS)}")
    found = compare(folder, colour, episodes, steps, seeds, trials, stills, lambda line: typer.echo(line, err=True))
    if as_json:
        print(json.dumps([asdict(outcome) for outcome in found]))
    else:
        print("\n".join(lines(found, f"reach the {colour} ...")))


if __name__ == "__main__":
    typer.run(main)
