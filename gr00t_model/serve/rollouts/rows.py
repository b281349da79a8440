"""What clients tell and ask, as rows of a rollout."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gr00t_data.embodiment.robot import ACTION_COLUMN, STATE_COLUMN, Embodiment, Selection
from gr00t_model.acting.observation import Seen, read_observation
from gr00t_model.acting.values import ObservationError
from gr00t_model.serve.rollouts.rollout import Row
from gr00t_model.serve.steps import Step, StepError


class RowReader:
    """Reads for one robot. ``horizon``: steps of a chunk.

    Attributes:
        absent: the parts that no row of it has, for ``StoreAbout.absent``.

    Raises:
        ValueError: the robot's parts lie in other columns than those that are written.
    """

    def __init__(self, embodiment: Embodiment, selection: Selection, horizon: int) -> None:
        columns = {part.column for part in embodiment.state} | {part.column for part in embodiment.action}
        if others := sorted(columns - {STATE_COLUMN, ACTION_COLUMN}):
            raise ValueError(
                f"embodiment {embodiment.name!r} keeps parts in the column {others[0]!r}; recorded are robots whose "
                f"parts lie in {STATE_COLUMN!r} and {ACTION_COLUMN!r}"
            )
        self._embodiment, self._selection, self._horizon = embodiment, selection, horizon
        self._state = {name: embodiment.state_part(name) for name in selection.state}
        self._action = {f"action.{name}": embodiment.action_part(name) for name in selection.action}
        state = (f"state.{part.name}" for part in embodiment.state if part.name not in selection.state)
        action = (f"action.{part.name}" for part in embodiment.action if part.name not in selection.action)
        self.absent = (*state, *action)

    def executed(self, step: Step, running: np.ndarray | None) -> Row:
        """The row that an executed step is.

        Args:
            running: the chunk of the step before it.

        Raises:
            StepError, ObservationError: it is no step of this robot.
        """
        seen = read_observation(step.observation, self._embodiment, self._selection)
        if not seen.single:
            raise ObservationError("leave the batch dimension out: a step is one of one robot")
        row = self._row(seen, 0, step.time_s)
        row = replace(row, action=self._rows(step.action, 1, "action")[0], intervention=step.intervention)
        chunk = running if step.proposed is None else self._chunk(step.proposed)
        if chunk is not None and running is not None and np.array_equal(chunk, running):
            chunk = running  # one for all its rows
        if step.proposed_step is None:
            return row
        if chunk is None or step.proposed_step >= len(chunk):
            held = 0 if chunk is None else len(chunk)
            raise StepError(f"proposed_step is {step.proposed_step}, the proposed chunk has {held} steps")
        return replace(row, chunk=chunk, due=step.proposed_step)

    def asked(self, observation: object, actions: Mapping[str, np.ndarray], time_s: float) -> list[Row]:
        """The rows of an observation that was answered, one a robot.

        Raises:
            StepError, ObservationError: the observation, or the answer, is not one of this robot.
        """
        seen = read_observation(observation, self._embodiment, self._selection)
        chunks = [actions] if seen.single else [{key: chunk[n] for key, chunk in actions.items()} for n in _each(seen)]
        return [replace(self._row(seen, n, time_s), chunk=self._chunk(chunks[n]), due=0) for n in _each(seen)]

    def _row(self, seen: Seen, number: int, time_s: float) -> Row:
        """A row of an observation, without a word on actions."""
        state = np.zeros(self._embodiment.state_dim)
        for name, part in self._state.items():
            state[part.slice] = seen.state[name][number]
        pictures = {name: frames[number] for name, frames in seen.video.items()}
        return Row(time_s, state, None, seen.instructions[number], pictures)

    def _chunk(self, actions: Mapping[str, np.ndarray]) -> np.ndarray:
        """float32 [steps, A]."""
        steps = len(np.atleast_1d(next(iter(actions.values()), np.zeros(0))))
        if not 1 <= steps <= self._horizon:
            raise StepError(f"a proposed chunk has {steps} steps, expected 1 to {self._horizon}")
        return self._rows(actions, steps, "proposed").astype(np.float32)

    def _rows(self, actions: Mapping[str, np.ndarray], steps: int, what: str) -> np.ndarray:
        """float64 [steps, A]: whole rows, zeros where nothing is commanded."""
        if actions.keys() != self._action.keys():
            found = ", ".join(sorted(actions)) or "nothing"
            raise StepError(f"{what} holds {found}, expected {', '.join(self._action)}")
        rows = np.zeros((steps, self._embodiment.action_dim))
        for key, part in self._action.items():
            values = np.asarray(actions[key])
            if values.size != steps * part.dim:
                raise StepError(f"{what}: {key} is {list(values.shape)}, expected {steps} x {part.dim} values")
            rows[:, part.slice] = values.reshape(steps, part.dim)
        return rows


def _each(seen: Seen) -> range:
    return range(len(seen.instructions))
