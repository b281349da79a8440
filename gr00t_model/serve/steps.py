"""What a client tells a server that records: the executed steps of an episode, and its end. numpy only, no torch.

``record`` takes ``{"episode": NAME, "steps": [STEP, ...]}`` and answers ``{"recorded": COUNT}``; a STEP is what
``Step`` holds, under the names of its fields. ``end_episode`` takes ``{"episode": NAME, "success": BOOL or None}`` and
answers ``{"episode": NAME, "rows": COUNT}``. NAME is the client's own and nobody
else's (a UUID, say): an episode goes on as long as the name stays, over whatever connection; a new name begins another.

A ``get_action`` of a client that records carries the same NAME as the option ``episode``, so that what it asks is not
taken for an episode of a client that only asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RECORD, END_EPISODE = "record", "end_episode"
"""The endpoints."""
EPISODE = "episode"
"""The option of ``get_action`` that names the episode."""

MOST_STEPS = 256
"""Of one request; a control loop sends each step, or a second of them."""
MOST_CHARACTERS = 128
"""Of the name of an episode."""
_LATEST_S = 1e12
"""Of a clock: thirty thousand years after its origin; a larger number is one of nanoseconds."""


class StepError(ValueError):
    """What a client sends to be recorded is not that; the message names the field, what was found and what to send."""


@dataclass(frozen=True)
class Step:
    """One executed step.

    Attributes:
        observation: the keys of ``get_action`` without batch dimension: what was seen when the action was sent.
        action: ``action.<part>`` -> float [D]: what was sent to the robot, in the unit of the part; all parts that the
            policy commands.
        time_s: seconds of the client's clock, any origin, larger at each step.
        intervention: a person acted in place of the policy.
        proposed: the chunk ``action.<part>`` -> float [horizon, D] that was being executed, as it was answered; may be
            left out where it is the one of the step before.
        proposed_step: which step of the chunk was due; None: there was no chunk.
    """

    observation: Mapping[str, object]
    action: Mapping[str, np.ndarray]
    time_s: float
    intervention: bool = False
    proposed: Mapping[str, np.ndarray] | None = None
    proposed_step: int | None = None

    def payload(self) -> dict[str, object]:
        """What is sent: the fields by name, less those that say nothing."""
        said: dict[str, object] = {
            "observation": {**self.observation},
            "action": {**self.action},
            "time_s": float(self.time_s),
        }
        said |= {"intervention": True} if self.intervention else {}
        said |= {"proposed": {**self.proposed}} if self.proposed is not None else {}
        return said | ({} if self.proposed_step is None else {"proposed_step": int(self.proposed_step)})


def record_payload(episode: str, steps: Sequence[Step]) -> dict[str, object]:
    """The data of a ``record``."""
    return {"episode": episode, "steps": [step.payload() for step in steps]}


def end_payload(episode: str, success: bool | None = None) -> dict[str, object]:
    """The data of an ``end_episode``; ``success`` None: nobody can say."""
    return {"episode": episode, "success": success}


def read_record(data: object) -> tuple[str, list[Step]]:
    """The episode and the steps of a ``record``.

    Raises:
        StepError: a field is missing or of a wrong kind (says which step).
    """
    said = _mapping(data, "record", ("episode", "steps"))
    episode, steps = _name(said), said.get("steps")
    if not isinstance(steps, list | tuple) or not 1 <= len(steps) <= MOST_STEPS:
        raise StepError(f"record: steps is {_told(steps)}, expected a list of 1 to {MOST_STEPS} steps")
    return episode, [_step(step, f"record: step {number}") for number, step in enumerate(steps)]


def read_end(data: object) -> tuple[str, bool | None]:
    """The episode of an ``end_episode``, and whether it succeeded.

    Raises:
        StepError: a field is missing or of a wrong kind.
    """
    said = _mapping(data, "end_episode", ("episode", "success"))
    success = said.get("success")
    if not isinstance(success, bool | np.bool_ | None):
        raise StepError(f"end_episode: success is {_told(success)}, expected true, false or nothing")
    return _name(said), None if success is None else bool(success)


def _step(data: object, where: str) -> Step:
    fields = ("observation", "action", "time_s", "intervention", "proposed", "proposed_step")
    said = _mapping(data, where, fields)
    observation = _mapping(said.get("observation"), f"{where}: observation")
    proposed, due = said.get("proposed"), said.get("proposed_step")
    time_s, intervention = said.get("time_s"), said.get("intervention", False)
    if isinstance(time_s, bool) or not isinstance(time_s, int | float | np.number) or not abs(time_s) < _LATEST_S:
        raise StepError(f"{where}: time_s is {_told(time_s)}, expected seconds of the client's clock")
    if not isinstance(intervention, bool | np.bool_):
        raise StepError(f"{where}: intervention is {_told(intervention)}, expected true or false")
    if due is not None and (isinstance(due, bool) or not isinstance(due, int | np.integer) or due < 0):
        raise StepError(f"{where}: proposed_step is {_told(due)}, expected a whole number from 0 on")
    return Step(
        observation,
        _numbers(said.get("action"), f"{where}: action"),
        float(time_s),
        bool(intervention),
        None if proposed is None else _numbers(proposed, f"{where}: proposed"),
        None if due is None else int(due),
    )


def _mapping(data: object, where: str, fields: Sequence[str] = ()) -> Mapping[str, object]:
    if not isinstance(data, Mapping) or not all(isinstance(key, str) for key in data):
        raise StepError(f"{where} is {_told(data)}, expected a mapping of names")
    if fields and (others := sorted(data.keys() - set(fields))):
        raise StepError(f"{where}: {others[0]!r:.80} is none of {', '.join(fields)}")
    return data


def _name(said: Mapping[str, object]) -> str:
    name = said.get("episode")
    if not isinstance(name, str) or not name.isprintable() or not 1 <= len(name) <= MOST_CHARACTERS:
        raise StepError(f"episode is {_told(name)}, expected a name of 1 to {MOST_CHARACTERS} characters")
    return name


def _numbers(data: object, where: str) -> dict[str, np.ndarray]:
    """Each value as float64, finite."""
    found = dict[str, np.ndarray]()
    for key, value in _mapping(data, where).items():
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise StepError(f"{where}: {key}: expected an array of numbers, found {_told(value)}") from error
        if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            raise StepError(f"{where}: {key}: expected finite numbers, found {_told(value)}")
        found[key] = array.astype(np.float64)
    return found


def _told(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return f"{type(value).__name__} {value!r:.60}"
