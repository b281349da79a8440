"""RobotLoop against a real server: it moves while it waits, holds without a server, hands over to a person, records."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.store.store import EpisodeStore
from gr00t_model.acting.chunks import Chunks
from gr00t_model.policy import Policy
from gr00t_model.serve.client import Client, NoAnswerError
from gr00t_model.serve.robot_loop import Action, RobotLoop
from tests.model.serve.conftest import Serving, serving
from tests.model.serve.rollouts.rolling import CHOSEN, GR1, observation, wave

RATE_HZ, ENOUGH = 20.0, 20


class Arm:
    """Counts what it is sent; a person takes over at the steps ``person``."""

    def __init__(self, person: range = range(0)) -> None:
        self.person, self.seen, self.sent = person, 0, list[Action]()
        self.enough: RobotLoop | None = None

    def observe(self) -> dict[str, object]:
        self.seen += 1
        return observation(self.seen)

    def execute(self, action: Action) -> None:
        self.sent.append(action)
        if self.enough and len(self.sent) >= ENOUGH:
            self.enough.stop()

    def taken_over(self) -> Action | None:
        return {f"action.{name}": wave(name, 0) for name in CHOSEN.action} if self.seen in self.person else None


def asking(served: Serving, **settings: object) -> Client:
    return Client(port=int(served.zmq.rpartition(":")[2]), **settings)


@pytest.mark.parametrize("execution", ["stop_and_go", "asynchronous", "real_time"])
def test_chunks_are_executed(served: Serving, execution: str) -> None:
    arm = Arm()
    with asking(served, dialect="C") as client:
        arm.enough = RobotLoop(client, arm, RATE_HZ, chunks=partial(Chunks, execution))
        ran = arm.enough.run()
    assert ran.lost == 0 and ran.asked >= 2
    assert len(arm.sent) == ran.steps - ran.held == ENOUGH
    assert all(np.isfinite(values).all() and values.ndim == 1 for action in arm.sent for values in action.values())


def test_a_person_acts_in_place_of_the_policy(served: Serving) -> None:
    arm = Arm(person=range(20, 30))
    with asking(served) as client:
        ran = RobotLoop(client, arm, RATE_HZ).run(seconds=3)
    assert ran.interventions == 10
    theirs = [np.array_equal(action["action.left_arm"], wave("left_arm", 0)) for action in arm.sent]
    assert sum(theirs) == 10


def test_without_a_server_it_holds_and_goes_on_when_one_is_there(policy: Policy) -> None:
    arm = Arm()
    with serving(policy) as first:
        port = int(first.zmq.rpartition(":")[2])
    with Client(port=port, timeout_s=0.3) as client:
        loop = RobotLoop(client, arm, RATE_HZ)
        alone = loop.run(seconds=1)
        assert alone.held == 20 and alone.lost >= 1 and not arm.sent
        with serving(policy, port=port):
            client.timeout_s = 10.0
            arm.enough = loop
            again = loop.run()
        assert len(arm.sent) == again.steps - again.held == ENOUGH


def test_its_patience_ends() -> None:
    with Client(port=1, timeout_s=0.1) as client, pytest.raises(NoAnswerError, match="no answer in"):
        RobotLoop(client, Arm(), RATE_HZ, patience_s=0.5).run(seconds=20)


def test_a_rate_is_above_zero() -> None:
    with Client(port=1) as client, pytest.raises(ValueError, match="rate_hz"):
        RobotLoop(client, Arm(), 0.0)


def test_what_it_executes_is_recorded(checkpoint: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from gr00t_model.shell.main import main; main()", "serve", str(checkpoint)]
    command += ["--port", "0", "--json", "--record", str(tmp_path / "landing/night")]
    environment = os.environ | {"GR00T_LAKE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    arm = Arm(person=range(40, 50))
    try:
        assert server.stdout
        port = int(json.loads(server.stdout.readline())["listens, zmq"].rpartition(":")[2])
        with Client(port=port) as client, Client(port=port) as recorder:
            ran = RobotLoop(client, arm, RATE_HZ, recorder=recorder).run(seconds=4, success=lambda: True)
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()
    (landed,) = (tmp_path / "landing").glob("night*")
    store = EpisodeStore.open(landed)
    (row,) = store.rows
    assert (row.length, row.success, row.source.interventions) == (len(arm.sent) - ran.unrecorded, True, 10)
    held = store.matrix(0, "action")
    for name in CHOSEN.action:
        assert np.allclose(held[-1][GR1.action_part(name).slice], arm.sent[-1][f"action.{name}"], atol=1e-5)
