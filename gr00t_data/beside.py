"""Temporary files and folders beside what they will become, and claims to its name, each locked by its owner.

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
_OURS = re.compile(rf"\..*{re.escape(_SIGN)}([a-z0-9_]{{8}}(\.[^.]*)?|claim)")


def claim_of(path: Path) -> Path:
    """The lock file of whoever makes what lies at ``path``."""
    return path.with_name(f".{path.name}{_CLAIM}")


@contextmanager
def beside(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Yield a hidden empty file, or folder, beside ``path``, whose folder is made as needed; it is removed in the end,
    unless it was renamed.

    Its name keeps the suffix: libav picks the container from it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _swept(os.path.realpath(path.parent), int(time.monotonic()))
    temporary, descriptor = _owned(path, folder)
    try:
        yield temporary
    finally:
        if temporary.exists():
            _remove(temporary)
        os.close(descriptor)


def _owned(path: Path, folder: bool) -> tuple[Path, int]:
    prefix = f".{path.name if folder else path.stem}{_SIGN}"
    while True:
        if folder:
            temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
        else:
            handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
            os.close(handle)
            temporary = Path(name)
        with suppress(FileNotFoundError):  # swept before it was locked
            descriptor = os.open(temporary, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_at(descriptor, temporary):
                return temporary, descriptor
            os.close(descriptor)


@lru_cache(maxsize=256)
def _swept(folder: str, second: int) -> None:
    """``sweep`` once a second: a store has a thousand files a folder."""
    sweep(Path(folder))


def sweep(folder: Path) -> list[Path]:
    """Remove the temporary files and folders, and the claims, in ``folder`` whose owners are dead.

    Returns:
        them.
    """
    with os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if _SIGN in entry.name and _OURS.fullmatch(entry.name)]
    return [path for path in found if _forsaken(path)]


def _forsaken(path: Path) -> bool:
    """Whether the owner of a temporary file or folder is dead; it is removed then."""
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
