"""A very small checkpoint, what was exported of it, and a server of it: once a session."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gr00t_model.acting.onnx.layout import PARTS
from gr00t_model.loop.stop import StopRequest
from gr00t_model.policy import Policy
from gr00t_model.serve.actor import Actor
from gr00t_model.serve.onnx.export import export_onnx
from gr00t_model.serve.server import Ended, Server
from gr00t_model.serve.settings import Listening
from gr00t_model.training.key import prepare_run
from gr00t_model.training.train import train
from tests.model.tiny import TinyLake, build
from tests.shell import invoke


@dataclass
class Serving:
    """A server in a thread of this process; ``ended`` is set when it is over."""

    server: Server
    actor: Actor
    thread: threading.Thread
    ended: list[Ended]

    def __getattr__(self, protocol: str) -> str:
        return self.server.addresses[protocol]


@contextmanager
def serving(actor: Actor, token: str | None = None, **settings: object) -> Iterator[Serving]:
    """A server on free ports."""
    server = Server(Listening(**({"port": 0, "http": 0, "websocket": 0} | settings)), token)
    ended: list[Ended] = []
    before = {*threading.enumerate()}
    thread = threading.Thread(target=lambda: ended.append(server.run(actor)))
    thread.start()
    try:
        yield Serving(server, actor, thread, ended)
    finally:
        server.stop("the test is over")
        thread.join(10)
        assert not thread.is_alive()
        for left in {*threading.enumerate()} - before:  # an answer that nobody waits for any more
            left.join(60)


@pytest.fixture(scope="session")
def tiny_lake(tmp_path_factory: pytest.TempPathFactory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="session")
def checkpoint(tiny_lake: TinyLake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After a few steps on episodes of two lengths of instruction."""
    run = prepare_run(tiny_lake.config(steps=4, batch_size=8), tmp_path_factory.mktemp("runs"))
    train(run, StopRequest())
    return run.checkpoint


@pytest.fixture(scope="session")
def halved(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That checkpoint in float16, exported as a user does."""
    folder = tmp_path_factory.mktemp("onnx") / "halved"
    made = invoke(["export", checkpoint, "--onnx", folder, "--dtype", "float16", "--json"])
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["folder"] == str(folder) and told["compared on"].startswith("2 frames of held-out episodes")
    assert [row["part"] for row in told["rows"]] == [*PARTS, "action"]
    return folder


@pytest.fixture(scope="session")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That checkpoint in float32. Tests that damage it take a copy."""
    folder = tmp_path_factory.mktemp("onnx") / "exported"
    export_onnx(checkpoint, folder)
    return folder


@pytest.fixture(scope="session")
def policy(checkpoint: Path) -> Policy:
    return Policy.from_checkpoint(checkpoint)


@pytest.fixture(scope="session")
def served(policy: Policy) -> Iterator[Serving]:
    """A server of it with all three protocols, for tests that leave it as it was."""
    with serving(policy, largest_mb=8) as running:
        yield running
