"""GR00T-LeRobot v2.0 and v2.1 drops: taken over byte for byte, because the store reads them as they are."""

import shutil
from collections.abc import Callable
from pathlib import Path

from gr00t_data.disk import read_json
from gr00t_data.store import EpisodeStore

NAME = "GR00T-LeRobot v2"


def recognises(path: Path) -> bool:
    """Whether ``path`` holds a ``meta/info.json`` of version v2.0 or v2.1."""
    info = path / "meta/info.json"
    if not info.is_file():
        return False
    try:
        return read_json(info).get("codebase_version") in ("v2.0", "v2.1")
    except (ValueError, AttributeError):
        return False


def take_over(path: Path, root: Path, progress: Callable[[int, int], None]) -> None:
    """Copy the files of a drop to ``root``, hidden files left out. ``progress(done, total)`` counts files.

    Raises:
        StoreError: the drop's metadata cannot be read.
    """
    EpisodeStore.open(path)
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    files = [file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    for number, file in enumerate(files):
        target = root / file.relative_to(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        progress(number + 1, len(files))
