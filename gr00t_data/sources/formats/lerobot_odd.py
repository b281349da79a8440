"""What is odd about the rows and videos of a LeRobot folder, said when it is taken in: joints that were never measured,
stamps that rows share, videos that are longer or shorter than the rows. Nothing is changed; the doctor judges."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.formats.asking import asked
from gr00t_data.store.notes import Note
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.tables import column_matrix, read_table
from gr00t_data.video.foreign import watched
from gr00t_data.video.packets import probe

_UNREADABLE = (OSError, ValueError, KeyError)
"""What reading an episode raises: it is rejected for it, and here nothing is said of it."""


@dataclass(frozen=True)
class _Rows:
    """Of one file: how many rows, how many of them have the stamp of another one, and column -> dimensions that hold no
    number in any row."""

    count: int
    twice: int
    never: dict[str, list[int]]


def odd_rows(root: Path, embodiment: Embodiment) -> list[Note]:
    """The notes on a v2 folder; of joints one for all episodes, where every one has it."""
    store = EpisodeStore.open(root)
    never: dict[str, list[int]] = {}
    notes = list[Note]()
    for row in store.rows:
        try:
            rows = asked(store.data_place(row.index), _rows_of, tuple(embodiment.widths))
        except _UNREADABLE:
            continue
        for joint in _joints(rows, embodiment):
            never.setdefault(joint, []).append(row.index)
        if rows.twice:
            message = (
                f"{rows.twice} of {rows.count} stamps are those of other rows; rows and frames are paired by number"
            )
            notes.append(Note(f"{message} here, readers that pair them by time take one frame twice", row.index))
        notes += _of_videos(store, row.index, rows.count)
    for joint, episodes in never.items():
        message = f"{joint} is not a number in any row; its episodes are rejected: map the set without this joint"
        everywhere = len(episodes) == len(store.rows)
        notes += [Note(message, index) for index in ((None,) if everywhere else episodes)]
    return notes


def _rows_of(path: Path, columns: tuple[str, ...]) -> _Rows:
    table = read_table(path)
    held = {name: column_matrix(table, name) for name in columns if name in table.column_names}
    never = {name: np.flatnonzero(np.isnan(values).all(0)).tolist() for name, values in held.items() if len(values)}
    times = column_matrix(table, "timestamp") if "timestamp" in table.column_names else np.zeros((0, 1))
    return _Rows(table.num_rows, len(times) - len(np.unique(times)), never)


def _joints(rows: _Rows, embodiment: Embodiment) -> Iterator[str]:
    for side, parts in (("state", embodiment.state), ("action", embodiment.action)):
        for part in parts:
            for dim in rows.never.get(part.column, ()):
                if part.start <= dim < part.end:
                    yield f"{side} joint {part.joint(dim - part.start)!r} of part {part.name!r}"


def _of_videos(store: EpisodeStore, index: int, rows: int) -> Iterator[Note]:
    for camera, column in store.camera_columns.items():
        try:
            path = store.video_place(index, camera)
            frames = watched(path, probe, path).frames
        except _UNREADABLE:
            continue
        if frames != rows:
            left = "rows without a picture" if frames < rows else "frames without a row"
            yield Note(f"has {frames} frames for {rows} rows; {left} are not used", index, column)
