"""openpi's websocket protocol, spoken by ``websockets``; ``benchmarks.serve.openpi`` uses openpi's own client."""

from typing import Any

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gr00t_model.policy import Policy
from tests.model.serve.asking import flat
from tests.model.serve.conftest import Serving, serving


def packed(value: object) -> bytes:
    def encode(one: Any) -> Any:
        if not isinstance(one, np.ndarray):
            return one
        return {b"__ndarray__": True, b"data": one.tobytes(), b"dtype": one.dtype.str, b"shape": one.shape}

    return msgpack.packb(value, default=encode)


def unpacked(frame: bytes | str) -> Any:
    def decode(one: dict[Any, Any]) -> Any:
        if b"__ndarray__" not in one:
            return one
        return np.ndarray(one[b"shape"], np.dtype(one[b"dtype"]), one[b"data"])

    assert isinstance(frame, bytes), frame
    return msgpack.unpackb(frame, object_hook=decode, strict_map_key=False)


def opened(address: str, **how: Any) -> ClientConnection:
    return connect(address, compression=None, max_size=None, **how)


def test_an_observation_is_answered(served: Serving, policy: Policy) -> None:
    seen = flat(policy.embodiment, policy.selection)
    with opened(served.websocket) as socket:
        about = unpacked(socket.recv())
        assert about["embodiment"] == "gr1" and about["horizon"] == 16
        socket.send(packed(seen))
        found = unpacked(socket.recv())
    expected = policy.get_action(seen)
    for key in expected:
        np.testing.assert_array_equal(found[key], expected[key])
    np.testing.assert_array_equal(found["actions"], np.concatenate([*expected.values()], axis=-1))


def test_an_error_is_a_text_and_the_connection_stays(served: Serving, policy: Policy) -> None:
    seen = flat(policy.embodiment, policy.selection)
    with opened(served.websocket) as socket:
        socket.recv()
        for wrong in (
            packed({}),
            b"\xc1",
            "text",
            packed([1]),
            packed(seen | {"state.left_arm": np.full((1, 7), np.nan)}),
        ):
            socket.send(wrong)
            told = socket.recv()
            assert isinstance(told, str) and told and "Traceback" not in told
        socket.send(packed(seen))
        assert "actions" in unpacked(socket.recv())


def test_a_message_that_is_too_large_ends_the_connection_alone(served: Serving, policy: Policy) -> None:
    with opened(served.websocket) as large, opened(served.websocket) as other:
        large.recv(), other.recv()
        large.send(bytes(9_000_000))
        told = large.recv()
        assert isinstance(told, str) and "8,000,000" in told
        with pytest.raises(ConnectionClosed):
            large.send(bytes(17_000_000))
            large.recv()
        other.send(packed(flat(policy.embodiment, policy.selection)))
        assert "actions" in unpacked(other.recv())


def test_only_the_token_opens(policy: Policy) -> None:
    with serving(policy, token="geheim") as running:
        with pytest.raises(InvalidStatus, match="403"):
            opened(running.websocket)
        with opened(running.websocket, additional_headers={"Authorization": "Api-Key geheim"}) as socket:
            socket.recv()
            socket.send(packed(flat(policy.embodiment, policy.selection)))
            assert "actions" in unpacked(socket.recv())
