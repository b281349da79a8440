"""A client of a policy server: numpy, pyzmq and msgpack, no torch. It speaks to the published servers too.

client = Client("robot-brain", 5555)
actions = client.get_action({"video.front": frame[None], "state.arm": joints[None], INSTRUCTION: ["pick the pear"]})
"""

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Literal, Self

import numpy as np
import zmq

from gr00t_model.acting.running import Running
from gr00t_model.serve.steps import END_EPISODE, RECORD, Step, end_payload, record_payload
from gr00t_model.serve.wire import asking
from gr00t_model.serve.wire.call import TOKEN, Dialect, Limits, Modality, WireError


class ClientError(RuntimeError):
    """A call that brought no answer; the message says which server and why."""


class NoAnswerError(ClientError):
    """The server did not answer in time: it is not there, hangs, or works longer than ``timeout_s``."""


class RefusedError(ClientError):
    """The server answered with an error, which is the message."""


class Client:
    """Asks one server, one call at a time: calls of several threads wait for each other.

    A time-out leaves the client usable: the socket is made anew, so that a late answer is never taken for the answer to
    a later question, and the next call reaches a server that has come back.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 5555,
        *,
        dialect: Literal["A", "B", "C"] = "A",
        token: str | None = None,
        timeout_s: float = 15.0,
        limits: Limits = Limits(),
    ) -> None:
        """Args:
        dialect: A for servers of GR00T N1.5, B of N1.6, C of N1.7; ours answers all three.
        token: sent with each request, in clear; None reads it from ``GR00T_API_TOKEN``, where an empty one is none.
        timeout_s: seconds that a call waits at most. 15 is the published client's, which never applies it.
        limits: of replies.
        """
        if timeout_s <= 0:
            raise ValueError(f"timeout_s: expected seconds above 0, found {timeout_s}")
        self.address = f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
        self.dialect: Dialect = dialect
        self.timeout_s, self.limits = timeout_s, limits
        self._token = (os.environ.get(TOKEN) if token is None else token) or None
        self._context, self._lock = zmq.Context(), threading.Lock()
        self._socket: zmq.Socket[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection. A call afterwards is a ClientError."""
        with self._lock:
            self._drop()
            self._context.term()

    def get_action(
        self,
        observation: Mapping[str, object],
        *,
        options: Mapping[str, object] | None = None,
        running: Running | None = None,
    ) -> dict[str, np.ndarray]:
        """The next chunk: ``action.<part>`` -> float [horizon, D], or [B, horizon, D], in the unit of the part.

        Args:
            observation: as ``Policy.get_action`` takes it, in every dialect: ``video.<camera>`` uint8 [1, H, W, 3] or
                [B, 1, H, W, 3], ``state.<part>`` float [1, D] or [B, 1, D], and the instruction.
            options: ``seed``, ``denoising_steps``, ``action_horizon`` and what else the server knows.
            running: what is left of the chunk that is being executed, for real-time chunking.

        Raises:
            NoAnswerError: nothing came in time.
            RefusedError: the server says why.
            ClientError: the observation does not travel, or the answer is none.
        """
        asked, told = dict(observation), dict(options or {})
        if running is not None:
            asked |= {key: values[..., : running.overlap, :] for key, values in running.actions.items()}
            told |= {"rtc_overlap_steps": running.overlap, "rtc_frozen_steps": running.frozen}
            told["rtc_ramp_rate"] = running.ramp_rate
        try:
            frame = asking.action_request(self.dialect, asked, told, self._token)
            return asking.actions(self._answer(frame, "get_action"), asking.is_single(observation))
        except WireError as error:
            raise ClientError(f"{self.address}: get_action: {error}") from error

    def ping(self) -> bool:
        """Whether the server answers in time.

        Raises:
            RefusedError: it answers that the token is wrong.
        """
        try:
            self.call("ping")
        except NoAnswerError:
            return False
        return True

    def get_modality_config(self) -> dict[str, Modality]:
        """What the policy reads and answers: ``video``, ``state``, ``action``, ``language`` -> steps and keys."""
        try:
            return asking.modalities(self.call("get_modality_config"))
        except WireError as error:
            raise ClientError(f"{self.address}: get_modality_config: {error}") from error

    def reset(self, options: Mapping[str, object] | None = None) -> None:
        """Tell the server that an episode begins."""
        self.call("reset", {"options": {**options} if options else None})

    def kill(self) -> None:
        """End the server; ours allows it with a token or from its own machine only."""
        self.call("kill")

    def record(self, episode: str, steps: Sequence[Step]) -> object:
        """Hand executed steps to a server that records; the answer counts them."""
        return self.call(RECORD, record_payload(episode, steps))

    def end_episode(self, episode: str, success: bool | None = None) -> object:
        """End a recorded episode; ``success`` None: nobody can say."""
        return self.call(END_EPISODE, end_payload(episode, success))

    def call(self, endpoint: str, data: Mapping[str, object] | None = None) -> object:
        """The answer of any endpoint, arrays decoded.

        Raises:
            NoAnswerError, RefusedError, ClientError: as ``get_action``.
        """
        try:
            return self._answer(asking.request(self.dialect, endpoint, data, self._token), endpoint)
        except WireError as error:
            raise ClientError(f"{self.address}: {endpoint}: {error}") from error

    def _answer(self, frame: bytes, endpoint: str) -> object:
        told = asking.answer(self._exchange(frame, endpoint), self.limits)
        if (error := asking.error_in(told)) is not None:
            raise RefusedError(f"{self.address}: {endpoint}: {error or 'an error without words'}")
        return told

    def _exchange(self, frame: bytes, endpoint: str) -> bytes:
        reply: bytes | None = None
        with self._lock:
            try:
                socket = self._socket or self._connect()
                socket.send(frame)
                reply = socket.recv() if socket.poll(round(1000 * self.timeout_s)) else None
            except zmq.ZMQError as error:
                raise ClientError(f"{self.address}: {endpoint}: {error}") from error
            finally:
                if reply is None:  # also after an interrupt: the next answer must not be one to this question
                    self._drop()
        if reply is None:
            waited = f"no answer in {self.timeout_s:g} s; does the server run there?"
            raise NoAnswerError(f"{self.address}: {endpoint}: {waited}")
        return reply

    def _connect(self) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.REQ)
        socket.linger = 0
        socket.sndtimeo = socket.rcvtimeo = round(1000 * self.timeout_s)
        socket.ipv6 = "[" in self.address
        # A server that came back is found again within a tenth of a second, not after a growing wait.
        socket.reconnect_ivl, socket.reconnect_ivl_max = 100, 0
        socket.setsockopt(zmq.MAXMSGSIZE, self.limits.largest_bytes)
        socket.connect(self.address)
        self._socket = socket
        return socket

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close(linger=0)
            self._socket = None
