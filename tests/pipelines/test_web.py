"""The guard before Dagster's web server: pages of other sites neither read it nor start anything in it."""

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pipelines.web import HOSTS_VARIABLE, refusal

ASKED = json.dumps({"query": "{ version }"})
MUTATION = "/graphql?query=mutation%7BsetNuxSeen%7D"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real server, as `dagster dev` starts it."""
    home: Path = tmp_path_factory.mktemp("home")
    port, environment = free_port(), {**os.environ, "DAGSTER_HOME": str(home), HOSTS_VARIABLE: "ui.example, b.example"}
    command = [sys.executable, "-m", "pipelines.web", "dagster-webserver", "--empty-workspace", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as server:
        while not listens(port):
            assert server.poll() is None, "the server ended"
            time.sleep(0.1)
        yield port
        server.terminate()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def status(port: int, method: str, path: str, headers: dict[str, str], body: str | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {"Content-Type": "application/json", **headers})
    return connection.getresponse().status


def test_the_page_of_the_server_itself_and_programs_are_served(port: int):
    own = {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert status(port, "POST", "/graphql", own, ASKED) == 200
    assert status(port, "POST", "/graphql", {}, ASKED) == 200
    assert status(port, "GET", "/server_info", {"Host": f"localhost:{port}"}) == 200
    assert status(port, "GET", "/server_info", {"Host": "[::1]:3000"}) == 200
    assert status(port, "GET", "/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}) == 200, "a link"
    proxied = {"Host": "ui.example", "Origin": "https://ui.example", "Sec-Fetch-Site": "same-origin"}
    assert status(port, "POST", "/graphql", proxied, ASKED) == 200


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", MUTATION, {"Origin": "http://evil.example"}),
        ("GET", MUTATION, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        ("GET", MUTATION, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
        ("GET", MUTATION, {}),
        ("HEAD", MUTATION, {}),
        ("GET", MUTATION.replace("?", "/?"), {}),
        ("POST", "/graphql", {"Origin": "http://evil.example"}),
        ("POST", "/graphql", {"Origin": "null"}),
        ("POST", "/graphql", {"Origin": "http://localhost:8080"}),
        ("POST", "/graphql", {"Origin": "http://[not-a-host"}),
        ("POST", "/graphql", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}),
        ("POST", "/report_asset_materialization/x", {"Origin": "http://evil.example"}),
        ("GET", "/server_info", {"Host": "evil.example"}),
        ("GET", "/server_info", {"Host": "127.0.0.1.evil.example"}),
        ("GET", "/server_info", {"Host": "evil.example", "Origin": "http://evil.example"}),
        ("GET", "/server_info", {"Host": ""}),
    ],
)
def test_foreign_hosts_and_origins_are_refused(port: int, method: str, path: str, headers: dict[str, str]):
    assert status(port, method, path, headers, ASKED if method == "POST" else None) == 403


def test_a_web_socket_of_another_page_is_closed(port: int):
    async def opened(origin: str) -> int:
        try:
            async with connect(f"ws://127.0.0.1:{port}/graphql", origin=origin, subprotocols=["graphql-ws"]):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    assert asyncio.run(opened(f"http://127.0.0.1:{port}")) == 101
    assert asyncio.run(opened("http://evil.example")) == 403


def test_without_proxies_nothing_nameless_passes():
    for headers in ([], [(b"host", b"")], [(b"host", b"127.0.0.1"), (b"origin", b"null")]):
        assert refusal({"type": "http", "method": "POST", "path": "/graphql", "headers": headers})


def test_the_reason_is_said():
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"evil.example")]}
    assert refusal(scope) == "this server is not known as 'evil.example'; name it in GR00T_UI_HOSTS if it should be"
