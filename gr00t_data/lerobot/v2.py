"""GR00T-LeRobot v2.0 and v2.1 drops: taken over byte for byte, because the store reads them as they are."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gr00t_data.disk import PathError, copy_file, refuse_links_out, visible_files
from gr00t_data.lerobot.v3_layout import declared_version
from gr00t_data.store.declared import require_numbers
from gr00t_data.store.store import EpisodeStore, StoreError

_COPIES_AT_ONCE = 2


def recognises(path: Path) -> bool:
    """Whether ``path`` holds a ``meta/info.json`` of version v2.0 or v2.1."""
    return declared_version(path) in ("v2.0", "v2.1")


def take_over(path: Path, root: Path, progress: Callable[[int, int], None]) -> dict[str, str]:
    """Copy the files of a drop to ``root``, hidden files left out. ``progress(done, total)`` counts files.

    Returns:
        relative name -> SHA-256 of every file.

    Raises:
        StoreError: the drop's metadata cannot be read, it holds the files of another version, or a link leads out.
    """
    require_numbers(path, info := EpisodeStore.open(path).info)
    version = info["codebase_version"]
    if (path / "meta/episodes").is_dir() and not (path / "meta/episodes.jsonl").is_file():
        raise StoreError(
            f"{path}/meta/info.json: says {version}, but meta/episodes/ belongs to v3.0: write the version it is"
        )
    try:
        refuse_links_out(path)
    except PathError as error:
        raise StoreError(str(error)) from error
    files = visible_files(path)
    names = [file.relative_to(path).as_posix() for file in files]
    digests: dict[str, str] = {}
    # Hashing lets other threads run, so two files are hashed and copied in the time of one.
    with ThreadPoolExecutor(_COPIES_AT_ONCE) as pool:
        copies = pool.map(copy_file, files, [root / name for name in names])
        for number, (name, digest) in enumerate(zip(names, copies, strict=True)):
            digests[name] = digest
            progress(number + 1, len(files))
    return digests
