"""What is wrong with the path of two hands: sides exchanged, jumps, short tracks, hands of other people."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from gr00t_data.sources.human.hands.assign import centre_px, size_px
from gr00t_data.sources.human.hands.tracks import SIDES, HandTracks
from gr00t_data.sources.human.hands.wrists import Poses

MOST_SPEED_M_S = 5.0
"""A wrist that is faster between two frames was not tracked. Throwing reaches more, work does not; quality tools for
recorded poses use the same limit."""
MOST_TURN_RAD_S = 40.0
"""The same for its turn: 76 degrees in a frame of 30 Hz."""

_NEIGHBOURS_S = 0.25
"""Frames further apart say nothing about an exchange or a jump between them."""
_SHORT_PIECE_S = 0.25
"""Between two jumps a piece that is not longer is taken for the mistake; of longer ones nobody can say."""
_LEAST_EXCHANGE_M, _LEAST_EXCHANGE_SIZES = 0.1, 0.5
"""Hands that are closer to each other than this cannot be told apart by where they are."""
_CROSSING = 0.5
_LEAST_INSIDE_SHARE = 0.25
"""Of the landmarks of a hand that the picture shows; the rest may be cut off by its edge."""


@dataclass(frozen=True)
class Jump:
    """A step that no hand makes, from ``frame - 1`` to ``frame``; ``side`` 0 is the left hand."""

    frame: int
    side: int
    speed_m_s: float
    speed_rad_s: float


@dataclass(frozen=True)
class Cleaned:
    """Tracks with exchanged hands put back and wrong pieces left out.

    Attributes:
        swaps: first and last frame of each stretch in which left and right were exchanged.
        jumps: all that were found.
        begins: bool [T, 2], True where the path does not go on from the frame before (a jump that stays).
    """

    tracks: HandTracks
    swaps: tuple[tuple[int, int], ...]
    jumps: tuple[Jump, ...]
    begins: np.ndarray


def clean(tracks: HandTracks, fixed: Poses | None = None) -> Cleaned:
    """Find exchanges and jumps, and undo what can be undone.

    Args:
        fixed: float64 [T, 2, 4, 4], wrists in one frame, so that a turn of the head is no motion of a hand; None takes
            those of ``tracks`` in their own camera.
    """
    fixed = tracks.wrist_poses if fixed is None else fixed
    swaps = exchanged(tracks, None if fixed is None else fixed[..., :3, 3])
    for first, last in swaps:
        tracks = _put_back(tracks, first, last)
        if fixed is not None:
            fixed = fixed.copy()
            fixed[first : last + 1] = fixed[first : last + 1, ::-1]
    if fixed is None:
        return Cleaned(tracks, swaps, (), np.zeros((len(tracks), 2), dtype=bool))
    jumps = find_jumps(tracks, fixed)
    wrong, begins = _wrong_pieces(tracks, jumps)
    return Cleaned(_without(tracks, wrong), swaps, jumps, begins)


def exchanged(tracks: HandTracks, places_m: np.ndarray | None) -> tuple[tuple[int, int], ...]:
    """First and last frame of each stretch in which the hands have each other's name.

    An exchange is a step at which both hands come much nearer to where the other one was than to where they were
    themselves. On which side of it the names are right is told by the picture: the wearer's left hand is further left
    for most of the time.

    Args:
        places_m: float64 [T, 2, 3] in one frame; None takes the palms in the picture.
    """
    if places_m is None:
        if tracks.landmarks_px is None:
            return ()
        places, least = centre_px(tracks.landmarks_px), _LEAST_EXCHANGE_SIZES * size_px(tracks.landmarks_px).max(1)
    else:
        places, least = places_m, np.full(len(tracks), _LEAST_EXCHANGE_M)
    both = np.flatnonzero(tracks.present.all(1))
    if len(both) < 2:
        return ()
    before, after = places[both[:-1]], places[both[1:]]
    stays = np.linalg.norm(after - before, axis=-1).sum(1)
    crosses = np.linalg.norm(after - before[:, ::-1], axis=-1).sum(1)
    near = np.diff(tracks.times_s[both]) <= _NEIGHBOURS_S
    crossing = near & (crosses < _CROSSING * stays) & (stays > 2 * least[both[1:]])
    if not crossing.any():
        return ()
    odd = np.concatenate([[0], np.cumsum(crossing)]) % 2 == 1
    if _rightness(tracks, both, odd) < _rightness(tracks, both, ~odd):
        odd = ~odd
    return _stretches(both, odd, len(tracks))


def _rightness(tracks: HandTracks, both: np.ndarray, odd: np.ndarray) -> float:
    """Share of frames in which the left hand is further left, if the ``odd`` ones are exchanged back."""
    if tracks.wrist_poses is not None:
        across = tracks.wrist_poses[both, :, 0, 3]
    else:
        assert tracks.landmarks_px is not None
        across = centre_px(tracks.landmarks_px)[both, :, 0]
    right_of_left = across[:, 1] > across[:, 0]
    return float((right_of_left != odd).mean()) - 1e-6 * float(odd.mean())


def _stretches(both: np.ndarray, odd: np.ndarray, frames: int) -> tuple[tuple[int, int], ...]:
    """Runs of ``odd`` as frames; a run that reaches the first or last frame with both hands reaches the end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], odd, [False]]).astype(np.int8)))
    found = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        first = 0 if start == 0 else int(both[start])
        last = frames - 1 if end == len(both) else int(both[end]) - 1
        found.append((first, last))
    return tuple(found)


