"""Temporary folders beside what they, or a file in them, will become, and claims to its name, each locked by its owner.

A killed process leaves its own behind. Whoever writes in that folder next removes those whose owners are dead: nobody
holds their locks any more.
"""

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from gr00t_data.locks import is_at

_SIGN = ".gr00t-"
_CLAIM = f"{_SIGN}claim"
_OURS = re.compile(rf"\..*{re.escape(_SIGN)}([a-z0-9_]{{8}}|claim)")


def claim_of(path: Path) -> Path:
    """The lock file of whoever makes what lies at ``path``."""
    return path.with_name(f".{path.name}{_CLAIM}")


@contextmanager
def beside(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield a hidden folder beside ``path``, whose own folder is made as needed, or the place of a file of that name in
    one; what is not renamed by then is removed in the end.

    It is a folder that is locked, not the file: some libraries (safetensors) write another file and rename it over the
    one they are given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _swept(os.path.realpath(path.parent), int(time.monotonic()))
    place, descriptor = _owned(path)
    try:
        yield place if folder else place / path.name
    finally:
        if place.exists():
            shutil.rmtree(place)
        os.close(descriptor)


def _owned(path: Path) -> tuple[Path, int]:
    while True:
        place = Path(tempfile.mkdtemp(prefix=f".{path.name}{_SIGN}", dir=path.parent))
        with suppress(FileNotFoundError):  # swept before it was locked
            descriptor = os.open(place, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_at(descriptor, place):
                return place, descriptor
            os.close(descriptor)


@lru_cache(maxsize=256)
def _swept(folder: str, second: int) -> None:
    """``sweep`` once a second: a store has a thousand files a folder."""
    sweep(Path(folder))


def sweep(folder: Path) -> list[Path]:
    """Remove the temporary folders and the claims in ``folder`` whose owners are dead.

    Returns:
        them.
    """
    with os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if _SIGN in entry.name and _OURS.fullmatch(entry.name)]
    return [path for path in found if _forsaken(path)]


def _forsaken(path: Path) -> bool:
    """Whether the owner of a temporary folder or claim is dead; it is removed then."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if gone := is_at(descriptor, path):
            _remove(path)
    except OSError:  # its owner is alive, or it is somebody else's
        return False
    finally:
        os.close(descriptor)
    return gone


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
