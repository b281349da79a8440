"""One camera against another: exchanged names, and cameras that drift apart in time."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.checks.frozen import VIDEO_10
from gr00t_data.curate.compare.evidence import Cameras, EpisodeEvidence
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.robust import FEWEST, median_of_others
from gr00t_data.curate.subject.camera_evidence import CameraEvidence

_REACH = 10
_SKEW_ROWS = 1.5
_GAIN = 0.02
_NO_MOTION, _MOTION = 40, 60
"""Largest change of a cell between two frames, of 255 (``camera_evidence.MOTION_CAP``): of one picture, encoded again
at key frames (9 to 23), and of a robot (122 and more)."""

_MOSTLY_STILL = 4
"""The same of the usual frame: 0 of one picture, 17 and more where a robot moves."""


def compare_cameras(cameras: Cameras) -> Iterator[tuple[int, str, Finding]]:
    """IMAGE-18, SYNC-03 and VIDEO-10: (episode, camera, finding)."""
    evidence, embodiment = cameras.evidence, cameras.embodiment
    for camera in embodiment.cameras:
        yield from _frozen_throughout(evidence, camera.name)
    for one, two in combinations([camera.name for camera in embodiment.cameras], 2):
        pairs = {e.index: (e.cameras[one], e.cameras[two]) for e in evidence if one in e.cameras and two in e.cameras}
        if len(pairs) >= FEWEST:
            yield from _exchanged(pairs, one, two)
            yield from _skewed(pairs, one, two, embodiment.control_hz)


Pairs = dict[int, tuple[CameraEvidence, CameraEvidence]]


def _frozen_throughout(evidence: Sequence[EpisodeEvidence], camera: str) -> Iterator[tuple[int, str, Finding]]:
    """VIDEO-10 of a camera that shows one picture all along, and motion in the other episodes."""
    changes = {one.index: one.cameras[camera].motion.max((1, 2)) for one in evidence if camera in one.cameras}
    seen = {index: change.max(initial=0) for index, change in changes.items()}
    moved = {one.index for one in evidence if one.pose is not None and np.ptp(one.pose, axis=0).max(initial=0) > 0.02}
    for index, most in seen.items():
        others = [value for other, value in seen.items() if other != index]
        still = most <= _NO_MOTION and len(changes[index]) and np.median(changes[index]) <= _MOSTLY_STILL
        if index in moved and still and len(others) >= FEWEST - 1 and np.median(others) > _MOTION:
            finding = VIDEO_10.finding(
                f"camera {camera!r} shows one picture all along while the robot moves, in the other episodes it "
                "shows motion; the camera or its driver stalled: leave the episode out"
            )
            yield index, camera, finding


def _exchanged(pairs: Pairs, one: str, two: str) -> Iterator[tuple[int, str, Finding]]:
    """Each camera's background is more like the usual one of the other camera."""
    numbers = list(pairs)
    first, second = (np.stack([pairs[n][k].background for n in numbers]).astype(np.float64) for k in (0, 1))
    usual_first, usual_second = median_of_others(first), median_of_others(second)
    for place, index in enumerate(numbers):
        usual_one, usual_two = usual_first[place], usual_second[place]
        as_is = np.abs(first[place] - usual_one).mean() + np.abs(second[place] - usual_two).mean()
        exchanged = np.abs(first[place] - usual_two).mean() + np.abs(second[place] - usual_one).mean()
        if exchanged < 0.6 * as_is:
            finding = IMAGE_18.finding(
                f"cameras {one!r} and {two!r} are exchanged: their backgrounds are {as_is:.0f} levels from the usual "
                f"ones, {exchanged:.0f} when exchanged; exchange the two files"
            )
            yield index, one, finding


def _skewed(pairs: Pairs, one: str, two: str, control_hz: float) -> Iterator[tuple[int, str, Finding]]:
    """Both cameras see the same motion; the shift at which they agree is that of the other episodes."""
    curves = {index: curve for index, (a, b) in pairs.items() if (curve := skew_curve(a, b)) is not None}
    shifts = {index: float(curve.argmax()) - _REACH for index, curve in curves.items()}
    for index, curve in curves.items():
        others = [shift for other, shift in shifts.items() if other != index]
        if len(others) < FEWEST - 1:
            return
        usual = float(np.median(others))
        off = shifts[index] - usual
        gain = float(curve.max() - curve[round(usual) + _REACH])
        spread = 1.4826 * float(np.median(np.abs(np.array(others) - usual)))
        if abs(off) > max(_SKEW_ROWS, 3 * spread) and gain > _GAIN and curve.max() > 0.5:
            finding = SYNC_03.finding(
                f"camera {two!r} is {abs(off):.0f} frames ({1000 * abs(off) / control_hz:.0f} ms) "
                f"{'behind' if off > 0 else 'ahead of'} {one!r}, compared with the other episodes; align the two clocks"
            )
            yield index, two, finding


def skew_curve(one: CameraEvidence, two: CameraEvidence) -> np.ndarray | None:
    """float64 [2 * 10 + 1]: correlation of the motion seen by two cameras, the second later by -10 .. 10 frames."""
    common, at_one, at_two = np.intersect1d(one.number, two.number, return_indices=True)
    if len(common) < 3 * _REACH // 2 or (np.diff(common) != 1).any():
        return None
    x, y = (c.motion[at].astype(np.float64).mean((1, 2)) for c, at in ((one, at_one), (two, at_two)))
    values = []
    for shift in range(-_REACH, _REACH + 1):
        a = x[max(0, -shift) : len(x) - max(0, shift)]
        b = y[max(0, shift) : len(y) - max(0, -shift)]
        a, b = a - a.mean(), b - b.mean()
        values.append(float((a * b).sum() / np.sqrt(max((a * a).sum() * (b * b).sum(), 1e-12))))
    return np.array(values)


IMAGE_18, SYNC_03 = Look(Cameras, compare_cameras, 0).finds(
    Check("IMAGE-18", "error", "two cameras are exchanged", "each view is taken for the other",
          explains="IMAGE-10 IMAGE-14 IMAGE-20 SYNC-*"),
    Check("SYNC-03", "error", "two cameras are shifted in time", "the views contradict each other"),
)  # fmt: skip
