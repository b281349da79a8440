"""`gr00t serve` as a user starts it: what it says, what it refuses, how it ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gr00t_data.disk import read_json, write_json
from gr00t_model.policy import Policy
from tests.model.serve.asking import client, flat, nested, request
from tests.model.serve.conftest import Serving
from tests.model.tiny import TinyLake
from tests.shell import invoke


@contextmanager
def started(*words: object) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The verb in a process of its own, and the line that it prints when it listens."""
    command = [
        sys.executable,
        "-c",
        "from gr00t_model.shell.main import main; main()",
        "serve",
        "--json",
        "--port",
        "0",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def test_a_signal_ends_it_also_while_an_answer_is_computed(checkpoint: Path, policy: Policy) -> None:
    with started(checkpoint) as (process, told), client(told["listens, zmq"]) as one:
        assert told["embodiment"] == "gr1" and told["integrity"] == "its files are the recorded ones"
        assert {row["key"] for row in told["keys"]} >= {"video.ego_view", "state.left_arm", "action.left_arm"}
        assert "action.left_arm" in one.ask("A", "get_action", flat(policy.embodiment, policy.selection))
        long = nested(policy.embodiment, policy.selection, rows=64) | {"options": {"denoising_steps": 1000}}
        one.socket.send(request("C", "get_action", long))
        with client(told["listens, zmq"]) as other:
            assert other.ask("A", "ping")["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "ended: SIGTERM" in process.communicate()[1]


def test_a_replay_is_served_and_killed(tiny_lake: TinyLake) -> None:
    with started("--replay", tiny_lake.store, "--episode", 2) as (process, told), client(told["listens, zmq"]) as one:
        assert (told["episode"], told["rows"]) == (2, 30)
        assert one.ask("A", "kill") is None
        assert process.wait(20) == 0


def test_an_exported_folder_acts(exported: Path, policy: Policy) -> None:
    with started(exported) as (_, told), client(told["listens, zmq"]) as one:
        assert "action.left_arm" in one.ask("A", "get_action", flat(policy.embodiment, policy.selection))


def test_an_exported_folder_without_a_part_is_refused(exported: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported, tmp_path / "lacking")
    next(folder.glob("action_head/DiT_*.onnx")).unlink()
    refused = invoke(["serve", folder, "--port", 0])
    assert refused.exit_code == 2 and "DiT_" in refused.stderr


def test_a_checkpoint_of_another_version_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "other")
    write_json(folder / "versions.json", read_json(folder / "versions.json") | {"format": 99})
    refused = invoke(["serve", folder, "--port", 0])
    assert refused.exit_code == 2 and "layout 99, this version reads 1; use the release" in refused.stderr


@pytest.mark.parametrize("name", ["model.safetensors", "statistics.json"])
def test_a_checkpoint_without_a_part_is_refused(checkpoint: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "lacking")
    (folder / name).unlink()
    refused = invoke(["serve", folder, "--port", 0])
    assert refused.exit_code == 2 and name in refused.stderr


def test_a_port_in_use_is_refused(checkpoint: Path, served: Serving) -> None:
    port = served.zmq.rpartition(":")[2]
    refused = invoke(["serve", checkpoint, "--port", port])
    assert refused.exit_code == 2 and "another process listens there" in refused.stderr and "--port" in refused.stderr


def test_one_thing_is_served(checkpoint: Path) -> None:
    for words in ([], [checkpoint, "--replay", "x"], [checkpoint, "--episode", 3], [checkpoint, "--http", 5555]):
        refused = invoke(["serve", *words])
        assert refused.exit_code == 2 and refused.stderr.startswith("error: ")
