"""The three dialects of the published ZeroMQ servers, told apart by the request and answered byte for byte alike.

- A, GR00T N1.5: a flat observation is the data, arrays as ``npy``; an answer is flat too.
- B, N1.6: ``{"observation": {"video": {..}, "state": {..}, "language": {..}}, "options": {..}}``, arrays as ``npy``; an
  answer is the list of the actions by part and of an empty mapping.
- C, N1.7: as B with arrays as ``nd``.

Options of a request of dialect A, which had none, stand beside its data: ``{"endpoint", "data", "options"}``.
"""

import json
from collections.abc import Mapping

import numpy as np

from gr00t_model.serve.wire.arrays import Form
from gr00t_model.serve.wire.call import INSTRUCTION, Call, Dialect, Limits, Modalities, Modality, WireError
from gr00t_model.serve.wire.flat import flattened, is_batched
from gr00t_model.serve.wire.packing import Decoded, pack, unpack

FORMS: Mapping[Dialect, Form] = {"A": "npy", "B": "npy", "C": "nd", "http": "json", "openpi": "openpi"}
"""How each dialect writes arrays."""
RUNNING = {"status": "ok", "message": "Server is running"}
"""The answer to ``ping``."""
_FIELDS = ("endpoint", "data", "api_token", "options")


def read(frame: bytes, limits: Limits = Limits(), *, instruction: str = INSTRUCTION, usual: Dialect = "A") -> Call:
    """The request of one ZeroMQ frame.

    Args:
        instruction: the policy's key for it.
        usual: the dialect of a request that does not show its own: the one this client spoke before, else the server's.

    Raises:
        WireError: beyond the limits, not msgpack, no request, or an array that is none.
    """
    message = unpack(frame, limits)
    decoder = Decoded(("npy", "nd"), limits)
    request = decoder.value(message, "")
    if not isinstance(request, dict):
        raise WireError(f"a request is a mapping with an endpoint, found {type(request).__name__}")
    if others := sorted(request.keys() - set(_FIELDS)):
        raise WireError(f"a request holds {', '.join(_FIELDS)}; {others[0]!r:.80} is none of them")
    endpoint, token = request.get("endpoint", "get_action"), request.get("api_token")
    if not isinstance(endpoint, str) or not isinstance(token, str | None):
        raise WireError("endpoint and api_token are texts")
    data = _mapping(request.get("data"), "data")
    dialect, shown = _told_apart(data, decoder.seen, usual)
    if endpoint != "get_action":
        options = read_options(data.get("options") if endpoint == "reset" else request.get("options"))
        return Call(dialect, endpoint, options=options, token=token, data=data, shown=shown)
    observation, options = _seen(dialect, data, request.get("options"), instruction)
    batched = is_batched(observation)
    return Call(dialect, "get_action", observation, read_options(options), token, batched, shown=shown)


def _seen(
    dialect: Dialect, data: dict[str, object], options: object, instruction: str
) -> tuple[dict[str, object], object]:
    """The observation, flat, and the options, which B and C have inside their data."""
    observation = data
    if dialect != "A":
        if others := sorted(data.keys() - {"observation", "options"}):
            raise WireError(f"data of dialect {dialect} holds observation and options; {others[0]!r:.80} is neither")
        observation = flattened(_mapping(data.get("observation"), "observation"), instruction)
        options = data.get("options")
    if not observation:
        raise WireError("get_action: there is no observation in data")
    return observation, options


def _told_apart(data: Mapping[str, object], forms: set[Form], usual: Dialect) -> tuple[Dialect, bool]:
    """The dialect, and whether the request can be of no other."""
    if len(forms) > 1:
        raise WireError("the arrays of a request are all as_npy (N1.5, N1.6) or all nd (N1.7), found both")
    if "nd" in forms:
        return "C", True
    nested = "observation" in data
    if "npy" in forms:
        # An episode to be recorded is written alike in A and in B.
        return ("B", True) if nested else (usual if "steps" in data and usual != "C" else "A", "steps" not in data)
    if nested or "options" in data:
        return usual if usual in ("B", "C") else "B", False
    return usual, False


def _mapping(value: object, where: str) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise WireError(f"{where}: expected a mapping, found {type(value).__name__}")
    return value


def read_options(value: object) -> dict[str, object]:
    """Options by name: plain values only.

    Raises:
        WireError: no mapping, or a value that is no number, text or truth.
    """
    found = dict[str, object]()
    for name, one in _mapping(value, "options").items():
        plain = one.item() if isinstance(one, np.ndarray) and one.ndim == 0 else one
        if not isinstance(plain, str | bool | int | float | None):
            raise WireError(f"options.{name}: expected a plain value, found {type(one).__name__}")
        found[name] = plain
    return found


def reply(call: Call, answer: Mapping[str, object] | None = None) -> bytes:
    """The reply to a request, in its dialect.

    Args:
        answer: to ``get_action``: ``action.<part>`` -> [T, D] or [B, T, D]; to ``ping``, ``reset`` and ``kill``
            nothing; to any other endpoint the mapping to send.

    Raises:
        WireError: the answer holds something that does not travel.
    """
    form = FORMS[call.dialect]
    if call.endpoint == "get_action":
        actions = answer or {}
        nested = [{key.removeprefix("action."): value for key, value in actions.items()}, {}]
        return pack(actions if call.dialect == "A" else nested, form)
    fixed: dict[str, Mapping[str, object] | None] = {"ping": RUNNING, "reset": {}, "kill": None}
    return pack(fixed.get(call.endpoint, answer), form)


def error(text: str) -> bytes:
    """The reply that says what went wrong, which all three dialects write alike.

    The published clients raise RuntimeError with the text.
    """
    return pack({"error": text}, "npy")


def modality_config(call: Call, facts: Modalities) -> bytes:
    """The reply to ``get_modality_config``: each modality with its steps and keys, as its dialect writes them.

    Keys have their group in front in dialect A (``video.ego_view``), and stand alone in B and C.
    """
    if call.dialect == "A":
        told = {name: _config_a(name, modality) for name, modality in facts.items()}
    else:
        mark = "__ModalityConfig__" if call.dialect == "C" else "__ModalityConfig_class__"
        told = {name: {mark: True, "as_json": _config(modality)} for name, modality in facts.items()}
    return pack(told, FORMS[call.dialect])


def _config_a(group: str, modality: Modality) -> dict[str, object]:
    keys = [key if group == "language" else f"{group}.{key}" for key in modality.keys]
    told = {"delta_indices": modality.deltas, "modality_keys": keys}
    return {"__ModalityConfig_class__": True, "as_json": json.dumps(told, separators=(",", ":"), ensure_ascii=False)}


def _config(modality: Modality) -> dict[str, object]:
    return {
        "delta_indices": modality.deltas,
        "modality_keys": modality.keys,
        "sin_cos_embedding_keys": None,
        "mean_std_embedding_keys": None,
        "action_configs": None,
    }
