"""Scenes of the simulator in which the policy's answers arrive late, executed in one of three ways."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.realtime.jitter import Jitter
from gr00t_data.sources.sim.env import TabletopEnv
from gr00t_data.sources.sim.world import CONTROL_HZ
from gr00t_model.acting.chunks import RAMP_RATE, Asked, Chunks, Execution, Step
from gr00t_model.acting.running import Running
from gr00t_model.evaluate.closed_loop import stacked
from gr00t_model.policy import Actions, Policy

STEP_MS = round(1000 / CONTROL_HZ)
Record = dict[str, Any]
"""Task, seed, whether it was done, control steps, and the jitter of what was executed."""


@dataclass(frozen=True)
class Arm:
    """How the robot executes, and how late it gets its answers.

    Attributes:
        delay: control steps (50 ms) from an observation to its answer, always the same.
        every, overlap, ramp_rate: see ``Chunks``.
    """

    execution: Execution
    delay: int
    every: int = 8
    overlap: int | None = None
    ramp_rate: float = RAMP_RATE

    def chunks(self) -> Chunks:
        """Those of one robot, which knows the delay from the start."""
        return Chunks(
            self.execution,
            every=self.every,
            expected_delay=self.delay,
            overlap=self.overlap,
            ramp_rate=self.ramp_rate,
        )


@dataclass(frozen=True)
class Job:
    """Scenes that one process tries together."""

    checkpoint: str
    task: str
    seeds: tuple[int, ...]
    arm: Arm

    def run(self) -> list[Record]:
        """A record a scene."""
        return try_scenes(_policy(self.checkpoint), self.task, self.seeds, self.arm)

    def settings(self) -> dict[str, Any]:
        """What decides the records beside the code and the weights."""
        return {"task": self.task, "seeds": list(self.seeds), **asdict(self.arm)}


@lru_cache(maxsize=1)
def _policy(checkpoint: str) -> Policy:
    return Policy.from_checkpoint(checkpoint)


def try_scenes(policy: Policy, task: str, seeds: Sequence[int], arm: Arm, image_size: int = 256) -> list[Record]:
    """Every scene once. As the delay is the same for all, they ask together, and the network sees them as one batch."""
    robots = [_Robot(policy, task, seed, arm, image_size) for seed in seeds]
    asks = 0
    while acting := [robot for robot in robots if not robot.done]:
        asked = [robot.chunks.ask() for robot in acting]
        seen = stacked([robot.observation for robot in acting], policy)
        answer = policy.get_action(seen, seed=policy.seed + asks, running=_together([one.running for one in asked]))
        for row, (robot, one) in enumerate(zip(acting, asked, strict=True)):
            robot.go_on(one, {key: values[row] for key, values in answer.items()})
        asks += 1
    return [robot.record(seed) for robot, seed in zip(robots, seeds, strict=True)]


def _together(running: Sequence[Running | None]) -> Running | None:
    """The running chunks of all rows as one; they are alike in everything but the actions."""
    given = [one for one in running if one is not None]
    if not given:
        return None
    first = given[0]
    actions = {key: np.stack([one.actions[key] for one in given]) for key in first.actions}
    return Running(actions, first.overlap, first.frozen, first.ramp_rate)


class _Robot:
    """One scene in motion, and what was executed in it."""

    def __init__(self, policy: Policy, task: str, seed: int, arm: Arm, image_size: int) -> None:
        self.env = TabletopEnv(task, image_size)
        self.chunks, self.delay, self.done = arm.chunks(), arm.delay, False
        self.observation, self.info = self.env.reset(seed)
        embodiment = policy.embodiment
        self._places = {f"action.{name}": embodiment.action_part(name).slice for name in policy.selection.action}
        self._holding = np.array(self.observation["state"], dtype=np.float64)
        self._executed: list[np.ndarray] = []
        self._from: list[int] = []
        self._arrived = 0

    def go_on(self, asked: Asked, answer: Actions) -> None:
        """Execute until the next observation is due; the answer arrives on the way."""
        steps = [self.chunks.next() for _ in range(self.delay)]
        froms = [self._arrived] * self.delay
        self.chunks.arrive(asked, answer)
        self._arrived += 1
        while not self.chunks.due:
            steps.append(self.chunks.next())
            froms.append(self._arrived)
        before = self.env.steps
        self.observation, _, terminated, truncated, self.info = self.env.step_chunk(self._commands(steps))
        self.done = terminated or truncated
        done = [(step, number) for step, number in zip(steps, froms, strict=True)][: self.env.steps - before]
        self._executed += [np.concatenate([*step.values()]) for step, _ in done if step is not None]
        self._from += [number for step, number in done if step is not None]

    def _commands(self, steps: Sequence[Step | None]) -> np.ndarray:
        """Float64 [K, 44] joint targets: where a step is None the robot holds what it was told last."""
        rows = []
        for step in steps:
            for key, values in (step or {}).items():
                self._holding[self._places[key]] = values
            rows.append(self._holding.copy())
        return np.array(rows)

    def record(self, seed: int) -> Record:
        jitter = Jitter.of(np.array(self._executed), self._from)
        facts = {"task": self.info["task"], "seed": seed, "success": bool(self.info["success"])}
        return facts | {"steps": self.env.steps, **jitter.values()}
