"""Two kinds of labels for a clip of human video: none that count (action-free), or wrists that move like a robot's.

*action-free*: state and action are zeros that the store lists as absent; only what the pictures will show (FLARE)
teaches. The default, and all that tracks without depth allow.

*wrist*: for the embodiment ``human_hands``. Place and turn of each wrist in the camera of the clip's first row, and how
far thumb and index finger are apart; an action is that one row later. Rows in which a hand is not known are masked part
by part: columns ``state_valid.<part>`` and ``action_valid.<part>`` are 0 there, and what the row holds in their place
is the nearest known pose, which reaches neither the model nor the loss.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rotations import matrix_to_rotation_6d
from gr00t_data.sources.human.footage import PlannedClip
from gr00t_data.sources.human.hands.evidence import evidence_of, nearest_frames
from gr00t_data.sources.human.hands.quality import Cleaned, clean, visible_in
from gr00t_data.sources.human.hands.tracks import SIDES, HandTracks
from gr00t_data.sources.human.hands.wrists import Poses, Track, in_one_camera, pose_at
from gr00t_data.sources.human.settings import LabelSettings

Mode = Literal["action-free", "wrist"]

STATE_VALID, ACTION_VALID = "state_valid", "action_valid"
"""Columns ``state_valid.<part>`` and ``action_valid.<part>``: 1 where the row has a value of the part, else 0."""

ABSENT_ALL = ("state", "action")

_PARTS = tuple(f"{side}_{what}" for side in SIDES for what in ("wrist_position", "wrist_rotation", "aperture"))


@dataclass(frozen=True)
class Labels:
    """The labels of one clip.

    Attributes:
        mode: which kind.
        state: float64 [T, S], action: float64 [T, A]; zeros where absent.
        absent: what the store lists as absent when all of its clips have these labels.
        columns: int64 [T] each, the same names for every clip of an embodiment.
        evidence: JSON-able; goes into ``source["hands"]`` of the episode, where the checks read it.
    """

    mode: Mode
    state: np.ndarray
    action: np.ndarray
    absent: tuple[str, ...]
    columns: dict[str, np.ndarray]
    evidence: dict[str, Any]


def mode_of(tracks: HandTracks | None, embodiment: Embodiment) -> tuple[Mode, str]:
    """The kind of labels that tracks allow, and why not more."""
    if tracks is None:
        return "action-free", "nobody looked for hands"
    parts = {part.name for part in (*embodiment.state, *embodiment.action)}
    if not parts >= set(_PARTS):
        return "action-free", f"embodiment {embodiment.name!r} has no wrists of a person"
    if tracks.wrist_poses is None:
        return "action-free", f"{tracks.source} knows where hands are in the picture, not in space"
    if tracks.cameras is None:
        return "action-free", f"{tracks.source} does not say how the camera moved"
    return "wrist", ""


def row_times_s(
    clip: PlannedClip,
    tracks: HandTracks | None,
    embodiment: Embodiment,
    settings: LabelSettings = LabelSettings(),
) -> np.ndarray:
    """float64 [T]: the second of the video that each row shows, at the embodiment's rate; slowed for wrist labels."""
    slow_down = settings.slow_down if mode_of(tracks, embodiment)[0] == "wrist" else 1.0
    step_s = 1 / (embodiment.control_hz * slow_down)
    rows = int(np.floor((clip.end_s - clip.start_s) / step_s + 1e-6))
    return clip.start_s + step_s * np.arange(max(rows, 1))


def label(
    clip: PlannedClip,
    tracks: HandTracks | None,
    embodiment: Embodiment,
    times_s: np.ndarray,
    settings: LabelSettings = LabelSettings(),
) -> Labels:
    """The labels of one clip.

    Args:
        tracks: of the whole video or of a part that holds the clip; None when nobody looked.
        times_s: float64 [T], the second of the video that each row shows, increasing (``row_times_s``).

    Raises:
        ValueError: the rows lie outside the clip.
    """
    _check_times(clip, times_s)
    mode, reason = mode_of(tracks, embodiment)
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1 / embodiment.control_hz
    said: dict[str, Any] = {
        "mode": mode,
        "reason": reason,
        "slow_down": round(1 / (embodiment.control_hz * step_s), 4),
        "settings": settings.model_dump(),
    }
    if tracks is None:
        return _action_free(embodiment, np.full(len(times_s), -1), None, said)
    cut = tracks.between(float(times_s[0]), float(times_s[-1]) + step_s)
    found = clean(cut, _fixed(cut, float(times_s[0])))
    frames = nearest_frames(found.tracks.times_s, times_s)
    said |= evidence_of(cut, found, times_s, frames, settings.longest_gap_s, clip.footage.intrinsics)
    if mode == "action-free":
        return _action_free(embodiment, frames, found.tracks, said)
    return _wrists(found, embodiment, times_s, frames, step_s, settings, said)


def _check_times(clip: PlannedClip, times_s: np.ndarray) -> None:
    slack_s = 0.1
    if not len(times_s) or times_s[0] < clip.start_s - slack_s or times_s[-1] > clip.end_s + slack_s:
        span = f"{times_s[0]:.3f} to {times_s[-1]:.3f} s" if len(times_s) else "no rows"
        raise ValueError(
            f"{clip.footage.video}: the rows show {span} of the video, the clip goes from {clip.start_s:.3f} to "
            f"{clip.end_s:.3f} s; give the seconds of the video"
        )


