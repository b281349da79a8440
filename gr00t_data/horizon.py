"""How far an action chunk and the future frame reach: their rows in an episode. The only place that pads time.

A chunk that runs past the end of its episode repeats the last row of absolute values (the robot stays where it was
told to be) and is zero for relative ones (no further motion), as GR00T-LeRobot readers do. Both are one extra row
after the last: ``with_padding_row`` makes it, ``chunk_rows`` points to it, and also says which rows are real, so that
the loss can leave the others out (the published loader counts them).
"""

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rates import Pace


def chunk_steps(embodiment: Embodiment, model_horizon: int, acting_steps: int | None = None) -> int:
    """Steps of a chunk that an embodiment learns and acts by, the first of those that a model predicts.

    The embodiment says how many: its keep ranges are cut for them. What a model predicts beyond them is masked.

    Args:
        model_horizon: steps that the model predicts.
        acting_steps: fewer than the embodiment has; None is all of them.

    Raises:
        ValueError: the model predicts fewer steps than the embodiment has, or ``acting_steps`` are not 1 to its own.
    """
    name, own = embodiment.name, embodiment.action_horizon
    if own > model_horizon:
        raise ValueError(
            f"embodiment {name!r}: its action_horizon is {own} steps, the model predicts {model_horizon}; widen the "
            f"model (model.changes: action_head_cfg.action_horizon={own}), or set action_horizon to at most "
            f"{model_horizon} in the embodiment's YAML and check its stores again"
        )
    if acting_steps is not None and not 1 <= acting_steps <= own:
        raise ValueError(
            f"embodiment {name!r}: acting_steps is {acting_steps}, expected 1 to its action_horizon of {own}: keep "
            "ranges are cut for that many steps; lower acting_steps, or raise action_horizon and check again"
        )
    return acting_steps or own


def future_row(frame: int, end: int, pace: Pace, horizon_frames: int) -> tuple[int, bool]:
    """The row of the future frame (FLARE) of a frame.

    Args:
        end: where the rows of the episode end that have pictures, frame < end.
        horizon_frames: from the one to the other, at the rate of the embodiment.

    Returns:
        row: the last row where the future frame lies beyond the end;  real: whether it lies before it.
    """
    row = frame + pace.rows(horizon_frames)
    return min(row, end - 1), row < end


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
