"""Do inferred actions do what the video shows? They are executed in the simulator, open loop, from the clip's scene.

    python -m benchmarks.neural.replay --lake lake

The clips are unseen episodes whose actions are hidden and inferred. Three arms in the same scenes: the true actions (a
ceiling), the inferred ones, and those of another episode of the same task (a floor). Bound: the inferred ones keep 70 %
of the successes of the true ones.
"""

import json
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

from benchmarks.command import Json, command, table
from benchmarks.neural.model import DEFAULT, Options, Subject
from gr00t_data.sources.sim.body import SIDES
from gr00t_data.sources.sim.env import TabletopEnv
from gr00t_data.sources.sim.tasks import TASKS
from gr00t_model.evaluate.rates import Rate
from gr00t_model.idm.examples import read_pictures
from gr00t_model.idm.label import combined
from gr00t_model.idm.predict import Clip, predict_windows

KEPT_BOUND = 0.7
ARMS = ("true", "inferred", "other episode")
_PICTURE_PX = 16


def replay(task: str, seed: int, actions: np.ndarray) -> tuple[bool, np.ndarray]:
    """Execute actions float64 [T, 44] in the scene of (task, seed), then hold the last one until the step limit.

    Returns:
        Whether the task was done, and where the acting hand was after each step, float64 [N, 3] metres.
    """
    env = TabletopEnv(task, _PICTURE_PX)
    _, info = env.reset(seed)
    side, hands, ended = SIDES.index(info["hand"]), [], False
    while not ended:
        _, _, done, stopped, info = env.step(actions[min(env.steps, len(actions) - 1)])
        hands.append(env.world.hands_m[side])
        ended = done or stopped
    return bool(info["success"]), np.array(hands)


def inferred(measured: Subject, index: int) -> np.ndarray:
    """The labels of one episode from its pictures alone, float64 [T, 44] rad."""
    artifact = measured.artifact
    pictures = read_pictures(measured.store, index, artifact.robot.cameras, artifact.image_size)
    starts = np.arange(len(pictures) - artifact.timing.frame_gap)
    labels = combined(index, predict_windows(artifact, pictures, starts), Clip(pictures, starts), artifact)
    actions, first = np.zeros((labels.rows, artifact.robot.embodiment.action_dim)), 0
    for part in artifact.robot.parts:
        actions[:, part.slice] = labels.labels.action[: labels.rows, first : first + part.dim]
        first += part.dim
    return actions


def other_of(measured: Subject, index: int) -> int:
    """The next unseen episode of the same task."""
    task = _scene(measured, index)[0]
    same = [one for one in measured.unseen if _scene(measured, one)[0] == task]
    return same[(same.index(index) + 1) % len(same)]


def _scene(measured: Subject, index: int) -> tuple[str, int]:
    source = measured.store.row(index).source
    assert source.task is not None and source.seed is not None
    return source.task, source.seed


def outcomes(measured: Subject, clips: int) -> list[dict[str, Any]]:
    """One row an unseen episode: its task, whether each arm succeeded, and how far the inferred hand strays, m."""
    found = []
    for index in measured.unseen:
        task, seed = _scene(measured, index)
        if sum(row["task"] == task for row in found) >= clips or measured.store.row(index).length < 20:
            continue
        store = measured.store
        actions = store.action(index), inferred(measured, index), store.action(other_of(measured, index))
        done, hands = zip(*(replay(task, seed, one) for one in actions), strict=True)
        shared = min(len(hands[0]), len(hands[1]))
        strayed = float(np.linalg.norm(hands[1][:shared] - hands[0][:shared], axis=-1).mean())
        found.append({"task": task, "episode": index, **dict(zip(ARMS, done, strict=True)), "strayed_m": strayed})
    return found


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Task (and ``all``) -> arm -> Rate, ``kept`` and the mean distance of the hands."""
    tables = {}
    for task in (*TASKS, "all"):
        own = [row for row in rows if task in (row["task"], "all")]
        rates = {arm: Rate.of(row[arm] for row in own) for arm in ARMS}
        kept = rates["inferred"].hits / max(rates["true"].hits, 1)
        strayed = float(np.mean([row["strayed_m"] for row in own])) if own else float("nan")
        tables[task] = {**rates, "kept": kept, "strayed_m": strayed}
    return tables


@command
def main(
    options: Options = DEFAULT,
    clips: Annotated[int, Parameter(validator=Number(gte=2), help="Unseen episodes per task.")] = 20,
    as_json: Json = False,
) -> bool:
    """Print successes per task and arm. Exit status 1 when the inferred actions keep less than 70 %."""
    tables = summary(outcomes(options.subject(), clips))
    if as_json:
        print(json.dumps(tables, indent=1, default=lambda rate: {"hits": rate.hits, "trials": rate.trials}))
    else:
        each = tables.items()
        rows = ((task, *map(one.get, ARMS), f"{one['kept']:.0%}", f"{one['strayed_m']:.3f}") for task, one in each)
        print("\n".join(table(("task", *ARMS, "kept", "hands apart, m"), rows)))
    return tables["all"]["kept"] >= KEPT_BOUND
