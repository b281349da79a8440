"""Which values of state and action a store does not have.

Video of human hands and generated video come without a state and, before they are labelled, without actions; so may
single parts of a robot. What the file of rows holds in their place (zeros) means nothing: it must not reach the model
as if it were a pose, nor the loss as if it were a command.
"""

import numpy as np
from jaxtyping import Bool

from gr00t_data.batches.lacking import lacks, listed_absent
from gr00t_data.batches.transforms.transforms import VectorTransform
from gr00t_data.store.store import EpisodeStore

LABEL_VALID = "label_valid"
"""Column of labelled video: int64 [T, 1], 0 where too little was seen to say what the action was."""

_WHOLE = "state"


def state_mask(store: EpisodeStore, transform: VectorTransform) -> Bool[np.ndarray, " s"]:
    """True where a state value stands in rows of ``store``, over the padded width of ``transform``.

    Raises:
        StoreError: the store lists an absent part in another form than ``state`` or ``state.<part>``.
    """
    return _mask(store, transform, _WHOLE, listed_absent(store))


def action_mask(store: EpisodeStore, transform: VectorTransform) -> Bool[np.ndarray, " a"]:
    """True where an action value stands in rows of ``store``, over the padded width of ``transform``.

    Raises:
        StoreError: as ``state_mask``.
    """
    return _mask(store, transform, "action", ["action"] if lacks(store, "action") else listed_absent(store))


def told_rows(store: EpisodeStore, index: int) -> Bool[np.ndarray, " t"] | None:
    """True where the action of a row was told by enough windows of an inverse dynamics model; None where nothing was
    labelled, so that every row counts.

    Raises:
        StoreError: the rows cannot be read.
    """
    if LABEL_VALID not in store.info.get("features", {}):
        return None
    return store.matrix(index, LABEL_VALID)[:, 0] > 0


def _mask(store: EpisodeStore, transform: VectorTransform, side: str, listed: list[str]) -> np.ndarray:
    if side in listed:
        return np.zeros(transform.pad.padded, dtype=bool)
    mask, start = transform.pad.mask.copy(), 0
    for name, width in zip(transform.concat.names, transform.concat.widths, strict=True):
        mask[start : start + width] &= f"{side}.{name}" not in listed
        start += width
    return mask
