"""The client's side of the three dialects: requests as bytes, and replies as values."""

import json
from collections.abc import Mapping

import numpy as np

from gr00t_model.serve.wire.call import Dialect, Limits, Modality, WireError
from gr00t_model.serve.wire.dialects import FORMS
from gr00t_model.serve.wire.packing import Decoded, pack, unpack

_PICTURES = 4
"""Dimensions of a video without rows, [T, H, W, 3]."""
_GROUPS = ("video", "state", "action")
_CONFIGS = ("__ModalityConfig_class__", "__ModalityConfig__")


def request(
    dialect: Dialect,
    endpoint: str,
    data: Mapping[str, object] | None = None,
    token: str | None = None,
    options: Mapping[str, object] | None = None,
) -> bytes:
    """The request of an endpoint; ``data`` None: it takes none. ``options``: beside the data, as dialect A has them.

    Raises:
        WireError: something in the data does not travel.
    """
    told: dict[str, object] = {"endpoint": endpoint, **({} if data is None else {"data": {**data}})}
    told |= {"options": {**options}} if options else {}
    return pack(told | ({} if token is None else {"api_token": token}), FORMS[dialect])


def action_request(
    dialect: Dialect, observation: Mapping[str, object], options: Mapping[str, object] | None, token: str | None
) -> bytes:
    """The ``get_action`` of a flat observation, as ``Policy.get_action`` takes it: nested, with rows, in B and C.

    Raises:
        WireError: something in it does not travel.
    """
    if dialect == "A":
        return request(dialect, "get_action", observation, token, options)
    data = {"observation": nested(observation), "options": {**options} if options else None}
    return request(dialect, "get_action", data, token)


def is_single(observation: Mapping[str, object]) -> bool:
    """Whether the batch dimension is left out: videos are [T, H, W, 3]."""
    return all(np.ndim(value) <= _PICTURES for key, value in observation.items() if key.startswith("video."))  # type: ignore[arg-type] - what is no array fails at the server


def nested(observation: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """The observation of dialects B and C: by group, always with rows, each text in a list of its steps."""
    single = is_single(observation)
    found: dict[str, dict[str, object]] = {"video": {}, "state": {}, "language": {}}
    for key, value in observation.items():
        group, _, name = key.partition(".")
        if group in _GROUPS:
            array = np.asarray(value)
            found.setdefault(group, {})[name] = array[None] if single else array
        else:
            texts = [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else value
            found["language"][key] = [[text] for text in texts] if isinstance(texts, list) else texts
    return found


def answer(frame: bytes, limits: Limits = Limits()) -> object:
    """What a reply holds, arrays decoded.

    Raises:
        WireError: it is no reply, or beyond the limits.
    """
    return Decoded(("npy", "nd"), limits).value(unpack(frame, limits), "reply")


def error_in(told: object) -> str | None:
    """The text of an error, which all dialects write alike."""
    return str(told["error"]) if isinstance(told, dict) and "error" in told else None


def actions(told: object, single: bool) -> dict[str, np.ndarray]:
    """``action.<part>`` -> [T, D], or [B, T, D] where the observation had rows, of the reply of any dialect.

    Args:
        single: the observation had no rows; those that B and C need are taken off the answer.

    Raises:
        WireError: it holds no actions.
    """
    is_nested = isinstance(told, list) and len(told) == 2
    found = told[0] if isinstance(told, list) and is_nested else told
    if not isinstance(found, dict) or not found:
        raise WireError(f"expected actions in the reply, found {type(found).__name__} {found!r:.80}")
    answered = dict[str, np.ndarray]()
    for key, value in found.items():
        if not isinstance(value, np.ndarray):
            raise WireError(f"expected an array as {key}, found {type(value).__name__}")
        name = key if key.startswith("action.") else f"action.{key}"
        answered[name] = value[0] if is_nested and single else value
    return answered


def modalities(told: object) -> dict[str, Modality]:
    """The modalities of a reply to ``get_modality_config``, of any dialect.

    Raises:
        WireError: it holds none.
    """
    if not isinstance(told, dict):
        raise WireError(f"expected modalities in the reply, found {type(told).__name__}")
    return {group: _modality(group, config) for group, config in told.items()}


def _modality(group: str, config: object) -> Modality:
    marked = isinstance(config, dict) and any(mark in config for mark in _CONFIGS)
    as_json = config.get("as_json") if isinstance(config, dict) and marked else None
    try:
        config = json.loads(as_json) if isinstance(as_json, str) else as_json
        if not isinstance(config, dict):
            raise TypeError
        deltas, keys = [int(delta) for delta in config["delta_indices"]], [str(key) for key in config["modality_keys"]]
    except (ValueError, KeyError, TypeError) as error:
        raise WireError(f"{group}: expected a ModalityConfig in the reply, found {config!r:.80}") from error
    names = keys if group == "language" else [key.removeprefix(f"{group}.") for key in keys]
    return Modality(tuple(deltas), tuple(names))
