"""A server: its ports, the desk behind them, and how it ends."""

import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import FrameType

from gr00t_model.serve.actor import Actor
from gr00t_model.serve.desk import Desk, Endpoint
from gr00t_model.serve.endpoints import ENDPOINTS
from gr00t_model.serve.http import http_app
from gr00t_model.serve.ports import listening
from gr00t_model.serve.router import Router
from gr00t_model.serve.settings import Listening
from gr00t_model.serve.web import Site, Web
from gr00t_model.serve.websocket import websocket_app

_WORKER_S = 0.5
"""How long the end waits for an answer that is being computed."""


@dataclass(frozen=True)
class Ended:
    """How a server ended.

    Attributes:
        reason: ``kill``, a signal, or what broke.
        broken: whether it ended because a part of it did.
        idle: whether the policy's thread ended too; if not, it is computing, and only the end of the process ends it.
    """

    reason: str
    broken: bool
    idle: bool


class Server:
    """Takes its ports when it is made, so that what is slow comes after; ``run`` answers until it is stopped.

    Attributes:
        addresses: protocol -> where it listens.
    """

    def __init__(self, settings: Listening, token: str | None = None) -> None:
        """Args:
        token: what every request must bring, or None.

        Raises:
            PortError: a port cannot be had.
        """
        self._settings, self._token = settings, token
        self._router = Router(settings)
        self.addresses = {"zmq": self._router.address}
        self._sockets = {}
        try:
            for protocol, port in (("http", settings.http), ("websocket", settings.websocket)):
                if port is not None:
                    self._sockets[protocol] = listening(settings.host, port, f"--{protocol}")
        except OSError:
            self.close()
            raise
        for protocol, held in self._sockets.items():
            host, port = held.getsockname()[:2]
            scheme = "ws" if protocol == "websocket" else protocol
            self.addresses[protocol] = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        self._reason = ""
        self._asked = threading.Event()

    def run(self, actor: Actor, endpoints: Mapping[str, Endpoint] = ENDPOINTS) -> Ended:
        """Answer until ``stop``, or a client's ``kill``."""
        desk = Desk(actor, endpoints, self._settings, self._token)
        web = Web(self._sites(desk), self._settings.dropped_bytes)
        web.start()
        broken = ""

        def tick() -> None:
            nonlocal broken
            desk.expire()
            broken = "" if desk.alive and web.alive else "a thread of the server ended"
            if broken or self._asked.is_set():
                desk.stopping.set()

        self._router.run(desk, tick)
        idle = desk.close(_WORKER_S)
        self._router.send()
        web.stop()
        self._router.close()
        return Ended(broken or self._reason or "kill", bool(broken), idle)

    def _sites(self, desk: Desk) -> list[Site]:
        made = {"http": http_app, "websocket": websocket_app}
        return [(made[protocol](desk), held) for protocol, held in self._sockets.items()]

    def stop(self, reason: str) -> None:
        """End it soon. For any thread, and for handlers of signals."""
        self._reason = self._reason or reason
        self._asked.set()
        self._router.wake()

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT end it; main thread only."""

        def stop(number: int, frame: FrameType | None) -> None:
            self.stop(signal.Signals(number).name)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)

    def close(self) -> None:
        """Give the ports back, of a server that does not run."""
        self._router.close()
        for held in self._sockets.values():
            held.close()
