"""Ingest: a drop becomes a sealed store in the lake."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from gr00t_data.disk import digest_json, folder_digests, replacing_folder
from gr00t_data.embodiment import Embodiment
from gr00t_data.episode import Kind
from gr00t_data.lake import Lake
from gr00t_data.sources.formats import lerobot_v2
from gr00t_data.store import SEAL, EpisodeStore, StoreError
from gr00t_data.writing import seal_folder, write_about

READERS: tuple[ModuleType, ...] = (lerobot_v2,)
"""One module a raw format: ``NAME``, ``recognises(path)`` and ``take_over(path, root, progress)``."""

_MARKER = "_SUCCESS"
"""Written by whoever copies a drop, when it is complete; not part of its content."""


def _silent(done: int, total: int) -> None:
    """No progress."""


def ingest(
    drop: Path,
    embodiment: Embodiment,
    lake: Lake,
    *,
    name: str | None = None,
    kind: Kind = "real",
    licence: str = "unknown",
    progress: Callable[[int, int], None] = _silent,
) -> EpisodeStore:
    """Turn a drop into a sealed store ``lake.stores/<name>``; the drop itself is never changed.

    The same drop again is a no-op. A kill leaves no half-written store: the folder takes its name when complete.

    Args:
        name: name of the store; the drop's folder name when None.
        progress: called with (files done, files in all).

    Raises:
        StoreError: the format is not recognised, or the name is taken by other content.
    """
    drop = Path(drop)
    reader = reader_for(drop)
    root = lake.stores / store_name(name or drop.name)
    content = digest_json({k: v for k, v in folder_digests(drop).items() if k != _MARKER})
    if (root / SEAL).is_file():
        return _same_or_refuse(EpisodeStore.open(root), content, drop)
    source = {"drop": drop.name, "format": reader.NAME, "content": content}
    with replacing_folder(root) as folder:
        reader.take_over(drop, folder, progress)
        (folder / _MARKER).unlink(missing_ok=True)
        write_about(folder, embodiment, kind=kind, licence=licence, source=source)
        seal_folder(folder)
    return EpisodeStore.open(root)


def reader_for(drop: Path) -> ModuleType:
    """The reader that recognises ``drop``.

    Raises:
        StoreError: no such folder, or no reader knows it (says what was found).
    """
    if not drop.exists():
        raise StoreError(f"{drop}: no such drop; give the folder of one dataset")
    for reader in READERS:
        if reader.recognises(drop):
            return reader
    inside = sorted(path.name for path in drop.iterdir())[:8] if drop.is_dir() else ["a file"]
    raise StoreError(
        f"{drop}: no reader knows this format (known: {', '.join(r.NAME for r in READERS)}); it holds {inside}. "
        "A GR00T-LeRobot folder has meta/info.json with codebase_version v2.0 or v2.1"
    )


def store_name(text: str) -> str:
    """``text`` as a folder name and partition key: letters, digits, ``._-``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "drop"


def _same_or_refuse(store: EpisodeStore, content: str, drop: Path) -> EpisodeStore:
    if store.about.get("source", {}).get("content") != content:
        raise StoreError(
            f"{store.root}: is a sealed store with other content than {drop}; stores never change, "
            "so ingest this drop under another name (--name)"
        )
    return store
