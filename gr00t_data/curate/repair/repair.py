"""``--fix``: the metadata made true again. Parquet and video are never touched, and nothing is lost.

A folder of somebody else is repaired in place, the old files kept in a backup folder. A sealed store is immutable: its
repaired copy gets another name, and shares every file that did not change by hard link.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gr00t_data.curate.repair.plan import Change, plan_repair
from gr00t_data.disk import claimed, link_or_copy, replacing_folder, write_text
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError
from gr00t_data.store.writing import seal_folder

BACKUP = ".before-repair"
_MOST_ROUNDS = 3
"""Two are enough for what is known; a plan that never ends is not followed."""


@dataclass(frozen=True)
class Repair:
    """What was done.

    Attributes:
        changes: the files that were written, with reasons; empty when there was nothing to repair.
        root: the folder to use from now on: the same one, or the repaired copy of a sealed store.
        backup: where the old files lie; None when nothing was overwritten.
    """

    changes: tuple[Change, ...]
    root: Path
    backup: Path | None


def repair(store: EpisodeStore, embodiment: Embodiment, target: Path | None = None) -> Repair:
    """Write what ``plan_repair`` lists (call that alone for a dry run).

    Args:
        target: folder of the repaired copy of a sealed store; ``<name>-repaired`` beside it when None.

    Raises:
        StoreError: the target of the copy exists already, or a sealed store holds a file that was changed.
        DiskError: the folder cannot be written.
    """
    copy = target or store.root.with_name(f"{store.root.name}-repaired")
    with claimed(copy if store.sealed else store.root):
        store = EpisodeStore.open(store.root)  # somebody else may have repaired it while this one waited
        changes = tuple(plan_repair(store, embodiment))
        if not changes:
            return Repair((), store.root, None)
        if store.sealed:
            return Repair(*_repaired_copy(store, changes, embodiment, copy), None)
        backup = _in_place(store, changes)
        more = _until_clean(store.root, embodiment, _in_place)
        return Repair((*changes, *more), store.root, backup)


def _until_clean(
    root: Path, embodiment: Embodiment, write: Callable[[EpisodeStore, tuple[Change, ...]], object]
) -> tuple[Change, ...]:
    """What one repair makes visible is repaired too: a camera under its true key is counted, and so on."""
    every: tuple[Change, ...] = ()
    for _ in range(_MOST_ROUNDS):
        store = EpisodeStore.open(root)
        if not (changes := tuple(plan_repair(store, embodiment))):
            break
        write(store, changes)
        every += changes
    return every


def _in_place(store: EpisodeStore, changes: tuple[Change, ...]) -> Path:
    backup = _next_backup(store.root / "meta" / BACKUP)
    for change in changes:
        path = store.root / "meta" / change.name
        if path.is_file():
            write_text(backup / change.name, path.read_text(encoding="utf-8"))
    note = "".join(f"{change.name}: {reason}\n" for change in changes for reason in change.reasons)
    write_text(backup / "changes.txt", note)
    _write(store, changes)
    return backup


def _next_backup(folder: Path) -> Path:
    number = 1
    while (folder / f"{number:03d}").exists():
        number += 1
    return folder / f"{number:03d}"


def _repaired_copy(
    store: EpisodeStore, changes: tuple[Change, ...], embodiment: Embodiment, target: Path
) -> tuple[tuple[Change, ...], Path]:
    if target.exists():
        raise StoreError(f"{target}: exists already; remove it, or name another folder for the repaired copy")
    store.verify()  # the copy gets a seal of its own
    with replacing_folder(target) as temporary:
        ignored = shutil.ignore_patterns(Path(SEAL).name, ".*")
        shutil.copytree(store.root, temporary, copy_function=link_or_copy, ignore=ignored, dirs_exist_ok=True)
        _write(EpisodeStore.open(temporary), changes)
        more = _until_clean(temporary, embodiment, _write)
        seal_folder(temporary)
    return (*changes, *more), target


def _write(store: EpisodeStore, changes: tuple[Change, ...]) -> None:
    for change in changes:
        write_text(store.root / "meta" / change.name, change.text)
