"""The values of an episode, part by part."""

from collections.abc import Iterable

import numpy as np

from gr00t_data.embodiment.robot import Part
from gr00t_data.store.store import EpisodeStore, StoreError

Parts = dict[str, np.ndarray]
"""Part name -> float64 [T, part.dim], in the unit of the part."""


def read_parts(store: EpisodeStore, index: int, parts: Iterable[Part]) -> Parts:
    """Cut the parts out of the columns of one episode, each column read once.

    Raises:
        StoreError: a column is missing, unreadable, or too narrow for a part.
    """
    parts = tuple(parts)
    columns = {column: store.matrix(index, column) for column in {part.column for part in parts}}
    for part in parts:
        width = columns[part.column].shape[1]
        if part.end > width:
            raise StoreError(
                f"{store.data_path(index)}: episode {index}: {part.column} has {width} values a row, part "
                f"{part.name!r} ends at {part.end}; check the store against its embodiment again"
            )
    return {part.name: columns[part.column][:, part.slice] for part in parts}
