"""What generated episodes add to few recorded ones (DreamGen, arXiv 2505.12705, section 4), in the simulator.

The generated episodes are oracle dreams: recorded pictures whose actions are hidden and then told by an inverse
dynamics model, so that everything but the video model is real. That model learns from recordings of its own, as a
robot's model learns from all that the robot ever did. Arms for n recorded demonstrations of "reach the ...":

- recorded alone, in half of the steps: every recorded row is seen as often as in co-training;
- recorded alone, in all of the steps: the same compute;
- with dreams, one to one, in the robot's own slot;
- with dreams, one to one, in a slot of their own;
- with dreams whose actions are those of other dreams: what pictures and instructions do without true actions.

python -m benchmarks.policies.cotrain FOLDER [--counts 5 --counts 10 --counts 25] [--dreams 60] [--steps 400] [--json]
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.policies.arms import Arm, Outcome, Say, Scenes, grounded, lines, outcomes, successes
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.neural.oracle.oracle import Wanted, dream
from gr00t_data.stages.ingest import simulate
from gr00t_data.stages.settings import Demonstrations
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import StoreSource
from gr00t_data.store.store import SEAL, EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_model.evaluate.closed_loop import FIRST_SEED
from gr00t_model.idm.config import IdmTraining
from gr00t_model.stages.gate import free_slot
from gr00t_model.stages.idm import label_store, train_idm

TASK = "reach"
_DREAMT_FROM, _IDM_FROM = 10_000, 20_000
"""First seeds of the recordings that are dreamt, and of those the inverse dynamics model learns from."""


def labelled_dreams(side: Lake, dreams: int, idm_episodes: int, idm_steps: int, say: Say) -> EpisodeStore:
    """Recordings dreamt again and labelled, in a lake of their own, which no mixture reads."""
    robot = load_embodiment("gr1")
    say(f"recording {dreams} episodes to dream and {idm_episodes} for the inverse dynamics model")
    played = simulate(side, robot, Demonstrations.of({TASK: idm_episodes}, seed=_IDM_FROM), name="simulator-idm")
    recorded = simulate(side, robot, Demonstrations.of({TASK: dreams}, seed=_DREAMT_FROM), name="simulator-dreamt")
    say("training the inverse dynamics model")
    model, _ = train_idm(side, robot, (played.root.name,), training=IdmTraining(steps=idm_steps), say=lambda _: None)
    wanted = [Wanted(row.index) for row in recorded.rows]
    root = side.stores / "dreams"
    unlabelled = EpisodeStore.open(root) if (root / SEAL).is_file() else dream(recorded, robot, wanted, root)
    folder, _ = label_store(side, unlabelled, model, name="dreams-labelled")
    return EpisodeStore.open(folder)


def copied(
    store: EpisodeStore, root: Path, slot: int | None, actions: Callable[[int, int], np.ndarray]
) -> EpisodeStore:
    """A store with the same pictures and other actions, float64 [T, A] by (episode, rows)."""
    if (root / SEAL).is_file():
        return EpisodeStore.open(root)
    robot, source = load_embodiment("gr1"), StoreSource(labelled=store.digest)
    writer = StoreWriter.create(
        root, robot, kind="neural", licence=store.licence, source=source, absent=store.about.absent, slot=slot
    )
    for row in store.rows[len(writer) :]:
        writer.append(_episode(store, row.index, actions(row.index, row.length)))
    return writer.seal()


def _episode(store: EpisodeStore, index: int, action: np.ndarray) -> Episode:
    row = store.row(index)
    film: dict[str, np.ndarray | Path] = {name: store.video_path(index, name) for name in store.cameras}
    return Episode(row.instruction, store.times_s(index), store.state(index), action, film, None, row.source)


def of_another(store: EpisodeStore) -> Callable[[int, int], np.ndarray]:
    """The actions of the next episode, its last row repeated or its end cut off."""
    numbers = [row.index for row in store.rows]

    def actions(index: int, rows: int) -> np.ndarray:
        other = store.action(numbers[(numbers.index(index) + 1) % len(numbers)])
        return other[np.minimum(np.arange(rows), len(other) - 1)]

    return actions


def arms(count: int, steps: int) -> list[Arm]:
    """The arms for ``count`` recorded demonstrations."""
    recorded = f"recorded-{count}"
    settings = (f"steps={steps}", "batch_size=32")
    alone = Arm("recorded alone, half the steps", (recorded,), (f"steps={steps // 2}", "batch_size=32"))
    mixed = {
        "with dreams, one slot": "dreams-one-slot",
        "with dreams, own slot": "dreams-own-slot",
        "with dreams, others' actions": "dreams-exchanged",
    }
    return [
        alone,
        replace(alone, name="recorded alone, all steps", settings=settings),
        *(Arm(name, (recorded, store), settings, neural_per_real=1.0) for name, store in mixed.items()),
    ]


def compare(
    folder: Path,
    counts: Sequence[int],
    dreams: int,
    idm: tuple[int, int],
    steps: int,
    seeds: int,
    trials: int,
    stills: int,
    say: Say,
) -> dict[int, list[Outcome]]:
    """Make the data, train every arm with every seed, and compare."""
    lake, robot = Lake(folder.absolute()), load_embodiment("gr1")
    labelled = labelled_dreams(Lake(lake.root / "side"), dreams, *idm, say)

    def told(index: int, rows: int) -> np.ndarray:
        return labelled.action(index)

    copied(labelled, lake.stores / "dreams-one-slot", None, told)
    copied(labelled, lake.stores / "dreams-own-slot", free_slot(robot), told)
    copied(labelled, lake.stores / "dreams-exchanged", None, of_another(labelled))
    grounded(lake, stills, say)
    scenes = Scenes(TASK, tuple(range(FIRST_SEED, FIRST_SEED + trials)))
    found = {}
    for count in counts:
        simulate(lake, robot, Demonstrations.of({TASK: count}), name=f"recorded-{count}")
        tried: dict[str, list[list[bool]]] = {}
        for arm in arms(count, steps):
            tried[arm.name] = [successes(lake, arm, seed, scenes, say) for seed in range(seeds)]
        found[count] = outcomes(tried)
    return found


def main(
    folder: Annotated[Path, typer.Argument(help="Where to work; what is there already is not done again.")],
    counts: Annotated[list[int] | None, typer.Option(help="Recorded demonstrations; repeat it. [5, 10, 25]")] = None,
    dreams: Annotated[int, typer.Option(help="Generated episodes.")] = 60,
    idm_episodes: Annotated[int, typer.Option(help="Recordings that teach the inverse dynamics model.")] = 150,
    idm_steps: Annotated[int, typer.Option(help="Its training steps.")] = 2000,
    steps: Annotated[int, typer.Option(help="Training steps of 32 rows.")] = 400,
    seeds: Annotated[int, typer.Option(help="Policies an arm.")] = 3,
    trials: Annotated[int, typer.Option(help="Scenes each policy is tried in.")] = 50,
    stills: Annotated[int, typer.Option(help="Stills that ground the base.")] = 4000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> None:
    """Print the success of every arm for every count, with intervals."""

    def say(line: str) -> None:
        typer.echo(line, err=True)

    idm = (idm_episodes, idm_steps)
    found = compare(folder, counts or [5, 10, 25], dreams, idm, steps, seeds, trials, stills, say)
    if as_json:
        print(json.dumps({count: [asdict(outcome) for outcome in arms_] for count, arms_ in found.items()}))
    for count, arms_ in {} if as_json else found.items():
        print("\n".join([*lines(arms_, f"{count} recorded"), ""]))


if __name__ == "__main__":
    typer.run(main)