def _fixed(tracks: HandTracks, start_s: float) -> Poses | None:
    """float64 [T, 2, 4, 4]: wrists in the camera of the first row; None without depth or without the camera's path."""
    if tracks.wrist_poses is None or tracks.cameras is None:
        return None
    first = pose_at(tracks.times_s, tracks.cameras, start_s)
    return in_one_camera(tracks.wrist_poses, tracks.cameras, first)


def _action_free(embodiment: Embodiment, frames: np.ndarray, tracks: HandTracks | None, said: dict[str, Any]) -> Labels:
    rows = len(frames)
    return Labels(
        mode="action-free",
        state=np.zeros((rows, embodiment.state_dim)),
        action=np.zeros((rows, embodiment.action_dim)),
        absent=ABSENT_ALL,
        columns=_seen(frames, tracks) | _validity(embodiment, rows),
        evidence=said,
    )


def _wrists(
    found: Cleaned,
    embodiment: Embodiment,
    times_s: np.ndarray,
    frames: np.ndarray,
    step_s: float,
    settings: LabelSettings,
    said: dict[str, Any],
) -> Labels:
    state = np.zeros((len(times_s), embodiment.state_dim))
    action = np.zeros((len(times_s), embodiment.action_dim))
    columns = _seen(frames, found.tracks) | _validity(embodiment, len(times_s))
    fixed = _fixed(found.tracks, float(times_s[0]))
    assert fixed is not None
    for side, name in enumerate(SIDES):
        track = _track(found, fixed, side, settings.longest_gap_s)
        for rows_s, values, which, valid in (
            (times_s, state, embodiment.state_part, STATE_VALID),
            (times_s + step_s, action, embodiment.action_part, ACTION_VALID),
        ):
            parts, known = _parts_at(track, rows_s)
            for part, value, there in zip(parts, parts.values(), known, strict=True):
                values[:, which(f"{name}_{part}").slice] = value
                columns[f"{valid}.{name}_{part}"] = there.astype(np.int64)
    said |= _masked(columns, len(times_s))
    return Labels("wrist", state, action, (), columns, said | {"wrist_axes": found.tracks.wrist_axes})


def _track(found: Cleaned, fixed: Poses, side: int, longest_gap_s: float) -> Track:
    tracks, there = found.tracks, found.tracks.present[:, side]
    apertures = np.full(len(tracks), np.nan) if tracks.apertures_m is None else tracks.apertures_m[:, side]
    return Track.of(
        tracks.times_s[there],
        fixed[there, side],
        apertures[there, None],
        found.begins[there, side],
        longest_gap_s,
        float(np.median(np.diff(tracks.times_s))) if len(tracks) > 1 else 0.0,
    )


def _parts_at(track: Track, rows_s: np.ndarray) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Values of the three parts of a hand, and where each is known."""
    whole = np.isfinite(track.values[:, 3]) if len(track.times_s) else np.zeros(0, dtype=bool)
    filled = replace(track, values=np.where(np.isfinite(track.values), track.values, 0.0))
    values, turns, known = filled.at(rows_s)
    near = nearest_frames(track.times_s, rows_s)
    spread = known & whole[near] if len(whole) else known
    parts = {
        "wrist_position": values[:, :3],
        "wrist_rotation": matrix_to_rotation_6d(turns),
        "aperture": values[:, 3:],
    }
    return parts, [known, known, spread]


def _seen(frames: np.ndarray, tracks: HandTracks | None) -> dict[str, np.ndarray]:
    """Whether each hand is in the picture that a row shows, and how many hands are."""
    if tracks is None:
        return {f"hand_{name}": np.zeros(len(frames), dtype=np.int64) for name in (*SIDES, "count")}
    present = visible_in(tracks)[frames].astype(np.int64)
    count = present.sum(1) if tracks.hands_seen is None else tracks.hands_seen[frames].astype(np.int64)
    return {f"hand_{name}": present[:, side] for side, name in enumerate(SIDES)} | {"hand_count": count}


def _validity(embodiment: Embodiment, rows: int) -> dict[str, np.ndarray]:
    names = [f"{STATE_VALID}.{part.name}" for part in embodiment.state if part.name in _PARTS]
    names += [f"{ACTION_VALID}.{part.name}" for part in embodiment.action if part.name in _PARTS]
    return {name: np.zeros(rows, dtype=np.int64) for name in names}


def _masked(columns: dict[str, np.ndarray], rows: int) -> dict[str, Any]:
    """Share of masked rows of each hand, and the parts that have any: no check may read them as motion."""
    valid = {name: column for name, column in columns.items() if name.startswith((STATE_VALID, ACTION_VALID))}
    holes = [name.replace("_valid", "") for name, column in valid.items() if not column.all()]
    shares = {side: round(1 - float(valid[f"{STATE_VALID}.{side}_wrist_position"].mean()), 4) for side in SIDES}
    return {"masked_share": shares, "masked_parts": holes if rows else []}
