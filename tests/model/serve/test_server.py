"""A server over loopback: every endpoint, in each dialect; who may do what; how it ends."""

import time
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import zmq

from gr00t_model.policy import Policy
from gr00t_model.serve.ports import PortError
from gr00t_model.serve.server import Server
from gr00t_model.serve.settings import Listening
from tests.model.serve.asking import Client, client, flat, nested, request, unpacked
from tests.model.serve.conftest import Serving, serving

LONG = {"denoising_steps": 1000}


@pytest.mark.parametrize("dialect", "ABC")
def test_ping_and_reset_are_answered(served: Serving, dialect: str) -> None:
    with client(served.zmq) as one:
        assert one.ask(dialect, "ping") == {"status": "ok", "message": "Server is running"}
        assert one.ask(dialect, "reset", {"options": None}) == {}


@pytest.mark.parametrize("rows", [0, 2])
def test_the_actions_are_those_of_the_policy(served: Serving, policy: Policy, rows: int) -> None:
    seen = flat(policy.embodiment, policy.selection, rows)
    with client(served.zmq) as one:
        found = one.ask("A", "get_action", seen)
    _same(found, policy.get_action(seen))


@pytest.mark.parametrize("dialect", "BC")
def test_nested_requests_have_nested_answers(served: Serving, policy: Policy, dialect: str) -> None:
    with client(served.zmq) as one:
        actions, info = one.ask(dialect, "get_action", nested(policy.embodiment, policy.selection))
    assert {name: values.shape for name, values in actions.items()} == {
        name: (1, 16, policy.embodiment.action_part(name).dim) for name in policy.selection.action
    }
    assert isinstance(info, dict)


def test_options_of_a_request_act(served: Serving, policy: Policy) -> None:
    data = nested(policy.embodiment, policy.selection)
    with client(served.zmq) as one:
        answers = [
            one.ask("C", "get_action", data | {"options": options})[0]["left_arm"]
            for options in (
                {"seed": 1},
                {"seed": 2},
                {"seed": 1, "denoising_steps": 1},
                {"seed": 1, "action_horizon": 5},
            )
        ]
    assert not np.array_equal(answers[0], answers[1]) and not np.array_equal(answers[0], answers[2])
    np.testing.assert_array_equal(answers[3], answers[0][:, :5])


def test_a_running_chunk_is_gone_on_from(served: Serving, policy: Policy) -> None:
    data = nested(policy.embodiment, policy.selection)
    with client(served.zmq) as one:
        first, _ = one.ask("C", "get_action", data | {"options": {"seed": 1}})
        data["observation"]["action"] = first
        options = {"seed": 2, "rtc_overlap_steps": 8, "rtc_frozen_steps": 4}
        second, _ = one.ask("C", "get_action", data | {"options": options})
        other, _ = one.ask("C", "get_action", data | {"options": {"seed": 2}})
    np.testing.assert_allclose(second["left_arm"][:, :4], first["left_arm"][:, 8:12], atol=1e-4)
    assert not np.allclose(other["left_arm"][:, :4], first["left_arm"][:, 8:12], atol=1e-4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": -1}, "seed"),
        ({"denoising_steps": 10**9}, "denoising_steps"),
        ({"action_horizon": 0}, "action_horizon"),
        ({"rtc_frozen_steps": 3}, "rtc_overlap_steps"),
        ({"rtc_overlap_steps": 3}, "running chunk"),
    ],
)
def test_a_wrong_option_is_named(served: Serving, policy: Policy, options: dict[str, Any], said: str) -> None:
    data = nested(policy.embodiment, policy.selection) | {"options": options}
    with client(served.zmq) as one:
        assert said in one.ask("C", "get_action", data)["error"]


def test_an_unknown_endpoint_is_named_as_published(served: Serving) -> None:
    with client(served.zmq) as one:
        assert one.ask("A", "nope") == {"error": "Unknown endpoint: nope"}


