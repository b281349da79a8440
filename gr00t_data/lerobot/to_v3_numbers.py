"""The numbers in the rows as LeRobot v3.0 needs them: episodes 0, 1, 2, ..., rows 0, 1, 2, ... over the whole dataset.

LeRobot looks an episode up by its position and a row by ``index``, so a gap silently reads another episode. Numbers
that have to change are kept aside, and the way back to v2.1 restores them.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

_NEEDED = ("timestamp", "frame_index", "episode_index", "index", "task_index")


@dataclass
class Numbering:
    """Renumbers the episodes of one store, in order, and remembers what it changed.

    Attributes:
        fps: rows a second; gives a timestamp to rows without one.
        replaced: one line an episode and column that changed: episode_index (new), column, values (old).
        added: columns that the rows did not have.
    """

    fps: float
    replaced: list[dict[str, Any]] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def renumber(self, table: pa.Table, *, episode: int, first_row: int, task_index: int) -> pa.Table:
        """The rows of one episode with the numbers that v3.0 needs; unchanged columns stay bit for bit.

        Args:
            episode: the new episode number.
            first_row: rows of all episodes before it.
            task_index: the task of rows that name none.
        """
        rows = table.num_rows
        fixed = {
            "episode_index": np.full(rows, episode),
            "index": np.arange(first_row, first_row + rows),
        }
        for name in _NEEDED:
            if name not in table.column_names:
                table = table.append_column(name, self._missing(name, rows, task_index, fixed))
                self.added.extend([name] if name not in self.added else [])
        for name, values in fixed.items():
            table = self._replace(table, name, values, episode)
        return table

    def _missing(self, name: str, rows: int, task_index: int, fixed: dict[str, np.ndarray]) -> pa.Array:
        if name == "timestamp":
            return pa.array((np.arange(rows) / self.fps).astype(np.float32))
        own = {"frame_index": np.arange(rows), "task_index": np.full(rows, task_index)}
        return pa.array((fixed | own)[name], pa.int64())

    def _replace(self, table: pa.Table, name: str, values: np.ndarray, episode: int) -> pa.Table:
        before = table[name].to_numpy()
        if before.dtype.kind in "iu" and np.array_equal(before, values):
            return table
        self.replaced.append({"episode_index": episode, "column": name, "values": before.tolist()})
        place = table.column_names.index(name)
        return table.set_column(place, table.field(name), pa.array(values, table.field(name).type))

    @property
    def replaced_table(self) -> pa.Table:
        """``replaced`` as a table."""
        kinds = {"episode_index": pa.int64(), "column": pa.string(), "values": pa.list_(pa.int64())}
        return pa.Table.from_pylist(self.replaced, schema=pa.schema(kinds))


def complete_tasks(tasks: dict[int, str]) -> tuple[dict[int, str], list[int]]:
    """Tasks without holes in their numbers, because LeRobot finds one by position; and the numbers that were filled."""
    fillers = [index for index in range(max(tasks, default=0) + 1) if index not in tasks]
    return dict(sorted((tasks | {index: f"(no task {index})" for index in fillers}).items())), fillers
