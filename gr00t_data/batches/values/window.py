"""From an episode and a frame to an action chunk. The only place that pads time.

A chunk that runs past the end of its episode repeats the last row of absolute values (the robot stays where it was
told to be) and is zero for relative ones (no further motion), as GR00T-LeRobot readers do. Both are one extra row
after the last: ``with_padding_row`` makes it, ``chunk_rows`` points to it, and also says which rows are real, so that
the loss can leave the others out (the published loader counts them).
"""

import numpy as np


def with_padding_row(values: np.ndarray, absolute: np.ndarray) -> np.ndarray:
    """Append the row that stands for every time after the end.

    Args:
        values: float [T, D] raw values in their units, T > 0.
        absolute: bool [D], False where a dimension is relative.

    Returns:
        float [T + 1, D]: the last row again, with zeros in relative dimensions.
    """
    padding = np.where(absolute, values[-1], 0).astype(values.dtype)
    return np.concatenate([values, padding[None]])


def chunk_rows(
    frames: np.ndarray | int, lengths: np.ndarray | int, horizon: int, held: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of ``with_padding_row`` arrays make up the chunks that begin at ``frames``.

    Args:
        frames: int [B], 0 <= frame < length; or one number, and B is left out of the answer.
        lengths: int [B], rows of each episode without the padding row.
        horizon: T, steps in a chunk.
        held: int64 [T], the row of each step counted from the first one's (``Pace.held_rows``); None: a row a step.

    Returns:
        rows: int64 [B, T], where ``length`` points to the padding row.
        valid: bool [B, T], False past the end of the episode.
    """
    rows = np.asarray(frames, dtype=np.int64)[..., None] + (np.arange(horizon) if held is None else held)
    ends = np.asarray(lengths, dtype=np.int64)[..., None]
    return np.minimum(rows, ends), rows < ends


def window(
    values: np.ndarray, frame: int, horizon: int, absolute: np.ndarray | bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """One chunk of raw values.

    Args:
        values: float [L, D], one episode.
        frame: where the chunk begins, 0 <= frame < L.
        horizon: T, steps in a chunk.
        absolute: bool [D] or one value for all dimensions; False pads with zeros.

    Returns:
        chunk: float [T, D];  valid: bool [T], False past the end.

    Raises:
        IndexError: ``frame`` is outside the episode.
    """
    if not 0 <= frame < len(values):
        raise IndexError(f"frame {frame} is outside an episode of {len(values)} frames")
    rows, valid = chunk_rows(frame, len(values), horizon)
    return with_padding_row(values, np.broadcast_to(absolute, values.shape[1:]))[rows], valid
