"""Check a store and write the verdicts down; what was checked before under the same rules is read."""

from dataclasses import replace
from pathlib import Path

from gr00t_data.curate.doctor import diagnose
from gr00t_data.curate.index import Index, existing_index, index_path, save_index
from gr00t_data.curate.rules import checking_libraries, rules_digest
from gr00t_data.curate.subject.subject import SEAL_01
from gr00t_data.disk import claimed
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.progress import Progress, silent
from gr00t_data.store.store import EpisodeStore


def build_index(
    store: EpisodeStore,
    embodiment: Embodiment,
    index_folder: Path,
    progress: Progress = silent,
    workers: int = 1,
) -> Index:
    """Run the doctor on a store and write the index; if that was done before, read it, unless files were damaged then.

    Args:
        workers: processes; the index does not depend on it.
    """
    path = index_path(index_folder, store, embodiment)
    index = _of_whole_files(path)
    if index is not None and index.store_path == str(store.root):
        return index
    with Lake(index_folder.parent).at_work(), claimed(path):
        index = _of_whole_files(path)  # another process may have written it meanwhile
        if index is None:
            index = _diagnosed(store, embodiment, progress, workers)
        save_index(path, index := replace(index, store_path=str(store.root)))
    return index


def _of_whole_files(path: Path) -> Index | None:
    """An index that was made before; None also for one that found a damaged file, which may be mended since."""
    index = existing_index(path)
    return None if index is None or any(SEAL_01.code in one.codes for one in index.verdicts) else index


def _diagnosed(store: EpisodeStore, embodiment: Embodiment, progress: Progress, workers: int) -> Index:
    report = diagnose(store, embodiment, progress=progress, workers=workers)
    return Index(
        store_path=str(store.root),
        store_digest=store.digest,
        embodiment=embodiment.name,
        embodiment_digest=embodiment.digest,
        rules_digest=rules_digest(embodiment),
        findings=report.findings,
        verdicts=report.verdicts,
        libraries=checking_libraries(),
        scales=report.scales,
    )
