"""Videos that nobody vouches for: what libav makes of them is computed in a process that may die of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gr00t_data.confined import confined
from gr00t_data.confined_worker import Limits
from gr00t_data.video.files import VideoError

T = TypeVar("T")


def watched(path: Path, function: Callable[..., T], *arguments: object) -> T:
    """``function(*arguments)``, which reads the video ``path``, in a worker; see ``confined``.

    Raises:
        ConfinedError: the worker died of it, or it took more memory or time than a video of its size may.
        VideoError: of the function.
    """
    size_bytes = path.stat().st_size if path.is_file() else 0
    return confined(path, function, *arguments, limits=Limits.of_input(size_bytes), raises=(VideoError,))