def _put_back(tracks: HandTracks, first: int, last: int) -> HandTracks:
    changed = {}
    for name in ("present", "confidence", "landmarks_px", "wrist_poses", "apertures_m", "side_doubts"):
        value = getattr(tracks, name)
        if value is not None:
            changed[name] = value.copy()
            changed[name][first : last + 1] = value[first : last + 1, ::-1]
    return replace(tracks, **changed)


def find_jumps(tracks: HandTracks, fixed: Poses) -> tuple[Jump, ...]:
    """Steps between neighbouring frames that are faster than a hand, by place or by turn."""
    found = []
    for side in range(2):
        frames = np.flatnonzero(tracks.present[:, side])
        for before, after in zip(frames[:-1].tolist(), frames[1:].tolist(), strict=True):
            step_s = tracks.times_s[after] - tracks.times_s[before]
            if step_s > _NEIGHBOURS_S:
                continue
            moved = np.linalg.norm(fixed[after, side, :3, 3] - fixed[before, side, :3, 3]) / step_s
            turn = fixed[before, side, :3, :3].T @ fixed[after, side, :3, :3]
            turned = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)) / step_s
            if moved > MOST_SPEED_M_S or turned > MOST_TURN_RAD_S:
                found.append(Jump(after, side, float(moved), float(turned)))
    return tuple(found)


def _wrong_pieces(tracks: HandTracks, jumps: tuple[Jump, ...]) -> tuple[np.ndarray, np.ndarray]:
    """bool [T, 2] each: frames of short pieces at a jump, and frames at which the path begins anew."""
    wrong, begins = np.zeros_like(tracks.present), np.zeros_like(tracks.present)
    for side in range(2):
        frames = np.flatnonzero(tracks.present[:, side])
        at = [jump.frame for jump in jumps if jump.side == side]
        pieces = np.split(frames, np.searchsorted(frames, at))
        longest = max((len(piece) for piece in pieces), default=0)
        for piece in pieces if at else []:
            if len(piece) < longest and len(piece) and np.ptp(tracks.times_s[piece]) <= _SHORT_PIECE_S:
                wrong[piece, side] = True
        kept = [piece for piece in pieces if len(piece) and not wrong[piece[0], side]]
        for earlier, later in pairwise(kept):
            # Two pieces that a short mistake lay between go on; two that a jump alone parts do not.
            begins[later[0], side] = later[0] in at and frames[np.searchsorted(frames, later[0]) - 1] == earlier[-1]
    return wrong, begins


def _without(tracks: HandTracks, wrong: np.ndarray) -> HandTracks:
    if not wrong.any():
        return tracks
    holes: dict[str, Any] = {"present": tracks.present & ~wrong}
    for name in ("wrist_poses", "apertures_m", "landmarks_px"):
        value = getattr(tracks, name)
        if value is not None:
            holes[name] = value.copy()
            holes[name][wrong] = np.nan
    return replace(tracks, **holes)


def visible_in(tracks: HandTracks) -> np.ndarray:
    """bool [T, 2]: hands that are there and in the picture. Trackers of the whole body know hands that nobody sees.

    Without landmarks every hand counts that is there.
    """
    if tracks.landmarks_px is None or tracks.picture_px is None:
        return tracks.present
    points, edges = tracks.landmarks_px, np.array(tracks.picture_px)
    inside = ((points >= 0) & (points < edges)).all(-1).mean(-1)
    return tracks.present & (inside >= _LEAST_INSIDE_SHARE)


def runs_s(times_s: np.ndarray, present: np.ndarray, longest_gap_s: float) -> list[float]:
    """How long a hand was there without a gap longer than ``longest_gap_s``, each time, seconds."""
    frames = np.flatnonzero(present)
    if not frames.size:
        return []
    step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.0
    pieces = np.split(frames, np.flatnonzero(np.diff(times_s[frames]) > longest_gap_s + 1e-6) + 1)
    return [float(times_s[piece[-1]] - times_s[piece[0]]) + step_s for piece in pieces]


@dataclass(frozen=True)
class Summary:
    """Counts of frames, for people.

    Attributes:
        side_doubts: frames in which the detector calls a hand the other one.
        longest_run_s: side -> the longest time without a gap.
    """

    frames: int
    with_a_hand: int
    with_both_hands: int
    left: int
    right: int
    more_than_two: int
    side_doubts: int
    longest_run_s: dict[str, float]
    source: str
    licence: str


def summary_of(tracks: HandTracks, longest_gap_s: float = 0.2) -> Summary:
    """In how many frames there are hands."""
    count, present = len(tracks), tracks.present
    longest = {
        side: max(runs_s(tracks.times_s, present[:, number], longest_gap_s), default=0.0)
        for number, side in enumerate(SIDES)
    }
    return Summary(
        frames=count,
        with_a_hand=int(present.any(1).sum()),
        with_both_hands=int(present.all(1).sum()),
        left=int(present[:, 0].sum()),
        right=int(present[:, 1].sum()),
        more_than_two=0 if tracks.hands_seen is None else int((tracks.hands_seen > 2).sum()),
        side_doubts=0 if tracks.side_doubts is None else int(tracks.side_doubts.any(1).sum()),
        longest_run_s={side: round(value, 3) for side, value in longest.items()},
        source=tracks.source,
        licence=tracks.licence,
    )
