"""Statistics of state and action, part by part, that normalization uses. They carry the hash of what was measured."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from gr00t_data.batches.kept_tallies import Checked, Side, accepted_of, tallies_of
from gr00t_data.batches.lacking import lacks
from gr00t_data.batches.parts import read_parts
from gr00t_data.batches.tally import Tally, merged, weighted
from gr00t_data.curate.index import Index
from gr00t_data.disk import digest_json, read_json, write_json
from gr00t_data.embodiment import Embodiment, Part
from gr00t_data.store import EpisodeStore

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class PartStatistics:
    """Statistics of one part over frames, one number a dimension, in the unit of the part.

    Attributes:
        count: frames measured.
        std: of the population (divided by ``count``).
        q01, q99: 1st and 99th percentile, interpolated linearly.
    """

    count: int
    mean: Numbers
    std: Numbers
    min: Numbers
    max: Numbers
    q01: Numbers
    q99: Numbers

    def __post_init__(self) -> None:
        widths = {len(getattr(self, f.name)) for f in fields(self) if f.name != "count"}
        if len(widths) != 1:
            raise ValueError(f"the statistics of a part must have the same width, found {sorted(widths)}")

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """Measure float [T, D], T > 0, in its own precision (the published code measures in float32)."""
        low, high = np.quantile(values, [0.01, 0.99], axis=0)
        rows = (values.mean(0), values.std(0), values.min(0), values.max(0), low, high)
        return cls(len(values), *(tuple(row.tolist()) for row in rows))

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """From JSON; ``count`` may be missing, as in published statistics, and is then 0."""
        numbers = {f.name: tuple(map(float, value[f.name])) for f in fields(cls) if f.name != "count"}
        return cls(count=int(value.get("count", 0)), **numbers)


@dataclass(frozen=True)
class NormStats:
    """Statistics of an embodiment over chosen episodes.

    Attributes:
        measured: hash of the sorted (store digest, episode) pairs that were measured.
        state, action: part name -> statistics.
        shares: store digest -> share of the samples, when the stores were weighed; empty when every row weighs alike.
    """

    embodiment: str
    embodiment_digest: str
    measured: str
    state: dict[str, PartStatistics]
    action: dict[str, PartStatistics]
    shares: dict[str, float] = field(default_factory=dict)

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
        value = read_json(path)
        try:
            sides = {
                side: {name: PartStatistics.from_dict(part) for name, part in value[side].items()}
                for side in ("state", "action")
            }
            return cls(
                value["embodiment"],
                value["embodiment_digest"],
                value["measured"],
                **sides,
                shares=value.get("shares", {}),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: not normalization statistics ({error!r}); measure them again") from error


def measured_digest(episodes: Iterable[tuple[str, int]]) -> str:
    """The name of a set of episodes, given as (store digest, episode number)."""
    return digest_json(sorted([store, index] for store, index in episodes))


def measure(
    sources: Sequence[tuple[EpisodeStore, Index]],
    embodiment: Embodiment,
    *,
    weights: Sequence[float] | None = None,
    kept: Path | None = None,
    published_behaviour: bool = False,
) -> NormStats:
    """Measure every accepted episode of the sources, in one pass and one episode in memory at a time.

    Displacements of a store with another rate are measured as training sees them: composed over a step.

    Args:
        weights: share of the samples that the mixture draws from each source; None weighs every row alike. An action or
            state is then as likely in the statistics as in training.
        kept: folder for the tally of each source; a source that was measured before is not read again.
        published_behaviour: compute in float32 and in row order, as the published GR00T N1.5 code does, which agrees
            with its ``meta/stats.json`` in mean, std, min and max to the last bit. The default is float64.

    Raises:
        ValueError: no episode is accepted, an index is of another store, or the weights do not fit the sources.
    """
    episodes = [(store, verdict.episode_index) for store, index in sources for verdict in accepted_of(store, index)]
    if not episodes:
        stores = ", ".join(str(store.root) for store, _ in sources) or "no store"
        raise ValueError(f"no accepted episode to measure in {stores}; look at the findings in the index")
    usable = [(store, index) for store, index in sources if index.accepted]
    shares = _shares(usable, sources, weights)
    if published_behaviour:
        state, action = (_all_at_once(episodes, parts) for parts in (embodiment.state, embodiment.action))
    else:
        state = _side("state", usable, shares, embodiment, kept)
        action = _side("action", usable, shares, embodiment, kept)
    return NormStats(
        embodiment=embodiment.name,
        embodiment_digest=embodiment.digest,
        measured=measured_digest((store.digest, index) for store, index in episodes),
        state=state,
        action=action,
        shares={store.digest: share for (store, _), share in zip(usable, shares or (), strict=False)},
    )


def _side(
    side: Side, usable: Sequence[Checked], shares: list[float] | None, embodiment: Embodiment, kept: Path | None
) -> dict[str, PartStatistics]:
    """Over the stores that have this side at all; the zeros of footage of people are no pose and no command.

    Where no store has it, the zeros are measured, and training masks them.
    """
    having = [number for number, (store, _) in enumerate(usable) if not lacks(store, side)] or [*range(len(usable))]
    own = [shares[number] for number in having] if shares else None
    own = [share / math.fsum(own) for share in own] if own else None
    tallies = tallies_of(side, [usable[number] for number in having], embodiment, kept, grouped=own is None)
    return _merged(tallies, own, embodiment.state if side == "state" else embodiment.action)


def _merged(tallies: list[Tally], shares: list[float] | None, parts: Sequence[Part]) -> dict[str, PartStatistics]:
    whole = merged(tallies) if shares is None or len(tallies) == 1 else weighted(tallies, shares)
    return part_statistics(whole, parts)


def part_statistics(whole: Tally, parts: Sequence[Part]) -> dict[str, PartStatistics]:
    """Those of each part, out of the tally of all of them side by side."""
    low, high = whole.quantiles((0.01, 0.99))
    measures = (whole.mean, whole.std(), whole.low, whole.high, low, high)
    found, first = {}, 0
    for part in parts:
        own = (tuple(values[first : first + part.dim].tolist()) for values in measures)
        found[part.name] = PartStatistics(whole.count, *own)
        first += part.dim
    return found


def _shares(
    usable: Sequence[Checked], sources: Sequence[Checked], weights: Sequence[float] | None
) -> list[float] | None:
    if weights is None:
        return None
    if len(weights) != len(sources) or not all(math.isfinite(w) and w > 0 for w in weights):
        raise ValueError(f"expected one positive weight for each of {len(sources)} sources, found {list(weights)}")
    own = [weight for (_, index), weight in zip(sources, weights, strict=True) if index.accepted]
    assert len(own) == len(usable)
    return [weight / math.fsum(own) for weight in own]


def _all_at_once(episodes: Sequence[tuple[EpisodeStore, int]], parts: Sequence[Part]) -> dict[str, PartStatistics]:
    """In float32 and in the order of the rows, whose rounding is part of the published numbers."""
    read = [read_parts(store, index, parts) for store, index in episodes]
    return {
        part.name: PartStatistics.of(np.concatenate([values[part.name] for values in read]).astype(np.float32))
        for part in parts
    }
