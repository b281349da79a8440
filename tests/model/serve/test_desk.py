"""The desk between threads: a request that is being refused is in nobody's way, and one that fails is over."""

import numpy as np

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_model.serve.desk import Desk, Endpoint, Peer
from gr00t_model.serve.metrics import Queue
from gr00t_model.serve.replay import Replay
from gr00t_model.serve.settings import Listening
from gr00t_model.serve.wire.call import Call

NEAR = Peer("one", True)


def _broken(desk: Desk, call: Call, peer: Peer) -> None:
    raise ZeroDivisionError


def _desk(token: str | None = None) -> Desk:
    still = Replay(load_embodiment("gr1"), None, lambda row, horizon: ({}, np.ones(horizon, bool)), 0, 1, 1.0)
    endpoints = {"act": Endpoint(lambda desk, call, peer: "acted", acts=True), "broken": Endpoint(_broken)}
    return Desk(still, endpoints, Listening(), token)


def test_a_request_is_taken_while_one_of_no_endpoint_is_refused() -> None:
    desk = _desk("geheim")

    class Meanwhile(str):
        """A token; while the desk compares it, another client asks."""

        def encode(self, *how: str, **more: str) -> bytes:
            answers.append(desk.ask(Call("A", "act"), NEAR, "geheim").result(5))
            return super().encode(*how, **more)

    answers: list[object] = []
    assert "Unknown endpoint: nope" in str(desk.ask(Call("A", "nope"), NEAR, Meanwhile("geheim")).exception(5))
    assert answers == ["acted"] and desk.close(5)


def test_an_endpoint_that_fails_is_answered_and_leaves_nothing() -> None:
    desk = _desk()
    assert "internal error: ZeroDivisionError" in str(desk.ask(Call("A", "broken"), NEAR).exception(5))
    assert desk.queue == Queue(0, 16) and desk.metrics.counts == {("broken", "failed"): 1}
    assert desk.close(5)
