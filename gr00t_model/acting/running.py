"""The chunk that a robot executes while the next one is made, which real-time chunking goes on from. Needs numpy only.

No gradient is taken, so that the model can be exported. (The idea: Black et al. 2025, arXiv 2506.07339; the schedule of
frozen and ramped steps: the action head of GR00T N1.7.)
"""

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


class RunningError(ValueError):
    """A running chunk that cannot be gone on from; the message says what was found and what is expected."""


@dataclass(frozen=True)
class Running:
    """What is left of the running chunk when the observation is taken.

    Attributes:
        actions: ``action.<part>``, as in an answer: float [T, D], or [B, T, D] beside an observation with rows, in the
            unit of the part. Step 0 is executed at the time of the observation. (A client that sends its whole last
            chunk means the last ``overlap`` steps of it: give those.)
        overlap: how many of these steps, from the first on, the next chunk goes on from.
        frozen: the first steps of the overlap that come out unchanged: those executed before the answer arrives.
        ramp_rate: how fast the next chunk is let go between the frozen steps and the end of the overlap; the larger,
            the sooner. 6 is lerobot's.

    Raises:
        RunningError: the numbers do not fit each other or the actions, or an action is no finite number.
    """

    actions: Mapping[str, np.ndarray]
    overlap: int
    frozen: int
    ramp_rate: float = 6.0

    def __post_init__(self) -> None:
        overlap, frozen = _count("overlap", self.overlap), _count("frozen", self.frozen)
        if frozen > overlap:
            raise RunningError(f"{frozen} steps are frozen, more than the overlap of {overlap}; freeze at most those")
        if not (isinstance(self.ramp_rate, int | float) and math.isfinite(self.ramp_rate) and self.ramp_rate > 0):
            raise RunningError(f"ramp_rate: expected a number above 0, found {self.ramp_rate!r}; 6 is the usual one")
        object.__setattr__(self, "actions", {key: _numbers(key, self.actions[key]) for key in _keys(self.actions)})
        for key, values in self.actions.items():
            if values.shape[-2] < overlap:
                raise RunningError(f"{key}: holds {values.shape[-2]} steps, the overlap is {overlap}; give all of them")

    def parts(self, widths: Mapping[str, int], rows: int, single: bool, horizon: int) -> dict[str, np.ndarray]:
        """The overlap as part -> float64 [B, overlap, D].

        Args:
            widths: of the parts that the policy commands.
            rows: of the observation; ``single``: it has no batch dimension.
            horizon: steps that the policy answers.

        Raises:
            RunningError: other parts, rows or widths, or an overlap beyond the horizon.
        """
        if self.overlap > horizon:
            raise RunningError(f"the overlap of {self.overlap} steps is beyond the {horizon} that the policy answers")
        wanted = {f"action.{name}": width for name, width in widths.items()}
        if self.actions.keys() != wanted.keys():
            raise RunningError(f"the running chunk holds {_listed(self.actions)}, expected {_listed(wanted)}")
        for key, values in self.actions.items():
            steps = values.shape[-2]
            fit = (steps, wanted[key]) if single else (rows, steps, wanted[key])
            if values.shape != fit:
                raise RunningError(f"{key}: expected {list(fit)} as the observation has, found {list(values.shape)}")
        return {name: self._overlap(self.actions[f"action.{name}"], single) for name in widths}

    def _overlap(self, values: np.ndarray, single: bool) -> np.ndarray:
        return (values[None] if single else values)[:, : self.overlap].astype(np.float64)

    def freedom(self) -> np.ndarray:
        """float32 [overlap], the share of its own way that the next chunk may go at each step: 0 where it is frozen,
        then (1 - exp(-rate t)) / (1 - exp(-rate)) at the inner points t of an even division of [0, 1].
        """
        inner = np.linspace(0, 1, self.overlap - self.frozen + 2)[1:-1]
        ramp = np.expm1(-self.ramp_rate * inner) / np.expm1(-self.ramp_rate)
        return np.concatenate([np.zeros(self.frozen), ramp]).astype(np.float32)


def _count(name: str, value: object) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type] - what has no __index__ is refused below
    except TypeError:
        number = -1
    if isinstance(value, bool) or number < 0:
        raise RunningError(f"{name}: expected a whole number of steps from 0 on, found {value!r}")
    return number


def _keys(actions: object) -> list[str]:
    if not isinstance(actions, Mapping) or not actions:
        raise RunningError(f"a running chunk is a mapping of action.<part>, found {type(actions).__name__}")
    return list(actions)


def _numbers(key: str, value: object) -> np.ndarray:
    """The array of a part: [T, D] or [B, T, D] finite numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.ndim not in (2, 3):
        raise RunningError(f"{key}: expected numbers [T, D] or [B, T, D], found {array.dtype} {list(array.shape)}")
    if not np.isfinite(array).all():
        raise RunningError(f"{key}: holds NaN or infinity; give the steps as the policy answered them")
    return array


def _listed(keys: Mapping[str, object]) -> str:
    return ", ".join(sorted(map(str, keys)))
