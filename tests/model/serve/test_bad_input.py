"""What no client should send, sent to a real server: each has a clear answer, and the next client has its own."""

import os
import pickle
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import psutil
import pytest
import zmq

from gr00t_model.policy import Policy
from tests.model.serve.asking import SIDE_PX, client, flat, nested, request, unpacked
from tests.model.serve.conftest import Serving

Seen = dict[str, Any]
LANGUAGE = "annotation.human.action.task_description"


def _still_answers(served: Serving, policy: Policy) -> None:
    with client(served.zmq) as one:
        assert "action.left_arm" in one.ask("A", "get_action", flat(policy.embodiment, policy.selection))


WRONG: dict[str, tuple[Callable[[Seen], Seen], str]] = {
    "a missing key": (lambda seen: {k: v for k, v in seen.items() if k != "state.left_arm"}, "lacks state.left_arm"),
    "no instruction": (lambda seen: {k: v for k, v in seen.items() if k != LANGUAGE}, f"lacks {LANGUAGE}"),
    "float pictures": (
        lambda seen: seen | {"video.ego_view": seen["video.ego_view"] / np.float32(255)},
        "video.ego_view: expected uint8",
    ),
    "CHW": (lambda seen: seen | {"video.ego_view": np.moveaxis(seen["video.ego_view"], -1, -3)}, "channels come last"),
    "no axis of time": (lambda seen: seen | {"video.ego_view": seen["video.ego_view"][0]}, "add the axis of time"),
    "grey": (lambda seen: seen | {"video.ego_view": seen["video.ego_view"][..., :1]}, "grey picture"),
    "no pixels": (lambda seen: seen | {"video.ego_view": np.zeros((1, 0, 0, 3), np.uint8)}, "holds no values"),
    "NaN": (lambda seen: seen | {"state.left_arm": np.full((1, 7), np.nan)}, "state.left_arm: holds NaN"),
    "infinity": (lambda seen: seen | {"state.left_arm": np.full((1, 7), np.inf)}, "state.left_arm: holds NaN or inf"),
    "a wrong width": (lambda seen: seen | {"state.left_arm": np.zeros((1, 6))}, r"expected [1, 7]"),
    "a state with rows": (lambda seen: seen | {"state.left_arm": np.zeros((2, 1, 7))}, "state.left_arm"),
    "two instructions": (lambda seen: seen | {LANGUAGE: ["a", "b"]}, "expected 1 non-empty texts"),
    "an empty instruction": (lambda seen: seen | {LANGUAGE: [""]}, "non-empty texts"),
    "an instruction of a megabyte": (lambda seen: seen | {LANGUAGE: ["a" * 1_000_000]}, "characters"),
    "a number for a picture": (lambda seen: seen | {"video.ego_view": 3}, "video.ego_view"),
    "a text for a state": (lambda seen: seen | {"state.left_arm": "0 0 0"}, "state.left_arm"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_observation_is_named(served: Serving, policy: Policy, case: str) -> None:
    change, said = WRONG[case]
    with client(served.zmq) as one:
        told = one.ask("A", "get_action", change(flat(policy.embodiment, policy.selection)))
        assert said in told["error"]
        assert "action.left_arm" in one.ask("A", "get_action", flat(policy.embodiment, policy.selection))


def test_rows_of_different_number_are_named(served: Serving, policy: Policy) -> None:
    seen = flat(policy.embodiment, policy.selection, rows=2)
    with client(served.zmq) as one:
        told = one.ask("A", "get_action", seen | {"state.left_arm": np.zeros((3, 1, 7))})
        assert "same number of rows" in told["error"]


def test_more_rows_than_may_be_are_refused(served: Serving, policy: Policy) -> None:
    with client(served.zmq) as one:
        told = one.ask("A", "get_action", flat(policy.embodiment, policy.selection, rows=65))
    assert "65 observations in one request, at most 64" in told["error"]


def test_a_surplus_key_changes_nothing(served: Serving, policy: Policy) -> None:
    seen = flat(policy.embodiment, policy.selection)
    with client(served.zmq) as one:
        found = one.ask("A", "get_action", seen | {"video.of_nobody": np.zeros((1, 8, 8, 3), np.uint8)})
    np.testing.assert_array_equal(found["action.left_arm"], policy.get_action(seen)["action.left_arm"])


def test_pictures_of_another_size_are_resized(served: Serving, policy: Policy) -> None:
    seen = flat(policy.embodiment, policy.selection, side_px=3 * SIDE_PX)
    with client(served.zmq) as one:
        assert one.ask("A", "get_action", seen)["action.left_arm"].shape == (16, 7)


def _npy_header(descr: str, shape: str) -> dict[str, Any]:
    """What numpy.save writes of an array, without its values."""
    told = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return {"__ndarray_class__": True, "as_npy": b"\x93NUMPY\x01\x00" + struct.pack("<H", len(told)) + told.encode()}


def _nd(kind: bytes, dtype: str, shape: list[int], data: bytes) -> dict[bytes, Any]:
    return {b"nd": True, b"type": dtype, b"kind": kind, b"shape": shape, b"data": data}


def _acting(picture: object) -> bytes:
    return msgpack.packb({"endpoint": "get_action", "data": {"video.ego_view": picture}})


FRAMES = {
    "nothing": b"",
    "no msgpack": b"\xc1hello",
    "a list": msgpack.packb([1, 2]),
    "a number": msgpack.packb(7),
    "a text": msgpack.packb("get_action"),
    "an endpoint that is a map": msgpack.packb({"endpoint": {}}),
    "data that is a list": msgpack.packb({"endpoint": "get_action", "data": [1]}),
    "no observation": msgpack.packb({"endpoint": "get_action", "data": {}}),
    "zeros": bytes(1_000_000),
    "a map of a billion": b"\xdf\x3b\x9a\xca\x00",
    "a text of 4 GB": b"\xdb\xff\xff\xff\xff",
    "depth": b"\x91" * 100_000 + b"\xc0",
    "a pickle": pickle.dumps({"endpoint": "get_action"}),
    "an array of objects": _acting(_npy_header("|O", "(1,)")),
    "an array of a terabyte": _acting(_npy_header("|u1", "(1000000, 1000000)")),
    "an array of dialect C with too few bytes": _acting(_nd(b"", "|u1", [10**9], b"1")),
    "an object of dialect C": _acting(_nd(b"O", "|O8", [1], pickle.dumps(1))),
    "a dialect that nobody knows": msgpack.packb({"method": "infer", "params": {"picture": b"\0" * 12}}),
}


@pytest.mark.parametrize("case", FRAMES)
def test_a_frame_that_is_no_request_has_an_error(served: Serving, case: str) -> None:
    with client(served.zmq) as one:
        assert list(msgpack.unpackb(one.raw(FRAMES[case]))) == ["error"]
        assert one.ask("A", "ping")["status"] == "ok"


@pytest.mark.parametrize("dialect", "ABC")
def test_a_request_that_is_cut_off_has_an_error(served: Serving, policy: Policy, dialect: str) -> None:
    seen = flat(policy.embodiment, policy.selection) if dialect == "A" else nested(policy.embodiment, policy.selection)
    whole = request(dialect, "get_action", seen)
    with client(served.zmq) as one:
        for length in np.linspace(1, len(whole) - 1, 25, dtype=int):
            assert list(unpacked(dialect, one.raw(whole[:length]))) == ["error"]


def test_a_message_that_is_too_large_is_told(served: Serving) -> None:
    with client(served.zmq) as one:
        assert "at most 8,000,000" in msgpack.unpackb(one.raw(bytes(9_000_000)))["error"]
        assert one.ask("A", "ping")["status"] == "ok"


def test_a_gigabyte_is_not_read(served: Serving, policy: Policy) -> None:
    """The greeting and handshake of ZMTP 3.0, then a frame that says it has a gigabyte: the connection ends."""
    host, port = served.zmq.removeprefix("tcp://").split(":")
    before = psutil.Process().memory_info().rss
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
        ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 3) + b"REQ"
        raw.sendall(b"\x04" + bytes([len(ready)]) + ready)
        raw.sendall(b"\x01\x00\x02" + struct.pack(">Q", 1_000_000_000))
        _send_until_closed(raw, bytes(1_000_000), 1000)
    assert psutil.Process().memory_info().rss - before < 200e6
    _still_answers(served, policy)


def _send_until_closed(raw: socket.socket, chunk: bytes, most: int) -> None:
    for sent in range(most):
        try:
            raw.sendall(chunk)
        except OSError:
            assert sent < 100
            return
    raise AssertionError("it read everything")


def test_what_does_not_even_speak_zeromq_is_shaken_off(served: Serving, policy: Policy) -> None:
    host, port = served.zmq.removeprefix("tcp://").split(":")
    for words in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"\xff" * 64, b""):
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(words)
            _still_answers(served, policy)


