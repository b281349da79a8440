"""The stores of a lake and the verdicts on them: which there are, which hold something usable."""

import fnmatch
from collections.abc import Sequence

from gr00t_data.curate.build import build_index
from gr00t_data.curate.index import Index
from gr00t_data.curate.withdrawn import after_withdrawals
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.progress import Progress, silent
from gr00t_data.store.store import EpisodeStore, StoreError, sealed_in

Checked = tuple[EpisodeStore, Index]


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
    """The sealed stores of an embodiment whose folder name matches one of the patterns, by name."""
    return [
        store
        for store in sealed_in(lake.stores)
        if store.about.embodiment == embodiment.name and any(fnmatch.fnmatch(store.root.name, name) for name in names)
    ]


def checked_stores(lake: Lake, embodiment: Embodiment, names: Sequence[str] = ("*",)) -> list[Checked]:
    """The stores that hold at least one accepted episode, with their indexes.

    Without names these are all but generated clips that no model has labelled and no gate has judged, and what a later
    judgement of the same clips replaced.

    Raises:
        StoreError: there is none; says what was looked at and what to run.
    """
    stores = sealed_stores(lake, embodiment, names)
    if tuple(names) == ("*",):
        stores = [store for store in stores if not unlabelled(store) and not _replaced(lake, store)]
    every = [(store, check(lake, store, embodiment)) for store in stores]
    usable = [(store, index) for store, index in every if index.accepted]
    if not usable:
        raise StoreError(
            f"{lake.stores}: no accepted episode of embodiment {embodiment.name!r} in stores {list(names)} "
            f"({len(every)} stores, {sum(len(i.verdicts) for _, i in every)} episodes looked at); "
            "record some with `gr00t demo` or bring yours with `gr00t ingest PATH --embodiment NAME`"
        )
    return usable


def unlabelled(store: EpisodeStore) -> bool:
    """Whether a store holds generated clips without actions."""
    return store.kind == "neural" and "action" in (store.about.absent or ())


def _replaced(lake: Lake, store: EpisodeStore) -> bool:
    """Whether the accepted clips of this store, or a later judgement of its clips, stand in a store of their own."""
    if store.kind != "neural":
        return False
    judged = store.about.source.gated or store.root.name
    newest = lake.pointed(f"trajectories_{judged}")
    return newest is not None and newest[1] != store.digest
