"""The observation of each dialect as the flat mapping that a policy takes."""

from collections.abc import Mapping

import numpy as np

from gr00t_model.serve.wire.call import WireError

_GROUPS = ("video", "state", "action", "language")
_TIME = {"video": -4, "state": -2}
"""The axis of time, from the end: [B, T, H, W, 3] and [B, T, D]."""
_SINGLE = {"video": 3, "state": 1}
"""Dimensions of a value without axes of batch and time."""


def flattened(nested: Mapping[str, object], instruction: str) -> dict[str, object]:
    """The observation of dialect B or C, ``{"video": {camera: [B, T, H, W, 3]}, "state": {part: [B, T, D]},
    "language": {key: [[text]]}}``, under the policy's keys; a running chunk as ``"action": {part: [B, T, D]}``.

    Of several frames the newest is taken: the policies served here read the present one only.

    Args:
        instruction: the policy's own key for it; what the client calls it does not matter.

    Raises:
        WireError: another group, a group that is no mapping, or more than one instruction.
    """
    flat = dict[str, object]()
    for group, values in nested.items():
        if group not in _GROUPS or not isinstance(values, Mapping):
            told = f"{type(values).__name__} {values!r:.40}"
            raise WireError(f"observation.{group}: expected mappings {', '.join(_GROUPS)}, found {told}")
        if group == "language":
            flat[instruction] = _instruction(values, instruction)
            continue
        for name, value in values.items():
            flat[f"{group}.{name}"] = newest(value, _TIME[group]) if group in _TIME else value
    return flat


def newest(value: object, axis: int) -> object:
    """The newest of several steps, the axis of time kept with length one; what has no such axis is left as it is."""
    if not isinstance(value, np.ndarray) or value.ndim < -axis:
        return value
    return np.take(value, [-1], axis=axis) if value.shape[axis] > 1 else value


def _instruction(values: Mapping[str, object], instruction: str) -> object:
    """The texts of the one instruction; of ``[[text]]`` the newest of each row."""
    key = instruction if instruction in values else next(iter(values), None)
    if key is None or (len(values) > 1 and key != instruction):
        raise WireError(f"observation.language: expected the instruction alone, found {', '.join(values) or 'nothing'}")
    texts = values[key]
    if not isinstance(texts, list):
        return texts
    return [row[-1] if isinstance(row, list) and row else row for row in texts]


def with_time(observation: Mapping[str, object]) -> dict[str, object]:
    """Pictures [H, W, 3] and states [D], as openpi has them, with an axis of time of length one in front."""
    return {key: _with_time(key, value) for key, value in observation.items()}


def _with_time(key: str, value: object) -> object:
    single = isinstance(value, np.ndarray) and value.ndim == _SINGLE.get(key.split(".")[0])
    return value[None] if single and isinstance(value, np.ndarray) else value


def is_batched(observation: Mapping[str, object]) -> bool:
    """Whether every state has a batch dimension: the rule of the published N1.5 policy."""
    states = [value for key, value in observation.items() if key.startswith("state.")]
    return bool(states) and all(np.ndim(one) >= 3 if isinstance(one, np.ndarray) else False for one in states)
