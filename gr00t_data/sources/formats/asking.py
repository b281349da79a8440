"""Questions about one file of a drop, answered in a process that the file may end."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from gr00t_data.confined import ConfinedError, confined
from gr00t_data.confined_worker import Limits
from gr00t_data.disk import visible_files
from gr00t_data.limits import LimitError
from gr00t_data.sources.recordings.streams import StreamError

T = TypeVar("T")


def asked(path: Path, question: Callable[..., T], *arguments: object) -> T:
    """``question(path, *arguments)`` of a file or a folder with one recording, answered in a worker.

    Raises:
        StreamError: it cannot be read, ended the worker, or something in it is too large.
    """
    files = visible_files(path) if path.is_dir() else [path] if path.is_file() else []
    limits = Limits.of_input(sum(file.stat().st_size for file in files))
    try:
        return confined(path, question, path, *arguments, limits=limits, raises=(StreamError, LimitError))
    except (ConfinedError, LimitError) as error:
        raise StreamError(str(error)) from error


def first_answer(drop: Path, paths: Iterable[Path], question: Callable[..., T], what: str) -> T:
    """The answer of the first path that can be read and holds something.

    Args:
        what: is looked for, for the message.

    Raises:
        StreamError: there is none (with the reason of the last one).
    """
    reason = StreamError(f"{drop}: holds no readable {what}")
    for path in paths:
        try:
            if answer := asked(path, question):
                return answer
        except StreamError as error:
            reason = error
    raise reason
