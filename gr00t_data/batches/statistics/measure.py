"""Measure the statistics of accepted episodes, a store at a time."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gr00t_data.batches.statistics.kept_tallies import Checked, Side, accepted_of, tallies_of
from gr00t_data.batches.statistics.statistics import NormStats, PartStatistics, measured_digest
from gr00t_data.batches.statistics.tally import Tally, merged, weighted
from gr00t_data.batches.values.masks import read_parts, wholly_masked
from gr00t_data.curate.index import Index
from gr00t_data.curate.one_unit import require_one_unit
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.store.store import EpisodeStore

LIBRARIES = ("crick", "numpy", "pyarrow", "scipy")


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
        ValueError: no episode is accepted, an index is of another store, the weights do not fit the sources, or two
            stores have their joints in different units.
    """
    episodes = [(store, verdict.episode_index) for store, index in sources for verdict in accepted_of(store, index)]
    if not episodes:
        stores = ", ".join(str(store.root) for store, _ in sources) or "no store"
        raise ValueError(f"no accepted episode to measure in {stores}; look at the findings in the index")
    usable = [(store, index) for store, index in sources if index.accepted]
    require_one_unit("statistics", [index for _, index in usable], embodiment)
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
    having = [number for number, (store, _) in enumerate(usable) if not wholly_masked(store, side)]
    having = having or [*range(len(usable))]
    own = [shares[number] for number in having] if shares else None
    own = [share / math.fsum(own) for share in own] if own else None
    tallies = tallies_of(side, [usable[number] for number in having], embodiment, kept, grouped=own is None)
    whole = merged(tallies) if own is None or len(tallies) == 1 else weighted(tallies, own)
    return part_statistics(whole, embodiment.state if side == "state" else embodiment.action)


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
