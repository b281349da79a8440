"""ZeroMQ: a ROUTER, which the published REQ clients talk to as they do to a REP, and which none of them can stop.

A REP waits for the answer to one client before it hears another; a ROUTER hears all of them. What a client may take:
messages of bounded size, two of them unread, a place in the queue of the desk. Answers to whoever is gone are dropped.
"""

import logging
import socket as sockets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import zmq

from gr00t_model.serve.desk import Desk, Peer, Refusal
from gr00t_model.serve.ports import PortError, is_near, refusal, resolved
from gr00t_model.serve.settings import Listening
from gr00t_model.serve.wire import dialects
from gr00t_model.serve.wire.call import Call, Dialect, WireError

_LOG = logging.getLogger(__name__)
_TICK_MS = 100
_A_TURN = 64
"""Messages that are read before answers go out again."""
_UNREAD = 2
"""Messages of one client that wait in memory before its connection is slowed down; libzmq's default is 1,000."""
_UNSENT = 8
"""Answers for one client that does not read them; what comes then is dropped."""
_LINGER_MS = 300
_CLIENTS = 1024
"""Whose dialect is remembered."""
_OPTIONS = {
    zmq.RCVHWM: _UNREAD,
    zmq.SNDHWM: _UNSENT,
    zmq.HANDSHAKE_IVL: 5000,
    zmq.HEARTBEAT_IVL: 5000,
    zmq.HEARTBEAT_TIMEOUT: 15000,
    zmq.HEARTBEAT_TTL: 15000,
}

Route = list[bytes]
"""The frames before a message: the client's identity, and the empty one of a REQ."""


class Router:
    """Listens on one port. Made, used and closed in one thread; ``wake`` is for the others."""

    def __init__(self, settings: Listening) -> None:
        """Raises PortError: the port cannot be had."""
        self._usual: Dialect = settings.dialect
        self._spoken: OrderedDict[bytes, Dialect] = OrderedDict()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        for option, value in (_OPTIONS | {zmq.MAXMSGSIZE: settings.dropped_bytes}).items():
            self._socket.setsockopt(option, value)
        self._hears, self._wakes = sockets.socketpair()
        self._hears.setblocking(False)
        self._wakes.setblocking(False)
        self._done: SimpleQueue[tuple[Route, Call, Future[Any]]] = SimpleQueue()
        try:
            self._bind(settings.host, settings.port)
        except PortError:
            self.close()
            raise

    def _bind(self, host: str, port: int) -> None:
        address = resolved(host)
        self._socket.setsockopt(zmq.IPV6, int(":" in address))
        within = f"[{address}]" if ":" in address else address
        try:
            self._socket.bind(f"tcp://{within}:{port or '*'}")
        except zmq.ZMQError as error:
            raise refusal(host, port, "--port", error.errno) from error

    @property
    def address(self) -> str:
        """Where it listens: ``tcp://127.0.0.1:5555``."""
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def run(self, desk: Desk, tick: Callable[[], None]) -> None:
        """Answer until the desk is to stop. ``tick`` is called several times a second."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._hears, zmq.POLLIN)
        while not desk.stopping.is_set():
            ready = dict(poller.poll(_TICK_MS))
            if self._hears.fileno() in ready:
                self._hears.recv(4096)
            if self._socket in ready:
                self._read(desk)
            tick()
            self.send()

    def wake(self) -> None:
        """Let ``run`` look around now. For any thread, and for handlers of signals."""
        with suppress(OSError):  # it is being woken already, or is over
            self._wakes.send(b"\0")

    def _read(self, desk: Desk) -> None:
        for _ in range(_A_TURN):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._take(desk, frames)

    def _take(self, desk: Desk, frames: list[zmq.Frame]) -> None:
        """One message: an identity, the empty frame of a REQ (a DEALER may leave it out), and a request."""
        route, request = [frame.bytes for frame in frames[:-1]], frames[-1]
        if len(route) not in (1, 2) or any(route[1:]):
            desk.refuse("refused", "of several parts")
            return
        try:
            desk.require_size(len(request))
            call = self._call(desk, route[0], request.bytes)
        except Refusal as refusal:
            self._answer(route, dialects.error(str(refusal)))
        except WireError as error:
            self._answer(route, dialects.error(str(desk.refuse("refused", str(error)))))
        except Exception as error:  # whatever a client sends, the others are served
            _LOG.exception("a request could not be read")
            self._answer(route, dialects.error(str(desk.refuse("failed", f"internal error: {error!r:.200}"))))
        else:
            peer = Peer(route[0].hex(), is_near(str(request.get("Peer-Address") or "")))
            desk.ask(call, peer, call.token).add_done_callback(lambda done: self._put(route, call, done))

    def _call(self, desk: Desk, client: bytes, frame: bytes) -> Call:
        """The request, read in the dialect that its client spoke before where it shows none."""
        usual = self._spoken.get(client, self._usual)
        call = dialects.read(frame, desk.limits, instruction=desk.actor.selection.language, usual=usual)
        if call.shown:
            self._spoken[client] = call.dialect
            self._spoken.move_to_end(client)
            if len(self._spoken) > _CLIENTS:
                self._spoken.popitem(last=False)
        return call

    def _put(self, route: Route, call: Call, done: "Future[Any]") -> None:
        self._done.put((route, call, done))
        self.wake()

    def send(self) -> None:
        """Send the answers that are there."""
        while not self._done.empty():
            route, call, done = self._done.get()
            self._answer(route, _encoded(call, done))

    def _answer(self, route: Route, reply: bytes) -> None:
        try:
            self._socket.send_multipart([*route, reply], zmq.NOBLOCK, copy=False)
        except zmq.Again:
            _LOG.debug("an answer was dropped: its client does not read")

    def close(self) -> None:
        """End it; answers on their way have a moment."""
        self._socket.close(linger=_LINGER_MS)
        self._context.term()
        self._hears.close()
        self._wakes.close()


def _encoded(call: Call, done: "Future[Any]") -> bytes:
    refusal = done.exception()
    if refusal is not None:
        return dialects.error(str(refusal))
    try:
        if call.endpoint == "get_modality_config":
            return dialects.modality_config(call, done.result())
        return dialects.reply(call, done.result())
    except WireError as error:
        return dialects.error(str(error))
