"""Files that lie beside a recording and are named by it: found inside the drop's folder or not at all."""

from pathlib import Path

import numpy as np

from gr00t_data.sources.recordings.streams import StreamError, VideoFile
from gr00t_data.video.packets import probe


def inside(folder: Path, name: str) -> Path:
    """The file ``name`` in ``folder``.

    Raises:
        StreamError: it is absolute, leads out of the folder (also through a link), or does not exist.
    """
    path = folder / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise StreamError(f"{folder}: the name {name!r} leads out of the folder; files must lie inside")
    if not path.is_file():
        raise StreamError(f"{path}: no such file; copy it again from its source")
    return path


def video_beside(recording: Path, template: str, episode: str) -> tuple[VideoFile, np.ndarray]:
    """The mp4 of an episode, ``{episode}`` in the template filled in, beside the recording; and when its frames are
    shown: float64 [N], seconds.

    Raises:
        StreamError: see ``inside``. VideoError: not a readable video.
    """
    path = inside(recording.parent, template.replace("{episode}", episode))
    return VideoFile(path), probe(path).pts_s
