"""Which values of state and action a store does not have.

Video of human hands and generated video come without a state and, before they are labelled, without actions; so may
single parts of a robot. What the file of rows holds in their place (zeros) means nothing: it must not reach the model
as if it were a pose, nor the loss as if it were a command.
"""

import numpy as np
from jaxtyping import Bool

from gr00t_data.batches.transforms import VectorTransform
from gr00t_data.store import EpisodeStore, StoreError

ABSENT = "absent"
"""Key in ``meta/about.json``: a list of what was not recorded, ``state`` for all of it or ``state.<part>``, and the
same with ``action``.

Without it, stores of the kind ``human`` have no state and all others have all of it. Actions of the kind ``human``
never count.
"""
_WHOLE = "state"
_SIDES = ("state", "action")


def state_mask(store: EpisodeStore, transform: VectorTransform) -> Bool[np.ndarray, " s"]:
    """True where a state value stands in rows of ``store``, over the padded width of ``transform``.

    Raises:
        StoreError: the store lists an absent part in another form than ``state`` or ``state.<part>``.
    """
    return _mask(store, transform, _WHOLE, _listed(store))


def action_mask(store: EpisodeStore, transform: VectorTransform) -> Bool[np.ndarray, " a"]:
    """True where an action value stands in rows of ``store``, over the padded width of ``transform``.

    Raises:
        StoreError: as ``state_mask``.
    """
    return _mask(store, transform, "action", ["action"] if store.kind == "human" else _listed(store))


def _listed(store: EpisodeStore) -> list[str]:
    listed = store.about.get(ABSENT, [_WHOLE] if store.kind == "human" else [])
    if not isinstance(listed, list) or not all(str(name).partition(".")[0] in _SIDES for name in listed):
        raise StoreError(
            f"{store.root}/meta/about.json: {ABSENT} is {listed!r}; expected a list of 'state', 'state.<part>', "
            "'action' or 'action.<part>'"
        )
    return listed


def _mask(store: EpisodeStore, transform: VectorTransform, side: str, listed: list[str]) -> np.ndarray:
    if side in listed:
        return np.zeros(transform.pad.padded, dtype=bool)
    mask, start = transform.pad.mask.copy(), 0
    for name, width in zip(transform.concat.names, transform.concat.widths, strict=True):
        mask[start : start + width] &= f"{side}.{name}" not in listed
        start += width
    return mask
