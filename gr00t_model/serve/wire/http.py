"""The JSON of the published N1.5 HTTP server: ``POST /act`` with arrays as json-numpy writes them.

A body is ``{"observation": {...}}`` or ``{"encoded": "<JSON of the same>"}``; ``options`` may stand beside the
observation. The reply is the flat mapping of actions.
"""

import json
from collections.abc import Mapping
from functools import partial

from gr00t_model.serve.wire.call import Call, Limits, WireError
from gr00t_model.serve.wire.dialects import read_options
from gr00t_model.serve.wire.flat import is_batched
from gr00t_model.serve.wire.packing import Decoded, written

HEALTHY = b'{"status":"healthy","model":"GR00T"}'
"""The body of ``GET /health``."""


def read(body: bytes, limits: Limits = Limits()) -> Call:
    """The request of a body; its dialect is ``http``, its observation flat as in dialect A.

    Raises:
        WireError: beyond the limits, not JSON, neither or both of ``observation`` and ``encoded``.
    """
    request = _parsed(body, limits)
    if "encoded" in request and "observation" in request:
        raise WireError("the body holds both observation and encoded; send one of them")
    if "encoded" in request:
        text = request["encoded"]
        if not isinstance(text, str):
            raise WireError(f"encoded: expected a text of JSON, found {type(text).__name__}")
        request = request | _parsed(text.encode(errors="surrogatepass"), limits)
    given = request.get("observation")
    if not isinstance(given, dict) or not given:
        raise WireError("the body lacks 'observation', a mapping of video.<camera>, state.<part> and the instruction")
    decoder = Decoded(("json",), limits)
    observation, options = decoder.value(given, "observation"), decoder.value(request.get("options"), "options")
    if not isinstance(observation, dict):
        raise WireError("observation: expected a mapping")
    batched = is_batched(observation)
    return Call("http", "get_action", observation, read_options(options), batched=batched, shown=True)


def _parsed(body: bytes, limits: Limits) -> dict[str, object]:
    """The mapping of a JSON text, counted before it is parsed."""
    if len(body) > limits.largest_bytes:
        raise WireError(f"the body has {len(body):,} bytes, at most {limits.largest_bytes:,} are read")
    if sum(map(body.count, (b",", b"[", b"{"))) > limits.entries:
        raise WireError("the body holds too many entries; send numbers as arrays of json_numpy")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WireError(f"the body is not JSON ({error})") from error
    if not isinstance(found, dict):
        raise WireError(f"the body is a {type(found).__name__}, expected a mapping with 'observation'")
    return found


def reply(call: Call, answer: Mapping[str, object]) -> bytes:
    """The body with the actions ``action.<part>`` -> [T, D] or [B, T, D]."""
    return _json(dict(answer))


def error(text: str) -> bytes:
    """The body that says what went wrong; the status is the server's to choose."""
    return _json({"detail": text})


def _json(value: object) -> bytes:
    default = partial(written, form="json")
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=default).encode(errors="replace")
