"""Locks between processes on one machine. A process that dies, however it dies, gives its locks back."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Busy(OSError):
    """Another process holds the lock; the message says what it guards."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs; the file stays, an unlocked file means nothing.

    Args:
        wait: wait until the other process is done, or raise at once.

    Raises:
        Busy: another process holds it and ``wait`` is False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise Busy(f"{path}: another process is at work on {path.stem!r}; wait until it is done") from error
        yield
