"""Do the pictures move when and where the rows say? Shifted, exchanged, reversed and turned videos.

For each camera the pose model predicts each episode from the others. A change (shift this video, exchange these two,
mirror this one) is reported when the changed store agrees clearly better with itself; in small stores, where one wrong
episode misleads the others, each candidate is tried on all of them and the best for the whole store is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.checks.pixels import SMALLEST_PX
from gr00t_data.curate.compare.evidence import EpisodeEvidence, Sound
from gr00t_data.curate.compare.pose_model import Track, agreement, agreements, predictions
from gr00t_data.curate.compare.views import IMAGE_10
from gr00t_data.curate.finding import Finding, Severity
from gr00t_data.curate.robust import FEWEST

SHIFT_S = 0.125
"""A camera this much later or earlier than in the other episodes has lost its place; single estimates scatter by a
frame or two."""

_REACH_S = 0.5
_SHIFT_GAIN = 0.08
_SEEN = 0.15
_TURN_GAIN = 0.15
_FEW = 16
_FEW_TIMES = 1.8
"""Stores below ``_FEW`` episodes teach the pose model little; gains have to be this many times larger there."""

_TRUSTED_SHARE = 0.4
"""Where fewer than this share are sound, what is called broken is usual in this store."""

_EXCHANGE_GAIN = 0.4
_REVERSE_GAIN = 0.3
_CERTAIN = {"shift": 0.2, "turn": 0.35, "reverse": 0.5, "exchange": 0.6}
"""Gains beyond which an episode is rejected; what is less sure warns."""

_CAREFUL = 60
"""Stores with up to this many episodes are fitted again for each candidate."""

_TRIED = 4
_TURNS = {
    "mirrored (left and right exchanged)": lambda m: m[:, :, ::-1],
    "upside down": lambda m: m[:, ::-1],
    "turned by 180 degrees": lambda m: m[:, ::-1, ::-1],
    "turned by 90 degrees": lambda m: np.rot90(m, 1, (1, 2)),
    "turned by -90 degrees": lambda m: np.rot90(m, -1, (1, 2)),
}


@dataclass(frozen=True)
class Change:
    """A change that would make the store agree better. ``places``: positions among the tracks; ``gain``: at least 0."""

    kind: str
    places: tuple[int, ...]
    gain: float
    rows: int = 0
    turn: str = ""


def compare_sync(sound: Sound) -> Iterator[tuple[int, Finding]]:
    """SYNC-01, SYNC-02, SYNC-04 and IMAGE-10 of one camera: (episode number, finding)."""
    tracks = {one.index: track for one in sound.evidence if (track := track_of(one, sound.camera)) is not None}
    if len(tracks) < FEWEST:
        return
    numbers = list(tracks)
    trusted = np.array([sound.sound is None or number in sound.sound for number in numbers])
    for change in explain(list(tracks.values()), sound.control_hz, trusted):
        yield from _findings(change, numbers, sound.camera, sound.control_hz)


def track_of(episode: EpisodeEvidence, camera: str) -> Track | None:
    """Pose and motion of the frames that have a row; None when there are too few, or nothing moves."""
    seen = episode.cameras.get(camera)
    if seen is None or min(seen.size) < SMALLEST_PX or episode.pose is None or not np.isfinite(episode.pose).all():
        return None
    inside = seen.number < len(episode.pose)
    if inside.sum() < 12:
        return None
    pose = episode.pose[seen.number[inside]].astype(np.float64)
    return Track(pose, seen.motion[inside].astype(np.float64) / 255)


def explain(tracks: list[Track], control_hz: float, trusted: np.ndarray | None = None) -> list[Change]:
    """The changes that explain what does not fit, most striking first.

    Args:
        trusted: bool [E], the tracks that the others are judged by. Of few of them nothing can be learnt: then all are.
    """
    if trusted is None or trusted.sum() < max(_TRUSTED_SHARE * len(tracks), FEWEST):
        trusted = np.ones(len(tracks), dtype=bool)
    accepted: list[Change] = []
    before = predictions(tracks, trusted)
    for _ in range(max(3, len(tracks) // 4)):
        taken = {place for change in accepted for place in change.places}
        candidates = [c for c in _candidates(tracks, before, control_hz) if not taken & set(c.places)]
        # What fits a broken episode well is no reason to doubt a sound one.
        fair = [c for c in candidates if c.kind != "exchange" or len({bool(trusted[place]) for place in c.places}) == 1]
        best = _best(tracks, before, sorted(fair, key=lambda c: -c.gain), trusted)
        if best is None:
            break
        accepted.append(best)
        tracks = _applied(tracks, best)
        before = predictions(tracks, trusted)
    return accepted


def _best(
    tracks: list[Track], before: list[np.ndarray], candidates: list[Change], trusted: np.ndarray
) -> Change | None:
    if not candidates:
        return None
    if len(tracks) > _CAREFUL:
        return candidates[0]
    total = _total(tracks, before)
    tried = []
    for change in candidates[:_TRIED]:
        changed = _applied(tracks, change)
        tried.append((_total(changed, predictions(changed, trusted)) - total, change))
    gain, change = max(tried, key=lambda item: item[0])
    return change if gain > 0.4 * change.gain else None


def _total(tracks: list[Track], predicted: list[np.ndarray]) -> float:
    """Agreement over the store, an episode counting once; a row earlier or later does not matter."""
    return sum(float(agreements(p, track.motion, 1).max()) for p, track in zip(predicted, tracks, strict=True))


def _candidates(tracks: list[Track], predicted: list[np.ndarray], control_hz: float) -> Iterator[Change]:
    yield from _shifts(tracks, predicted, control_hz)
    for place, (p, track) in enumerate(zip(predicted, tracks, strict=True)):
        own = float(agreements(p, track.motion, 2).max())
        for words, turn in _TURNS.items():
            gain = float(agreements(p, turn(track.motion), 2).max()) - own
            if gain > _TURN_GAIN * _scarcity(tracks):
                yield Change("turn", (place,), gain, turn=words)
        gain = float(agreements(p, track.motion[::-1], 2).max()) - own
        if gain > _REVERSE_GAIN:
            yield Change("reverse", (place,), gain)
    yield from _exchanges(tracks, predicted)


def _scarcity(tracks: list[Track]) -> float:
    return 1.0 if len(tracks) >= _FEW else _FEW_TIMES


def _shifts(tracks: list[Track], predicted: list[np.ndarray], control_hz: float) -> Iterator[Change]:
    reach = max(round(_REACH_S * control_hz), 3)
    curves = [agreements(p, track.motion, reach) for p, track in zip(predicted, tracks, strict=True)]
    found = np.array([int(curve.argmax()) - reach for curve in curves], dtype=np.float64)
    for place, curve in enumerate(curves):
        others = np.delete(found, place)
        centre = float(np.median(others))
        spread = 1.4826 * float(np.median(np.abs(others - centre)))
        off = found[place] - centre
        gain = float(curve.max() - curve[round(centre) + reach])
        peak = 0 < int(curve.argmax()) < 2 * reach
        clear = gain > _SHIFT_GAIN * _scarcity(tracks) and curve.max() > _SEEN
        if abs(off) >= max(SHIFT_S * control_hz, 2 * spread) and peak and clear:
            yield Change("shift", (place,), gain, rows=round(off))


def _exchanges(tracks: list[Track], predicted: list[np.ndarray]) -> Iterator[Change]:
    """Pairs of videos that fit each other's rows much better than their own."""
    own = np.array([agreements(p, track.motion, 2).max() for p, track in zip(predicted, tracks, strict=True)])
    worst = np.argsort(own)[: max(len(tracks) // 3, 8)]
    for one in worst:
        for two in range(len(tracks)):
            if two == one or (two in worst and two < one):
                continue
            first = float(agreement(predicted[one], resampled(tracks[two].motion, len(predicted[one]))))
            if first < own[one] + 0.03:
                continue
            second = float(agreement(predicted[two], resampled(tracks[one].motion, len(predicted[two]))))
            gain = first + second - own[one] - own[two]
            if second > own[two] + 0.03 and gain > _EXCHANGE_GAIN:
                yield Change("exchange", (int(min(one, two)), int(max(one, two))), gain)


def resampled(motion: np.ndarray, count: int) -> np.ndarray:
    """``count`` maps evenly spaced over a track."""
    return motion[np.linspace(0, len(motion) - 1, count).round().astype(int)]


def _applied(tracks: list[Track], change: Change) -> list[Track]:
    changed = list(tracks)
    one = change.places[0]
    track = tracks[one]
    if change.kind == "shift":
        order = np.clip(np.arange(len(track.motion)) + change.rows, 0, len(track.motion) - 1)
        changed[one] = Track(track.pose, track.motion[order])
    elif change.kind == "turn":
        changed[one] = Track(track.pose, _TURNS[change.turn](track.motion))
    elif change.kind == "reverse":
        changed[one] = Track(track.pose, track.motion[::-1])
    else:
        two = change.places[1]
        changed[one] = Track(track.pose, resampled(tracks[two].motion, len(track.pose)))
        changed[two] = Track(tracks[two].pose, resampled(track.motion, len(tracks[two].pose)))
    return changed


def _findings(change: Change, numbers: list[int], camera: str, control_hz: float) -> Iterator[tuple[int, Finding]]:
    severity: Severity = "error" if change.gain > _CERTAIN[change.kind] else "warning"
    how = f"(agreement of picture and rows rises by {change.gain:.2f})"
    one, two = numbers[change.places[0]], numbers[change.places[-1]]
    rows, late = abs(change.rows), "late" if change.rows > 0 else "early"
    shifted = (
        f"is {rows} frames ({1000 * rows / control_hz:.0f} ms) {late} against state and action, compared with the "
        f"other episodes {how}; shift its frames"
    )
    turned = (
        f"is {change.turn}: the robot's motion is seen where it would be in such a picture {how}; turn the video back, "
        "or correct the mounting"
    )
    reversed_ = f"runs backwards against state and action {how}; reverse what was reversed"
    exchanged = "shows the motion of episode {}, and that one shows this {}; exchange the two files"
    found = {
        "shift": ((one, SYNC_01, shifted),),
        "turn": ((one, IMAGE_10, turned),),
        "reverse": ((one, SYNC_04, reversed_),),
        "exchange": ((one, SYNC_02, exchanged.format(two, how)), (two, SYNC_02, exchanged.format(one, how))),
    }
    for episode, check, text in found[change.kind]:
        yield episode, check.finding(f"camera {camera!r} {text}", severity=severity)


SYNC_01, SYNC_02, SYNC_04 = Look(Sound, compare_sync, 0).finds(
    Check("SYNC-01", "error", "camera late or early against the rows", "the policy acts on what was, not on what is",
          explains="VIDEO-10"),
    Check("SYNC-02", "error", "video of another episode", "images and actions do not belong together",
          explains="SYNC-01 SYNC-03 VIDEO-11 IMAGE-10 IMAGE-20"),
    Check("SYNC-04", "error", "video runs backwards against the rows", "images and actions do not belong together",
          explains="SYNC-01 SYNC-02 IMAGE-10 MOTION-09"),
)  # fmt: skip
