# pyright: reportAttributeAccessIssue=false
# (mujoco is compiled and ships no stubs)
"""Demonstrations: the expert at work, recorded as episodes on a 20 Hz clock; many of them into a store."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import mujoco
import numpy as np

from gr00t_data.progress import Progress, silent
from gr00t_data.sources.sim.env import CAMERA, TabletopEnv
from gr00t_data.sources.sim.expert import Expert
from gr00t_data.sources.sim.tasks import TASKS
from gr00t_data.sources.sim.world import CONTROL_HZ, World
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource
from gr00t_data.video import files as video
from gr00t_data.workers import worker_pool

if TYPE_CHECKING:
    from gr00t_data.store.writing import StoreWriter

_LINGER_STEPS = {"reach": 8, "push": 4, "pick_and_place": 4}
"""Control steps recorded after success: a demonstration that stops at the threshold teaches to stop at the threshold,
and the quickest reach (11 steps) would be shorter than one action chunk."""
_SHOVE_N = 70.0
_SHOVE_STEPS = 3
_SHOVE_EVERY_STEPS = 18
Job = tuple[str, int, int, bool]


def record_episode(task: str, seed: int, image_size: int = 256, shoves: bool = False) -> Episode:
    """The expert's episode in the scene that ``TabletopEnv(task).reset(seed)`` starts.

    Row t holds picture and state before command t. A few rows follow the command that completed the task; an episode
    that ran into the step limit ends there, with ``success`` False.

    Args:
        task: one of TASKS.
        seed: non-negative; decides everything.
        image_size: pixels.
        shoves: push the acting hand aside now and then (a force, not a command), so that the demonstration shows how to
            recover; commands and states stay exactly what was issued and measured.

    Returns:
        Episode with state and action float64 [T, 44] in radians and video ``ego_view`` uint8 [T, size, size, 3].
    """
    env = TabletopEnv(task, image_size)
    observation, info = env.reset(seed)
    expert = Expert(env.world)
    shover = _Shover(env.world, seed) if shoves else None
    pictures, states, actions = [], [], []
    done = False
    while not done:
        action = expert.act()
        pictures.append(observation["video"][CAMERA])
        states.append(observation["state"])
        actions.append(action)
        if shover:
            shover.push(env.steps)
        observation, _, terminated, truncated, info = env.step(action)
        done = terminated or truncated
    for _ in range(_LINGER_STEPS[task] if info["success"] else 0):
        pictures.append(observation["video"][CAMERA])
        states.append(observation["state"])
        actions.append(expert.act())
        env.world.advance(actions[-1])
        observation = env.observe()
    facts = {name: info[name] for name in ("task", "seed", "target", "hand", "direction", "wrong_object")}
    return Episode(
        instruction=observation["instruction"],
        times_s=np.arange(len(actions)) / CONTROL_HZ,
        state=np.array(states),
        action=np.array(actions),
        video={CAMERA: np.array(pictures)},
        success=info["success"],
        source=EpisodeSource.model_validate({"simulator": "tabletop", **facts, "shoves": shoves}),
    )


class _Shover:
    """Random pushes on the acting hand, a few control steps each."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._generator = np.random.default_rng([11, seed])
        self._body = mujoco.mj_name2id(world.model, mujoco.mjtObj.mjOBJ_BODY, f"{world.scene.side}_palm")
        self._start = int(self._generator.integers(2, _SHOVE_EVERY_STEPS))

    def push(self, step: int) -> None:
        """Set the force for the coming control step."""
        if step == self._start:
            self._world.data.xfrc_applied[self._body, :3] = self._generator.uniform(-_SHOVE_N, _SHOVE_N, 3)
        if step == self._start + _SHOVE_STEPS:
            self._world.data.xfrc_applied[self._body] = 0
            self._start = step + int(self._generator.integers(5, 2 * _SHOVE_EVERY_STEPS))


def record_demos(
    store: "StoreWriter",
    tasks: Sequence[str],
    episodes: int,
    seed: int,
    workers: int = 2,
    progress: Progress = silent,
    image_size: int = 256,
    shoves: bool = False,
) -> list[int]:
    """Record ``episodes`` demonstrations, the tasks in turn, with seeds ``seed``, ``seed + 1``, ...

    Order and bytes do not depend on ``workers``; a killed run goes on where it stopped when called again: what the
    store has is kept. Failures of the expert are recorded too, with ``success`` False; curation decides about them.

    Args:
        store: being written.
        workers: processes; 1 works in this one.
        progress: called with (episodes done, episodes asked for) after each.

    Returns:
        the episode numbers written by this call.

    Raises:
        ValueError: an unknown task, or a negative count.
    """
    jobs = _jobs(tasks, episodes, seed, image_size, shoves)
    there = {(record.source.task, record.source.seed) for record in store.records}
    missing = [job for job in jobs if job[:2] not in there]
    written = []
    with tempfile.TemporaryDirectory(prefix="demos-") as folder:
        for episode in _recorded(missing, Path(folder), workers):
            written.append(store.append(episode))
            for path in episode.video.values():
                Path(str(path)).unlink()
            progress(len(jobs) - len(missing) + len(written), len(jobs))
    return written


def _jobs(tasks: Sequence[str], episodes: int, seed: int, image_size: int, shoves: bool) -> list[Job]:
    if unknown := [task for task in tasks if task not in TASKS]:
        raise ValueError(f"unknown task {unknown[0]!r}; choose from {', '.join(TASKS)}")
    if episodes < 0 or not tasks:
        raise ValueError(f"expected at least one task and a count of episodes >= 0; found {list(tasks)}, {episodes}")
    return [(tasks[index % len(tasks)], seed + index, image_size, shoves) for index in range(episodes)]


def _recorded(jobs: list[Job], folder: Path, workers: int) -> Iterator[Episode]:
    """The episodes of the jobs in order, their video as files in ``folder``."""
    targets = [folder / f"{index}.mp4" for index in range(len(jobs))]
    if workers <= 1 or len(jobs) <= 1:
        yield from map(_record, jobs, targets)
        return
    with worker_pool(workers) as pool:
        yield from pool.map(_record, jobs, targets)


def _record(job: Job, path: Path) -> Episode:
    episode = record_episode(*job)
    pictures = episode.video[CAMERA]
    assert isinstance(pictures, np.ndarray)
    video.encode(path, pictures, CONTROL_HZ)
    return replace(episode, video={CAMERA: path})
