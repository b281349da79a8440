"""The stores of a lake and the verdicts on them: which there are, which hold something usable."""

import fnmatch
import logging
from collections.abc import Sequence

from gr00t_data.curate.build import build_index
from gr00t_data.curate.index import Index
from gr00t_data.curate.withdrawn import after_withdrawals
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.progress import Progress, silent
from gr00t_data.store.store import EpisodeStore, StoreError, listed_in
from gr00t_data.terms.withdrawal import read as read_withdrawals

Checked = tuple[EpisodeStore, Index]
_LOG = logging.getLogger(__name__)


def check(
    lake: Lake,
    store: EpisodeStore,
    embodiment: Embodiment,
    progress: Progress = silent,
    workers: int = 1,
) -> Index:
    """Check every episode of a store; the verdicts lie in ``lake.index`` and do not depend on ``workers``.

    What participants took back since is rejected, also where the checks were done before.
    """
    index = build_index(store, embodiment, lake.index, progress, workers)
    return after_withdrawals(index, store, lake.index)


def sealed_stores(lake: Lake, embodiment: Embodiment, names: Sequence[str] = ("*",)) -> list[EpisodeStore]:
    """The sealed stores of an embodiment whose folder name matches one of the patterns, by name.

    A store that cannot be read is left out, which the log says: it stops no other.

    Raises:
        StoreError: one that is named in full cannot be read.
        WithdrawalError: the list of those who withdrew cannot be believed.
    """
    read_withdrawals(lake.root)
    whole, damaged = listed_in(lake.stores)
    for name, reason in damaged.items():
        if name in names:
            raise StoreError(reason)
        if _matches(name, names):
            _LOG.warning("store %s is left out: %s", name, reason)
    return [store for store in whole if store.about.embodiment == embodiment.name and _matches(store.root.name, names)]


def damaged_stores(lake: Lake) -> dict[str, str]:
    """Name -> why it cannot be read, of the sealed stores that everything leaves out."""
    whole, damaged = listed_in(lake.stores)
    for store in whole:
        try:
            store.verify_rows(row.index for row in store.rows)
        except StoreError as error:
            damaged[store.root.name] = str(error)
    return damaged


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def check_each(
    lake: Lake, stores: Sequence[EpisodeStore], embodiment: Embodiment, names: Sequence[str] = ()
) -> list[Checked]:
    """Stores with their indexes; one that cannot be checked, or whose accepted rows were changed after sealing, is left
    out, which the log says.

    Raises:
        StoreError: that is one of ``names``.
        WithdrawalError: the list of those who withdrew cannot be believed.
    """
    read_withdrawals(lake.root)  # else each store would be left out
    checked = []
    for store in stores:
        try:
            index = check(lake, store, embodiment)
            store.verify_rows(verdict.episode_index for verdict in index.accepted)
            checked.append((store, index))
        except ValueError as error:
            if store.root.name in names:
                raise
            _LOG.warning("store %s is left out: %s", store.root.name, error)
    return checked


def checked_stores(lake: Lake, embodiment: Embodiment, names: Sequence[str] = ("*",)) -> list[Checked]:
    """The stores that hold at least one accepted episode, with their indexes.

    Without names these are all but generated clips that no model has labelled and no gate has judged, what a later
    judgement of the same clips replaced, and rollouts without actions. A store that cannot be read or checked stops no
    other.

    Raises:
        StoreError: there is none (says what was looked at and what to run), or one named in full cannot be read.
    """
    stores = sealed_stores(lake, embodiment, names)
    if tuple(names) == ("*",):
        stores = [store for store in stores if not unlabelled(store) and not _replaced(lake, store)]
    every = check_each(lake, stores, embodiment, names)
    usable = [(store, index) for store, index in every if index.accepted]
    if not usable:
        damaged = "".join(f"; left out: {reason}" for reason in damaged_stores(lake).values())
        raise StoreError(
            f"{lake.stores}: no accepted episode of embodiment {embodiment.name!r} in stores {list(names)} "
            f"({len(every)} stores, {sum(len(i.verdicts) for _, i in every)} episodes looked at); "
            f"record some with `gr00t demo` or bring yours with `gr00t ingest PATH --embodiment NAME`{damaged}"
        )
    return usable


def unlabelled(store: EpisodeStore) -> bool:
    """Whether a store holds generated clips without actions, or rollouts of clients that did not tell theirs."""
    return store.kind in ("neural", "rollout") and "action" in (store.about.absent or ())


def _replaced(lake: Lake, store: EpisodeStore) -> bool:
    """Whether the accepted clips of this store, or a later judgement of its clips, stand in a store of their own."""
    if store.kind != "neural":
        return False
    judged = store.about.source.gated or store.root.name
    newest = lake.pointed(f"trajectories_{judged}")
    return newest is not None and newest[1] != store.digest
