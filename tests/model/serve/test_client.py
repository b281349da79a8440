"""The client against a real socket: every endpoint in every dialect, servers that are slow, gone or come back."""

import ast
import os
import subprocess
import sys
import time
from typing import Literal

import numpy as np
import pytest

from gr00t_model.acting.running import Running
from gr00t_model.serve.client import Client, ClientError, NoAnswerError, RefusedError
from gr00t_model.serve.steps import Step, read_end, read_record
from gr00t_model.serve.wire import dialects
from gr00t_model.serve.wire.call import INSTRUCTION, Call, modalities
from tests.model.serve.answering import Answerer

CHUNK = np.arange(16 * 2, dtype=np.float32).reshape(16, 2)
FACTS = modalities(("eye",), ("arm",), ("arm",), 16)
SEEN = {"video.eye": np.zeros((1, 4, 4, 3), np.uint8), "state.arm": np.zeros((1, 2)), INSTRUCTION: ["pick the pear"]}


def answer(call: Call) -> bytes:
    """What a server answers that knows one arm."""
    if call.endpoint == "get_modality_config":
        return dialects.modality_config(call, FACTS)
    if call.endpoint == "get_action":
        rows = np.shape(np.asarray(call.observation["state.arm"]))[:-2]
        return dialects.reply(call, {"action.arm": np.broadcast_to(CHUNK, (*rows, 16, 2)).copy()})
    if call.endpoint in ("record", "end_episode"):
        return dialects.reply(call, {"told": call.endpoint})
    return dialects.reply(call)


@pytest.mark.parametrize("dialect", ["A", "B", "C"])
def test_every_endpoint_is_called_in_every_dialect(dialect: Literal["A", "B", "C"]):
    with Answerer(answer) as server, Client(port=server.port, dialect=dialect, token="secret", timeout_s=5) as client:
        assert client.ping()
        assert client.get_modality_config() == FACTS
        single = client.get_action(SEEN, options={"seed": 3})
        np.testing.assert_array_equal(single["action.arm"], CHUNK)
        rows = {key: np.stack([one, one]) for key, one in SEEN.items() if isinstance(one, np.ndarray)}
        batch = client.get_action(rows | {INSTRUCTION: ["pick", "place"]})
        np.testing.assert_array_equal(batch["action.arm"], np.stack([CHUNK, CHUNK]))
        running = Running({"action.arm": CHUNK[4:]}, overlap=6, frozen=2)
        client.get_action(SEEN, running=running)
        client.reset()
        step = Step(
            SEEN, {"action.arm": CHUNK[0]}, 1.5, intervention=True, proposed={"action.arm": CHUNK}, proposed_step=0
        )
        assert client.record("one", [step]) == {"told": "record"}
        assert client.end_episode("one", True) == {"told": "end_episode"}
        client.kill()
    asked = {call.endpoint: call for call in server.calls}
    assert {call.token for call in server.calls} == {"secret"}
    going_on = [call for call in server.calls if call.endpoint == "get_action"][-1]
    assert going_on.options == {"rtc_overlap_steps": 6, "rtc_frozen_steps": 2, "rtc_ramp_rate": 6.0}
    np.testing.assert_array_equal(np.asarray(going_on.observation["action.arm"]).reshape(6, 2), CHUNK[4:10])
    episode, (recorded,) = read_record(asked["record"].data)
    assert (episode, recorded.time_s, recorded.intervention, recorded.proposed_step) == ("one", 1.5, True, 0)
    np.testing.assert_array_equal(recorded.action["action.arm"], CHUNK[0])
    assert read_end(asked["end_episode"].data) == ("one", True)


def test_the_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GR00T_API_TOKEN", "from outside")
    with Answerer(answer) as server, Client(port=server.port) as client, Client(port=server.port, token="") as other:
        assert client.ping() and other.ping()
    assert [call.token for call in server.calls] == ["from outside", None]


def test_a_server_that_is_not_there_is_told_in_time():
    with Client(port=9, timeout_s=0.3) as client:
        began = time.perf_counter()
        assert not client.ping()
        with pytest.raises(NoAnswerError, match=r"tcp://127.0.0.1:9: get_action: no answer in 0.3 s"):
            client.get_action(SEEN)
        assert time.perf_counter() - began < 2


def test_a_late_answer_is_not_taken_for_the_next_one():
    def slow_once(call: Call) -> bytes:
        if call.endpoint == "get_action":
            time.sleep(0.6)
        return answer(call)

    with Answerer(slow_once) as server, Client(port=server.port, timeout_s=0.3) as client:
        with pytest.raises(NoAnswerError):
            client.get_action(SEEN)
        client.timeout_s = 5
        assert client.get_modality_config() == FACTS


def test_a_server_that_comes_back_is_found_again():
    first = Answerer(answer)
    with Client(port=first.port, timeout_s=0.5) as client:
        assert client.ping()
        first.stop()
        assert not client.ping()
        with Answerer(answer, first.port):
            client.timeout_s = 5
            assert client.ping()


def test_errors_of_a_server_are_its_words():
    with Answerer(lambda call: dialects.error("the observation lacks state.hand")) as server:
        with Client(port=server.port, dialect="C") as client, pytest.raises(RefusedError, match=r"lacks state\.hand"):
            client.get_action(SEEN)
        with Client(port=server.port) as client, pytest.raises(RefusedError):
            client.ping()


@pytest.mark.parametrize("reply", [b"\xc1", b"\x80", b"\x93\x01\x02\x03", b"\x81\xa1a\x01", b""])
def test_what_is_no_answer_is_told(reply: bytes):
    with Answerer(lambda call: reply) as server, Client(port=server.port) as client:  # noqa: SIM117 - the call alone fails
        with pytest.raises(ClientError, match="get_action"):
            client.get_action(SEEN)


def test_what_does_not_travel_is_told_before_it_is_sent():
    with Client(port=9, timeout_s=5) as client:
        with pytest.raises(ClientError, match="array of object"):
            client.get_action(SEEN | {"state.arm": np.array([{}])})
        with pytest.raises(ClientError, match="set does not travel"):
            client.get_action(SEEN, options={"seed": {1}})
    with pytest.raises(ClientError):
        client.ping()
    with pytest.raises(ValueError, match="timeout_s"):
        Client(timeout_s=0)


@pytest.mark.parametrize(
    "modules",
    ["robot_loop", "wire.dialects, gr00t_model.serve.wire.http, gr00t_model.serve.wire.openpi"],
)
def test_a_robot_needs_numpy_zmq_and_msgpack_only(modules: str):
    code = f"import gr00t_model.serve.{modules}, sys; print(sorted({{name.partition('.')[0] for name in sys.modules}}))"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    own = {"gr00t_model", "gr00t_data", "numpy", "zmq", "msgpack"}
    loaded = {name for name in ast.literal_eval(told.stdout) if name not in sys.stdlib_module_names}
    assert "numpy" in loaded
    assert {name for name in loaded - own if not name.startswith(("_", "cython"))} == set()
