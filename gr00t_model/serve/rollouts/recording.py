"""Recorder: the episodes that a served policy acts in, as drops that the landing takes in (kind ``rollout``).

Two ways in. ``record`` and ``end_episode`` (see ``steps``) tell the executed steps at control rate. A client that only
asks for actions is recorded as far as it can be known: each request is a row, with what was seen and the chunk that was
answered; what was executed is not known and is marked as absent.

A caller only checks and queues; one thread encodes and writes. What it has not encoded yet is bounded: a step that has
no room ends its episode there. Every episode ends somehow, which its source says (``closed``), and is in a drop whole
or not at all.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from shutil import disk_usage, rmtree
from typing import Literal

import numpy as np

from gr00t_data.embodiment.robot import Embodiment, Selection
from gr00t_data.locks import locked
from gr00t_data.store.provenance import Facts
from gr00t_model.acting.values import ObservationError
from gr00t_model.serve.rollouts.drops import Drops
from gr00t_model.serve.rollouts.rollout import Rollout, Row
from gr00t_model.serve.rollouts.rows import RowReader
from gr00t_model.serve.steps import StepError, read_end, read_record

_LOG = logging.getLogger(__name__)
_LOOK_S = 0.25
_MOST_TOLD = 4096
"""Connections that are remembered, to tell their steps or to have been told; who goes on is remembered again."""
_NOT_RECORDED = "a request of %s is not recorded: %s"
Closed = Literal["end_episode", "reset", "silence", "length", "overrun", "shutdown"]
"""``silence``: nothing came for ``idle_s``. ``length``: it was as long as one may be. ``overrun``: its next step came
when too much waited to be encoded."""


class RecordingError(RuntimeError):
    """A step that is not recorded although nothing is wrong with it; the message says what became of its episode."""


@dataclass(frozen=True)
class Bounds:
    """Of a recorder.

    Attributes:
        waiting_bytes: pictures that wait to be encoded.
        rows: of an episode.
        open_episodes: at once.
        idle_s: an episode that nothing was told of for so long is closed.
        drop_episodes, drop_bytes: a drop that holds as many lands.
        drop_idle_s: so does one that has not grown for so long.
        free_bytes: no episode begins where the disk has less.
    """

    waiting_bytes: int = 256 << 20
    rows: int = 12_000
    open_episodes: int = 64
    idle_s: float = 30.0
    drop_episodes: int = 200
    drop_bytes: int = 1 << 30
    drop_idle_s: float = 600.0
    free_bytes: int = 256 << 20


@dataclass
class Counts:
    """Since it began: episodes in drops, episodes that were lost, rows that were taken; bytes that wait."""

    episodes: int = 0
    lost: int = 0
    rows: int = 0
    waiting_bytes: int = 0


@dataclass
class _Open:
    """What callers know of an open episode; the thread has the rest of it (``rollout``)."""

    rollout: Rollout
    facts: Facts
    touched_s: float
    rows: int = 0
    time_s: float = -np.inf
    sizes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    chunk: np.ndarray | None = None
    fault: str = ""


class Recorder:
    """See the module. For several threads.

    Args:
        at: what the drop shall be called: ``landing/NAME``.
        horizon: steps of a chunk.
        policy: which checkpoint acts; see ``lineage.acted.acting_policy``.
        licence: of what the cameras see.

    Raises:
        Busy: another process records under this name.
        DiskError: nothing can be written there.
    """

    def __init__(
        self,
        at: Path,
        embodiment: Embodiment,
        selection: Selection,
        horizon: int,
        policy: Facts,
        *,
        licence: str = "own",
        bounds: Bounds = Bounds(),
    ) -> None:
        self._embodiment, self._horizon = embodiment, horizon
        self._policy, self._bounds = policy, bounds
        self._reader = RowReader(embodiment, selection, horizon)
        self.counts = Counts()
        self._drops = Drops(at.absolute(), embodiment, licence, bounds.drop_episodes, bounds.drop_bytes)
        self._numbers, self._looked_s = count(), time.monotonic()
        self._open: dict[tuple[str, str], _Open] = {}
        self._tellers, self._told = set[str](), set[str]()
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._begun: SimpleQueue[BaseException | None] = SimpleQueue()
        self._worker = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._worker.start()
        if (error := self._begun.get()) is not None:
            raise error

    @property
    def landed(self) -> list[Path]:
        """The drops that have landed."""
        return list(self._drops.landed)

    def record(self, client: str, data: object) -> dict[str, int]:
        """Take executed steps; see ``steps``.

        Args:
            client: the connection it came by.

        Raises:
            StepError, ObservationError: it is not a step of this robot; those before it in the request are taken.
            RecordingError: there is no room for it.
        """
        name, steps = read_record(data)
        key = ("told", name)
        with self._lock:
            if len(self._tellers) >= _MOST_TOLD:
                self._tellers.clear()
            self._tellers.add(client)
            self._discard(("asked", client))
            for number, step in enumerate(steps):
                try:
                    known = self._open.get(key)
                    row = self._reader.executed(step, known.chunk if known else None)
                    self._take(key, name, row, "the client's")
                except (ObservationError, StepError) as error:
                    raise type(error)(f"record: step {number}: {error}") from error
        return {"recorded": len(steps)}

    def end_episode(self, client: str, data: object) -> dict[str, object]:
        """Close an episode that was told of, or the one of a client that only asks.

        Raises:
            StepError: there is no such episode.
            RecordingError: it could not be recorded.
        """
        name, success = read_end(data)
        with self._lock:
            known = [key for key in (("told", name), ("asked", client)) if key in self._open]
            if not known:
                raise StepError(f"end_episode: no episode {name!r} is open; it was ended, closed, or holds no step")
            found = self._open[known[0]]
            self._close(known[0], "end_episode", success)
        if found.fault:
            raise RecordingError(f"end_episode: {name!r} was not recorded: {found.fault}")
        return {"episode": name, "rows": found.rows}

    def asked(
        self,
        client: str,
        observation: object,
        actions: Mapping[str, object],
        *,
        episode: object = None,
        time_s: float | None = None,
    ) -> None:
        """Note a request that was answered. What cannot be recorded of it is logged, once a client; nothing is raised.

        Args:
            episode: as the client names it, if it tells the steps of it itself.
            time_s: when it came, by ``time.monotonic``; None: now.
        """
        if episode is not None or client in self._tellers:
            return
        came_s = time.monotonic() if time_s is None else time_s
        try:
            rows = self._reader.asked(observation, {key: np.asarray(one) for key, one in actions.items()}, came_s)
            for number, row in enumerate(rows):
                who = client if len(rows) == 1 else f"{client} row {number}"
                with self._lock:
                    self._take(("asked", who), who, row, "the server's")
        except (ObservationError, StepError, RecordingError) as error:
            _LOG.log(logging.DEBUG if client in self._told else logging.WARNING, _NOT_RECORDED, client, error)
            self._told = {*self._told, client} if len(self._told) < _MOST_TOLD else {client}

    def reset(self, client: str) -> None:
        """Close what a client that only asks has open: it begins anew, or is gone."""
        with self._lock:
            for key in [key for key in self._open if key[0] == "asked" and f"{key[1]} ".startswith(f"{client} ")]:
                self._close(key, "reset", None)

    def close(self, within_s: float | None = None) -> bool:
        """Close what is open, land what is complete, and end. Whether that was done in time; if not, the next recorder
        of this name does it."""
        with self._lock:
            for key in list(self._open):
                self._close(key, "shutdown", None)
        self._jobs.put(None)
        self._worker.join(within_s)
        return not self._worker.is_alive()

    def _take(self, key: tuple[str, str], name: str, row: Row, clock: str) -> None:
        """Queue a row of an episode, which begins with it if need be. The lock is held."""
        if not self._worker.is_alive():
            raise RecordingError("nothing is recorded any more: the recorder has ended")
        known = self._open.get(key) or self._begin(key, name, clock)
        if known.fault:
            raise RecordingError(f"episode {name!r} is not recorded: {known.fault}")
        sizes = {camera: picture.shape for camera, picture in row.pictures.items()}
        if not row.time_s > known.time_s:
            raise StepError(f"time_s is {row.time_s}, which does not come after {known.time_s}")
        if known.rows and sizes != known.sizes:
            raise ObservationError(f"pictures are {sizes}, those before them in the episode {known.sizes}")
        if self.counts.waiting_bytes + row.size_bytes > self._bounds.waiting_bytes:
            self._close(key, "overrun", None)
            waiting = self.counts.waiting_bytes
            raise RecordingError(f"episode {name!r} ends before this step: {waiting} bytes wait to be encoded")
        known.rows, known.time_s, known.sizes = known.rows + 1, row.time_s, sizes
        known.chunk = known.chunk if row.chunk is None else row.chunk
        known.touched_s = time.monotonic()
        self.counts.waiting_bytes += row.size_bytes
        self._jobs.put(lambda: self._add(known, row))
        if known.rows >= self._bounds.rows:
            self._close(key, "length", None)

    def _begin(self, key: tuple[str, str], name: str, clock: str) -> _Open:
        if len(self._open) >= self._bounds.open_episodes:
            raise RecordingError(f"{len(self._open)} episodes are open, as many as may be; end one first")
        if (free := disk_usage(self._drops.open).free) < self._bounds.free_bytes:
            raise RecordingError(f"{self._drops.hidden}: has {free} bytes free; free some space: nothing is recorded")
        facts = {"policy": self._policy, "clock": clock, "recorded_at": datetime.now(UTC).isoformat(timespec="seconds")}
        folder = self._drops.open / f"{next(self._numbers)}"
        rollout = Rollout(name, folder, self._embodiment, self._horizon)
        self._open[key] = _Open(rollout, facts, time.monotonic())
        return self._open[key]

    def _close(self, key: tuple[str, str], why: Closed, success: bool | None) -> None:
        known = self._open.pop(key)
        self._jobs.put(lambda: self._write(known, why, success))

    def _discard(self, key: tuple[str, str]) -> None:
        if known := self._open.pop(key, None):
            self._jobs.put(lambda: self._lose(known, RecordingError("its client tells its steps itself")))

    # What follows runs in the thread.

    def _work(self) -> None:
        begun = False
        try:
            with locked(self._drops.hidden / "lock", wait=False, what=f"the recordings in {self._drops.hidden}"):
                self._drops.begin()
                begun = True
                self._begun.put(None)
                while self._one():
                    pass
                self._drops.land()
                rmtree(self._drops.open, ignore_errors=True)
        except Exception as error:
            if not begun:
                self._begun.put(error)  # who made the recorder raises it
            else:
                _LOG.exception("%s: recording ended", self._drops.hidden)

    def _one(self) -> bool:
        """Do the next job, and what is due; False: it was the last."""
        try:
            job = self._jobs.get(timeout=_LOOK_S)
        except Empty:
            job = self._expire
        if job is None:
            return False
        job()
        if time.monotonic() - self._looked_s > _LOOK_S:
            self._expire()
        return True

    def _expire(self) -> None:
        self._looked_s = now_s = time.monotonic()
        with self._lock:
            for key in [key for key, known in self._open.items() if now_s - known.touched_s > self._bounds.idle_s]:
                self._close(key, "silence", None)
        self._land_due()

    def _land_due(self) -> None:
        try:
            self._drops.land(self._bounds.drop_idle_s)
        except (OSError, ValueError):
            _LOG.exception("%s: a drop could not be completed; it lands with the next recorder", self._drops.hidden)

    def _add(self, known: _Open, row: Row) -> None:
        try:
            if not known.fault:
                known.rollout.add(row)
                self.counts.rows += 1
        except Exception as error:
            self._lose(known, error)
        finally:
            with self._lock:
                self.counts.waiting_bytes -= row.size_bytes

    def _write(self, known: _Open, why: Closed, success: bool | None) -> None:
        if known.fault or not len(known.rollout):
            return
        try:
            episode, fps = known.rollout.episode(success, why, known.facts)
            absent = self._reader.absent
            if not known.rollout.executed:
                absent = (*(name for name in absent if name.startswith("state.")), "action")
            self._drops.append(episode, fps, absent, known.rollout.sizes)
            self.counts.episodes += 1
        except Exception as error:
            self._lose(known, error)
        rmtree(known.rollout.folder, ignore_errors=True)
        self._land_due()

    def _lose(self, known: _Open, error: Exception) -> None:
        """Give an episode up; whoever tells of it next hears why."""
        try:
            known.rollout.abandon(error)
        except Exception as explained:
            known.fault = str(explained)
        self.counts.lost += not isinstance(error, RecordingError)
        rmtree(known.rollout.folder, ignore_errors=True)
        if not isinstance(error, RecordingError):
            _LOG.error("episode %r is not recorded: %s", known.rollout.name, known.fault, exc_info=error)
