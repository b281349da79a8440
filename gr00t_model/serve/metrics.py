"""What was asked of a server and how long it took, counted as it runs; as Prometheus text. No torch."""

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gr00t_model.acting.report import Session

QUANTILES = (0.5, 0.95, 0.99)
_KEPT = 4096
"""Newest times of one endpoint that the quantiles are of: ten a second for seven minutes."""


@dataclass(frozen=True)
class Queue:
    """Requests that wait or are acted on, and how many there may be."""

    length: int
    limit: int


class Metrics:
    """Counts of (endpoint, outcome), and the newest times of what was answered. For several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._seconds: Counter[str] = Counter()
        self._newest_s: dict[str, deque[float]] = {}

    def count(self, endpoint: str, outcome: str, seconds: float) -> None:
        """One request that was answered, ``seconds`` after it had been read."""
        with self._lock:
            self._counts[endpoint, outcome] += 1
            if outcome == "ok":
                self._seconds[endpoint] += seconds  # type: ignore[assignment] - a Counter adds what it is given
                self._newest_s.setdefault(endpoint, deque(maxlen=_KEPT)).append(seconds)

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """(endpoint, outcome) -> requests."""
        with self._lock:
            return dict(self._counts)

    def quantiles_s(self, endpoint: str) -> dict[float, float]:
        """Share -> seconds within which that share of the newest requests was answered; empty before the first."""
        with self._lock:
            newest = list(self._newest_s.get(endpoint, ()))
        return dict(zip(QUANTILES, map(float, np.quantile(newest, QUANTILES)), strict=True)) if newest else {}

    def text(self, queue: Queue, session: Session) -> str:
        """Everything in the text format of Prometheus."""
        return "\n".join([*self._requests(), *self._latencies(), *_gauges(queue), *_acted(session), ""])

    def _requests(self) -> Iterator[str]:
        yield "# HELP gr00t_requests_total Requests, by endpoint and by what came of them."
        yield "# TYPE gr00t_requests_total counter"
        for (endpoint, outcome), count in sorted(self.counts.items()):
            yield f'gr00t_requests_total{{endpoint="{endpoint}",outcome="{outcome}"}} {count}'

    def _latencies(self) -> Iterator[str]:
        yield "# HELP gr00t_latency_seconds From a request that was read to its answer; quantiles of the newest ones."
        yield "# TYPE gr00t_latency_seconds summary"
        for endpoint in sorted(self._newest_s):
            for share, seconds in self.quantiles_s(endpoint).items():
                yield f'gr00t_latency_seconds{{endpoint="{endpoint}",quantile="{share}"}} {seconds:.6f}'
            yield f'gr00t_latency_seconds_sum{{endpoint="{endpoint}"}} {self._seconds[endpoint]:.6f}'
            yield f'gr00t_latency_seconds_count{{endpoint="{endpoint}"}} {self.counts[endpoint, "ok"]}'


def _gauges(queue: Queue) -> Iterator[str]:
    yield "# HELP gr00t_queue_length Requests that wait or are acted on."
    yield "# TYPE gr00t_queue_length gauge"
    yield f"gr00t_queue_length {queue.length}"
    yield "# HELP gr00t_queue_limit How many there may be."
    yield "# TYPE gr00t_queue_limit gauge"
    yield f"gr00t_queue_limit {queue.limit}"


_ACTED: Mapping[str, str] = {
    "calls": "Calls of the policy that were answered.",
    "rows": "Observations in them.",
    "refused": "Calls that were not answered, for their observation or for actions that no robot should get.",
    "far_states": "Calls with a state far outside what training saw.",
    "blank": "Calls with a state of zeros or a picture of one colour.",
    "beyond_limits": "Values of actions beyond the robot's limits.",
    "clipped": "Those of them that were cut to the limits.",
}


def _acted(session: Session) -> Iterator[str]:
    for name, told in _ACTED.items():
        yield f"# HELP gr00t_policy_{name}_total {told}"
        yield f"# TYPE gr00t_policy_{name}_total counter"
        yield f"gr00t_policy_{name}_total {getattr(session, name)}"
