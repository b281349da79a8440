"""Verdicts after a withdrawal: what a participant took back is rejected in every index, whatever the checks said."""

from dataclasses import replace
from pathlib import Path

from gr00t_data.curate.checks.barred import CONSENT_01, TakenBack, check_consent
from gr00t_data.curate.finding import Verdict
from gr00t_data.curate.index import Index, existing_index, save_index
from gr00t_data.disk import claimed
from gr00t_data.lake import Lake
from gr00t_data.store.store import EpisodeStore
from gr00t_data.terms.withdrawal import Withdrawal, Withdrawals, read

CODE = CONSENT_01.code


def without_withdrawn(index: Index, store: EpisodeStore, withdrawals: Withdrawals) -> Index:
    """The index with the withdrawn episodes of its store rejected; the same object when nothing changes."""
    reached = withdrawals.reached(store)
    todo = {v.episode_index for v in index.verdicts if v.episode_index in reached and CODE not in v.codes}
    if not todo:
        return index
    verdicts = (_rejected(v, store, reached[v.episode_index]) if v.episode_index in todo else v for v in index.verdicts)
    return replace(index, verdicts=tuple(verdicts))


def after_withdrawals(index: Index, store: EpisodeStore, index_folder: Path) -> Index:
    """The index as it stands after the withdrawals of its lake; written back where they are news to it."""
    lake = Lake(index_folder.parent)
    if without_withdrawn(index, store, read(lake.root)) is index:
        return index
    path = index_folder / index.file_name
    with lake.at_work(), claimed(path):
        after = without_withdrawn(existing_index(path) or index, store, read(lake.root))
        save_index(path, after)
    return after


def _rejected(verdict: Verdict, store: EpisodeStore, entry: Withdrawal) -> Verdict:
    where = f"{store.root}: episode {verdict.episode_index}"
    withdrawal = f"{entry.who} withdrew on {entry.at[:10]}{f' ({entry.reason})' if entry.reason else ''}"
    found = check_consent(TakenBack(where, withdrawal))
    return replace(verdict, accepted=False, keep=(), findings=(*verdict.findings, *found))


def bring_up_to_date(index_folder: Path, store: EpisodeStore, withdrawals: Withdrawals) -> list[Path]:
    """Write the withdrawals into every index of a store, those of older rules too; returns the files that changed.

    One that cannot be read goes: the checks make it again, and look at the withdrawals then.
    """
    changed = []
    for path in sorted(index_folder.glob(f"{store.digest[:16]}-*.json")):
        before = existing_index(path)
        after = before and without_withdrawn(before, store, withdrawals)
        if after is None:
            path.unlink()
        elif after is not before:
            save_index(path, after)
        if after is not before or after is None:
            changed.append(path)
    return changed


def forget(index_folder: Path, store_digest: str) -> list[Path]:
    """Delete the indexes of a store that hold a withdrawal; the checks make them again from the data."""
    found = []
    for path in sorted(index_folder.glob(f"{store_digest[:16]}-*.json")):
        index = existing_index(path)
        if index is None or any(CODE in verdict.codes for verdict in index.verdicts):
            path.unlink()
            found.append(path)
    return found
