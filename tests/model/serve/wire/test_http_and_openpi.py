"""The JSON of the published HTTP server, judged by json-numpy too, and openpi's messages."""

import json

import json_numpy
import msgpack
import numpy as np
import pytest

from gr00t_model.serve.wire import http, openpi
from gr00t_model.serve.wire.call import INSTRUCTION, WireError
from tests.model.serve.wire.recorded import arm, bodies, needs_recordings, packed

STATE = np.linspace(-1, 1, 7)[None]


@needs_recordings
@pytest.mark.parametrize("name", ["plain", "encoded"])
def test_every_recorded_body_is_answered_as_it_was(name: str):
    told = bodies()[name]
    call = http.read(told["request"].encode())
    assert call.dialect == "http" and not call.batched
    np.testing.assert_array_equal(call.observation["state.right_arm"], STATE)
    assert call.observation[INSTRUCTION] == ["pick the pear"]
    assert http.reply(call, {"action.right_arm": arm()}) == told["reply"].encode()


@needs_recordings
@pytest.mark.parametrize("name", ["missing", "garbage"])
def test_recorded_bodies_that_are_no_request_are_refused(name: str):
    with pytest.raises(WireError, match=r"observation|JSON"):
        http.read(bodies()[name]["request"].encode())
    assert json.loads(http.error("no")) == {"detail": "no"}
    assert bodies()["health"]["reply"].encode() == http.HEALTHY


def test_json_numpy_reads_what_is_written_and_is_read():
    observation = {"state.arm": STATE.astype(np.float32), "video.eye": np.zeros((1, 1, 4, 4, 3), np.uint8)}
    call = http.read(json_numpy.dumps({"observation": observation, "options": {"seed": np.int64(2)}}).encode())
    np.testing.assert_array_equal(call.observation["state.arm"], observation["state.arm"])
    assert call.options == {"seed": 2}
    found = json_numpy.loads(http.reply(call, {"action.arm": arm(2)}))
    np.testing.assert_array_equal(found["action.arm"], arm(2))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[1]", "list"),
        (b"[" * 50_000, "JSON"),
        (b"[" * 200_000, "too many entries"),
        (b'{"observation": {"a": ' + b"1" * 5000 + b"}}", "JSON"),
        (b'{"observation": {"a": 1}, "encoded": "{}"}', "both"),
        (b'{"encoded": 3}', "text"),
        (b'{"observation": {"a": {"__numpy__": "!", "dtype": "<f4", "shape": [1]}}}', "base64"),
        (b'{"observation": {"a": {"__numpy__": "AAAA", "dtype": "<f4", "shape": [1]}}}', "takes 4 bytes, found 3"),
        (b'{"observation": {"a": {"__numpy__": "AAAA", "dtype": [["a", "|O"]], "shape": [1]}}}', "type"),
        (b'{"observation": {"a": 1}, "options": {"seed": []}}', "options.seed"),
        (b"\xff\xfe", "JSON"),
    ],
)
def test_bodies_that_are_no_request_are_told(body: bytes, told: str):
    with pytest.raises(WireError, match=told):
        http.read(body)


def openpi_array(array: np.ndarray) -> dict[bytes, object]:
    return {b"__ndarray__": True, b"data": array.tobytes(), b"dtype": array.dtype.str, b"shape": array.shape}


def test_openpi_is_read_with_its_prompt_and_without_time():
    picture = np.zeros((4, 4, 3), np.uint8)
    sent = {"video.eye": openpi_array(picture), "state.arm": openpi_array(STATE[0]), "prompt": "pick the pear"}
    seed = {b"__npgeneric__": True, b"data": 3, b"dtype": "<i8"}
    call = openpi.read(packed(sent | {"options": {"seed": seed}}))
    assert (call.dialect, call.options, call.observation[INSTRUCTION]) == ("openpi", {"seed": 3}, "pick the pear")
    np.testing.assert_array_equal(call.observation["video.eye"], picture[None])
    np.testing.assert_array_equal(call.observation["state.arm"], STATE)
    answer = {"action.arm": arm(), "action.grip": np.ones(16)}
    told = msgpack.unpackb(openpi.reply(call, answer))
    assert told.keys() == {"action.arm", "action.grip", "actions"}
    assert told["action.arm"] == openpi_array(arm()) | {b"shape": [16, 7]}
    assert told["actions"][b"shape"] == [16, 8]
    assert msgpack.unpackb(openpi.metadata({"robot": "gr1"})) == {"robot": "gr1"}
    with pytest.raises(WireError, match="mapping"):
        openpi.read(packed([1]))
    with pytest.raises(WireError, match="does not know"):
        openpi.read(packed({"a": {b"nd": True}}))
