"""How the wearer's head moves through a video, and where the video was cut: from optical flow of the whole picture.

A coarse pass looks twice a second. Only where the view moves, or where two looks cannot be laid over each other, the
frames between are followed one after the other, 7 to 15 a second. What happens and is over between two looks that
agree is not seen.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8
from scipy.ndimage import median_filter

from gr00t_data.video.files import VideoError
from gr00t_data.video.footage import Glance, glances, grey_frames
from gr00t_data.video.packets import Packets

Stretch = tuple[float, float]
"""Seconds, start and end."""

_CORNERS, _CORNER_QUALITY, _CORNER_APART_PX = 100, 0.01, 7
_FLOW_WINDOW_PX, _FLOW_LEVELS = (21, 21), 4
_FOLLOWED = {"winSize": _FLOW_WINDOW_PX, "maxLevel": _FLOW_LEVELS}
_OFF_PX = 3.0
_FEWEST_FOLLOWED = 12
_FEWEST_AGREE_SHARE = 0.25
"""Corners that must follow one motion of the whole picture. Hands and what they hold move otherwise."""
_SAME_LEVELS = 3.0
"""Mean difference of two pictures that show the same: the noise of a camera and an encoder."""
_CUT_LEVELS, _CUT_TIMES = 18.0, 3.0
_LARGEST_SHARE = 0.6
"""A shift by more leaves too little of the first picture in the second to be believed."""
_SUSPICIOUS_SHARE = _CALMED_SHARE = 0.75
_CLOSE_S = 0.2
"""Frames closer than this follow a turn: at 3 sides a second the view still overlaps by 40 %."""
_GRID = np.stack(np.meshgrid([0.125, 0.375, 0.625, 0.875], [0.125, 0.375, 0.625, 0.875]), -1).reshape(-1, 2)


class Shift(NamedTuple):
    """The motion of the whole picture from one frame to another.

    Attributes:
        share: mean displacement over the picture, as a share of its longer side; NaN when the two show nothing common.
        agree: share of the followed corners that move with it, 0..1.
        levels: mean absolute difference of the two pictures, grey levels 0..255.
    """

    share: float
    agree: float
    levels: float


class Step(NamedTuple):
    """Between two frames: seconds, speed in longer sides of the picture a second, and whether another shot begins."""

    begin_s: float
    end_s: float
    speed: float
    cut: bool = False


@dataclass(frozen=True)
class HeadMotion:
    """Head motion over stretches of a video.

    Attributes:
        begin_s, end_s: float64 [N], steps in which the speed was measured, ascending; a step of the coarse pass is as
            long as two looks are apart.
        speed: float64 [N], longer sides of the picture that the view moves a second, infinite where it cannot be seen.
            With a lens that sees 90 degrees, 0.6 is about 54 degrees a second.
        cuts_s: where another shot begins, seconds.
        looked_closer_s: seconds of video that the fine pass decoded.
    """

    begin_s: np.ndarray
    end_s: np.ndarray
    speed: np.ndarray
    cuts_s: tuple[float, ...]
    looked_closer_s: float

    def fast(self, limit: float, joined_s: float = 0.2) -> list[Stretch]:
        """Stretches in which the view moves faster than ``limit``; those less than ``joined_s`` apart are one.

        A turn lasts until the view has calmed to three quarters of the limit: while it slows down, what the hands hold
        is sharp before the room is, and the speed is measured too low.
        """
        over, near = self.speed > limit, self.speed > _CALMED_SHARE * limit
        for order in (range(1, len(over)), range(len(over) - 2, -1, -1)):
            for step in order:
                before = step - 1 if order.step > 0 else step + 1
                over[step] |= near[step] and over[before]
        turns = zip(self.begin_s[over].tolist(), self.end_s[over].tolist(), strict=True)
        return joined(turns, joined_s)

    def median(self, start_s: float, end_s: float) -> float:
        """Median speed between two times; NaN where nothing was measured."""
        inside = self.speed[(self.end_s > start_s) & (self.begin_s < end_s)]
        return float(np.median(inside)) if len(inside) else float("nan")


def shift_between(before: UInt8[np.ndarray, "h w"], after: UInt8[np.ndarray, "h w"]) -> Shift:
    """Follow corners from one grey frame to the next and fit one similarity to them.

    Corners: Shi and Tomasi 1994; following: pyramidal Lucas-Kanade (Bouguet 2001); fit: RANSAC; all of OpenCV.
    """
    levels = float(cv2.absdiff(before, after).mean())
    corners = cv2.goodFeaturesToTrack(before, _CORNERS, _CORNER_QUALITY, _CORNER_APART_PX)
    if corners is None or len(corners) < _FEWEST_FOLLOWED:
        return Shift(0.0 if levels < _SAME_LEVELS else np.nan, 0.0, levels)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, None, **_FOLLOWED)  # type: ignore[call-overload]
    ok = found.ravel() == 1
    if ok.sum() < _FEWEST_FOLLOWED:
        return Shift(np.nan, 0.0, levels)
    matrix, agree = cv2.estimateAffinePartial2D(
        corners[ok], moved[ok], method=cv2.RANSAC, ransacReprojThreshold=_OFF_PX
    )
    share = 0.0 if agree is None else float(agree.mean()) * float(ok.mean())
    if matrix is None or share < _FEWEST_AGREE_SHARE:
        return Shift(np.nan, share, levels)
    points = _GRID * before.shape[::-1]
    displaced = points @ matrix[:, :2].T + matrix[:, 2] - points
    moved_share = float(np.linalg.norm(displaced, axis=1).mean()) / max(before.shape)
    return Shift(moved_share if moved_share < _LARGEST_SHARE else np.nan, share, levels)


def measure_head_motion(
    facts: Packets,
    spans: Sequence[Stretch] | None = None,
    *,
    limit: float = 0.6,
    every_s: float = 0.5,
    side_px: int = 240,
) -> HeadMotion:
    """Head motion and shot cuts of a video within ``spans`` (None: all of it).

    Args:
        limit: the speed that matters; from three quarters of it on the frames between two looks are followed.
        every_s: distance of the looks of the coarse pass.

    Raises:
        VideoError: the file cannot be read.
    """
    spans = [(0.0, facts.duration_s)] if spans is None else joined(spans)
    with _one_thread():
        steps, closer = _coarse(glances(facts, spans, every_s, side_px), spans, every_s, limit)
        for start_s, end_s in closer:
            try:
                times_s, grey = grey_frames(facts, start_s, end_s, side_px)
            except VideoError:  # one damaged place must not cost the rest of the video
                steps.append(Step(start_s, end_s, np.inf))
                continue
            steps += _fine(list(zip(times_s.tolist(), grey, strict=True)))
    steps = sorted(steps)
    return HeadMotion(
        begin_s=np.array([step.begin_s for step in steps]),
        end_s=np.array([step.end_s for step in steps]),
        speed=np.array([step.speed for step in steps]),
        cuts_s=tuple(step.end_s for step in steps if step.cut),
        looked_closer_s=float(sum(end - start for start, end in closer)),
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Pictures this small take longer with OpenCV's threads than without."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def joined(spans: Iterable[Stretch], apart_s: float = 0.0) -> list[Stretch]:
    """The same seconds as ascending stretches that do not touch."""
    found: list[Stretch] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1] + apart_s:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _coarse(
    looks: Iterable[Glance], spans: Sequence[Stretch], every_s: float, limit: float
) -> tuple[list[Step], list[Stretch]]:
    """The steps between looks, followed frame by frame where it is needed and the frames are at hand.

    Returns:
        the steps that are known now, and the stretches that must be decoded for a closer look.
    """
    steps, closer = list[Step](), list[Stretch]()
    starts = [start for start, _ in spans]
    before, speed = None, 0.0
    for look in looks:
        next_speed = _speed_at(look)
        if before is not None and not any(before.time_s < start <= look.time_s for start in starts):
            across = shift_between(before.grey, look.grey).share / max(look.time_s - before.time_s, 1e-3)
            fastest = float(np.max(np.nan_to_num([speed, next_speed, across], nan=np.inf)))
            # A codec that leaves out more than it was asked to gives looks that are too far apart to trust.
            near = look.time_s - before.time_s <= 1.5 * every_s
            if fastest < _SUSPICIOUS_SHARE * limit and near:
                steps.append(Step(before.time_s, look.time_s, across))
            else:
                found = _followed(before, look)
                steps += found
                closer += [] if found else [(before.time_s, look.time_s)]
        before, speed = look, next_speed
    return steps, joined([*closer, *_unseen(spans, [*steps, *closer])])


def _followed(before: Glance, look: Glance) -> list[Step]:
    """The steps between two looks from the frames at hand; empty where these are too far apart or show too little."""
    times_s = [before.time_s, *(time for time, _ in before.after), look.time_s]
    if np.diff(times_s).max() > _CLOSE_S:
        return []
    between = ((time, grey()) for time, grey in before.after)
    steps = _fine([(before.time_s, before.grey), *between, (look.time_s, look.grey)])
    return steps if all(np.isfinite(step.speed) for step in steps) else []


def _speed_at(look: Glance) -> float:
    """Speed at the moment of a look; 0 without a second frame close by, NaN when the two show nothing common."""
    if not look.after or look.after[0][0] - look.time_s > _CLOSE_S:
        return 0.0
    time_s, grey = look.after[0]
    return shift_between(look.grey, grey()).share / max(time_s - look.time_s, 1e-3)


def _unseen(spans: Sequence[Stretch], seen: Sequence[Step | Stretch]) -> list[Stretch]:
    """What of the spans no step of the coarse pass covers: their ends, and what could not be decoded cheaply."""
    holes, covered = [], joined((one[0], one[1]) for one in seen)
    for start, end in spans:
        edge = start
        for begin, stop in covered:
            if stop <= edge or begin >= end:
                continue
            holes += [(edge, begin)] if begin - edge > _CLOSE_S else []
            edge = max(edge, stop)
        holes += [(edge, end)] if end - edge > _CLOSE_S else []
    return holes


def _fine(frames: Sequence[tuple[float, np.ndarray]]) -> list[Step]:
    """Every step between (time, grey frame) that follow one another, with the cuts among them."""
    shifts = [shift_between(before, after) for (_, before), (_, after) in pairwise(frames)]
    times_s = np.array([time for time, _ in frames])
    share, levels = np.array([one.share for one in shifts]), np.array([one.levels for one in shifts])
    cut = _cuts(share, levels)
    speed = median_filter(_filled(share / np.maximum(np.diff(times_s), 1e-3), cut), 3, mode="nearest")
    steps = zip(times_s[:-1].tolist(), times_s[1:].tolist(), speed.tolist(), cut.tolist(), strict=True)
    return [Step(*step) for step in steps]


def _cuts(share: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """bool [n]: steps at which everything changes at once, far more than in the steps around, and nothing follows."""
    cut = np.isnan(share) & (levels > _CUT_LEVELS)
    for number in np.flatnonzero(cut):
        near = np.delete(levels[max(number - 4, 0) : number + 5], min(number, 4))
        cut[number] = levels[number] > _CUT_TIMES * np.median(near) if len(near) else False
    return cut


def _filled(speed: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """Steps without a measurement count as the faster of their neighbours; a blurred turn leaves nothing to follow.

    A cut is no motion. Where nothing at all could be measured the speed is infinite.
    """
    speed = np.where(cut, 0.0, speed)
    known = np.flatnonzero(~np.isnan(speed))
    filled = speed.copy()
    for number in np.flatnonzero(np.isnan(speed)):
        sides = speed[np.concatenate([known[known < number][-1:], known[known > number][:1]])]
        filled[number] = sides.max() if len(sides) else np.inf
    return filled
