"""Open loop: predicted chunks against what was recorded, on episodes that training never drew.

Each part's error is in its unit, beside two baselines that know nothing of the picture: repeating the last action, and
the mean action of the training data. A model that only smooths its input does not beat the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gr00t_data.batches.mixture.manifest import EpisodeEntry, MixtureManifest
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.batches.values.masks import Parts, read_parts
from gr00t_data.batches.values.pace import chunk_reader
from gr00t_data.curate.subject.signals import spans
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.progress import Progress, silent
from gr00t_data.rates import pace_of
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video
from gr00t_model.policy import Policy
from gr00t_model.training.checkpoint import Checkpoint

_ROWS_AT_ONCE = 32
_STILL = 1e-9
"""A baseline error below this (in the unit of the part) means that the part did not move."""

_VARIES_SHARE = 1e-5
"""A dimension varies when its standard deviation in the training data is over this share of its range; noise of what
stands still has one as well, and errors counted in it would outweigh all others."""


class EvaluationError(ValueError):
    """Nothing to evaluate on; the message says what is missing."""


@dataclass(frozen=True)
class Errors:
    """Mean absolute errors, the same frames and steps for all three.

    Attributes:
        policy: of the predicted chunks.
        hold_last: of repeating the last action (zero motion for relative parts).
        mean_action: of the mean action of the training data.
    """

    policy: float
    hold_last: float
    mean_action: float

    @property
    def ratio(self) -> float | None:
        """Policy over the better baseline; None when that baseline is perfect (nothing moved)."""
        best = min(self.hold_last, self.mean_action)
        return self.policy / best if best > _STILL else None


@dataclass(frozen=True)
class Example:
    """One part of one episode for a figure: predictions laid end to end, each chunk up to the next replanning.

    Attributes:
        part: its name.
        predicted, recorded: float64 [T, D] in ``unit``, from frame 1 on.
        replans: the rows at which a chunk begins.
    """

    part: str
    unit: str
    instruction: str
    predicted: np.ndarray
    recorded: np.ndarray
    replans: tuple[int, ...]


@dataclass(frozen=True)
class OpenLoop:
    """Result on the held-out episodes.

    Attributes:
        episodes: number of episodes; chunks: number of predictions.
        parts: part -> errors in its unit.
        units: part -> unit.
        overall: errors of all dimensions, each divided by its standard deviation in the training data.
        example: the part that moves most, in the episode where it does, to be drawn.
        part_examples: every part of that episode.
    """

    episodes: int
    chunks: int
    parts: dict[str, Errors]
    units: dict[str, str]
    overall: Errors
    example: Example
    part_examples: tuple[Example, ...] = ()


class Held(NamedTuple):
    """One held-out episode."""

    store: EpisodeStore
    entry: EpisodeEntry

    @property
    def episode(self) -> int:
        """Its number in the store."""
        return self.entry.index

    @property
    def end(self) -> int:
        """Frames that have rows and images."""
        return self.entry.end

    def texts(self, frames: Sequence[int]) -> list[str]:
        """The instruction at each of these frames."""
        return [self.entry.text_at(frame) for frame in frames]


def evaluate_open_loop(
    checkpoint: Checkpoint,
    policy: Policy,
    *,
    stride_frames: int = 8,
    most_episodes: int | None = None,
    progress: Progress = silent,
) -> OpenLoop:
    """Predict a chunk at every ``stride_frames``-th frame of the held-out episodes of the checkpoint's mixture.

    Steps past the end of an episode do not count.

    Raises:
        EvaluationError: no episode was held out.
    """
    member = checkpoint.member(policy.embodiment.name, policy.selection.name)
    held = held_out(member.manifest)[:most_episodes]
    if not held:
        raise EvaluationError(
            f"mixture {member.manifest.name!r} holds out no episode; mix again with --held-out-share above 0 "
            "and at least two episodes of a store that are no copies of each other"
        )
    parts = [member.embodiment.action_part(name) for name in policy.selection.action]
    tally = _Tally(parts, member.statistics)
    examples = []
    for done, episode in enumerate(held, start=1):
        examples.append(_episode(episode, policy, member.embodiment, parts, stride_frames, tally))
        progress(done, len(held))
    units = {part.name: part.unit for part in parts}
    ranges = {part.name: spans(part) for part in parts}
    shown = max(examples, key=lambda parts_shown: max(_motion(one, ranges) for one in parts_shown))
    example = max(shown, key=lambda one: _motion(one, ranges))
    return OpenLoop(len(held), tally.chunks, tally.parts(), units, tally.overall(), example, shown)


def held_out(manifest: MixtureManifest) -> list[Held]:
    """The held-out episodes of a mixture."""
    return [held for _, held in held_out_entries(manifest)]


def held_out_entries(manifest: MixtureManifest) -> list[tuple[str, Held]]:
    """The held-out episodes of a mixture, each with the digest of its store."""
    stores = {source: manifest.sources[source].open() for source, _ in manifest.held_out}
    entries = ((source, manifest.entry(source, episode)) for source, episode in manifest.held_out)
    return [(manifest.sources[source].digest, Held(stores[source], entry)) for source, entry in entries]


def episode_error(held: Held, policy: Policy, member: Member, *, stride_frames: int = 8, steps: int) -> float:
    """Mean absolute error of the first ``steps`` of each chunk in one episode.

    Args:
        member: whose embodiment and statistics count, so that two policies are measured with one ruler.

    Returns:
        the mean over the dimensions that vary in its statistics, in their standard deviations.
    """
    parts = [member.embodiment.action_part(name) for name in policy.selection.action]
    tally = _Tally(parts, member.statistics)
    frames = list(range(1, held.end, stride_frames))
    predicted = _predict(held, policy, member.embodiment, frames)
    recorded = {name: values[: held.end] for name, values in read_parts(held.store, held.episode, parts).items()}
    chunk = chunk_reader(recorded, parts, pace_of(held.store, member.embodiment))
    for row, frame in enumerate(frames):
        truth, valid = chunk(frame, steps)
        for part in parts:
            tally.add(part, predicted[part.name][row][:steps][valid], truth[part.name][valid], np.zeros(part.dim))
    return tally.overall().policy


def _episode(
    held: Held, policy: Policy, embodiment: Embodiment, parts: list[Part], stride: int, tally: "_Tally"
) -> tuple[Example, ...]:
    frames = list(range(1, held.end, stride))  # at frame 0 there is no last action to hold
    predicted = _predict(held, policy, embodiment, frames)
    recorded = {name: values[: held.end] for name, values in read_parts(held.store, held.episode, parts).items()}
    chunk = chunk_reader(recorded, parts, pace_of(held.store, embodiment))
    for row, frame in enumerate(frames):
        truth, valid = chunk(frame, policy.horizon)
        for part in parts:
            last = recorded[part.name][frame - 1] if part.absolute else np.zeros(part.dim)
            tally.add(part, predicted[part.name][row][valid], truth[part.name][valid], last)
    tally.chunks += len(frames)
    return tuple(_example(held, part, frames, predicted, recorded, stride) for part in parts)


def _predict(held: Held, policy: Policy, embodiment: Embodiment, frames: list[int]) -> Parts:
    """Part -> float32 [len(frames), horizon, D]."""
    chosen = policy.selection
    paths: dict[str, Path] = {name: held.store.video_path(held.episode, name) for name in chosen.cameras}
    views = {name: video.decode_at(path, frames) for name, path in paths.items()}  # as the camera gave them
    states = read_parts(held.store, held.episode, [embodiment.state_part(name) for name in chosen.state])
    chunks: dict[str, list[np.ndarray]] = {name: [] for name in chosen.action}
    for start in range(0, len(frames), _ROWS_AT_ONCE):
        rows = frames[start : start + _ROWS_AT_ONCE]
        observation = {f"video.{name}": view[start : start + _ROWS_AT_ONCE, None] for name, view in views.items()}
        observation |= {f"state.{name}": values[rows][:, None] for name, values in states.items()}
        answer = policy.get_action({**observation, chosen.language: held.texts(rows)})
        for name in chosen.action:
            chunks[name].append(answer[f"action.{name}"])
    return {name: np.concatenate(arrays) for name, arrays in chunks.items()}


def _example(held: Held, part: Part, frames: list[int], predicted: Parts, recorded: Parts, stride: int) -> Example:
    pieces = [predicted[part.name][row][: min(stride, held.end - frame)] for row, frame in enumerate(frames)]
    shown = np.concatenate(pieces).astype(np.float64)
    replans = tuple(frame - 1 for frame in frames)
    return Example(part.name, part.unit, " / ".join(held.entry.texts), shown, recorded[part.name][1:], replans)


def _motion(example: Example, ranges: Mapping[str, np.ndarray]) -> float:
    """How far any dimension goes, share of what its joint can: percent and radians side by side."""
    return float((np.ptp(example.recorded, axis=0) / ranges[example.part]).max())


class _Tally:
    """Sums of absolute errors per dimension: rows are policy, hold last, mean action."""

    def __init__(self, parts: list[Part], statistics: NormStats) -> None:
        self.chunks = 0
        self._mean = {part.name: np.array(statistics.action[part.name].mean) for part in parts}
        self._std = {part.name: np.array(statistics.action[part.name].std) for part in parts}
        self._varies = {part.name: self._std[part.name] > _VARIES_SHARE * spans(part) for part in parts}
        self._sums = {part.name: np.zeros((3, part.dim)) for part in parts}
        self._steps = {part.name: 0 for part in parts}

    def add(self, part: Part, predicted: np.ndarray, truth: np.ndarray, last: np.ndarray) -> None:
        """Predicted and true float [t, D]; ``last`` [D]."""
        guesses = (predicted, last, self._mean[part.name])
        self._sums[part.name] += np.stack([np.abs(guess - truth).sum(axis=0) for guess in guesses])
        self._steps[part.name] += len(truth)

    def parts(self) -> dict[str, Errors]:
        means = {name: (sums / self._steps[name]).mean(axis=1) for name, sums in self._sums.items()}
        return {name: Errors(*map(float, values)) for name, values in means.items()}

    def overall(self) -> Errors:
        """Mean over the dimensions that vary in the training data, each in its standard deviations."""
        scaled = []
        for name, sums in self._sums.items():
            varies = self._varies[name]
            scaled.append((sums / self._steps[name])[:, varies] / self._std[name][varies])
        return Errors(*map(float, np.concatenate(scaled, axis=1).mean(axis=1)))
