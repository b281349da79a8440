"""`gr00t serve --record` end to end: a robot tells its steps, another client only asks, SIGTERM, and the drops land."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.lake import Lake
from gr00t_data.sources.landing.landing import take_in
from gr00t_data.store.store import EpisodeStore
from gr00t_model.serve.steps import end_payload, record_payload
from tests.model.serve.asking import client, request, unpacked
from tests.model.serve.rollouts.rolling import GR1, chunk, observation, step


@pytest.fixture
def served(checkpoint: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", "from gr00t_model.shell.main import main; main()", "serve", str(checkpoint)]
    command += ["--port", "0", "--json", "--record", str(tmp_path / "landing/night")]
    environment = os.environ | {"GR00T_LAKE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    server = subprocess.Popen(command, env=environment, **pipes)
    try:
        assert server.stdout
        yield server, json.loads(server.stdout.readline())["listens, zmq"]
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize("dialect", "ABC")
def test_what_is_told_over_the_wire_lands(
    served: tuple[subprocess.Popen[str], str], tmp_path: Path, checkpoint: Path, dialect: str
) -> None:
    server, address = served
    with client(address) as robot, client(address) as stranger:
        for row in range(20):
            told = record_payload("one", [step(row, intervention=row >= 12)])
            assert robot.ask(dialect, "record", told) == {"recorded": 1}
        refused = unpacked(dialect, robot.raw(request(dialect, "record", record_payload("one", [step(3)]))))
        assert "does not come after" in str(refused)
        assert robot.ask(dialect, "end_episode", end_payload("one", True)) == {"episode": "one", "rows": 20}
        for row in range(3):
            answer = stranger.ask("A", "get_action", observation(row))
            assert answer.keys() == chunk(0).keys()
        stranger.ask("A", "reset")
    server.send_signal(signal.SIGTERM)
    _, said = server.communicate(timeout=30)
    assert server.returncode == 0 and "recorded: 2 episodes, 0 lost" in said
    told, asked = (EpisodeStore.open(path) for path in sorted((tmp_path / "landing").glob("night*")))
    assert [(row.length, row.success, row.source.interventions) for row in told.rows] == [(20, True, 8)]
    assert [(row.length, row.source.closed) for row in asked.rows] == [(3, "reset")]
    held = asked.matrix(0, "proposed_action").reshape(3, GR1.action_horizon, -1)
    part = GR1.action_part("left_arm")
    assert np.allclose(held[2][:, part.slice], answer["action.left_arm"], atol=1e-6)
    store = take_in(Lake(tmp_path), "night", GR1)
    assert store.kind == "rollout" and (store.rows[0].source.policy or {})["checkpoint"] == checkpoint.name
