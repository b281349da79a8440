"""Which episodes a training has seen, from the order in which it draws them."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from gr00t_data.store.provenance import Kind, Said

if TYPE_CHECKING:
    from gr00t_data.batches.loader import JointOrder


class SeenEpisode(Said):
    """An episode that a training drew from: digest of its store, its number, and how often it was drawn."""

    store: str
    episode: int
    kind: Kind
    licence: str
    samples: int
    embodiment: str | None = None


def episodes_drawn(order: "JointOrder", samples: int) -> list[dict[str, str | int]]:
    """Every episode among the first ``samples`` samples of an order, with its embodiment and how often it was drawn."""
    seen: Counter[tuple[int, ...]] = Counter()
    chunk = 65_536
    for start in range(0, samples, chunk):
        keys, counts = np.unique(order.draw(start, min(chunk, samples - start))[:, :3], axis=0, return_counts=True)
        seen.update({tuple(map(int, key)): int(count) for key, count in zip(keys, counts, strict=True)})
    entries = []
    for (member, number, episode), count in sorted(seen.items()):
        manifest = order.manifests[member]
        source = manifest.sources[number]
        about = {"store": source.digest, "kind": source.kind, "licence": source.licence}
        entries.append({**about, "embodiment": manifest.embodiment, "episode": episode, "samples": count})
    return entries
