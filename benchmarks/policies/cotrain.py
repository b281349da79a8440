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

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from benchmarks.command import Json, command, say, show
from benchmarks.policies.arms import EFFORT, Arm, Effort, Folder, Scenes, compare, grounded, lines
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


def labelled_dreams(side: Lake, dreams: int, idm_episodes: int, idm_steps: int) -> EpisodeStore:
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


def make_mixtures(lake: Lake, labelled: EpisodeStore) -> None:
    """The three stores of dreams that arms mix in."""

    def told(index: int, rows: int) -> np.ndarray:
        return labelled.action(index)

    copied(labelled, lake.stores / "dreams-one-slot", None, told)
    copied(labelled, lake.stores / "dreams-own-slot", free_slot(load_embodiment("gr1")), told)
    copied(labelled, lake.stores / "dreams-exchanged", None, of_another(labelled))


@command
def main(
    folder: Folder,
    *,
    counts: Annotated[list[int] | None, Parameter(help="Recorded demonstrations; repeat it. [5, 10, 25]")] = None,
    dreams: Annotated[int, Parameter(help="Generated episodes.")] = 60,
    idm_episodes: Annotated[int, Parameter(help="Recordings that teach the inverse dynamics model.")] = 150,
    idm_steps: Annotated[int, Parameter(help="Its training steps.")] = 2000,
    steps: Annotated[int, Parameter(help="Training steps of 32 rows.")] = 400,
    effort: Effort = EFFORT,
    as_json: Json = False,
) -> None:
    """Print the success of every arm for every count, with intervals."""

    lake = Lake(folder.absolute())
    make_mixtures(lake, labelled_dreams(Lake(lake.root / "side"), dreams, idm_episodes, idm_steps))
    grounded(lake, effort.stills)
    scenes = Scenes(TASK, tuple(range(FIRST_SEED, FIRST_SEED + effort.trials)))
    found = {}
    for count in counts or [5, 10, 25]:
        simulate(lake, load_embodiment("gr1"), Demonstrations.of({TASK: count}), name=f"recorded-{count}")
        found[count] = compare(lake, arms(count, steps), effort.seeds, scenes)
    plain = {count: [asdict(outcome) for outcome in outcomes] for count, outcomes in found.items()}
    shown = (line for count, outcomes in found.items() for line in (*lines(outcomes, f"{count} recorded"), ""))
    show(plain, shown, as_json, indent=None)
