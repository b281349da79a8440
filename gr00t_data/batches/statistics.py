"""Statistics of state and action, part by part, that normalization uses. They carry the hash of what was measured."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from gr00t_data.batches.parts import read_parts
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
        widths = {len(getattr(self, field.name)) for field in fields(self) if field.name != "count"}
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
        numbers = {field.name: tuple(map(float, value[field.name])) for field in fields(cls) if field.name != "count"}
        return cls(count=int(value.get("count", 0)), **numbers)


@dataclass(frozen=True)
class NormStats:
    """Statistics of an embodiment over chosen episodes.

    Attributes:
        measured: hash of the sorted (store digest, episode) pairs that were measured.
        state, action: part name -> statistics.
    """

    embodiment: str
    embodiment_digest: str
    measured: str
    state: dict[str, PartStatistics]
    action: dict[str, PartStatistics]

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
            return cls(value["embodiment"], value["embodiment_digest"], value["measured"], **sides)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: not normalization statistics ({error!r}); measure them again") from error


def measured_digest(episodes: Iterable[tuple[str, int]]) -> str:
    """The name of a set of episodes, given as (store digest, episode number)."""
    return digest_json(sorted([store, index] for store, index in episodes))


def measure(
    sources: Sequence[tuple[EpisodeStore, Index]], embodiment: Embodiment, *, published_behaviour: bool = False
) -> NormStats:
    """Measure every accepted episode of the sources.

    Args:
        published_behaviour: compute in float32 and in row order, as the published GR00T N1.5 code does, which agrees
            with its ``meta/stats.json`` in mean, std, min and max to the last bit. The default is float64.

    Raises:
        ValueError: no episode is accepted, or an index is of another store.
    """
    episodes = [(store, verdict.episode_index) for store, index in sources for verdict in _accepted(store, index)]
    if not episodes:
        stores = ", ".join(str(store.root) for store, _ in sources) or "no store"
        raise ValueError(f"no accepted episode to measure in {stores}; look at the findings in the index")
    dtype = np.float32 if published_behaviour else np.float64
    return NormStats(
        embodiment=embodiment.name,
        embodiment_digest=embodiment.digest,
        measured=measured_digest((store.digest, index) for store, index in episodes),
        state=_measure_parts(episodes, embodiment.state, dtype),
        action=_measure_parts(episodes, embodiment.action, dtype),
    )


def _accepted(store: EpisodeStore, index: Index) -> Sequence[Any]:
    if index.store_digest != store.digest:
        raise ValueError(
            f"{store.root}: has digest {store.digest[:12]}, the index is of {index.store_digest[:12]}; "
            "the store was changed after the check: check it again"
        )
    return index.accepted


def _measure_parts(
    episodes: Sequence[tuple[EpisodeStore, int]], parts: Sequence[Part], dtype: type[np.floating]
) -> dict[str, PartStatistics]:
    read = [read_parts(store, index, parts) for store, index in episodes]
    return {
        part.name: PartStatistics.of(np.concatenate([values[part.name] for values in read]).astype(dtype))
        for part in parts
    }
