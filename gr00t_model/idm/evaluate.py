"""How good an inverse dynamics model is on episodes it has not seen, beside predictors that cost nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from gr00t_data.curate.subject.signals import spans
from gr00t_data.embodiment.robot import Part
from gr00t_data.store.store import EpisodeStore
from gr00t_model.idm.artifact import Artifact
from gr00t_model.idm.combine import combine_windows
from gr00t_model.idm.examples import (
    ExamplesError,
    Recording,
    Source,
    Take,
    gather,
    read_recording,
    takes_of,
    window_starts,
)
from gr00t_model.idm.label import combining, scales
from gr00t_model.idm.predict import Clip, predict_clips
from gr00t_model.idm.report import IdmReport, Labels, LabelScores, Scores

LIBRARIES = ("av", "numpy", "opencv-python-headless", "pyarrow", "scipy", "torch")

_PIXELS = 8
_RIDGE = 1.0
_MOVING_SHARE = 0.02
"""A dimension moves when its standard deviation is over this share of the widest one in its part."""

_MOVING_FLOOR_SHARE = 2e-4
"""And over this share of its range, whatever the unit: a milliradian of a joint that turns by five."""
_NO_WAY = 1e-12
_LINEAR_WINDOWS = 4000
_LINEAR_EPISODES = 300


def evaluate_idm(
    artifact: Artifact,
    sources: Sequence[Source],
    *,
    frame_gap: int | None = None,
    batch_size: int = 64,
    baselines: bool = True,
) -> IdmReport:
    """Measure on the episodes that were held out of the training.

    Args:
        sources: those of the training; of others every accepted episode counts.
        frame_gap: distance of the pictures; other than that of the model only to show what a wrong time step does.
        baselines: measure the predictors without a model too.

    Raises:
        ExamplesError: nothing to measure on.
    """
    recordings = [read_recording(take, artifact.robot, artifact.image_size) for take in left_out(artifact, sources)]
    gap = artifact.timing.frame_gap if frame_gap is None else frame_gap
    starts = window_starts(recordings, replace(artifact.timing, frame_gap=max(gap, artifact.timing.frame_gap)))
    _, truth = gather(recordings, starts, artifact.timing)
    clips = (Clip(one.pictures, _own(starts, number), (number,)) for number, one in enumerate(recordings))
    predicted = list(predict_clips(artifact, clips, batch_size=batch_size, frame_gap=gap))
    predictors = {"idm": np.concatenate(predicted)}
    predictors |= _baselines(artifact, sources, recordings, starts) if baselines else {}
    return report_of(
        artifact,
        predictors,
        truth,
        episodes=len(recordings),
        frame_gap=gap,
        labels=_labels(artifact, recordings, starts, predicted),
    )


def report_of(
    artifact: Artifact,
    predictors: Mapping[str, Float[np.ndarray, "w t d"]],
    truth: Float[np.ndarray, "w t d"],
    *,
    episodes: int,
    frame_gap: int,
    labels: Labels,
) -> IdmReport:
    """The report on predicted chunks against recorded ones: per part in its unit, and over all in no unit."""
    tables = {name: _by_part(artifact, chunk, truth) for name, chunk in predictors.items()}
    return IdmReport(
        episodes=episodes,
        windows=len(truth),
        frame_gap=frame_gap,
        timing=artifact.timing,
        moving={name: _over_all(artifact, chunk, truth) for name, chunk in predictors.items()},
        moves={part.name: int(chosen.sum()) for part, _, chosen in _moving_parts(artifact, truth)},
        labels=labels,
        parts={part.name: {name: table[part.name] for name, table in tables.items()} for part in artifact.robot.parts},
    )


def left_out(artifact: Artifact, sources: Sequence[Source]) -> list[Take]:
    """The accepted episodes of ``sources`` that the model was not trained on.

    Raises:
        ExamplesError: there is none.
    """
    learned = _learned(artifact)
    left = [take for take in takes_of(sources) if take.key not in learned]
    if not left:
        raise ExamplesError("the model was trained on every accepted episode of these stores; measure it on others")
    return left


def held_out(artifact: Artifact, sources: Sequence[Source]) -> list[tuple[EpisodeStore, int]]:
    """``left_out`` as (store, episode number)."""
    return [(take.store, take.index) for take in left_out(artifact, sources)]


def _learned(artifact: Artifact) -> set[tuple[str, int]]:
    return {(digest, index) for digest, index in artifact.facts["learned"]}


def _own(starts: np.ndarray, number: int) -> np.ndarray:
    return starts[starts[:, 0] == number, 1]


def _baselines(
    artifact: Artifact, sources: Sequence[Source], recordings: Sequence[Recording], starts: np.ndarray
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
    learned = _learned(artifact)
    if there := [take for take in takes_of(sources) if take.key in learned]:
        some = there[:: max(len(there) // _LINEAR_EPISODES, 1)]
        seen = [read_recording(take, artifact.robot, artifact.image_size) for take in some]
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
    return {
        part.name: score(predicted[..., columns], truth[..., columns], part.absolute, chosen)
        for part, columns, chosen in _moving_parts(artifact, truth)
    }


def _over_all(artifact: Artifact, predicted: np.ndarray, truth: np.ndarray) -> Scores:
    """Over all that moves, in standard deviations: degrees, percent and metres count alike."""
    chosen, scale = _moving_of_all(artifact, truth), scales(artifact)
    every = np.ones(len(chosen), dtype=bool)
    told, real = (values[..., chosen] / scale[chosen] for values in (predicted, truth))
    return score(told, real, _absolute(artifact)[chosen], every)


def _moving_of_all(artifact: Artifact, truth: np.ndarray) -> np.ndarray:
    """The dimensions of all parts that move, judged part by part."""
    return np.concatenate([columns[chosen] for _, columns, chosen in _moving_parts(artifact, truth)])


def _moving_parts(artifact: Artifact, truth: np.ndarray) -> Iterator[tuple[Part, np.ndarray, np.ndarray]]:
    """Each part, its columns, and which of them move."""
    first = 0
    for part in artifact.robot.parts:
        columns = np.arange(first, first + part.dim)
        yield part, columns, moving(truth[..., columns], _MOVING_FLOOR_SHARE * spans(part))
        first += part.dim


def _absolute(artifact: Artifact) -> np.ndarray:
    """bool [D]: False where an action is a displacement."""
    return np.concatenate([np.full(part.dim, part.absolute) for part in artifact.robot.parts])


def moving(truth: Float[np.ndarray, "... d"], floor: float | np.ndarray = 0.0) -> np.ndarray:
    """bool [D]: dimensions of one part that vary in the recorded data by more than ``floor``, in its unit."""
    std = truth.reshape(-1, truth.shape[-1]).std(0)
    return std > np.maximum(floor, _MOVING_SHARE * float(std.max(initial=0)))


def score(
    predicted: Float[np.ndarray, "w t d"],
    truth: Float[np.ndarray, "w t d"],
    absolute: bool | np.ndarray = True,
    some: np.ndarray | None = None,
) -> Scores:
    """Compare chunks of one unit; NaN for R2 and magnitude when nothing moves.

    Args:
        absolute: bool [D] or one for all; False where an action is a displacement.
        some: bool [D], the dimensions that move; None finds them.
    """
    some = moving(truth) if some is None else some
    error = float(np.abs(predicted - truth).mean())
    if not some.any():
        return Scores(float("nan"), error, float("nan"), float("nan"))
    off, flat = ((predicted - truth)[..., some] ** 2).mean((0, 1)), truth[..., some]
    r2 = 1 - off / flat.var((0, 1))
    kept = np.broadcast_to(absolute, some.shape)[some]
    told, gone = (_way(chunk[..., some], kept) for chunk in (predicted, truth))
    far = [max(float(np.linalg.norm(way, axis=-1).sum()), _NO_WAY) for way in (told, gone)]
    along = float((told * gone).sum() / max(float((gone**2).sum()), _NO_WAY))
    return Scores(float(r2.mean()), error, far[0] / far[1], along)


def _way(chunks: np.ndarray, absolute: np.ndarray) -> np.ndarray:
    """float64 [W, D]: how far each chunk leads."""
    return np.where(absolute, chunks[:, -1] - chunks[:, 0], chunks.sum(1))


@dataclass(frozen=True)
class _Told:
    """The rows of one episode that windows spoke about: combined, as recorded, and what the windows were like."""

    action: Float[np.ndarray, "l d"]
    true: Float[np.ndarray, "l d"]
    spread: Float[np.ndarray, " l"]
    votes: np.ndarray


def _told(artifact: Artifact, one: Recording, chunks: np.ndarray, starts: np.ndarray) -> _Told:
    labels = combine_windows(chunks, starts, len(one), artifact.robot.parts, **combining(artifact))
    rows = labels.votes > 0
    spread = np.mean([values[rows] for values in labels.spread.values()], axis=0)
    return _Told(labels.action[rows], one.action[rows], spread, labels.votes[rows])


def _labels(
    artifact: Artifact, recordings: Sequence[Recording], starts: np.ndarray, predicted: Sequence[np.ndarray]
) -> Labels:
    """Scores of the combined windows, and whether their spread tells where they are wrong."""
    owns = [_own(starts, number) for number in range(len(recordings))]
    every = zip(recordings, predicted, owns, strict=True)
    found = [_told(artifact, one, chunks, own) for one, chunks, own in every if len(own)]
    action, true, spread, votes = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("action", "true", "spread", "votes")
    )
    wrong = (np.abs(action - true) / combining(artifact)["scale"]).mean(1)
    ranks = [np.argsort(np.argsort(values)) for values in (spread, wrong)]
    parts = _by_part(artifact, action[None], true[None])
    overall = _over_all(artifact, action[None], true[None])
    steps = {part.name: _steps(artifact, found, columns) for part, columns, _ in _moving_parts(artifact, true)}
    all_steps = _steps(artifact, found, _moving_of_all(artifact, true), scales(artifact))
    return Labels(
        {name: LabelScores(one.r2, one.error, steps[name]) for name, one in parts.items()},
        LabelScores(overall.r2, overall.error, all_steps),
        {int(count): float(wrong[votes == count].mean()) for count in np.unique(votes)},
        float(np.corrcoef(ranks[0], ranks[1])[0, 1]),
    )


def _steps(
    artifact: Artifact, found: Sequence[_Told], chosen: np.ndarray, scale: Float[np.ndarray, " d"] | None = None
) -> float:
    """How far labels move from row to row by how far the robot did, over the dimensions ``chosen``: of one unit, or
    each in its ``scale``."""
    kept, ways = _absolute(artifact)[chosen], np.zeros(2)
    unit = np.ones(len(chosen)) if scale is None else scale[chosen]
    for one in found:
        for side, rows in enumerate((one.action[:, chosen] / unit, one.true[:, chosen] / unit)):
            ways[side] += np.linalg.norm(np.where(kept, np.diff(rows, axis=0), rows[1:]), axis=-1).sum()
    return float(ways[0] / max(ways[1], _NO_WAY))
