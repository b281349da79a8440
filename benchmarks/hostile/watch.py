"""Who opened what: Python's audit hooks in the process under test, and the kernel's own word on the canaries."""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_IN_ACCESS, _IN_OPEN, _IN_NONBLOCK = 0x1, 0x20, 0o4000
_EVENT = struct.Struct("iIII")
_PROGRAMS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "socket.connect", "pty.spawn")
_DANGEROUS = ("builtins", "os", "posix", "nt", "subprocess", "sys", "shutil", "runpy", "importlib", "socket")


class Canaries:
    """Files that nobody may open, watched by the kernel, so that libraries in C are seen as well."""

    def __init__(self, files: Iterable[Path]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(_IN_NONBLOCK)
        self._names: dict[int, str] = {}
        for file in files:
            number = libc.inotify_add_watch(self._descriptor, os.fsencode(file), _IN_ACCESS | _IN_OPEN)
            if number < 0:
                raise OSError(ctypes.get_errno(), "cannot be watched", str(file))
            self._names[number] = str(file)

    def opened(self) -> list[str]:
        """The files that were opened since they are watched; ends the watch."""
        try:
            content = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            content = b""
        os.close(self._descriptor)
        found, at = set[str](), 0
        while at < len(content):
            number, _, _, length = _EVENT.unpack_from(content, at)
            found.add(self._names.get(number, "?"))
            at += _EVENT.size + length
        return sorted(found)


def audit(log: Path, allowed: Iterable[Path]) -> None:
    """Write down, for ever in this process, what it opens outside ``allowed``, which programs it starts, and what an
    unpickled file asks for.
    """
    inside = tuple(f"{path.absolute()}{os.sep}" for path in allowed)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        said = _said(event, arguments, inside)
        if said:
            os.write(descriptor, f"{said}\n".encode(errors="replace"))

    sys.addaudithook(note)


def _said(event: str, arguments: tuple[Any, ...], inside: tuple[str, ...]) -> str:
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.path.normpath(Path(os.fsdecode(arguments[0])).absolute())
        return "" if f"{path}{os.sep}".startswith(inside) else f"opened {path}"
    if event in _PROGRAMS:
        own = sys.executable in str(arguments)  # a worker of our own
        return "" if own else f"{event} {arguments[:2]!r}"
    if event == "pickle.find_class" and arguments[0].split(".")[0] in _DANGEROUS:
        return f"unpickled {arguments[0]}.{arguments[1]}"
    return ""
