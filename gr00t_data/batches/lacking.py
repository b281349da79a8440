"""What a store says it does not have: all of the state or the actions, or single parts of them."""

from gr00t_data.store.store import EpisodeStore

ABSENT = "absent"
"""Key in ``meta/about.json``: a list of what was not recorded, ``state`` for all of it or ``state.<part>``, and the
same with ``action``.

Without it, stores of the kind ``human`` have no state and all others have all of it. Actions of the kind ``human`` only
count where columns ``action_valid.<part>`` say so (see ``known.py``).
"""
_SIDES = ("state", "action")


def lacks(store: EpisodeStore, side: str) -> bool:
    """Whether a store has nothing of ``state`` or ``action``: what its rows hold there counts for nothing.

    Raises:
        StoreError: as ``listed_absent``.
    """
    features = store.info.get("features", {})
    untold = store.kind == "human" and not any(name.startswith("action_valid.") for name in features)
    return side in listed_absent(store) or (side == "action" and untold)


def listed_absent(store: EpisodeStore) -> list[str]:
    """``state``, ``state.<part>``, and the same with ``action``."""
    listed = store.about.absent
    return (["state"] if store.kind == "human" else []) if listed is None else list(listed)
