"""Closed loop: the policy acts in the simulator, in scenes that no demonstration was recorded in.

Several scenes advance in step, so that the network sees them as one batch: predict a chunk, execute its first half,
look again. Executing all of a chunk is worse (the picture is then up to 0.8 s old).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.sources.sim.draw import Scene
from gr00t_data.sources.sim.env import Observation, TabletopEnv
from gr00t_data.sources.sim.render import EgoCamera
from gr00t_data.sources.sim.tasks import Progress
from gr00t_data.sources.sim.world import World
from gr00t_data.store.store import EpisodeStore
from gr00t_data.workers import worker_pool
from gr00t_model.evaluate.evaluation import Trial
from gr00t_model.evaluate.rates import Rate
from gr00t_model.policy import Actions, Policy

LIBRARIES = ("av", "mujoco", "numpy", "onnxruntime", "pyarrow", "scipy", "torch", "transformers")

FIRST_SEED = 1_000_000
"""Demonstrations are recorded from seed 0 upwards; evaluation starts here."""

_SCENES_AT_ONCE = 16


@dataclass(frozen=True)
class ClosedLoop:
    """Result of one task.

    Attributes:
        trials: scenes with their own instruction.
        swapped: the same scenes with an instruction that names another object in them.
    """

    task: str
    trials: tuple[Trial, ...]
    swapped: tuple[Trial, ...] = ()

    @property
    def success(self) -> Rate:
        """Success with the scene's own instruction."""
        return Rate.of(trial.success for trial in self.trials)

    @property
    def wrong_object(self) -> Rate:
        """How often another object was handled."""
        return Rate.of(trial.wrong_object for trial in self.trials)

    @property
    def swapped_success(self) -> Rate:
        """Success at the object named by the swapped instruction; a policy deaf to language fails here."""
        return Rate.of(trial.success for trial in self.swapped)


def unseen_seeds(manifest: MixtureManifest, count: int, first: int = FIRST_SEED) -> list[int]:
    """``count`` seeds from ``first`` on that no episode of the mixture was recorded with, held-out ones included."""
    seen = seen_seeds(manifest)
    seeds, seed = [], first
    while len(seeds) < count:
        seeds += [seed] if seed not in seen else []
        seed += 1
    return seeds


def seen_seeds(manifest: MixtureManifest) -> set[int]:
    """The simulator seeds that episodes of the mixture were recorded with.

    Raises:
        StoreError: a store was changed after sealing.
    """
    seen: set[int] = set()
    for source in manifest.sources:
        if not source.there:
            continue  # the demonstrations are gone; their seeds lie far below ``FIRST_SEED``
        rows = EpisodeStore.open(source.store).rows
        seen |= {row.source.seed for row in rows if row.source.seed is not None}
    return seen


def evaluate_closed_loop(
    checkpoint: Path,
    task: str,
    seeds: Sequence[int],
    *,
    swapped: bool = True,
    execute_steps: int = 8,
    processes: int = 1,
    image_size: int = 256,
    progress: Callable[[int, int], None] | None = None,
    acting: tuple[tuple[str, str | None], ...] = (),
) -> ClosedLoop:
    """Run ``task`` once a seed, and once more with the instruction swapped when asked for.

    The scenes are divided into groups before anything runs, so ``processes`` does not change the result.

    Args:
        checkpoint: folder; every process loads it.
        execute_steps: control steps executed of each predicted chunk.
        image_size: pixels of the rendered picture, as in the demonstrations.
        acting: arguments of ``Policy.from_checkpoint``, for a folder that does not say itself which robot acts.
    """
    how = (execute_steps, image_size, acting)
    jobs = [
        _Job(str(checkpoint), task, tuple(seeds[start : start + _SCENES_AT_ONCE]), exchange, *how)
        for exchange in ([False, True] if swapped else [False])
        for start in range(0, len(seeds), _SCENES_AT_ONCE)
    ]
    groups = _run_all(jobs, processes, progress)
    trials = [trial for job in jobs for trial in groups[job]]
    return ClosedLoop(
        task,
        tuple(trial for trial in trials if not trial.swapped),
        tuple(trial for trial in trials if trial.swapped),
    )


@dataclass(frozen=True)
class _Job:
    checkpoint: str
    task: str
    seeds: tuple[int, ...]
    swapped: bool
    execute_steps: int
    image_size: int
    acting: tuple[tuple[str, str | None], ...]

    def run(self) -> list[Trial]:
        policy = Policy.from_checkpoint(self.checkpoint, **dict(self.acting))  # type: ignore[arg-type]
        return run_trials(
            policy, self.task, self.seeds, self.swapped, execute_steps=self.execute_steps, image_size=self.image_size
        )


