"""Single files of a store against its seal: cheaper than ``EpisodeStore.verify`` where few files are read."""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from gr00t_data.disk import digest_file, digest_json, write_json
from gr00t_data.store.store import PENDING, SEAL, EpisodeStore, StoreError, store_digests


def sealed_digest(store: EpisodeStore, path: Path) -> str | None:
    """SHA-256 that the seal has for a file of the store; None without a seal, or for a file it does not know."""
    return store.sealed_files.get(path.relative_to(store.root).as_posix())


def verify_file(store: EpisodeStore, path: Path) -> None:
    """Compare one file with the seal, if there is one.

    Raises:
        StoreError: the file was changed after sealing.
    """
    refuse_changed(path, sealed_digest(store, path))


def refuse_changed(path: Path, sealed: str | None) -> None:
    """Compare a file with the digest it was sealed with; None compares nothing. A missing file is for its reader.

    Raises:
        StoreError: it has another digest.
    """
    if sealed is not None and path.is_file() and (found := digest_file(path)) != sealed:
        raise StoreError(
            f"{path}: was changed after sealing (digest {found[:12]}, sealed with {sealed[:12]}); copy the store "
            "again, or ingest the drop under another name and make the mixture again"
        )


def seal_folder(root: Path, known: Mapping[str, str] = MappingProxyType({})) -> EpisodeStore:
    """Fix the content of ``root``: hash every file and write ``meta/seal.json`` last.

    Args:
        known: relative name -> SHA-256 of files that were hashed while they were written.
    """
    files = store_digests(root, known)
    write_json(root / SEAL, {"digest": digest_json(files), "files": files})
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(root / PENDING)
    return EpisodeStore.open(root)
