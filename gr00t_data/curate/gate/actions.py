"""Scores of inferred actions alone: contradictions between windows, joint limits, velocity, jerk."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from gr00t_data.curate.subject.signals import spans
from gr00t_data.embodiment.robot import Embodiment, Part
from gr00t_data.store.store import EpisodeStore

_WORST_SHARE, _FAST_SHARE = 0.01, 0.1
_FEWEST_ROWS = 4


def action_scores(store: EpisodeStore, index: int, embodiment: Embodiment) -> dict[str, float]:
    """``disagreement``, ``limits``, ``velocity`` and ``jerk``, those that can be told.

    disagreement: mean of the column ``label_spread``, in standard deviations of the training actions. limits: how far
    the worst joint of a part is beyond its limits, share of its range, mean over the rows. velocity: what the
    fastest joint exceeds for a tenth of the time (a hand that is told to close leaps, and that is no defect), shares of
    its range a second. jerk: what it exceeds for a hundredth of the time, shares a second cubed.
    """
    found: dict[str, float] = {}
    if "label_spread" in store.columns(index).columns:
        found["disagreement"] = float(store.matrix(index, "label_spread").mean())
    parts = predicted_parts(store, embodiment)
    if not parts:
        return found
    action = store.action(index)
    beyond = [_beyond(action[:, part.slice], part.limits, spans(part)) for part in parts if part.limits]
    found["limits"] = max((float(one.mean()) for one in beyond), default=float("nan"))
    if len(action) >= _FEWEST_ROWS:
        shares = shares_of_range(action, parts)
        found["velocity"] = _kept_up(np.abs(np.diff(shares, axis=0)) * store.fps, _FAST_SHARE)
        found["jerk"] = _kept_up(np.abs(np.diff(shares, n=3, axis=0)) * store.fps**3, _WORST_SHARE)
    return found


def predicted_parts(store: EpisodeStore, embodiment: Embodiment) -> list[Part]:
    """The parts of the action that were inferred and are no rotations; empty for a store without labels."""
    absent = set(store.about.absent or ())
    if "action" in absent:
        return []
    return [part for part in embodiment.action if f"action.{part.name}" not in absent and part.rotation is None]


def shares_of_range(action: Float[np.ndarray, "t a"], parts: Sequence[Part]) -> Float[np.ndarray, "t d"]:
    """The parts side by side, each joint in shares of its range."""
    return np.concatenate([action[:, part.slice] / spans(part) for part in parts], axis=1)


def label_speed(action: Float[np.ndarray, "t a"], parts: Sequence[Part], number: np.ndarray) -> np.ndarray:
    """float64 [N - 1]: how far the joints go between the rows ``number`` [N] (rising), mean share of their ranges.

    Targets beyond the limits are taken back to them: a hand that is told -3 rad stands open as at 0.
    """
    inside = action.copy()
    for part in parts:
        if part.limits:
            low, high = np.array(part.limits, dtype=np.float64).T
            inside[:, part.slice] = np.clip(action[:, part.slice], low, high)
    shares = shares_of_range(inside, parts)
    return np.abs(np.diff(shares[np.minimum(number, len(shares) - 1)], axis=0)).mean(1)


def _beyond(values: np.ndarray, limits: Sequence[tuple[float, float]], span: np.ndarray) -> np.ndarray:
    """float64 [T]: how far the worst joint is outside its limits, share of its range."""
    low, high = np.array(limits, dtype=np.float64).T
    return (np.maximum(np.maximum(low - values, values - high), 0) / span).max(1)


def _kept_up(values: Float[np.ndarray, "t d"], share: float) -> float:
    """What the worst joint of each row exceeds in this share of the rows."""
    return float(np.quantile(values.max(1), 1 - share))
