"""The masks of a mixture's samples, where its stores say row by row which parts are known (see ``known.py``)."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool

from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.transforms.transforms import VectorTransform
from gr00t_data.batches.values.known import known_rows, says_per_row
from gr00t_data.batches.values.window import chunk_rows
from gr00t_data.rates import Pace
from gr00t_data.store.store import EpisodeStore

_EPISODES_HELD = 4096


class KnownParts:
    """The masks of a mixture's samples."""

    def __init__(
        self,
        manifest: MixtureManifest,
        stores: Sequence[EpisodeStore],
        transforms: tuple[VectorTransform, VectorTransform],
        paces: Sequence[Pace],
    ) -> None:
        """``stores`` and ``paces`` are those of the manifest's sources, ``transforms`` those of state and action."""
        self._manifest, self._stores, self._paces = manifest, stores, paces
        self._sides: dict[str, VectorTransform] = {"state": transforms[0], "action": transforms[1]}
        self._saying = {side: [says_per_row(store, side) for store in stores] for side in self._sides}
        self._of_episode = lru_cache(maxsize=_EPISODES_HELD)(self._read)

    def state(self, samples: Sequence[SampleId]) -> Bool[np.ndarray, "b 1 s"] | bool:
        """True where a value of the state is known; one True when no store says anything."""
        if not any(self._saying["state"]):
            return True
        mask = np.ones((len(samples), 1, self._sides["state"].pad.padded), dtype=bool)
        for row, sample in enumerate(samples):
            if self._saying["state"][sample.source]:
                mask[row, 0] = self._of_episode("state", sample.source, sample.episode)[sample.frame]
        return mask

    def action(self, samples: Sequence[SampleId], horizon: int) -> Bool[np.ndarray, "b t a"] | bool:
        """The same for the steps of an action chunk. Steps past the end are as known as the last row."""
        if not any(self._saying["action"]):
            return True
        mask = np.ones((len(samples), horizon, self._sides["action"].pad.padded), dtype=bool)
        for row, sample in enumerate(samples):
            if self._saying["action"][sample.source]:
                known, pace = self._of_episode("action", sample.source, sample.episode), self._paces[sample.source]
                held = None if pace.agrees else pace.held_rows(horizon)
                taken, _ = chunk_rows(sample.frame, len(known), horizon, held)
                mask[row] = known[np.minimum(taken, len(known) - 1)]
        return mask

    def _read(self, side: str, source: int, episode: int) -> np.ndarray:
        """bool [T, padded width]."""
        transform, store = self._sides[side], self._stores[source]
        known = known_rows(store, episode, side, transform.concat.names)
        mask = np.ones((self._manifest.entry(source, episode).length, transform.pad.padded), dtype=bool)
        start = 0
        for name, width in zip(transform.concat.names, transform.concat.widths, strict=True):
            if name in known:
                mask[:, start : start + width] = known[name][:, None]
            start += width
        return mask
