"""Which episodes of a mixture are kept for evaluation: whole groups, so that no copy of them is trained on."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gr00t_data.batches.mixture.manifest import MixtureSource
from gr00t_data.batches.mixture.motion_cache import motions_of
from gr00t_data.curate.copies.duplicates import MOST_ROWS
from gr00t_data.curate.copies.fingerprints import Fingerprint, Key
from gr00t_data.curate.copies.leakage import choose_held_out, episode_groups
from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.store import EpisodeStore


def mixture_groups(
    sources: Sequence[MixtureSource],
    stores: Sequence[EpisodeStore],
    embodiment: Embodiment,
    digests: Mapping[Key, str] | None = None,
    kept: Path | None = None,
) -> dict[Key, Key]:
    """Episode -> group over all sources; keys are (position of the source as text, episode number).

    Args:
        digests: the ``rows_digest`` of each episode's verdict. With more than ``MOST_ROWS`` rows only equal episodes
            are recognised anyway: with the digests no row is read then.
        kept: folder for the motions of each store; with it and the digests a store is read for the first mixture only.
    """
    episodes = [
        (store, [entry.index for entry in source.episodes]) for store, source in zip(stores, sources, strict=True)
    ]
    rows = sum(entry.length for source in sources for entry in source.episodes)
    if digests is None or not all(digests.values()) or (rows <= MOST_ROWS and kept is None):
        return episode_groups(episodes, embodiment)
    if kept is not None and rows <= MOST_ROWS:
        named = [(store, {n: digests[str(s), n] for n in numbers}) for s, (store, numbers) in enumerate(episodes)]
        every = [motions_of(store, str(s), own, embodiment, kept) for s, (store, own) in enumerate(named)]
        return episode_groups(episodes, embodiment, [one for of_store in every for one in of_store])
    nothing = np.zeros((0, 1), dtype=np.float32)
    return episode_groups(episodes, embodiment, [Fingerprint(key, rows, nothing) for key, rows in digests.items()])


def held_out_episodes(
    sources: Sequence[MixtureSource], groups: Mapping[Key, Key], share: float, seed: int
) -> tuple[tuple[int, int], ...]:
    """(source, episode number) of the held-out episodes, sorted: those whose hash comes first, with their groups.

    Args:
        share: of the episodes of each source, 0 <= share < 1; at least one when it is above zero and there are two.
    """
    if share == 0:
        return ()
    orders = [
        sorted((entry.index for entry in source.episodes), key=lambda index: digest_json([seed, digest, index]))
        for source in sources
        for digest in [source.digest]
    ]
    counts = [min(max(round(share * len(order)), 1), len(order) - 1) for order in orders]
    return tuple(choose_held_out(orders, counts, groups))