def test_kill_from_this_machine_ends_it(policy: Policy) -> None:
    with serving(policy) as running:
        with client(running.zmq) as one:
            assert one.ask("A", "kill") is None
        running.thread.join(5)
        assert [(ended.reason, ended.broken, ended.idle) for ended in running.ended] == [("kill", False, True)]


def test_only_the_token_opens(policy: Policy) -> None:
    with serving(policy, token="geheim") as running, client(running.zmq) as one:
        seen = flat(policy.embodiment, policy.selection)
        for wrong in ({}, {"api_token": "geheiM"}, {"api_token": ""}, {"api_token": "ä"}):
            for endpoint, data in (("ping", None), ("kill", None), ("get_action", seen), ("nope", None)):
                assert one.ask("A", endpoint, data, **wrong) == {"error": "Unauthorized: Invalid API token"}
        assert one.ask("A", "kill", api_token=7).keys() == {"error"}
        assert one.ask("A", "ping", api_token="geheim")["status"] == "ok"
        assert one.ask("A", "kill", api_token="geheim") is None
        running.thread.join(5)
        assert running.ended


def test_a_port_in_use_is_told_before_anything_is_loaded(served: Serving) -> None:
    for protocol, option in (("zmq", "port"), ("http", "http"), ("websocket", "websocket")):
        port = int(getattr(served, protocol).rpartition(":")[2])
        with pytest.raises(PortError, match=f"port {port} of 127.0.0.1: .* another process .* --{option}"):
            Server(Listening(**{"port": 0, option: port}))


def test_a_host_that_is_not_here_is_told() -> None:
    with pytest.raises(PortError, match=r"192\.0\.2\.1.*--host"):
        Server(Listening(host="192.0.2.1", port=0))
    with pytest.raises(PortError, match=r"no\.such\.host\.invalid: is no address"):
        Server(Listening(host="no.such.host.invalid", port=0))


def test_others_are_answered_while_one_waits_for_actions(policy: Policy) -> None:
    with serving(policy) as running, client(running.zmq) as slow, client(running.zmq) as quick:
        slow.socket.send(_long_request(policy))
        _await_queue(running, 1)
        assert quick.ask("A", "ping")["status"] == "ok"
        with pytest.raises(zmq.Again):
            slow.socket.recv(zmq.NOBLOCK)  # not answered yet


def test_who_finds_the_queue_full_is_told_at_once(policy: Policy) -> None:
    with serving(policy, queue=2) as running:
        waiting = [Client(running.zmq) for _ in range(3)]
        for one in waiting:
            one.socket.send(_long_request(policy))
        told = _first_answer(waiting)
        assert "busy: 2 requests wait" in told["error"]
        for one in waiting:
            one.close()


def test_a_request_that_takes_too_long_is_answered(policy: Policy) -> None:
    with serving(policy, longest_s=0.2) as running, client(running.zmq) as one:
        assert "late: not answered in 0.2 s" in unpacked("C", one.raw(_long_request(policy)))["error"]
        assert one.ask("A", "ping")["status"] == "ok"


def test_it_ends_while_an_answer_is_computed(policy: Policy) -> None:
    with serving(policy) as running, client(running.zmq) as one:
        one.socket.send(_long_request(policy))
        _await_queue(running, 1)
        running.server.stop("SIGTERM")
        running.thread.join(5)
        assert [ended.reason for ended in running.ended] == ["SIGTERM"]


def _long_request(policy: Policy) -> bytes:
    data = nested(policy.embodiment, policy.selection, rows=16) | {"options": LONG}
    return request("C", "get_action", data)


def _await_queue(running: Serving, length: int) -> None:
    """Until so many requests wait or are acted on."""
    deadline = time.monotonic() + 20
    while f"gr00t_queue_length {length}\n" not in urlopen(f"{running.http}/metrics").read().decode():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _first_answer(clients: list[Client]) -> Any:
    poller = zmq.Poller()
    for one in clients:
        poller.register(one.socket, zmq.POLLIN)
    socket = next(iter(dict(poller.poll(20_000))))
    return unpacked("C", socket.recv())


def _same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)