def test_messages_of_several_parts_are_ignored(served: Serving, policy: Policy) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RCVTIMEO, 10_000)
        dealer.connect(served.zmq)
        dealer.send_multipart([b"a", b"b", b"c"])
        dealer.send_multipart([b"", b"", b"", b""])
        dealer.send_multipart([b"", request("A", "ping")])
        assert dealer.recv_multipart()[-1] == msgpack.packb({"status": "ok", "message": "Server is running"})
        dealer.send(request("A", "ping"))  # no empty frame: answered without one
        assert len(dealer.recv_multipart()) == 1
    _still_answers(served, policy)


def test_a_client_that_vanishes_stops_nobody(served: Serving, policy: Policy) -> None:
    """Before it is answered, and while a large answer is on its way."""
    frame = request("A", "get_action", flat(policy.embodiment, policy.selection, rows=8))
    for wait_s in (0.0, 0.001, 0.01, 0.05):
        with client(served.zmq) as one:
            one.socket.send(frame)
            time.sleep(wait_s)
    _still_answers(served, policy)


def test_a_client_that_does_not_read_stops_nobody(served: Serving, policy: Policy) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RCVHWM, 1)
        dealer.setsockopt(zmq.SNDTIMEO, 1000)
        dealer.connect(served.zmq)
        frame = request("A", "get_action", flat(policy.embodiment, policy.selection, rows=8))
        for _ in range(50):
            dealer.send_multipart([b"", frame])
        _still_answers(served, policy)
