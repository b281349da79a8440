"""The desk: requests of every protocol come here, and one thread acts on the policy, a request after the other.

What needs no policy is answered at once. What does waits in a queue of bounded length, of which one client has a share;
who finds it full is told so at once, and who waits too long is told so too. Nothing that a request does stops the desk.
"""

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Literal

from gr00t_model.serve.actor import Actor
from gr00t_model.serve.metrics import Metrics, Queue
from gr00t_model.serve.settings import Listening
from gr00t_model.serve.wire.call import TOKEN, Call, Limits

Outcome = Literal["refused", "unauthorized", "unknown", "large", "busy", "late", "failed"]
_UNAUTHORIZED = "Unauthorized: Invalid API token"
"""As the published server says it."""
_LOG = logging.getLogger(__name__)


class Refusal(ValueError):
    """A request that is not answered as it was asked; the message is for its client."""

    def __init__(self, outcome: Outcome, text: str) -> None:
        super().__init__(text)
        self.outcome: Outcome = outcome


@dataclass(frozen=True)
class Peer:
    """Who asks: a connection. ``near``: from this machine itself."""

    name: str
    near: bool


@dataclass(frozen=True)
class Endpoint:
    """What a request may ask for by name.

    Attributes:
        answer: from the desk, the request and who asks to what the client gets; may raise Refusal.
        acts: it needs the policy, so it waits its turn.
        guarded: only with the token, or from this machine.
    """

    answer: Callable[["Desk", Call, Peer], object]
    acts: bool = False
    guarded: bool = False


@dataclass(eq=False)
class _Job:
    call: Call
    peer: Peer
    endpoint: str
    begun_s: float
    queued: bool = False
    future: "Future[Any]" = field(default_factory=Future)


class Desk:
    """Answers calls; see the module.

    Attributes:
        actor: what acts; one thread of the desk calls it.
        metrics: what was asked, and how long it took.
        limits: of what is read as a request.
        stopping: set when the server is to end.
    """

    def __init__(
        self, actor: Actor, endpoints: Mapping[str, Endpoint], settings: Listening, token: str | None = None
    ) -> None:
        self.actor, self.settings, self.metrics, self.stopping = actor, settings, Metrics(), threading.Event()
        self.limits = Limits(largest_bytes=settings.largest_bytes)
        self._endpoints, self._token = endpoints, token
        self._open: set[_Job] = set()
        self._waiting: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._worker = threading.Thread(target=self._work, name="policy", daemon=True)
        self._worker.start()

    def ask(self, call: Call, peer: Peer, token: object = None) -> "Future[Any]":
        """The answer to a call, now or later, or the Refusal of it."""
        job = _Job(call, peer, call.endpoint if call.endpoint in self._endpoints else "unknown", time.monotonic())
        with self._lock:
            self._open.add(job)
        try:
            if self._admitted(call, peer, token).acts:
                self._queue(job)
            else:
                self._answer(job)
        except Refusal as refusal:
            self._settle(job, refusal)
        return job.future

    def refuse(self, outcome: Outcome, text: str) -> Refusal:
        """The Refusal of what did not even become a call, counted."""
        self.metrics.count("unknown", outcome, 0.0)
        return Refusal(outcome, text)

    def require_size(self, size_bytes: int) -> None:
        """Refusal of a request that is too large."""
        largest = self.settings.largest_bytes
        if size_bytes > largest:
            raise self.refuse("large", f"{size_bytes:,} bytes, at most {largest:,} are read (--largest-mb)")

    def require(self, token: object) -> None:
        """Refusal unless this is the token."""
        if not self._knows(token):
            raise self.refuse("unauthorized", _UNAUTHORIZED)

    def _knows(self, token: object) -> bool:
        """Whether this is the token, compared in a time that says nothing of it; any is where none is set."""
        if self._token is None:
            return True
        given = token.encode(errors="replace") if isinstance(token, str) else b""
        return hmac.compare_digest(given, self._token.encode())

    def _admitted(self, call: Call, peer: Peer, token: object) -> Endpoint:
        if not self._knows(token):
            raise Refusal("unauthorized", _UNAUTHORIZED)
        endpoint = self._endpoints.get(call.endpoint)
        if endpoint is None:
            raise Refusal("unknown", f"Unknown endpoint: {call.endpoint}")
        if endpoint.guarded and self._token is None and not peer.near:
            raise Refusal("unauthorized", f"{call.endpoint}: only from this machine, or where {TOKEN} is set and given")
        return endpoint

    def _queue(self, job: _Job) -> None:
        with self._lock:
            waiting = [one for one in self._open if one.queued]
            if len(waiting) >= self.settings.queue:
                raise Refusal("busy", f"busy: {len(waiting)} requests wait, as many as may; ask again later")
            own = sum(one.peer == job.peer for one in waiting)
            if own >= self.settings.queue_each:
                raise Refusal("busy", f"busy: {own} requests of this client wait, as many as may; await their answers")
            job.queued = True
        self._waiting.put(job)

    def _work(self) -> None:
        while job := self._waiting.get():
            if not job.future.done():  # else it waited too long
                self._answer(job)

    def _answer(self, job: _Job) -> None:
        try:
            answer = self._endpoints[job.endpoint].answer(self, job.call, job.peer)
        except Refusal as refusal:
            answer = refusal
        except Exception as error:
            _LOG.exception("%s of %s failed", job.endpoint, job.peer.name)
            answer = Refusal("failed", f"internal error: {type(error).__name__}: {error}")
        self._settle(job, answer)

    def _settle(self, job: _Job, answer: object) -> None:
        """Give a job its answer, unless it was given one."""
        with self._lock:
            if job not in self._open:
                return
            self._open.remove(job)
        outcome = answer.outcome if isinstance(answer, Refusal) else "ok"
        self.metrics.count(job.endpoint, outcome, time.monotonic() - job.begun_s)
        if isinstance(answer, Refusal):
            job.future.set_exception(answer)
        else:
            job.future.set_result(answer)

    @property
    def queue(self) -> Queue:
        """How many requests are not answered yet."""
        with self._lock:
            return Queue(len(self._open), self.settings.queue)

    @property
    def alive(self) -> bool:
        """Whether the thread that acts is there."""
        return self._worker.is_alive()

    def expire(self) -> None:
        """Tell those who wait too long. To be called several times a second."""
        longest_s = self.settings.longest_s
        with self._lock:
            late = [job for job in self._open if time.monotonic() - job.begun_s > longest_s]
        for job in late:
            self._settle(job, Refusal("late", f"late: not answered in {longest_s:g} s; ask for less, or less often"))

    def close(self, within_s: float) -> bool:
        """Refuse what waits, and end the thread. Returns whether it ended in time: what it computes cannot be cut."""
        with self._lock:
            left = list(self._open)
        for job in left:
            self._settle(job, Refusal("failed", "the server ends"))
        self._waiting.put(None)
        self._worker.join(within_s)
        return not self._worker.is_alive()
