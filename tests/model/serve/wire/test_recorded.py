"""The frames of the published servers are answered byte for byte, but for the words of errors."""

import msgpack
import numpy as np
import pytest

from gr00t_model.serve.wire import dialects
from gr00t_model.serve.wire.call import Dialect, WireError
from tests.model.serve.wire.recorded import FACTS, arm, frames, needs_recordings

A, C = "n15_zmq", "n17main_zmq"
ERRORS = {
    A: ("unknown_endpoint", "missing_state", "not_msgpack", "list_not_dict"),
    C: ("unknown", "n15_flat", "garbage"),
}


def answered(request: bytes, usual: Dialect) -> bytes:
    """What a server with the fake policy of the recordings replies."""
    try:
        call = dialects.read(request, usual=usual)
    except WireError as error:
        return dialects.error(str(error))
    if call.endpoint == "get_modality_config":
        shown = {name: FACTS[name] for name in ("video", "state") if call.dialect == "C"}
        return dialects.modality_config(call, shown or FACTS)
    if call.endpoint not in ("get_action", "ping", "reset", "kill"):
        return dialects.error(f"Unknown endpoint: {call.endpoint}")
    if call.endpoint == "get_action" and "state.right_arm" not in call.observation:
        return dialects.error("the observation lacks state.right_arm")
    state = np.asarray(call.observation.get("state.right_arm"))
    actions = {"action.right_arm": arm(len(state) if call.batched else 0)}
    if call.dialect == "C":
        actions = {key: value.astype(np.float32) for key, value in actions.items()}
    else:
        actions["action.right_hand"] = np.full((*actions["action.right_arm"].shape[:-1], 6), -1.5)
    return dialects.reply(call, actions if call.endpoint == "get_action" else None)


@needs_recordings
@pytest.mark.parametrize(("name", "usual"), [(A, "A"), (C, "C")])
def test_every_frame_is_answered_as_it_was(name, usual):
    wrong = []
    for call, (request, reply) in frames(name).items():
        found = answered(request, usual)
        if call in ERRORS[name]:
            told = msgpack.unpackb(found)
            if list(told) != ["error"] or not isinstance(told["error"], str) or not told["error"]:
                wrong.append((call, told))
        elif found != reply:
            wrong.append((call, found, reply))
    assert wrong == []