def _run_all(jobs: list[_Job], processes: int, progress: Callable[[int, int], None] | None) -> dict[_Job, list[Trial]]:
    done: dict[_Job, list[Trial]] = {}
    if processes <= 1:
        for job in jobs:
            done[job] = job.run()
            if progress:
                progress(len(done), len(jobs))
        return done
    with worker_pool(processes, _one_thread) as pool:
        futures = {pool.submit(job.run): job for job in jobs}
        for future in as_completed(futures):
            done[futures[future]] = future.result()
            if progress:
                progress(len(done), len(jobs))
    return done


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def run_trials(
    policy: Policy,
    task: str,
    seeds: Sequence[int],
    swapped: bool = False,
    *,
    execute_steps: int = 8,
    image_size: int = 256,
) -> list[Trial]:
    """One trial a seed, all scenes advancing together. With ``swapped``, scenes that allow no swap are left out."""
    started = [_Attempt(task, seed, swapped, image_size) for seed in seeds]
    attempts = [attempt for attempt in started if attempt.possible]
    replans = 0
    while running := [attempt for attempt in attempts if not attempt.done]:
        answer = policy.get_action(stacked([a.observation for a in running], policy), seed=policy.seed + replans)
        for row, attempt in enumerate(running):
            attempt.execute(_commands(answer, row, attempt.observation["state"], policy)[:execute_steps])
        replans += 1
    return [attempt.trial() for attempt in attempts]


class _Attempt:
    """One scene in motion."""

    def __init__(self, task: str, seed: int, swapped: bool, image_size: int) -> None:
        self.env = TabletopEnv(task, image_size)
        self.swapped = swapped
        self.observation, self.info = self.env.reset(seed)
        self.done = False
        scene = swapped_scene(self.env.world.scene) if swapped else self.env.world.scene
        self.possible = scene is not None
        if swapped and scene is not None:
            self.env.world = World(scene)
            self.env.camera = EgoCamera(self.env.world, image_size)
            self.env.progress = Progress()
            self.observation, self.info = self.env.observe(), self.env.info()

    def execute(self, commands: np.ndarray) -> None:
        self.observation, _, terminated, truncated, self.info = self.env.step_chunk(commands)
        self.done = terminated or truncated

    def trial(self) -> Trial:
        info = self.info
        return Trial(
            task=info["task"],
            seed=info["seed"],
            instruction=self.observation["instruction"],
            swapped=self.swapped,
            success=bool(info["success"]),
            wrong_object=bool(info["wrong_object"]),
            steps=int(info["steps"]),
        )


def swapped_scene(scene: Scene) -> Scene | None:
    """The same table, with an instruction that names the second object; None when it cannot be done.

    Pushes are left out: the direction and the room around an object are drawn for the first one only.
    """
    if scene.task == "push" or len(scene.things) < 2:
        return None
    first, second, *others = scene.things
    shades = scene.looks.object_rgb
    return replace(
        scene,
        instruction=scene.instruction.replace(first.name, second.name),
        things=(second, first, *others),
        side="left" if second.y_m > 0 else "right",
        looks=replace(scene.looks, object_rgb=(shades[1], shades[0], *shades[2:])),
    )


def stacked(observations: Sequence[Observation], policy: Policy) -> dict[str, Any]:
    """Observations of the environment as one observation of the policy."""
    chosen, embodiment = policy.selection, policy.embodiment
    states = np.stack([observation["state"] for observation in observations])
    stacked: dict[str, Any] = {
        f"video.{name}": np.stack([observation["video"][name] for observation in observations])[:, None]
        for name in chosen.cameras
    }
    for name in chosen.state:
        stacked[f"state.{name}"] = states[:, None, embodiment.state_part(name).slice]
    return stacked | {chosen.language: [observation["instruction"] for observation in observations]}


def _commands(answer: Actions, row: int, state: np.ndarray, policy: Policy) -> np.ndarray:
    """Float64 [horizon, A] whole rows of commands; joints the policy does not command stay where they are."""
    commands = np.tile(state, (policy.horizon, 1)).astype(np.float64)
    for name in policy.selection.action:
        commands[:, policy.embodiment.action_part(name).slice] = answer[f"action.{name}"][row]
    return commands
