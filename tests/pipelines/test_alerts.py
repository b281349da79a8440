"""Alerts against real web servers: one that answers, one that hangs, one that drips, none."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipelines.alerts import URL_VARIABLE, alert


class Receiver(BaseHTTPRequestHandler):
    """Keeps the bodies; answers 500 below /broken, drips below /drips."""

    bodies: list[dict]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).bodies.append(body)
        if self.path == "/drips":
            for _ in range(30):
                self.wfile.write(b"H")
                self.wfile.flush()
                time.sleep(0.1)
        self.send_response(500 if self.path.startswith("/broken") else 204)
        self.end_headers()

    def log_message(self, format: str, *args) -> None:
        """Nothing."""


@pytest.fixture
def server():
    Receiver.bodies = []
    with HTTPServer(("127.0.0.1", 0), Receiver) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_it_arrives(server, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, f"{server}/hook")
    assert alert("run 1 failed", {"job": "retrain"}) == "sent: the webhook answered 204"
    assert Receiver.bodies == [{"text": "run 1 failed", "job": "retrain"}]


def test_trouble_is_said_without_the_address(server, monkeypatch, caplog):
    monkeypatch.setenv(URL_VARIABLE, f"{server}/broken?token=secret")
    assert alert("x") == "not sent: 500"
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:9/secret")
    assert alert("x").startswith("not sent: ") and "secret" not in alert("x") + caplog.text
    monkeypatch.setenv(URL_VARIABLE, "file:///etc/secret")
    assert alert("x") == f"not sent: {URL_VARIABLE} is not an http(s) URL"
    monkeypatch.delenv(URL_VARIABLE)
    assert alert("x") == "logged"


def test_a_webhook_that_hangs_or_drips_costs_the_time_limit(server, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for url in (f"http://127.0.0.1:{silent.getsockname()[1]}", f"{server}/drips"):
            monkeypatch.setenv(URL_VARIABLE, url)
            start = time.monotonic()
            assert alert("x", timeout_s=0.4).startswith("not sent")
            assert time.monotonic() - start < 1.5
