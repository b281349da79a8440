"""RobotLoop: reads a robot, asks a server, and executes chunks at the control rate while the next one comes. No torch.

class Arm:
    def observe(self): return {"video.front": camera.read()[None], "state.arm": arm.joints()[None], LANGUAGE: ["pick"]}
    def execute(self, action): arm.command(action["action.arm"])
    def taken_over(self): return None

with Client("robot-brain") as client:
    RobotLoop(client, Arm(), rate_hz=20).run(seconds=60)
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from gr00t_model.acting.chunks import Asked, Chunks
from gr00t_model.serve.client import Client, ClientError
from gr00t_model.serve.steps import EPISODE, Step

_LOG = logging.getLogger(__name__)
Action = Mapping[str, np.ndarray]
"""``action.<part>`` -> float [D], in the unit of the part."""


class Robot(Protocol):
    """What a robot has to offer. All three are called in the thread of ``run``, once a control step."""

    def observe(self) -> Mapping[str, object]:
        """The keys of ``Client.get_action`` without batch dimension, as they are now."""
        ...

    def execute(self, action: Action) -> None:
        """Send this to the joints. Where nothing is sent, a robot holds where it is."""
        ...

    def taken_over(self) -> Action | None:
        """What a person commands in place of the policy at this step; None: nobody does."""
        ...


@dataclass
class Ran:
    """Counts of a run.

    Attributes:
        steps: control steps, of which ``held`` sent nothing and ``interventions`` sent what a person commanded.
        asked: observations sent; ``lost``: those without an answer.
        late: steps that began more than a period too late.
        episode: the name under which the server recorded it; empty: it did not.
        unrecorded: steps that the server did not take, or that it was too slow for.
    """

    steps: int = 0
    held: int = 0
    interventions: int = 0
    asked: int = 0
    lost: int = 0
    late: int = 0
    episode: str = ""
    unrecorded: int = 0


class RobotLoop:
    """Runs one robot. A server that is lost makes the robot hold; once it is back the loop goes on."""

    def __init__(
        self,
        client: Client,
        robot: Robot,
        rate_hz: float,
        *,
        chunks: Callable[[], Chunks] = Chunks,
        recorder: Client | None = None,
        patience_s: float = 60.0,
    ) -> None:
        """Args:
        client: asks for actions; its ``timeout_s`` is how long one answer may take.
        rate_hz: control steps a second, as the policy was trained.
        chunks: makes what decides which step of which chunk is executed (``partial(Chunks, "stop_and_go")``).
        recorder: another client of the same server, started with ``--record``: every executed step is told it.
        patience_s: without any answer for so long, the run ends with the error.
        """
        if not rate_hz > 0:
            raise ValueError(f"rate_hz: expected a number above 0, found {rate_hz}")
        self._client, self._robot, self._period_s = client, robot, 1 / rate_hz
        self._new_chunks, self._recorder, self._patience_s = chunks, recorder, patience_s
        self._stopped = False

    def stop(self) -> None:
        """End the run after this step. For any thread, and for handlers of signals."""
        self._stopped = True

    def run(self, seconds: float | None = None, success: Callable[[], bool | None] = lambda: None) -> Ran:
        """Run until ``seconds`` are over, or ``stop``.

        Args:
            success: asked at the end of a recorded episode; None: nobody can say.

        Raises:
            ClientError: no observation was answered for ``patience_s``.
        """
        self._stopped, ran = False, Ran(episode="" if self._recorder is None else uuid.uuid4().hex)
        steps = None if seconds is None else round(seconds / self._period_s)
        with ThreadPoolExecutor(1, "asks") as asks, ThreadPoolExecutor(1, "records") as records:
            told = _Told(self._recorder, ran, records)
            turn = _Turn(self._client, self._robot, self._new_chunks, self._patience_s, ran, asks, told)
            due_s, ended = time.monotonic(), False
            try:
                while not self._stopped and (steps is None or ran.steps < steps):
                    turn.step()
                    ran.steps += 1
                    due_s += self._period_s
                    left_s = due_s - time.monotonic()
                    if left_s < -self._period_s:
                        ran.late += 1
                        due_s = time.monotonic()
                    time.sleep(max(left_s, 0.0))
                ended = True
            finally:
                told.end(success() if ended and self._recorder else None)
        return ran


class _Turn:
    """One control step after the other."""

    def __init__(
        self,
        client: Client,
        robot: Robot,
        new_chunks: Callable[[], Chunks],
        patience_s: float,
        ran: Ran,
        asks: ThreadPoolExecutor,
        told: "_Told",
    ) -> None:
        self._client, self._robot, self._new_chunks, self._patience_s = client, robot, new_chunks, patience_s
        self._ran, self._asks, self._told = ran, asks, told
        self._chunks = new_chunks()
        self._coming: tuple[Asked, Future[dict[str, np.ndarray]]] | None = None
        self._heard_s, self._lost = time.monotonic(), False

    def step(self) -> None:
        self._hear()
        observation, now_s = self._robot.observe(), time.monotonic()
        person = self._robot.taken_over()
        if person is not None:
            self._chunks = self._new_chunks()  # what the policy meant is over: it is asked anew at the hand-over
            self._ran.interventions += 1
            self._robot.execute(person)
            self._told.step(Step(observation, person, now_s, intervention=True))
            return
        if self._chunks.due and self._coming is None:
            self._ask(observation)
        proposed, action = self._chunks.running_step, self._chunks.next()
        if action is None or proposed is None:
            self._ran.held += 1
            return
        self._robot.execute(action)
        self._told.step(Step(observation, action, now_s, proposed=proposed[0], proposed_step=proposed[1]))

    def _ask(self, observation: Mapping[str, object]) -> None:
        asked = self._chunks.ask()
        options = {EPISODE: self._ran.episode} if self._ran.episode else None
        call = partial(self._client.get_action, observation, options=options, running=asked.running)
        self._coming = asked, self._asks.submit(call)
        self._ran.asked += 1

    def _hear(self) -> None:
        """Take the answer that has come, if one has."""
        if self._coming is None or not self._coming[1].done():
            return
        asked, answer = self._coming
        self._coming = None
        try:
            self._chunks.arrive(asked, answer.result())
        except ClientError as error:
            self._chunks.give_up(asked)
            self._ran.lost += 1
            if time.monotonic() - self._heard_s > self._patience_s:
                raise
            if not self._lost:
                _LOG.warning("%s; the robot holds when its chunk is over, and asks again", error)
            self._lost = True
            return
        if self._lost:
            _LOG.warning("the server answers again after %.1f s", time.monotonic() - self._heard_s)
        self._heard_s, self._lost = time.monotonic(), False


class _Told:
    """Executed steps on their way to the server that records them, in a thread of their own."""

    _WAITING = 32
    """Steps that may be on their way: about a second of them."""

    def __init__(self, client: Client | None, ran: Ran, records: ThreadPoolExecutor) -> None:
        self._client, self._ran, self._records = client, ran, records
        self._last: Action | None = None
        self._waiting: list[Future[None]] = []

    def step(self, step: Step) -> None:
        """A chunk is told once, with its first step."""
        if self._client is None:
            return
        self._waiting = [one for one in self._waiting if not one.done()]
        if len(self._waiting) >= self._WAITING:
            self._ran.unrecorded += 1
            return
        known, self._last = step.proposed is self._last, step.proposed
        told = replace(step, proposed=None) if known else step
        self._waiting.append(self._records.submit(self._tell, told))

    def _tell(self, step: Step) -> None:
        assert self._client is not None
        try:
            self._client.record(self._ran.episode, [step])
        except ClientError as error:
            self._ran.unrecorded += 1
            self._last = None  # the server may not have the chunk
            if self._ran.unrecorded == 1:
                _LOG.warning("a step is not recorded: %s (told once; Ran.unrecorded counts)", error)

    def end(self, success: bool | None) -> None:
        """Close the episode, when all its steps were told."""
        if self._client is None:
            return
        for one in self._waiting:
            one.result()
        with suppress(ClientError):  # a server that is gone closes it by itself
            self._client.end_episode(self._ran.episode, success)
