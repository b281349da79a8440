"""Which episodes a training has seen, from the order in which it draws them."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.store.store import EpisodeStore
from gr00t_data.terms.withdrawal import people_in

if TYPE_CHECKING:
    from gr00t_data.batches.loader import JointOrder


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


def with_people(
    episodes: Iterable[dict[str, str | int]], manifests: Iterable[MixtureManifest]
) -> list[dict[str, object]]:
    """The same, with (participant, dataset, video) of everybody whom the record of an episode names; who withdraws is
    then found where the stores are not. Episodes of a store that is gone stay as they are.
    """
    named: dict[tuple[str, int], list[tuple[str | None, ...]]] = {}
    for source in {source.digest: source for manifest in manifests for source in manifest.sources}.values():
        if (Path(source.store) / "meta/seal.json").is_file():
            rows = EpisodeStore.open(Path(source.store)).rows
            named |= {(source.digest, row.index): list(people_in(row.source.facts())) for row in rows}
    found = ((one, named.get((str(one["store"]), int(one["episode"])))) for one in episodes)
    return [{**one, **({"people": people} if people else {})} for one, people in found]
