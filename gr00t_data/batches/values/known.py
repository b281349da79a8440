"""Which parts of a row are known, where a store says it row by row: hands that leave the picture, joints that dropped.

A store says it with columns ``state_valid.<part>`` and ``action_valid.<part>`` (int64 [T], 0 or 1). What a row holds in
the place of an unknown part reaches neither the model (the state is masked) nor the loss, and the statistics leave it
out. ``absent.py`` is about parts that a store does not have at all.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from gr00t_data.batches.values.parts import Parts, read_parts
from gr00t_data.embodiment.robot import Part
from gr00t_data.store.store import EpisodeStore


def valid_column(side: str, part: str) -> str:
    """``state_valid.left_aperture``."""
    return f"{side}_valid.{part}"


def says_per_row(store: EpisodeStore, side: str) -> bool:
    """Whether the store says of any part of a side, row by row, where it is known."""
    return any(name.startswith(valid_column(side, "")) for name in store.info.get("features", {}))


def known_rows(store: EpisodeStore, index: int, side: str, parts: Sequence[str]) -> dict[str, np.ndarray]:
    """Part -> bool [T], of the parts that the store says it of.

    Raises:
        StoreError: a column cannot be read.
    """
    features = store.info.get("features", {})
    said = [part for part in parts if valid_column(side, part) in features]
    return {part: store.matrix(index, valid_column(side, part))[:, 0] > 0 for part in said}


def known_values(
    store: EpisodeStore, episodes: Sequence[int], parts: Sequence[Part], side: str
) -> Iterator[tuple[int, Parts]]:
    """For statistics: the values of episodes, in which rows with an unknown part take its values from known rows.

    So all parts have the same count of rows, and each is measured on known values only. Episodes without a known row of
    a part borrow from the one before, or wait for the first that has one. Parts that the store says nothing of pass.

    Raises:
        StoreError: a column cannot be read.
    """
    says, lent, waiting = says_per_row(store, side), Parts(), list[int]()
    for episode in episodes:
        values = read_parts(store, episode, parts)
        known = known_rows(store, episode, side, tuple(values)) if says else {}
        lent |= {part: values[part][rows] for part, rows in known.items() if rows.any()}
        if any(part not in lent for part in known):
            waiting.append(episode)
        else:
            yield episode, values | {part: _borrowed(values[part], rows, lent[part]) for part, rows in known.items()}
    for episode in waiting:
        values = read_parts(store, episode, parts)
        known = known_rows(store, episode, side, tuple(lent))
        yield episode, values | {part: _borrowed(values[part], rows, lent[part]) for part, rows in known.items()}


def _borrowed(values: np.ndarray, known: np.ndarray, lent: np.ndarray) -> np.ndarray:
    found, missing = values.copy(), int((~known).sum())
    found[~known] = lent[np.linspace(0, len(lent) - 1, missing).round().astype(int)]
    return found
