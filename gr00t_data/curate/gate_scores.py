"""What can be measured of one generated clip, number by number. Scores are kept apart; nothing is blended.

In every score a larger number is worse. NaN means that the clip or its labels do not tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from gr00t_data.curate.camera_evidence import boxed
from gr00t_data.curate.check_cuts import sudden_cells
from gr00t_data.curate.check_frozen import STILL_LEVELS
from gr00t_data.curate.duplicates import likeness
from gr00t_data.curate.fingerprints import Fingerprint, fingerprint
from gr00t_data.curate.signals import runs_of, spans
from gr00t_data.curate.view import View, open_view
from gr00t_data.embodiment import Embodiment
from gr00t_data.store import EpisodeStore

SCORES = {
    "disagreement": "windows of the inverse dynamics model contradict each other",
    "limits": "inferred actions lie outside the joints' limits",
    "velocity": "inferred actions move faster than the robot does",
    "jerk": "inferred actions jerk",
    "frozen": "nothing moves for a long time",
    "scene_cut": "the whole picture changes at once",
    "teleport": "a part of the picture changes at once and for good",
    "blur": "the picture loses its sharpness",
    "first_frame": "the clip does not begin with the picture it was given",
    "duplicate": "another clip shows the same",
}
"""Score -> what a high one says."""

_CELLS = 16
_WORST_SHARE = 0.01


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


def score_clip(
    store: EpisodeStore,
    index: int,
    embodiment: Embodiment,
    first_frame: UInt8[np.ndarray, "h w 3"] | None = None,
) -> ClipScores:
    """All scores but ``duplicate``, which needs the other clips.

    Args:
        first_frame: the picture that the clip was to begin with, when it is at hand.

    Raises:
        StoreError, VideoError: a file cannot be read.
    """
    values, frames = dict.fromkeys(SCORES, float("nan")), dict[str, int]()
    values |= _of_actions(store, index, embodiment)
    shown = _generated(store, index)
    pictures: dict[str, np.ndarray] = {}
    for camera in store.cameras:
        view = _without_repeats(open_view(store.video_path(index, camera)), shown)
        pictures[camera] = view.small
        for name, (value, frame) in _of_pictures(view).items():
            if not value <= values[name]:  # the worst camera counts, and NaN counts least
                values[name], frames[name] = value, frame
        if first_frame is not None and camera == store.cameras[0]:
            values["first_frame"] = first_frame_difference(view, first_frame)
    known = fingerprint(store, index, embodiment, pictures)
    assert known is not None
    return ClipScores(values, frames, known)


def _generated(store: EpisodeStore, index: int) -> np.ndarray | None:
    """int64 [T]: the generated frame that each row shows; None when rows are frames."""
    if "source_frame" not in store.columns(index).columns:
        return None
    return store.matrix(index, "source_frame")[:, 0].astype(np.int64)


def _without_repeats(view: View, shown: np.ndarray | None) -> View:
    """The view without the frames that only fill up a slower clip."""
    if shown is None:
        return view
    rows = shown[np.minimum(view.number, len(shown) - 1)]
    new = np.concatenate([[True], np.diff(rows) != 0]) | view.begins
    return replace(view, number=view.number[new], small=view.small[new], begins=view.begins[new])


def _of_actions(store: EpisodeStore, index: int, embodiment: Embodiment) -> dict[str, float]:
    absent = set(store.about.get("absent", ()))
    found: dict[str, float] = {}
    columns = store.columns(index).columns
    if "label_spread" in columns:
        found["disagreement"] = float(store.matrix(index, "label_spread").mean())
    if "action" in absent:
        return found
    action = store.action(index)
    parts = [part for part in embodiment.action if f"action.{part.name}" not in absent and part.rotation is None]
    shares = np.concatenate([action[:, part.slice] / spans(part) for part in parts], axis=1)
    beyond = [_beyond(action[:, part.slice], part.limits, spans(part)) for part in parts if part.limits]
    found["limits"] = max((float(one.mean()) for one in beyond), default=float("nan"))
    if len(shares) > 3:
        found["velocity"] = _worst(np.abs(np.diff(shares, axis=0)) * store.fps)
        found["jerk"] = _worst(np.abs(np.diff(shares, n=3, axis=0)) * store.fps**3)
    return found


def _beyond(values: np.ndarray, limits: Sequence[tuple[float, float]], span: np.ndarray) -> np.ndarray:
    """float64 [T]: how far the worst joint is outside its limits, share of its range."""
    low, high = np.array(limits, dtype=np.float64).T
    return (np.maximum(np.maximum(low - values, values - high), 0) / span).max(1)


def _worst(values: Float[np.ndarray, "t d"]) -> float:
    """What the worst joint reaches in one row of a hundred; a single row does not decide."""
    return float(np.quantile(values.max(1), 1 - _WORST_SHARE))


def _of_pictures(view: View) -> dict[str, tuple[float, int]]:
    energy = np.nan_to_num(boxed(np.abs(view.steps), _CELLS).max((1, 2)), nan=np.inf)
    still = runs_of(energy < STILL_LEVELS)
    longest = max(still, key=lambda run: run[1] - run[0], default=(0, -1))
    cells = sudden_cells(view).mean((1, 2)) if len(view.number) > 2 * _CELLS // 4 else np.zeros(len(view.number))
    cut = int(cells.argmax())
    blur, frame = _blur(view)
    return {
        "frozen": ((longest[1] - longest[0] + 1) / max(len(energy), 1), int(view.number[longest[0]])),
        "scene_cut": (float((np.nan_to_num(boxed(np.abs(view.steps), 4)).min((1, 2))).max(initial=0)), cut),
        "teleport": (float(cells.max(initial=0)), int(view.number[cut])),
        "blur": (blur, frame),
    }


def _blur(view: View) -> tuple[float, int]:
    """1 - (fine detail of the worst picture) / (that of the first): 0 stays sharp, 1 loses everything."""
    numbers = sorted(view.stills)
    detail = np.array([_detail(view.stills[number]) for number in numbers])
    if len(detail) < 2 or detail[0] == 0:
        return float("nan"), 0
    worst = int(detail.argmin())
    return float(1 - detail[worst] / detail[0]), numbers[worst]


def _detail(picture: np.ndarray) -> float:
    """Mean absolute second difference, levels."""
    luma = picture.astype(np.float32)
    across = np.abs(luma[:, 2:] - 2 * luma[:, 1:-1] + luma[:, :-2]).mean()
    return float(across + np.abs(luma[2:] - 2 * luma[1:-1] + luma[:-2]).mean())


def first_frame_difference(view: View, wanted: UInt8[np.ndarray, "h w 3"]) -> float:
    """Mean absolute difference of luma between the clip's first picture and the one it was given, levels."""
    import cv2

    grey = cv2.resize(
        cv2.cvtColor(wanted, cv2.COLOR_RGB2YUV)[..., 0], view.luma.shape[1:], interpolation=cv2.INTER_AREA
    )
    studio = 16 + grey.astype(np.float32) * 219 / 255  # the view keeps luma in studio range
    return float(np.abs(view.luma[0] - studio).mean())


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
