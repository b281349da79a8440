"""What can be measured of one generated clip, number by number. Scores are kept apart; nothing is blended.

In every score a larger number is worse. NaN means that the clip or its labels do not tell.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from gr00t_data.curate.copies.duplicates import likeness
from gr00t_data.curate.copies.fingerprints import Fingerprint, fingerprint
from gr00t_data.curate.gate.actions import action_scores, label_speed, predicted_parts
from gr00t_data.curate.gate.pictures import first_frame_difference, flow_score, picture_scores, without_repeats
from gr00t_data.curate.gate.replay import outcome_scores, replay_scores
from gr00t_data.curate.subject.view import View, view_of
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.pictures import opened
from gr00t_data.replayed import Replayed, Replayer
from gr00t_data.store.episode import EpisodeRow
from gr00t_data.store.provenance import Facts
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video.packets import probe

LIBRARIES = ("av", "imagehash", "numpy", "opencv-python-headless", "pyarrow", "scipy")

SCORES = {
    "disagreement": "windows of the inverse dynamics model contradict each other",
    "limits": "inferred actions lie outside the joints' limits",
    "velocity": "inferred actions move faster than the robot does",
    "jerk": "inferred actions jerk",
    "flow": "the picture moves at other times than the inferred actions",
    "frozen": "nothing moves for a long time",
    "scene_cut": "the whole picture changes at once",
    "teleport": "a part of the picture changes at once and for good",
    "blur": "the picture loses its sharpness",
    "first_frame": "the clip does not begin with the picture it was given",
    "duplicate": "another clip shows the same",
    "replay_robot": "in the simulator the inferred actions bring the robot elsewhere, or it looks otherwise",
    "replay_scene": "in the simulator the inferred actions leave the objects elsewhere",
    "replay_flow": "in the simulator the inferred actions move other parts of the picture",
    "unexplained": "something moves where the replayed robot moves nothing",
    "target": "the hand goes to another object than the one that the instruction names",
    "unfinished": "in the simulator the inferred actions do not do what the instruction asks",
}
"""Score -> what a high one says. The last six need a scene of the embedded simulator in the provenance."""


@dataclass(frozen=True)
class ClipScores:
    """The scores of one clip.

    Attributes:
        values: name of SCORES -> number.
        frames: name -> the frame at which it is worst, for scores that know.
        fingerprint: to compare it with other clips.
    """

    values: dict[str, float]
    frames: dict[str, int]
    fingerprint: Fingerprint


def provenance(row: EpisodeRow) -> Facts:
    """How a clip was made, as its row says; empty when it does not. Recorded roll-outs are their own scene."""
    recorded, made = row.source.simulator is not None and not row.source.shoves, row.source.generated or {}
    return {"scene": row.source.facts(), **made} if recorded else dict(made)


def given_first_frame(row: EpisodeRow) -> UInt8[np.ndarray, "h w 3"] | None:
    """The picture that the clip was to begin with, as its row keeps it; None when it keeps none that can be read."""
    text = row.source.first_frame_png
    if text is None:
        return None
    try:
        with opened(base64.b64decode(text, validate=True)) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, binascii.Error):
        return None


def score_clip(
    store: EpisodeStore,
    index: int,
    embodiment: Embodiment,
    first_frame: UInt8[np.ndarray, "h w 3"] | None = None,
    replayer: Replayer | None = None,
) -> ClipScores:
    """All scores but ``duplicate``, which needs the other clips.

    Args:
        first_frame: the picture that the clip was to begin with; None takes the one in its provenance.
        replayer: executes the inferred actions in a simulator; None leaves those scores NaN.

    Raises:
        StoreError, VideoError: a file cannot be read.
    """
    row = store.row(index)
    values, frames = dict.fromkeys(SCORES, float("nan")), dict[str, int]()
    values |= action_scores(store, index, embodiment)
    first_frame = given_first_frame(row) if first_frame is None else first_frame
    replayed = _replayed(store, index, embodiment, replayer)
    values |= outcome_scores(replayed) if replayed else {}
    pictures: dict[str, np.ndarray] = {}
    for camera in store.cameras:
        view = without_repeats(view_of(probe(store.video_path(index, camera))), _generated(store, index))
        pictures[camera] = view.small
        first = camera == store.cameras[0]
        found = picture_scores(view) | (replay_scores(view, replayed) if replayed and first else {})
        found["flow"] = (_flow(store, index, embodiment, view), 0)
        for name, (value, frame) in found.items():
            if not value <= values[name] and np.isfinite(value):  # the worst camera counts
                values[name], frames[name] = value, frame
        if first_frame is not None and first:
            values["first_frame"] = first_frame_difference(view, first_frame)
    frames.pop("flow", None)
    known = fingerprint(store, index, embodiment, pictures)
    assert known is not None
    return ClipScores(values, frames, known)


def _replayed(store: EpisodeStore, index: int, embodiment: Embodiment, replayer: Replayer | None) -> Replayed | None:
    if replayer is None or not predicted_parts(store, embodiment):
        return None
    return replayer(provenance(store.row(index)), store.row(index).instruction, store.action(index))


def _flow(store: EpisodeStore, index: int, embodiment: Embodiment, view: View) -> float:
    parts = predicted_parts(store, embodiment)
    if not parts or len(view.number) < 2:
        return float("nan")
    return flow_score(view, label_speed(store.action(index), parts, view.number))


def _generated(store: EpisodeStore, index: int) -> np.ndarray | None:
    """int64 [T]: the generated frame that each row shows; None when rows are frames."""
    if "source_frame" not in store.columns(index).columns:
        return None
    return store.matrix(index, "source_frame")[:, 0].astype(np.int64)


def with_duplicates(clips: Mapping[int, ClipScores]) -> dict[int, ClipScores]:
    """The same with ``duplicate``: the highest correlation of what moves with that of a clip before it, -1..1."""
    done: dict[int, ClipScores] = {}
    for index, one in clips.items():
        alike = [(likeness(one.fingerprint, other.fingerprint), number) for number, other in done.items()]
        alike = [pair for pair in alike if np.isfinite(pair[0])]
        value, other = max(alike, default=(-1.0, -1))
        frames = one.frames if other < 0 else {**one.frames, "duplicate": other}
        done[index] = replace(one, values={**one.values, "duplicate": float(value)}, frames=frames)
    return done
