"""What serving adds to ``Policy.get_action``, and what the server withstands: each figure beside its bound.

- CPU time of a request of three 640x480 pictures whose actions cost nothing, sent and answered (at most 3 ms).
- 1,000 random and mutated requests: every one answered, the server alive, nothing unpickled (an audit hook watches).
- 8 clients at once: every answer is that of the policy.
- Memory over 10,000 requests: flat (at most 20 MB more at the end than after the first thousand).

python -m benchmarks.serve [--json] [--requests 10000]
"""

import gc
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgpack
import numpy as np
import psutil
import zmq
from cyclopts import Parameter

from benchmarks.act import nano_policy, observation
from benchmarks.command import Json, command, show
from gr00t_data.embodiment.robot import Embodiment, Selection
from gr00t_model.acting.observation import Observation
from gr00t_model.acting.report import ActingReport, Answer, Session
from gr00t_model.acting.running import Running
from gr00t_model.policy import Policy
from gr00t_model.serve.server import Server
from gr00t_model.serve.settings import Listening
from gr00t_model.serve.wire.arrays import write

OVERHEAD_MS, GROWTH_MB = 3.0, 20.0
CAMERAS, HEIGHT, WIDTH = 3, 480, 640
"""Of the pictures whose way is measured."""


class Quick:
    """Answers zeros: what is left of a request is the server's own."""

    def __init__(self, policy: Policy) -> None:
        self.embodiment: Embodiment = policy.embodiment
        self.selection: Selection = policy.selection
        self.horizon, self.session = policy.horizon, Session()
        self._chunk = {
            f"action.{n}": np.zeros((16, self.embodiment.action_part(n).dim), np.float32) for n in self.selection.action
        }

    def act(
        self,
        observation: Observation,
        *,
        seed: int | None = None,
        denoising_steps: int | None = None,
        running: Running | None = None,
    ) -> Answer:
        """The same zeros for everybody."""
        return Answer(self._chunk, ActingReport(1, True, 0, 1))


@contextmanager
def serving(actor: Any) -> Iterator[str]:
    """The address of a server of it in a thread."""
    server = Server(Listening(port=0))
    thread = threading.Thread(target=server.run, args=(actor,))
    thread.start()
    try:
        yield server.addresses["zmq"]
    finally:
        server.stop("done")
        thread.join()


@contextmanager
def client(address: str) -> Iterator[zmq.Socket[bytes]]:
    """A REQ that waits 20 s at most."""
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.RCVTIMEO, 20_000)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        yield socket


def frame(seen: dict[str, Any]) -> bytes:
    """A get_action of dialect A."""

    def npy(value: object) -> object:
        return write(value, "npy") if isinstance(value, np.ndarray) else value

    return bytes(msgpack.packb({"endpoint": "get_action", "data": seen}, default=npy) or b"")


def overhead_ms(policy: Policy, rounds: int = 200) -> float:
    """CPU milliseconds of this process for a packed request whose actions cost nothing: sent, read, answered."""
    rng = np.random.default_rng(0)
    shape = (1, HEIGHT, WIDTH, 3)
    seen = observation(policy) | {f"video.{n}": rng.integers(256, size=shape, dtype=np.uint8) for n in range(CAMERAS)}
    packed = frame(seen)
    with serving(Quick(policy)) as address, client(address) as socket:
        for count in range(rounds + 20):
            if count == 20:
                begun = time.process_time()
            socket.send(packed)
            socket.recv()
        return 1e3 * (time.process_time() - begun) / rounds


def mutated(whole: bytes, rng: random.Random) -> bytes:
    """A request with bytes changed, cut out, doubled or cut off; or noise."""
    kind = rng.randrange(5)
    if kind == 0:
        return rng.randbytes(rng.randrange(2000))
    if kind == 1:
        return whole[: rng.randrange(len(whole))]
    place, length = rng.randrange(min(len(whole), 600)), rng.randrange(1, 40)
    if kind == 2:
        return whole[:place] + whole[place + length :]
    if kind == 3:
        return whole[:place] + whole[place : place + length] * 2 + whole[place + length :]
    return whole[:place] + rng.randbytes(length) + whole[place + length :]


def withstood(policy: Policy, count: int) -> dict[str, int]:
    """How many of so many wrong requests were answered, and what was unpickled meanwhile."""
    unpickled: list[str] = []
    sys.addaudithook(lambda event, _: unpickled.append(event) if event.startswith("pickle.") else None)
    rng, whole, answered = random.Random(0), frame(observation(policy)), 0
    with serving(policy) as address, client(address) as socket:
        for _ in range(count):
            socket.send(mutated(whole, rng))
            answered += bool(socket.recv())
        socket.send(whole)
        alive = b"action." in socket.recv()
    return {"sent": count, "answered": answered, "alive": int(alive), "unpickled": len(unpickled)}


def at_once(policy: Policy, clients: int = 8, each: int = 10) -> int:
    """Answers to several clients at once that are not those of the policy alone."""
    whole = frame(observation(policy))
    replies: list[bytes] = []

    def ask(address: str) -> None:
        with client(address) as socket:
            for _ in range(each):
                socket.send(whole)
                replies.append(socket.recv())

    with serving(policy) as address:
        threads = [threading.Thread(target=ask, args=(address,)) for _ in range(clients)]
        _ = [one.start() for one in threads], [one.join() for one in threads]
    wrong = sum(b"action." not in one for one in replies) + (clients * each - len(replies))
    return wrong + len({*replies}) - 1


def growth_mb(policy: Policy, requests: int) -> float:
    """Memory after so many requests above that after a tenth of them."""
    seen, process = frame(observation(policy)), psutil.Process()
    with serving(Quick(policy)) as address, client(address) as socket:
        for count in range(requests):
            if count == requests // 10:
                gc.collect()
                before = process.memory_info().rss
            socket.send(seen)
            socket.recv()
        gc.collect()
        return (process.memory_info().rss - before) / 1e6


@command
def main(
    requests: Annotated[int, Parameter(help="Over which memory is watched.")] = 10_000,
    wrong: Annotated[int, Parameter(help="Random and mutated requests.")] = 1000,
    as_json: Json = False,
) -> bool:
    """Print the figures; exit code 1 when one is over its bound."""
    policy = nano_policy()
    found: dict[str, Any] = {"overhead_ms": overhead_ms(policy), "wrong": withstood(policy, wrong)}
    found |= {"at_once_differing": at_once(policy), "growth_mb": growth_mb(policy, requests)}
    bad, pictures = found["wrong"], f"{CAMERAS} pictures of {WIDTH}x{HEIGHT}"
    told = f"{bad['answered']} of {bad['sent']} answered, alive {bad['alive']}, unpickled {bad['unpickled']}"
    lines = [
        f"CPU of a request of {pictures}, beside the policy's: {found['overhead_ms']:.2f} ms (bound {OVERHEAD_MS})",
        f"wrong requests: {told} (bound 0)",
        f"8 clients at once: {found['at_once_differing']} answers differ (bound 0)",
        f"memory over {requests} requests: {found['growth_mb']:+.1f} MB (bound {GROWTH_MB})",
    ]
    show(found, lines, as_json)
    whole = bad["answered"] == bad["sent"] and bad["alive"] and not bad["unpickled"] and not found["at_once_differing"]
    return bool(whole) and found["overhead_ms"] <= OVERHEAD_MS and found["growth_mb"] <= GROWTH_MB
