"""The values of an episode part by part, and their masks: which of state and action are real.

Video of human hands and generated video come without a state and, before they are labelled, without actions; so may
single parts of a robot: ``StoreAbout.absent`` lists them (where it is silent, the kind ``human`` has no state). Hands
leave the picture, and joints drop: columns ``state_valid.<part>`` and ``action_valid.<part>`` (int64 [T], 0 or 1) say
in which rows a part is real; without the latter the kind ``human`` has no actions.

What the file of rows holds in place of a masked value means nothing: it must not reach the model as if it were a pose,
nor the loss as if it were a command, and the statistics leave it out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool

from gr00t_data.embodiment.robot import Part
from gr00t_data.store.store import EpisodeStore, StoreError

Parts = dict[str, np.ndarray]
"""Part name -> float64 [T, part.dim], in the unit of the part."""

LABEL_VALID = "label_valid"
"""Column of labelled video: int64 [T, 1], 0 where too little was seen to say what the action was."""


def read_parts(store: EpisodeStore, index: int, parts: Iterable[Part]) -> Parts:
    """Cut the parts out of the columns of one episode, each column read once.

    Raises:
        StoreError: a column is missing, unreadable, or too narrow for a part.
    """
    parts = tuple(parts)
    columns = {column: store.matrix(index, column) for column in {part.column for part in parts}}
    for part in parts:
        width = columns[part.column].shape[1]
        if part.end > width:
            raise StoreError(
                f"{store.data_place(index)}: episode {index}: {part.column} has {width} values a row, part "
                f"{part.name!r} ends at {part.end}; check the store against its embodiment again"
            )
    return {part.name: columns[part.column][:, part.slice] for part in parts}


def masked_parts(store: EpisodeStore) -> list[str]:
    """What a store does not have: ``state``, ``state.<part>``, and the same with ``action``."""
    listed = store.about.absent
    return (["state"] if store.kind == "human" else []) if listed is None else list(listed)


def wholly_masked(store: EpisodeStore, side: str) -> bool:
    """Whether a store has nothing of ``state`` or ``action``: what its rows hold there counts for nothing."""
    untold = store.kind == "human" and not has_row_masks(store, "action")
    return side in masked_parts(store) or (side == "action" and untold)


def mask_column(side: str, part: str) -> str:
    """``state_valid.left_aperture``."""
    return f"{side}_valid.{part}"


def has_row_masks(store: EpisodeStore, side: str) -> bool:
    """Whether the store says of any part of a side, row by row, where it is real."""
    return any(name.startswith(mask_column(side, "")) for name in store.features)


def store_mask(store: EpisodeStore, side: str, places: Mapping[str, slice], width: int) -> Bool[np.ndarray, " w"]:
    """True where a value stands in rows of ``store``.

    Args:
        places: of the parts in a row (``VectorTransform.places``).
        width: of a row, padded, in values.
    """
    masked, mask = masked_parts(store), np.zeros(width, dtype=bool)
    if not wholly_masked(store, side):
        for name, place in places.items():
            mask[place] = f"{side}.{name}" not in masked
    return mask


def row_masks(
    store: EpisodeStore, index: int, side: str, places: Mapping[str, slice], shape: tuple[int, int]
) -> Bool[np.ndarray, "t w"]:
    """False where the store says of a row that a part is not real.

    Args:
        shape: rows of the episode, and padded width of one.

    Raises:
        StoreError: a column cannot be read.
    """
    if not has_row_masks(store, side):
        return np.broadcast_to(True, shape)
    mask = np.ones(shape, dtype=bool)
    for name, real in part_masks(store, index, side, tuple(places)).items():
        mask[:, places[name]] = real[:, None]
    return mask


def label_mask(store: EpisodeStore, index: int) -> Bool[np.ndarray, " t"] | None:
    """True where the action of a row was told by enough windows of an inverse dynamics model; None where nothing was
    labelled, so that every row counts.

    Raises:
        StoreError: the rows cannot be read.
    """
    if LABEL_VALID not in store.features:
        return None
    return store.matrix(index, LABEL_VALID)[:, 0] > 0


def part_masks(store: EpisodeStore, index: int, side: str, parts: Sequence[str]) -> dict[str, np.ndarray]:
    """Part -> bool [T], of the parts that the store says it of.

    Raises:
        StoreError: a column cannot be read.
    """
    said = [part for part in parts if mask_column(side, part) in store.features]
    return {part: store.matrix(index, mask_column(side, part))[:, 0] > 0 for part in said}


def unmasked_values(
    store: EpisodeStore, episodes: Sequence[int], parts: Sequence[Part], side: str
) -> Iterator[tuple[int, Parts]]:
    """For statistics: the values of episodes, in which rows with a masked part take its values from real rows.

    So all parts have the same count of rows, and each is measured on real values only. Episodes without a real row of
    a part borrow from the one before, or wait for the first that has one. Parts that the store says nothing of pass.

    Raises:
        StoreError: a column cannot be read.
    """
    says, lent, waiting = has_row_masks(store, side), Parts(), list[int]()
    for episode in episodes:
        values = read_parts(store, episode, parts)
        masks = part_masks(store, episode, side, tuple(values)) if says else {}
        lent |= {part: values[part][rows] for part, rows in masks.items() if rows.any()}
        if any(part not in lent for part in masks):
            waiting.append(episode)
        else:
            yield episode, values | {part: _borrowed(values[part], rows, lent[part]) for part, rows in masks.items()}
    for episode in waiting:
        values = read_parts(store, episode, parts)
        masks = part_masks(store, episode, side, tuple(lent))
        yield episode, values | {part: _borrowed(values[part], rows, lent[part]) for part, rows in masks.items()}


def _borrowed(values: np.ndarray, mask: np.ndarray, lent: np.ndarray) -> np.ndarray:
    found, missing = values.copy(), int((~mask).sum())
    found[~mask] = lent[np.linspace(0, len(lent) - 1, missing).round().astype(int)]
    return found
