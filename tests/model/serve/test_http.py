"""HTTP as published, with the statuses that HTTP has for what goes wrong, and metrics for Prometheus."""

import json
import re
import socket
from collections.abc import Mapping
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import json_numpy
import numpy as np
import pytest

from gr00t_model.policy import Policy
from tests.model.serve.asking import client, flat
from tests.model.serve.conftest import Serving, serving


def post(address: str, body: bytes, headers: Mapping[str, str] = {}) -> tuple[int, str]:
    """Status and text of POST /act."""
    try:
        with urlopen(Request(f"{address}/act", body, dict(headers)), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def get(address: str, path: str, headers: Mapping[str, str] = {}) -> tuple[int, str]:
    try:
        with urlopen(Request(f"{address}{path}", None, dict(headers)), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("encoded", [False, True])
def test_actions_come_as_published(served: Serving, policy: Policy, encoded: bool) -> None:
    seen = flat(policy.embodiment, policy.selection)
    body = json_numpy.dumps({"observation": seen})
    status, text = post(served.http, (json.dumps({"encoded": body}) if encoded else body).encode())
    assert status == 200
    found, expected = json_numpy.loads(text), policy.get_action(seen)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


def test_health_is_as_published(served: Serving) -> None:
    status, text = get(served.http, "/health")
    assert (status, json.loads(text)) == (200, {"status": "healthy", "model": "GR00T"})


@pytest.mark.parametrize(
    "body", [b"{not json", b"", b"[]", b'{"foo": 1}', b'{"observation": 3}', b'{"observation": {}}', b"\xff"]
)
def test_a_bad_request_is_one(served: Serving, body: bytes) -> None:
    status, text = post(served.http, body)
    assert status == 400 and json.loads(text)["detail"]


def test_what_is_missing_is_named(served: Serving, policy: Policy) -> None:
    seen = flat(policy.embodiment, policy.selection)
    del seen["state.left_arm"]
    status, text = post(served.http, json_numpy.dumps({"observation": seen}).encode())
    assert status == 400 and "lacks state.left_arm" in json.loads(text)["detail"]


def test_a_body_that_is_too_large_is_not_read(served: Serving) -> None:
    """A gigabyte is promised and never sent."""
    host, port = served.http.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"POST /act HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    status, text = post(served.http, bytes(9_000_000))
    assert status == 413 and "8,000,000" in text
    assert get(served.http, "/health")[0] == 200


def test_a_body_in_chunks_has_the_same_limit(served: Serving) -> None:
    host, port = served.http.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"POST /act HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
        for _ in range(17):
            try:
                raw.sendall(chunk)
            except OSError:
                break  # it has been refused already
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


def test_who_does_not_send_is_told(policy: Policy) -> None:
    with serving(policy, longest_s=0.3) as running:
        host, port = running.http.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(b"POST /act HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            assert raw.recv(100).startswith(b"HTTP/1.1 504")


def test_only_the_token_opens(policy: Policy) -> None:
    body = json_numpy.dumps({"observation": flat(policy.embodiment, policy.selection)}).encode()
    with serving(policy, token="geheim") as running:
        for wrong in (
            {},
            {"Authorization": "Bearer no"},
            {"Authorization": "geheim"},
            {"Authorization": "Basic geheim"},
        ):
            assert post(running.http, body, wrong)[0] == 401
            assert get(running.http, "/metrics", wrong)[0] == 401
        assert post(running.http, body, {"Authorization": "Bearer geheim"})[0] == 200
        assert get(running.http, "/metrics", {"Authorization": "Bearer geheim"})[0] == 200
        assert get(running.http, "/health")[0] == 200


def test_metrics_count_what_was_asked(policy: Policy) -> None:
    with serving(policy) as running, client(running.zmq) as one:
        for _ in range(3):
            one.ask("A", "get_action", flat(policy.embodiment, policy.selection))
        one.ask("A", "get_action", {"state.left_arm": np.zeros((1, 7))})
        one.ask("A", "nope" * 100)
        one.raw(b"\xc1")
        text = get(running.http, "/metrics")[1]
    found = dict(re.findall(r"^(\w+(?:\{[^}]*\})?) ([\d.e+-]+)$", text, re.M))
    assert found['gr00t_requests_total{endpoint="get_action",outcome="ok"}'] == "3"
    assert found['gr00t_requests_total{endpoint="get_action",outcome="refused"}'] == "1"
    assert found['gr00t_requests_total{endpoint="unknown",outcome="unknown"}'] == "1"
    assert found['gr00t_requests_total{endpoint="unknown",outcome="refused"}'] == "1"
    assert found['gr00t_latency_seconds_count{endpoint="get_action"}'] == "3"
    shares = [float(found[f'gr00t_latency_seconds{{endpoint="get_action",quantile="{q}"}}']) for q in (0.5, 0.95, 0.99)]
    assert 0 < shares[0] <= shares[1] <= shares[2]
    assert found["gr00t_queue_length"] == "0" and found["gr00t_queue_limit"] == "16"
    assert float(found["gr00t_policy_calls_total"]) == policy.session.calls
    assert float(found["gr00t_policy_beyond_limits_total"]) == policy.session.beyond_limits
    comments = re.findall(r"^# TYPE (\w+) (?:counter|gauge|summary)$", text, re.M)
    assert len(comments) == len({*comments}) == text.count("# HELP")


def test_nothing_else_is_there(served: Serving) -> None:
    assert get(served.http, "/act")[0] == 405
    assert get(served.http, "/docs")[0] == 404
