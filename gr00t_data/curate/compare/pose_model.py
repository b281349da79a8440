"""Predicting from the robot's pose and speed where its picture moves, learnt from the other episodes of the store.

Kernel ridge regression from (principal components of the state, their velocity) to the map of change of the picture.
Each episode is predicted by a model that has not seen it. A camera that lags, a mirrored picture, or a video of another
episode do not fit the prediction as they stand, and do when shifted, mirrored or exchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_COMPONENTS = 8
_MAX_TRAINING_ROWS = 1000
_MAX_FOLDS = 12
_RIDGE = 0.1
_VELOCITY_WEIGHT = 0.5
_BANDWIDTH = 0.5
_LEAST_SPREAD = 0.002


@dataclass(frozen=True)
class Track:
    """One camera of one episode, frame by frame.

    Attributes:
        pose: float [N, S], the state of the row of each frame, shares of the range.
        motion: float [N, G, G], 0 to 1, change of the picture since the frame before.
    """

    pose: np.ndarray
    motion: np.ndarray


def predictions(tracks: Sequence[Track], trusted: np.ndarray | None = None) -> list[np.ndarray]:
    """For each track, what the others say its picture should do: float64 [N, G, G], less the mean of the others.

    Args:
        trusted: bool [E], the tracks that are learnt from; None is all.
    """
    inputs = _inputs(tracks)
    folds = min(len(tracks), _MAX_FOLDS)
    result: list[np.ndarray] = [np.zeros(0)] * len(tracks)
    for fold in range(folds):
        held_out = range(fold, len(tracks), folds)
        training = [
            place for place in range(len(tracks)) if place not in held_out and (trusted is None or trusted[place])
        ]
        predict = _fitted([inputs[k] for k in training], [tracks[k].motion for k in training])
        for place in held_out:
            result[place] = predict(inputs[place]).reshape(tracks[place].motion.shape)
    return result


def _inputs(tracks: Sequence[Track]) -> list[np.ndarray]:
    every = np.concatenate([track.pose for track in tracks])
    spread = every.std(0)
    active = spread > _LEAST_SPREAD
    if not active.any():
        return [np.zeros((len(track.pose), 1)) for track in tracks]
    scaled = (every[:, active] - every[:, active].mean(0)) / spread[active]
    _, strength, basis = np.linalg.svd(scaled[:: max(len(scaled) // 4000, 1)], full_matrices=False)
    kept = min(_COMPONENTS, len(strength))
    coordinates = scaled @ basis[:kept].T
    weight = np.sqrt(strength[:kept] / strength[0]) / np.maximum(coordinates.std(0), 1e-9)
    ends = np.cumsum([len(track.pose) for track in tracks])[:-1]
    places = [one * weight for one in np.split(coordinates, ends)]
    speeds = [np.diff(one, axis=0, prepend=one[:1]) for one in places]
    usual = max(float(np.concatenate(speeds).std(0).mean()), 1e-9)
    return [np.concatenate([x, v * (_VELOCITY_WEIGHT / usual)], axis=1) for x, v in zip(places, speeds, strict=True)]


def _fitted(inputs: list[np.ndarray], targets: list[np.ndarray]):
    every_input = np.concatenate(inputs)
    every_target = np.concatenate([target.reshape(len(target), -1) for target in targets])
    step = max(-(-len(every_input) // _MAX_TRAINING_ROWS), 1)
    x, y = every_input[::step], every_target[::step]
    mean = y.mean(0)
    squared = _squared_distances(x, x)
    width = max(float(np.median(squared)) * _BANDWIDTH, 1e-9)
    weights = np.linalg.solve(np.exp(-squared / width) + _RIDGE * np.eye(len(x)), y - mean)
    return lambda z: np.exp(-_squared_distances(z, x) / width) @ weights


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)


def agreement(predicted: np.ndarray, seen: np.ndarray, shift: int = 0) -> float:
    """Correlation of prediction and picture over all frames and cells, with the picture later by ``shift`` frames."""
    count = min(len(predicted), len(seen))
    if count - abs(shift) < 4:
        return 0.0
    p = predicted[max(0, -shift) : count - max(0, shift)].reshape(count - abs(shift), -1)
    s = seen[max(0, shift) : count - max(0, -shift)].reshape(len(p), -1)
    p, s = p - p.mean(0), s - s.mean(0)
    return float((p * s).sum() / np.sqrt(max((p * p).sum() * (s * s).sum(), 1e-18)))


def agreements(predicted: np.ndarray, seen: np.ndarray, reach: int) -> np.ndarray:
    """float64 [2 reach + 1]: ``agreement`` at shifts of -reach .. reach frames."""
    return np.array([agreement(predicted, seen, shift) for shift in range(-reach, reach + 1)])
