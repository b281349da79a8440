"""A small server over a real socket, for the tests of clients: it answers with whatever a function makes of a call."""

import threading
from collections.abc import Callable
from typing import Self

import zmq

from gr00t_model.serve.wire import dialects
from gr00t_model.serve.wire.call import Call

Answering = Callable[[Call], bytes | None]


class Answerer:
    """Answers calls on a free port of the loopback; what is None is not answered before ``stop``."""

    def __init__(self, answering: Answering, port: int = 0) -> None:
        self.answering, self.calls = answering, list[Call]()
        self._context, self._ending = zmq.Context(), threading.Event()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.bind(f"tcp://127.0.0.1:{port or '*'}")
        self.port = int(self._socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            if not self._socket.poll(20):
                continue
            *route, frame = self._socket.recv_multipart()
            self.calls.append(dialects.read(frame))
            reply = self.answering(self.calls[-1])
            if reply is not None:
                self._socket.send_multipart([*route, reply])
        self._socket.close(linger=0)

    def stop(self) -> None:
        """Let go of the port."""
        self._ending.set()
        self._thread.join()
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
