"""Locks between processes on one machine. A process that dies, however it dies, gives its locks back.

Who has to wait says so in one line, with who holds the lock. They are advisory (flock): on a network file system they
hold between machines only where it passes them on, as NFS 4 does.
"""

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path

from gr00t_data.foreign_text import printable

_HELD: ContextVar[frozenset[str]] = ContextVar("held", default=frozenset())
"""Locks that this thread holds: asked for again they are there already."""
_LOG = logging.getLogger(__name__)
_NOTE_BYTES = 200


class Busy(OSError):
    """Another process holds the lock; the message says what it guards."""


@contextmanager
def locked(
    path: Path, *, wait: bool = True, shared: bool = False, passing: bool = False, what: object = ""
) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs; who holds it already holds it once more.

    Args:
        wait: wait until the other process is done, and say so, or raise at once.
        shared: several may hold it at once, nobody beside them holds it alone.
        passing: the file goes with the lock; else it stays, an unlocked file means nothing.
        what: it guards, for the message.

    Raises:
        Busy: another process holds it and ``wait`` is False.
    """
    name = os.path.realpath(path)
    if name in _HELD.get():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    what = what or (path.parent if path.stem == "lock" else repr(path.stem))
    descriptor = _taken(path, how, wait, what)
    held = _HELD.set(_HELD.get() | {name})
    try:
        yield
    finally:
        _HELD.reset(held)
        if passing:
            path.unlink(missing_ok=True)  # before the lock goes: who waits for it sees that the file is another
        os.close(descriptor)


@contextmanager
def sharing(path: Path, what: object = "") -> Iterator[None]:
    """Hold ``path`` together with others. Nobody new comes in while one waits to hold it alone (``alone``)."""
    with ExitStack() as held:
        if os.path.realpath(path) not in _HELD.get():
            with locked(_turn(path), what=what):
                held.enter_context(locked(path, shared=True, what=what))
        yield


@contextmanager
def alone(path: Path, what: object = "") -> Iterator[None]:
    """Hold ``path`` with nobody beside."""
    with locked(_turn(path), what=what), locked(path, what=what):
        yield


def _turn(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _taken(path: Path, how: int, wait: bool, what: object) -> int:
    """The descriptor of ``path``, locked, that nobody has removed since it was opened."""
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if not _tried(descriptor, how):
                if not wait:
                    raise Busy(f"{path}: another process is at work on {what}; wait until it is done")
                if not told:
                    _LOG.warning("waiting until %s is done with %s", _holder(descriptor), what)
                    told = True
                fcntl.flock(descriptor, how)
            if is_at(descriptor, path):
                note = f"process {os.getpid()} ({_command()}, since {datetime.now():%H:%M:%S})".encode()[:_NOTE_BYTES]
                os.ftruncate(descriptor, 0)
                with suppress(OSError):  # a full disk has no room for the note; the lock holds without
                    os.pwrite(descriptor, note, 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _tried(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file or folder is the one that ``path`` names now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> str:
    return printable(os.pread(descriptor, _NOTE_BYTES, 0).decode("utf-8", "replace")) or "another process"


def _command() -> str:
    """The program and its verb; nothing else of the command line, which may hold secrets."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    verbs = [word for word in sys.argv[1:2] if word.isidentifier()]
    return " ".join([name or "python", *verbs])
