"""Actions of a store with another rate, at the steps of its embodiment.

Commands hold until the next one; displacements are composed over each step, turns about the axes of the base. A
recording that is aligned to the control rate follows the same rules (``gr00t_data.rates``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from gr00t_data.batches.values.masks import Parts
from gr00t_data.embodiment.robot import Part
from gr00t_data.horizon import window
from gr00t_data.rates import NS, Pace, Summed, Turned
from gr00t_data.rotations import as_quaternions, convert


@dataclass(frozen=True)
class PacedActions:
    """The actions of one episode of L rows.

    Attributes:
        held: absolute parts, float64 [L, D] in their units.
        paths: relative parts, with the rotation they are written in, or None.
        names: all of them, in order.
    """

    pace: Pace
    rows: int
    held: Parts
    paths: dict[str, tuple[Summed | Turned, str | None]]
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: Parts, parts: Sequence[Part], pace: Pace) -> Self:
        """``values``: part -> float64 [L, D], raw.

        Raises:
            ValueError: a quaternion of length zero.
        """
        rows = len(next(iter(values.values())))
        edges_ns = _rows_ns(np.arange(rows + 1), pace)
        held = {part.name: values[part.name] for part in parts if part.absolute}
        paths = {p.name: (_path(values[p.name], p, edges_ns), p.rotation) for p in parts if not p.absolute}
        return cls(pace, rows, held, paths, tuple(part.name for part in parts))

    def chunk(self, frame: int, horizon: int) -> tuple[Parts, np.ndarray]:
        """The steps from a row on.

        Returns:
            parts: part -> float64 [T, D]; past the end commands stay and displacements are zero.
            valid: bool [T], False where a step is not whole: with displacements it must end inside the episode.
        """
        at = np.minimum(frame + self.pace.held_rows(horizon), self.rows - 1)
        steps_ns = np.rint(np.arange(horizon) * (NS / self.pace.control_hz)).astype(np.int64)
        found = self._over(_rows_ns(frame, self.pace) + steps_ns) | {n: v[at] for n, v in self.held.items()}
        if self.paths:
            valid = self.pace.whole_steps(self.rows - frame, horizon)
        else:
            valid = frame + self.pace.held_rows(horizon) < self.rows
        return {name: found[name] for name in self.names}, valid

    def every_row(self) -> Parts:
        """Part -> float64 [N, D]: the step that begins at each row, as far as steps are whole (at least one)."""
        rows = np.arange(max(int(self.rows - self.pace.rows_a_step + 1e-6) + 1, 1) if self.paths else self.rows)
        found = self._over(_rows_ns(rows, self.pace)) | {name: values[rows] for name, values in self.held.items()}
        return {name: found[name] for name in self.names}

    def _over(self, ticks_ns: np.ndarray) -> Parts:
        period_ns = round(NS / self.pace.control_hz)
        found = {}
        for name, (path, rotation) in self.paths.items():
            values = path.over(ticks_ns, period_ns)
            found[name] = values if rotation is None else convert(values, "quaternion", rotation)
        return found


def composed_parts(values: Parts, parts: Sequence[Part], pace: Pace) -> Parts:
    """Raw values as training sees them, one row for each whole step; unchanged when rates agree or all is absolute."""
    if pace.agrees or all(part.absolute for part in parts):
        return values
    return PacedActions.of(values, parts, pace).every_row()


def _rows_ns(rows: np.ndarray | int, pace: Pace) -> np.ndarray:
    return np.rint(np.asarray(rows) * (NS / pace.recorded_hz)).astype(np.int64)


def _path(values: np.ndarray, part: Part, edges_ns: np.ndarray) -> Summed | Turned:
    if part.rotation is None:
        return Summed.of(values, edges_ns)
    return Turned.of(as_quaternions(values, part.rotation), edges_ns, moving_frame=False)


ChunkReader = Callable[[int, int], tuple[Parts, np.ndarray]]
"""(frame, horizon) to the chunk from there on: part -> float64 [T, D] raw, and bool [T], real steps."""


def chunk_reader(values: Parts, parts: Sequence[Part], pace: Pace) -> ChunkReader:
    """The chunks of one recording at the steps of its embodiment."""
    if not pace.agrees:
        return PacedActions.of(values, parts, pace).chunk

    def read(frame: int, horizon: int) -> tuple[Parts, np.ndarray]:
        found = {part.name: window(values[part.name], frame, horizon, part.absolute) for part in parts}
        return {name: chunk for name, (chunk, _) in found.items()}, next(iter(found.values()))[1]

    return read
