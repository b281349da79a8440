"""Statistics of relative actions: how far a chunk goes from the state at its frame, for each of its steps.

The spread grows with the step, so that one number for the whole chunk would drown the first steps. Parts qualify that
are absolute, no rotations, and have a state of the same name and width; the others are named.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from gr00t_data.batches.statistics.kept_tallies import Checked, accepted_of
from gr00t_data.batches.statistics.measure import part_statistics
from gr00t_data.batches.statistics.statistics import PartStatistics, measured_digest
from gr00t_data.batches.statistics.tally import Tally
from gr00t_data.batches.values.parts import read_parts
from gr00t_data.disk import digest_json, read_json, write_json
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.rates import Pace, pace_of
from gr00t_data.store.store import EpisodeStore


@dataclass(frozen=True)
class RelativeStatistics:
    """Statistics of action minus state.

    Attributes:
        horizon: steps of a chunk, at the rate of the embodiment.
        measured: hash of the sorted (store digest, episode) pairs that were measured.
        parts: part name -> one entry a step; padded steps do not count.
        left_out: parts without such numbers, with the reason.
    """

    embodiment: str
    embodiment_digest: str
    measured: str
    horizon: int
    parts: dict[str, tuple[PartStatistics, ...]]
    left_out: dict[str, str]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return digest_json(asdict(self))

    def save(self, path: Path) -> None:
        """Write as JSON in one step."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        """The inverse of ``save``.

        Raises:
            ValueError: the file does not hold such statistics; the message names it.
        """
        value: dict[str, Any] = read_json(path)
        try:
            parts = {n: tuple(PartStatistics.from_dict(one) for one in steps) for n, steps in value["parts"].items()}
            return cls(**{**value, "parts": parts})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: not statistics of relative actions ({error!r}); measure them again") from error


def measure_relative(sources: Sequence[Checked], embodiment: Embodiment, horizon: int) -> RelativeStatistics:
    """Measure every accepted episode, every row, each step as far as the episode goes.

    Raises:
        ValueError: no episode is accepted, none is longer than the horizon, no part qualifies, or an index is of
            another store; names it.
        RateError: a store records too slowly; names it.
    """
    left_out = {part.name: why for part in embodiment.action if (why := _unfit(part, embodiment))}
    parts = [part for part in embodiment.action if part.name not in left_out]
    if horizon < 1 or not parts:
        raise ValueError(f"{embodiment.name}: nothing to measure over {horizon} steps ({left_out})")
    tallies: list[Tally | None] = [None] * horizon
    measured = []
    for store, index in sources:
        for verdict in accepted_of(store, index):
            measured.append((store.digest, verdict.episode_index))
            _add(tallies, store, verdict.episode_index, parts, embodiment)
    if None in tallies:
        raise ValueError(
            f"{embodiment.name}: of {len(measured)} accepted episodes none is as long as {horizon} steps; "
            "measure fewer steps"
        )
    steps = [part_statistics(tally, parts) for tally in tallies if tally is not None]
    return RelativeStatistics(
        embodiment=embodiment.name,
        embodiment_digest=embodiment.digest,
        measured=measured_digest(measured),
        horizon=horizon,
        parts={part.name: tuple(step[part.name] for step in steps) for part in parts},
        left_out=left_out,
    )


def _unfit(part: Part, embodiment: Embodiment) -> str:
    if not part.absolute:
        return "is relative already"
    if part.rotation is not None:
        return "is a rotation, which is not subtracted"
    state = next((one for one in embodiment.state if one.name == part.name), None)
    if state is None:
        return "has no state of its name"
    if (state.dim, state.unit) != (part.dim, part.unit):
        return f"its state has {state.dim} values in {state.unit!r}, not {part.dim} in {part.unit!r}"
    return ""


def _add(
    tallies: list[Tally | None], store: EpisodeStore, episode: int, parts: Sequence[Part], embodiment: Embodiment
) -> None:
    """Take one episode in, step by step."""
    action, state = (
        np.concatenate(list(read_parts(store, episode, side).values()), axis=1)
        for side in (parts, [embodiment.state_part(part.name) for part in parts])
    )
    pace: Pace = pace_of(store, embodiment)
    for step, row in enumerate(pace.held_rows(len(tallies)).tolist()):
        if row >= len(action):
            return
        try:
            tally = Tally.of(action[row:] - state[: len(action) - row])
        except ValueError as error:
            raise ValueError(f"{store.data_path(episode)}: episode {episode}: {error}") from error
        known = tallies[step]
        if known is None:
            tallies[step] = tally
        else:
            known.merge(tally)
