"""Recorded actions in place of a model: a client is tried with them before a policy moves the robot."""

import threading
from typing import Self

import numpy as np

from gr00t_data.batches.values.masks import read_parts
from gr00t_data.batches.values.pace import ChunkReader, chunk_reader
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rates import pace_of
from gr00t_data.store.store import EpisodeStore
from gr00t_model.acting.observation import Observation, read_observation
from gr00t_model.acting.report import ActingReport, Answer, Session
from gr00t_model.acting.running import Running
from gr00t_model.acting.values import ObservationError


class ReplayError(ValueError):
    """A store that cannot be replayed; the message names it and what to give instead."""


class Replay:
    """Answers each observation with the next chunk of one episode, whatever it shows; the observation is checked as a
    policy checks it. Past the end commands stay and displacements are zero. ``reset`` begins the episode anew.

    Attributes:
        horizon: steps of a chunk, of which each call goes on by all.
        episode, length: which is replayed, and its rows.
    """

    def __init__(
        self,
        embodiment: Embodiment,
        selection: str | None,
        chunks: ChunkReader,
        episode: int,
        length: int,
        step_rows: float,
    ) -> None:
        """Args:
        chunks: from (row, horizon) to the parts there.
        length: rows of the episode; ``step_rows``: rows of one step of the embodiment.
        """
        self.embodiment, self.selection = embodiment, embodiment.selection(selection)
        self.horizon, self.episode, self.length = embodiment.action_horizon, episode, length
        self._chunks, self._step_rows = chunks, step_rows
        self._step, self._session, self._lock = 0, Session(), threading.Lock()

    @classmethod
    def of(cls, store: EpisodeStore, embodiment: Embodiment, selection: str | None, episode: int | None) -> Self:
        """Replay one episode of a store (None: its first one).

        Raises:
            ReplayError: the store has no such episode. StoreError: it cannot be read. RateError: its rate does not fit.
        """
        numbers = [row.index for row in store.rows]
        if not numbers or (episode is not None and episode not in numbers):
            there = f"it has {numbers[0]} to {numbers[-1]}" if numbers else "it has none"
            raise ReplayError(f"{store.root}: no episode {0 if episode is None else episode}; {there}")
        number, pace = numbers[0] if episode is None else episode, pace_of(store, embodiment)
        parts = [embodiment.action_part(name) for name in embodiment.selection(selection).action]
        values = read_parts(store, number, parts)
        length = len(next(iter(values.values())))
        return cls(embodiment, selection, chunk_reader(values, parts, pace), number, length, pace.rows_a_step)

    @property
    def session(self) -> Session:
        """Counts over all calls."""
        return self._session

    def reset(self) -> None:
        """Begin the episode anew."""
        with self._lock:
            self._step = 0

    def act(
        self,
        observation: Observation,
        *,
        seed: int | None = None,
        denoising_steps: int | None = None,
        running: Running | None = None,
    ) -> Answer:
        """The next chunk; seed, steps and the running chunk change nothing.

        Raises:
            ObservationError: see ``Policy.act``.
        """
        try:
            seen = read_observation(observation, self.embodiment, self.selection)
        except ObservationError:
            self._session += Session(refused=1)
            raise
        with self._lock:
            row = min(int(self._step * self._step_rows), self.length - 1)
            self._step += self.horizon
        parts, _ = self._chunks(row, self.horizon)
        rows = len(seen.instructions)
        report = ActingReport(rows, seen.single, seed or 0, 0, converted=seen.converted, ignored=seen.ignored)
        self._session += Session.of(report)
        return Answer({f"action.{name}": _rows(values, rows, seen.single) for name, values in parts.items()}, report)


def _rows(values: np.ndarray, rows: int, single: bool) -> np.ndarray:
    """float32 [T, D], or [B, T, D]: every row of a batch is given the same."""
    chunk = values.astype(np.float32)
    return chunk if single else np.repeat(chunk[None], rows, axis=0)
