"""From hands found frame by frame to one left and one right hand over time.

Detections of neighbouring frames are joined where a palm has not moved far, seen in sizes of the hand (the assignment
of least total cost, Kuhn 1955). Each chain of them then votes on its side, so that a detector that changes its mind for
some frames does not exchange the hands. Chains that find both sides taken are hands of somebody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from gr00t_data.sources.human.hands.detections import Detection, Detections
from gr00t_data.sources.human.hands.tracks import LANDMARKS, LEFT, RIGHT, HandTracks

PALM = (0, 5, 9, 13, 17)
"""Wrist and knuckles: they stay together while the fingers move."""

_REACH_SIZES = 1.5
"""A palm that is further away than this many hand sizes is another hand; a turn of the head moves both by one."""
_LOST_SIZES_S, _OTHER_SIDE_SIZES = 6.0, 0.25
"""What counts like a distance when several chains could go on: each second without a sight, and another side."""
_LOST_S = 0.25
"""A chain that was not seen for so long has ended."""
_SAME_HAND_SIZES = 0.35
"""Two detections of one frame that are closer than this are one hand."""
_SHORTEST_FRAMES = 2
"""Chains of fewer frames are taken for mistakes of the detector, when the video has more."""
_SHARED_FRAMES = 2
"""Chains of one side may be in so many frames together: one ends while the next begins."""


@dataclass
class _Chain:
    """One hand, followed."""

    frames: list[int] = field(default_factory=list)
    hands: list[Detection] = field(default_factory=list)

    @property
    def vote(self) -> float:
        """Above zero for the right hand; its size says how sure."""
        return sum(hand.score if hand.side == RIGHT else -hand.score for hand in self.hands)


def centre_px(landmarks_px: np.ndarray) -> np.ndarray:
    """float [..., 2]: the middle of the palm, from landmarks [..., 21, 2]."""
    return landmarks_px[..., PALM, :].mean(-2)


def size_px(landmarks_px: np.ndarray) -> np.ndarray:
    """float [...]: the longer side of the box around the landmarks [..., 21, 2]."""
    return np.ptp(landmarks_px, axis=-2).max(-1)


def assign_sides(found: Detections) -> HandTracks:
    """The two hands of the wearer over the frames of a video."""
    frames = len(found.hands)
    chains = _chains(found)
    sided, others = _sided(chains, frames)
    present, doubts = np.zeros((frames, 2), dtype=bool), np.zeros((frames, 2), dtype=bool)
    confidence = np.zeros((frames, 2), dtype=np.float32)
    landmarks = np.full((frames, 2, LANDMARKS, 2), np.nan, dtype=np.float32)
    for side, chain in sided:
        for frame, hand in zip(chain.frames, chain.hands, strict=True):
            if not present[frame, side]:
                present[frame, side], confidence[frame, side] = True, hand.score
                landmarks[frame, side], doubts[frame, side] = hand.landmarks_px, hand.side != side
    seen = present.sum(1)
    for chain in others:
        seen[chain.frames] += 1
    return HandTracks(
        times_s=found.times_s,
        present=present,
        confidence=confidence,
        landmarks_px=landmarks,
        wrist_poses=None,
        apertures_m=None,
        cameras=None,
        source=found.source,
        licence=found.licence,
        picture_px=found.picture_px,
        hands_seen=seen,
        side_doubts=doubts,
    )


def _chains(found: Detections) -> list[_Chain]:
    """Detections joined over time, in the order in which they begin."""
    chains: list[_Chain] = []
    open_ones: list[_Chain] = []
    for frame, hands in enumerate(found.hands):
        hands = _without_doubles(hands)
        since_s = found.times_s[frame] - _LOST_S
        open_ones = [chain for chain in open_ones if found.times_s[chain.frames[-1]] >= since_s]
        joined = _join(open_ones, hands, found.times_s, frame)
        for number, hand in enumerate(hands):
            chain = joined.get(number)
            if chain is None:
                chains.append(chain := _Chain())
                open_ones.append(chain)
            chain.frames.append(frame)
            chain.hands.append(hand)
    return chains


def _without_doubles(hands: Sequence[Detection]) -> list[Detection]:
    """One detection a hand, the surest one."""
    kept: list[Detection] = []
    for hand in sorted(hands, key=lambda one: -one.score):
        if all(_sizes_apart(hand, other) > _SAME_HAND_SIZES for other in kept):
            kept.append(hand)
    return kept


def _sizes_apart(a: Detection, b: Detection) -> float:
    distance = np.linalg.norm(centre_px(a.landmarks_px) - centre_px(b.landmarks_px))
    return float(distance / max(float(size_px(a.landmarks_px)), float(size_px(b.landmarks_px)), 1.0))


def _join(chains: Sequence[_Chain], hands: Sequence[Detection], times_s: np.ndarray, frame: int) -> dict[int, _Chain]:
    """Number of a hand -> the chain it goes on with."""
    if not chains or not hands:
        return {}
    apart = np.array([[_sizes_apart(chain.hands[-1], hand) for hand in hands] for chain in chains])
    lost_s = times_s[frame] - times_s[[chain.frames[-1] for chain in chains]]
    other = np.array([[(chain.vote > 0) != (hand.side == RIGHT) for hand in hands] for chain in chains])
    cost = apart + _LOST_SIZES_S * lost_s[:, None] + _OTHER_SIDE_SIZES * other
    rows, columns = linear_sum_assignment(np.where(apart <= _REACH_SIZES, cost, 100.0))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {column: chains[row] for row, column in pairs if apart[row, column] <= _REACH_SIZES}


def _sided(chains: Sequence[_Chain], frames: int) -> tuple[list[tuple[int, _Chain]], list[_Chain]]:
    """(side, chain) of the wearer's hands, and the chains of other people's hands. The surest choose first."""
    taken: tuple[set[int], set[int]] = (set(), set())
    sided, others = [], []
    for chain in sorted(chains, key=lambda one: -abs(one.vote)):
        if len(chain.frames) < min(_SHORTEST_FRAMES, frames):
            continue
        first = RIGHT if chain.vote > 0 else LEFT
        free = [side for side in (first, 1 - first) if len(taken[side] & set(chain.frames)) <= _SHARED_FRAMES]
        if free:
            sided.append((free[0], chain))
            taken[free[0]].update(chain.frames)
        else:
            others.append(chain)
    return sided, others
