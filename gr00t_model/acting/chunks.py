"""Which step of which chunk a robot executes while answers arrive late. Needs numpy only; time is counted in steps."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from gr00t_model.acting.running import Running

Execution = Literal["stop_and_go", "asynchronous", "real_time"]
"""The robot holds while it waits; it executes on and switches to the new chunk when that arrives, at the step of that
moment; the same, and the new chunk goes on from the running one.
"""
Step = dict[str, np.ndarray]

RAMP_RATE = 1.0
"""Nearly a straight ramp. Tried at 200 ms with an observation every 4 steps, 200 scenes: jumps of 0.103 rad where a
rate of 4 has 0.122, and as many successes (154 and 149).
"""
_REMEMBERED = 10
"""Delays of which the longest is what the next answer is expected to take."""


@dataclass(frozen=True)
class Asked:
    """An observation that was taken at control step ``step``, and the running chunk to send beside it."""

    step: int
    running: Running | None


class Chunks:
    """The chunks of one robot. At every control step, in this order: hand in what arrived, ask if it is time, execute.

    while True:
        for asked, actions in answers():  # that have come since
            chunks.arrive(asked, actions)
        if chunks.due:
            send(observation, chunks.ask())
        step = chunks.next()  # None: hold
    """

    def __init__(
        self,
        execution: Execution = "real_time",
        *,
        every: int = 8,
        expected_delay: int = 0,
        overlap: int | None = None,
        ramp_rate: float = RAMP_RATE,
    ) -> None:
        """Args:
        every: control steps from one observation to the next, if the answer is there by then.
        expected_delay: control steps that the first answers are expected to take, until some were measured.
        overlap: steps that the next chunk goes on from the running one, at most; None: all that are left of it.

        Raises:
            ValueError: an unknown execution, or a number out of range.
        """
        if execution not in get_args(Execution):
            raise ValueError(f"execution: expected one of {', '.join(get_args(Execution))}, found {execution!r}")
        if every < 1 or expected_delay < 0 or (overlap is not None and overlap < 0):
            raise ValueError(
                f"expected every >= 1, expected_delay >= 0 and overlap >= 0; found {every}, {expected_delay}, {overlap}"
            )
        self.execution: Execution = execution
        self._every, self._overlap, self._ramp_rate = every, overlap, ramp_rate
        self._delays = deque([expected_delay], maxlen=_REMEMBERED)
        self._now = 0
        self._asked: Asked | None = None
        self._chunk: Mapping[str, np.ndarray] = {}
        self._observed = self._begun = self._length = 0

    @property
    def expected_delay(self) -> int:
        """Control steps that the next answer is expected to take: the longest of the last ones."""
        return max(self._delays)

    @property
    def left(self) -> int:
        """Steps of the running chunk that were not executed yet."""
        return max(self._begun + self._length - self._now, 0)

    @property
    def due(self) -> bool:
        """Whether it is time for an observation: none is on its way, and the last one is ``every`` steps old."""
        since = self._begun if self.execution == "stop_and_go" else self._observed
        return self._asked is None and (not self.left or self._now - since >= self._every)

    @property
    def running_step(self) -> tuple[Mapping[str, np.ndarray], int] | None:
        """The chunk that is executed, and which of its steps is next; None: nothing of it is left."""
        return (self._chunk, self._now - self._begun) if self.left else None

    def ask(self) -> Asked:
        """An observation is taken now; what was asked before and has not arrived is given up."""
        self._asked = Asked(self._now, self._running())
        return self._asked

    def arrive(self, asked: Asked, actions: Mapping[str, np.ndarray]) -> bool:
        """The answer to ``asked``: float [T, D] by ``action.<part>``. Its first steps are over, unless the robot held.

        Returns:
            whether it is executed: not when it was given up, or when all of its steps are over.
        """
        if asked is not self._asked:
            return False
        self._asked = None
        self._delays.append(self._now - asked.step)
        begun = self._now if self.execution == "stop_and_go" else asked.step
        length = min(len(values) for values in actions.values())
        if begun + length <= self._now:
            return False
        self._chunk, self._observed, self._begun, self._length = actions, asked.step, begun, length
        return True

    def give_up(self, asked: Asked) -> None:
        """The answer to ``asked`` will not come: the connection broke."""
        if asked is self._asked:
            self._asked = None

    def next(self) -> Step | None:
        """What to execute at this control step, [D] by ``action.<part>``; None: hold. The next step begins."""
        waits = self.execution == "stop_and_go" and self._asked is not None
        step = None
        if self.left and not waits:
            step = {key: values[self._now - self._begun] for key, values in self._chunk.items()}
        self._now += 1
        return step

    def _running(self) -> Running | None:
        """What is left of the running chunk; steps that are over before the answer is expected are frozen."""
        if self.execution != "real_time" or not self.left:
            return None
        first = self._now - self._begun
        actions = {key: values[first : self._begun + self._length] for key, values in self._chunk.items()}
        overlap = self.left if self._overlap is None else min(self._overlap, self.left)
        return Running(actions, overlap, min(self.expected_delay, overlap), self._ramp_rate)
