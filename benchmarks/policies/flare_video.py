"""Does video without actions teach a policy a new object? FLARE (arXiv 2505.15659, section 4.3) in the simulator.

A robot's demonstrations of "reach the ..." never name an object of one colour. Further episodes show just those
objects being reached, as pictures and instructions alone: they count for the alignment loss only. The base model knows
the colour, as a large vision-language model would. Tried on scenes that name an object of that colour.

Arms: the demonstrations alone; with the video; with the video and the futures of a batch exchanged; with the actions
of the video (what it could teach at best).

python -m benchmarks.policies.flare_video FOLDER [--colour purple] [--episodes 60] [--steps 600] [--seeds 3] [--json]
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import count, islice
from typing import Annotated

import numpy as np
from cyclopts import CycloptsError, Parameter

from benchmarks.command import Json, command, say, show
from benchmarks.policies.arms import EFFORT, Arm, Effort, Folder, Scenes, compare, grounded, lines
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.sim.demos import record_episode
from gr00t_data.sources.sim.draw import COLOURS, draw_scene
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
        if kind == "human":
            episode = replace(episode, state=np.zeros_like(episode.state), action=np.zeros_like(episode.action))
        writer.append(episode)
    return writer.seal()


def arms(steps: int) -> list[Arm]:
    """The four arms. All take the same steps of the same size; where there is video, half of the rows are video."""
    common = (f"steps={steps}", "batch_size=32")
    return [
        Arm("demonstrations alone", (_OTHERS,), common),
        Arm("with video", (_OTHERS, _SHOWN), common),
        Arm("with video, futures exchanged", (_OTHERS, _SHOWN), (*common, "model.flare.control=shuffled")),
        Arm("with the video's actions", (_OTHERS, _TOLD), common),
    ]


@command
def main(
    folder: Folder,
    *,
    colour: Annotated[str, Parameter(help="Colour that the robot's demonstrations never name.")] = "purple",
    episodes: Annotated[int, Parameter(help="Episodes of each kind.")] = 60,
    steps: Annotated[int, Parameter(help="Training steps of 32 rows.")] = 600,
    effort: Effort = EFFORT,
    as_json: Json = False,
) -> None:
    """Print the success of every arm on the new colour, with intervals."""
    if colour not in COLOURS:
        raise CycloptsError(msg=f"{colour!r}: choose from {', '.join(COLOURS)}")
    lake = Lake(folder.absolute())
    say(f"recording {2 * episodes} episodes")
    new = list(islice(scenes_of(colour, True, 0), episodes))
    record(lake, _OTHERS, list(islice(scenes_of(colour, False, 0), episodes)), "simulated")
    record(lake, _TOLD, new, "simulated")
    record(lake, _SHOWN, new, "human")
    grounded(lake, effort.stills)
    scenes = Scenes(TASK, tuple(islice(scenes_of(colour, True, FIRST_SEED), effort.trials)))
    found = compare(lake, arms(steps), effort.seeds, scenes)
    plain = [asdict(outcome) for outcome in found]
    show(plain, lines(found, f"reach the {colour} ..."), as_json, indent=None)
