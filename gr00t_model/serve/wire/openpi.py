"""The websocket protocol of openpi (package openpi-client): msgpack with arrays of its own form.

The server speaks first, with its metadata; then each binary message is an observation, answered by a binary one with
the actions, or by a text message that says what went wrong.
"""

from collections.abc import Mapping

import numpy as np

from gr00t_model.serve.wire.call import INSTRUCTION, Call, Limits, WireError
from gr00t_model.serve.wire.dialects import read_options
from gr00t_model.serve.wire.flat import is_batched, with_time
from gr00t_model.serve.wire.packing import Decoded, pack, unpack


def metadata(told: Mapping[str, object]) -> bytes:
    """The first message: whatever a server tells about itself."""
    return pack({**told}, "openpi")


def read(frame: bytes, limits: Limits = Limits(), *, instruction: str = INSTRUCTION) -> Call:
    """The observation of a message: the policy's keys, with openpi's ``prompt`` as the instruction.

    Pictures may be [H, W, 3] and states [D]: the axis of time is put in front of them. ``options`` may stand among the
    keys.

    Raises:
        WireError: beyond the limits, not msgpack, or no mapping of names.
    """
    decoded = Decoded(("openpi",), limits).value(unpack(frame, limits), "")
    if not isinstance(decoded, dict) or not decoded:
        raise WireError(
            f"an observation is a mapping of video.<camera> and state.<part>, found {type(decoded).__name__}"
        )
    options, prompt = read_options(decoded.pop("options", None)), decoded.pop("prompt", None)
    if prompt is not None:
        decoded[instruction] = prompt
    observation = with_time(decoded)
    return Call("openpi", "get_action", observation, options, batched=is_batched(observation), shown=True)


def reply(call: Call, answer: Mapping[str, object]) -> bytes:
    """The actions as ``action.<part>`` -> [T, D], and all of them side by side as ``actions`` [T, sum of D], the key
    that openpi's own robots read.
    """
    parts = [np.asarray(value) for value in answer.values()]
    if not parts:
        return pack({}, "openpi")
    most = max(part.ndim for part in parts)
    columns = [part if part.ndim == most and most > 1 else part[..., None] for part in parts]
    return pack({**answer, "actions": np.concatenate(columns, axis=-1)}, "openpi")
