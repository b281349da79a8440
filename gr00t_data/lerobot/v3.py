"""LeRobot v3.0 drops: many episodes a file, taken apart into a GR00T-LeRobot v2.1 folder, one file an episode.

Rows stay bit for bit. Video is cut by packets where an episode begins with a keyframe, which is so in every file that
LeRobot wrote; elsewhere it is encoded again and noted. What was odd stands in ``meta/conversion.json``.
"""

from collections.abc import Callable
from pathlib import Path

from gr00t_data.disk import PathError, refuse_links_out
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lerobot.v3_clips import split_videos
from gr00t_data.lerobot.v3_layout import ORIGIN, VERSION, carry_over, declared_version
from gr00t_data.lerobot.v3_records import read_dataset
from gr00t_data.lerobot.v3_rows import split_rows
from gr00t_data.lerobot.v21_meta import write_metadata
from gr00t_data.store.notes import Note
from gr00t_data.store.store import StoreError


def recognises(path: Path) -> bool:
    """Whether ``path`` holds a ``meta/info.json`` of version v3.0."""
    return declared_version(path) == VERSION


def take_over(
    path: Path,
    root: Path,
    progress: Callable[[int, int], None],
    embodiment: Embodiment | None = None,
    untold: bool = False,
) -> list[Note]:
    """Write the dataset in ``path`` to ``root`` as GR00T-LeRobot v2.1. ``progress(done, total)`` counts files.

    Args:
        embodiment: gives modality.json its parts when the dataset brings none.
        untold: see ``read_dataset``.

    Returns:
        what a reader should know; also in ``meta/conversion.json``. Episodes keep their numbers, gaps included; those
        of a folder that ``gr00t convert`` wrote get the numbers they had before.

    Raises:
        StoreError: the metadata or a data file is missing, contradicts the format or cannot be read, or a path or link
            leads out of the dataset.
    """
    try:
        refuse_links_out(path)
        dataset = read_dataset(path, untold)
        total = len(dataset.records) * (1 + len(dataset.cameras))
        notes: list[Note] = []
        if (path / ORIGIN).is_file() and not dataset.origin:
            message = f"{ORIGIN} does not fit the episodes: the dataset was changed after it was written; ignored"
            notes.append(Note(message))
        first_rows_s: dict[int, float] = {}
        for record, first_s, odd in split_rows(dataset, root):
            first_rows_s[record.index] = first_s
            notes += odd
            progress(len(first_rows_s), total)
        for done, odd in enumerate(split_videos(dataset, first_rows_s, root), start=len(dataset.records) + 1):
            notes += odd
            progress(done, total)
        carry_over(path, root)
        write_metadata(dataset, root, embodiment, notes)
        return notes
    except PathError as error:
        raise StoreError(str(error)) from error
