"""Videos that nobody vouches for: what libav makes of them is computed in a process that may die of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gr00t_data.confined import ConfinedError, confined
from gr00t_data.confined_worker import Limits
from gr00t_data.video.files import VideoError

T = TypeVar("T")


def watched(path: Path, function: Callable[..., T], *arguments: object, pictures: int = 0) -> T:
    """``function(*arguments)``, which reads the video ``path``, in a worker; see ``confined``.

    Args:
        pictures: that it decodes or encodes, if many.

    Raises:
        VideoError: of the function; also when the worker died of it, or when it took more memory or time than a video
            of its size may.
    """
    limits = Limits.of_input(path.stat().st_size if path.is_file() else 0, pictures)
    try:
        return confined(path, function, *arguments, limits=limits, raises=(VideoError,))
    except ConfinedError as error:
        raise VideoError(str(error)) from error
