"""The three measures of jitter that GR00T's deployment guide names, of the commands that a robot executed."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Jitter:
    """Means over one episode; NaN where it has none of it.

    Attributes:
        acceleration: norm of the second difference of the commands inside a chunk, rad a step squared.
        jump: distance from the last command of a chunk to the first of the next, rad. The motion of that step counts:
            compare it with ``inner``, the distance of neighbours inside a chunk.
        cosine: of the directions of the last step inside a chunk and the first inside the next, -1 to 1.
    """

    acceleration: float
    jump: float
    inner: float
    cosine: float

    @classmethod
    def of(cls, commands: np.ndarray, chunks: Sequence[int]) -> "Jitter":
        """The jitter of commands float [N, D] (rad), the nth of which is from chunk ``chunks[n]``; pauses left out."""
        borders = np.flatnonzero(np.diff(chunks)) + 1
        pieces = np.split(np.asarray(commands, dtype=np.float64), borders)
        bends = [np.linalg.norm(np.diff(piece, n=2, axis=0), axis=1) for piece in pieces]
        pairs = list(pairwise(pieces))
        inner = [np.linalg.norm(np.diff(piece, axis=0), axis=1) for piece in pieces]
        jumps = [float(np.linalg.norm(after[0] - before[-1])) for before, after in pairs]
        cosines = [_cosine(b[-1] - b[-2], a[1] - a[0]) for b, a in pairs if len(b) > 1 and len(a) > 1]
        return cls(_flat_mean(bends), _mean(jumps), _flat_mean(inner), _mean(cosines))

    def values(self) -> dict[str, float | None]:
        """For a file: None where there is nothing."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths else math.nan


def _mean(values: list[float]) -> float:
    found = [value for value in values if not math.isnan(value)]
    return float(np.mean(found)) if found else math.nan


def _flat_mean(pieces: list[np.ndarray]) -> float:
    return _mean(np.concatenate(pieces).tolist())
