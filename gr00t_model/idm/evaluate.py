"""How good an inverse dynamics model is on episodes it has not seen, beside predictors that cost nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from gr00t_data.store import EpisodeStore
from gr00t_model.idm.artifact import Artifact
from gr00t_model.idm.combine import combine_windows
from gr00t_model.idm.examples import ExamplesError, Recording, gather, read_recording, window_starts
from gr00t_model.idm.label import combining
from gr00t_model.idm.predict import predict_windows

_PIXELS = 8
_RIDGE = 1.0
_MOVING_SHARE = 0.02
"""A dimension moves when its standard deviation is over this share of the widest one in its part."""

_MOVING_FLOOR = 1e-3
_LINEAR_WINDOWS = 4000


@dataclass(frozen=True)
class Scores:
    """One predictor against the recorded actions, over windows.

    Attributes:
        r2: mean over moving dimensions of 1 - squared error / variance; 1 is exact, 0 is no better than the mean of the
            held-out episodes.
        error: mean absolute error in the unit of the part.
        magnitude: how far the prediction moves from the first action of a window to its last, by how far the robot did.
    """

    r2: float
    error: float
    magnitude: float

    def to_dict(self) -> dict[str, float | None]:
        """JSON-able: None stands for NaN, which JSON does not have."""
        return {name: value if np.isfinite(value) else None for name, value in vars(self).items()}


def evaluate_idm(
    artifact: Artifact, stores: Sequence[EpisodeStore], *, frame_gap: int | None = None, batch_size: int = 64
) -> dict[str, Any]:
    """Measure on the episodes that were held out of the training.

    Args:
        stores: those of the training; other stores are measured whole.
        frame_gap: distance of the pictures; other than that of the model only to show what a wrong time step does.

    Returns:
        ``parts``: part -> predictor (idm, mean_action, previous_action, linear_on_pixels) -> Scores;
        ``moving``: predictor -> Scores over all moving dimensions; ``labels``: part -> Scores of the combined windows,
        as labelling writes them; ``episodes``, ``windows``.

    Raises:
        ExamplesError: nothing to measure on.
    """
    held = held_out(artifact, stores)
    recordings = [read_recording(store, index, artifact.robot, artifact.image_size) for store, index in held]
    starts = window_starts(recordings, artifact.timing)
    _, truth = gather(recordings, starts, artifact.timing)
    predicted = [
        predict_windows(
            artifact, one.pictures, _own(starts, number), seed=(number,), batch_size=batch_size, frame_gap=frame_gap
        )
        for number, one in enumerate(recordings)
    ]
    predictors = {"idm": np.concatenate(predicted), **_baselines(artifact, stores, held, recordings, starts)}
    tables = {name: _by_part(artifact, chunk, truth) for name, chunk in predictors.items()}
    return {
        "episodes": len(recordings),
        "windows": len(starts),
        "frame_gap": artifact.timing.frame_gap if frame_gap is None else frame_gap,
        "timing": artifact.timing.to_dict(),
        "parts": {
            part.name: {name: table[part.name].to_dict() for name, table in tables.items()}
            for part in artifact.robot.parts
        },
        "moving": {name: _over_all(artifact, chunk, truth).to_dict() for name, chunk in predictors.items()},
        "labels": _labels(artifact, recordings, starts, predicted),
    }


def held_out(artifact: Artifact, stores: Sequence[EpisodeStore]) -> list[tuple[EpisodeStore, int]]:
    """The episodes of ``stores`` that the model was not trained on."""
    learned = {(digest, index) for digest, index in artifact.facts["learned"]}
    left = [(store, row.index) for store in stores for row in store.rows if (store.digest, row.index) not in learned]
    if not left:
        raise ExamplesError("the model was trained on every episode of these stores; measure it on others")
    return left


def _own(starts: np.ndarray, number: int) -> np.ndarray:
    return starts[starts[:, 0] == number, 1]


def _baselines(
    artifact: Artifact,
    stores: Sequence[EpisodeStore],
    held: Sequence[tuple[EpisodeStore, int]],
    recordings: Sequence[Recording],
    starts: np.ndarray,
) -> dict[str, np.ndarray]:
    """Predictors that need no model, [W, T, D] each: the mean of training, the action before the window held (which no
    video tells), and a linear map of small grey pictures."""
    means = [artifact.robot.statistics.action[part.name].mean for part in artifact.robot.parts]
    shape = len(starts), artifact.timing.horizon, 1
    before = np.stack([recordings[number].action[max(frame - 1, 0)] for number, frame in starts.tolist()])
    found = {
        "mean_action": np.tile(np.concatenate([np.array(one) for one in means]), shape),
        "previous_action": np.repeat(before[:, None], artifact.timing.horizon, axis=1),
    }
    learned = {(digest, index) for digest, index in artifact.facts["learned"]}
    there = [(store, row.index) for store in stores for row in store.rows if (store.digest, row.index) in learned]
    if there:
        seen = [read_recording(store, index, artifact.robot, artifact.image_size) for store, index in there]
        found["linear_on_pixels"] = _linear(artifact, seen, recordings, starts)
    return found


def _linear(
    artifact: Artifact, seen: Sequence[Recording], recordings: Sequence[Recording], starts: np.ndarray
) -> np.ndarray:
    """Ridge regression from two 8 x 8 grey pictures a camera to the chunk."""
    of = window_starts(seen, artifact.timing)
    of = of[:: max(len(of) // _LINEAR_WINDOWS, 1)]
    pictures, action = gather(seen, of, artifact.timing)
    x, y = _grey(pictures), action.reshape(len(action), -1)
    centre, level = x.mean(0), y.mean(0)
    weights = np.linalg.solve((x - centre).T @ (x - centre) + _RIDGE * np.eye(x.shape[1]), (x - centre).T @ (y - level))
    tested, _ = gather(recordings, starts, artifact.timing)
    return ((_grey(tested) - centre) @ weights + level).reshape(len(starts), *action.shape[1:])


def _grey(pictures: np.ndarray) -> np.ndarray:
    """float64 [B, I * 64]: mean light of 8 x 8 boxes, 0..1."""
    rows, images, side = pictures.shape[:3]
    box = side // _PIXELS
    cells = pictures[:, :, : box * _PIXELS, : box * _PIXELS].mean(-1).reshape(rows, images, _PIXELS, box, _PIXELS, box)
    return cells.mean((3, 5)).reshape(rows, -1) / 255


def _by_part(artifact: Artifact, predicted: np.ndarray, truth: np.ndarray) -> dict[str, Scores]:
    scores, first = {}, 0
    for part in artifact.robot.parts:
        columns = slice(first, first + part.dim)
        scores[part.name] = score(predicted[..., columns], truth[..., columns])
        first += part.dim
    return scores


def _over_all(artifact: Artifact, predicted: np.ndarray, truth: np.ndarray) -> Scores:
    """Over the dimensions of all parts that move."""
    pieces, first = [], 0
    for part in artifact.robot.parts:
        columns = np.arange(first, first + part.dim)
        pieces.append(columns[moving(truth[..., columns])])
        first += part.dim
    chosen = np.concatenate(pieces)
    return score(predicted[..., chosen], truth[..., chosen])


def moving(truth: Float[np.ndarray, "... d"]) -> np.ndarray:
    """bool [D]: dimensions that vary in the recorded data."""
    std = truth.reshape(-1, truth.shape[-1]).std(0)
    return std > max(_MOVING_FLOOR, _MOVING_SHARE * float(std.max(initial=0)))


def score(predicted: Float[np.ndarray, "w t d"], truth: Float[np.ndarray, "w t d"]) -> Scores:
    """Compare chunks; NaN for R2 and magnitude when nothing moves."""
    some = moving(truth)
    error = float(np.abs(predicted - truth).mean())
    if not some.any():
        return Scores(float("nan"), error, float("nan"))
    off, flat = ((predicted - truth)[..., some] ** 2).mean((0, 1)), truth[..., some]
    r2 = 1 - off / flat.var((0, 1))
    ways = [np.linalg.norm(chunk[:, -1, some] - chunk[:, 0, some], axis=-1).sum() for chunk in (predicted, truth)]
    return Scores(float(r2.mean()), error, float(ways[0] / max(ways[1], 1e-12)))


def _labels(
    artifact: Artifact, recordings: Sequence[Recording], starts: np.ndarray, predicted: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Scores of the combined windows (one chunk an episode), and whether their spread tells where they are wrong."""
    tables, spread, wrong = [], [], []
    for number, one in enumerate(recordings):
        own = _own(starts, number)
        if not len(own):
            continue
        labels = combine_windows(predicted[number], own, len(one), artifact.robot.parts, **combining(artifact))
        told = labels.votes > 0
        tables.append((labels.action[told], one.action[told]))
        spread.append(np.mean([values[told] for values in labels.spread.values()], axis=0))
        wrong.append((np.abs(labels.action - one.action)[told] / combining(artifact)["scale"]).mean(1))
    told, true = (np.concatenate([table[side] for table in tables])[None] for side in (0, 1))
    scores = {name: one.to_dict() | {"magnitude": None} for name, one in _by_part(artifact, told, true).items()}
    ranks = [np.argsort(np.argsort(np.concatenate(values))) for values in (spread, wrong)]
    return {"parts": scores, "spread_tells_error": float(np.corrcoef(ranks[0], ranks[1])[0, 1])}
