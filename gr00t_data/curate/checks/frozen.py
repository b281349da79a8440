"""Checks of the order of pictures: frozen, repeated, played twice. All of them need a robot that moves meanwhile."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.camera_evidence import boxed
from gr00t_data.curate.subject.sight import Sight
from gr00t_data.curate.subject.signals import MOVING_SHARE_HZ, runs_of
from gr00t_data.curate.subject.view import View

STILL_LEVELS = 0.4
"""Change of the most changed cell of the picture below which two frames are the same picture, encoded twice."""

_FROZEN_S = 0.2
_SEEN_LEVELS = 5.0
"""Change of the most changed cell that no encoder leaves out. Encoders do skip fainter motion for a frame or more."""

_CELLS = 16
_LONGEST_LOOP = 20


def check_frozen(sight: Sight) -> list[Finding]:
    """VIDEO-10, VIDEO-11 and VIDEO-12; the frames that they explain are marked in ``sight.explained``."""
    view, explained = sight.view, sight.explained
    if len(view.number) < 8 or not len(sight.speed):
        return []
    energy = np.nan_to_num(boxed(np.abs(view.steps), _CELLS).max((1, 2)), nan=_SEEN_LEVELS)
    control_hz = sight.subject.embodiment.control_hz
    speed = sight.speed[np.clip(view.number - 1, 0, len(sight.speed) - 1)]  # from the row before each frame to its own
    moving = speed > MOVING_SHARE_HZ / control_hz
    still = (energy < STILL_LEVELS) & ~view.begins
    findings = [*_frozen(control_hz, sight.where, view, energy, still, moving, explained)]
    findings += _repeated(sight.where, view, energy, still & ~explained, moving, explained)
    if not findings:
        findings += _played_twice(sight.where, view, energy, explained)
    return findings


def _frozen(
    control_hz: float,
    where: str,
    view: View,
    energy: np.ndarray,
    still: np.ndarray,
    moving: np.ndarray,
    explained: np.ndarray,
) -> Iterator[Finding]:
    """Runs without change that end in a leap, or in which as fast a robot is seen to move at other times."""
    least = max(round(_FROZEN_S * control_hz), 3)
    for first, last in runs_of(still):
        length = last - first + 1
        if length < least or moving[first : last + 1].mean() < 0.6:
            continue
        seen = energy[moving & ~still]
        expected = float(np.quantile(seen, 0.25)) if seen.sum() and len(seen) > 8 else 0.0
        after = energy[last + 1 : last + 7]
        leaps = len(after) > 3 and after[0] > 2.5 * after[1:].max() and after[0] > _SEEN_LEVELS
        if not leaps and expected < _SEEN_LEVELS:
            continue
        explained[max(first - 1, 0) : last + 2] = True
        frames = (int(view.number[first]) - 1, int(view.number[last]))
        yield VIDEO_10.finding(
            f"{where} shows one picture for {length + 1} frames from frame {frames[0]} on while the robot moves; "
            "the camera or its driver stalled: leave these frames out",
            frames,
            severity="error" if length > 0.5 * control_hz else "warning",
        )


def _repeated(
    where: str, view: View, energy: np.ndarray, still: np.ndarray, moving: np.ndarray, explained: np.ndarray
) -> Iterator[Finding]:
    beside = np.maximum(np.concatenate([[0], energy[:-1]]), np.concatenate([energy[1:], [0]]))
    repeated = still & moving & (beside > _SEEN_LEVELS) & (beside > 12 * energy)
    seen = moving & (np.maximum(beside, energy) > _SEEN_LEVELS)
    share = repeated.sum() / max(seen.sum(), 1)
    if repeated.sum() >= 3 and share > 0.04:
        rows = np.flatnonzero(repeated)
        explained[:] = True
        yield VIDEO_11.finding(
            f"{where} repeats the frame before in {int(repeated.sum())} of {int(seen.sum())} frames in which the robot "
            "is seen to move; the camera was slower than the rows: record it at the control rate",
            (int(view.number[rows[0]]), int(view.number[rows[-1]])),
            severity="error" if share > 0.2 else "warning",
        )


def _played_twice(where: str, view: View, energy: np.ndarray, explained: np.ndarray) -> Iterator[Finding]:
    """Several frames in a row equal those a few frames before, although the picture changed in between."""
    pictures = boxed(view.luma, _CELLS)
    for back in range(2, min(_LONGEST_LOOP, len(pictures) // 3) + 1):
        same = np.zeros(len(pictures), dtype=bool)
        again = np.abs(pictures[back:] - pictures[:-back]).max((1, 2))
        between = np.abs(pictures[back:] - pictures[back - back // 2 : len(pictures) - back // 2]).max((1, 2))
        same[back:] = again < np.maximum(0.2 * _SEEN_LEVELS, 0.1 * between)
        moved = np.convolve(energy, np.ones(back), mode="full")[: len(energy)]
        for first, last in runs_of(same & (moved > back * _SEEN_LEVELS)):
            if last - first + 1 >= max(back // 2, 3) and not view.begins[first - back : last + 1][1:].any():
                explained[first - back : last + 2] = True
                frames = (int(view.number[first]), int(view.number[last]))
                yield VIDEO_12.finding(
                    f"{where} plays frames {frames[0] - back} to {frames[1] - back} again from frame {frames[0]} on; "
                    "a buffer was written twice and the frames after it are lost: leave these frames out",
                    frames,
                )
                return


VIDEO_10, VIDEO_11, VIDEO_12 = Look(Sight, check_frozen, 4).finds(
    Check("VIDEO-10", "error", "camera frozen while the robot moves", "the policy learns to act without seeing",
          explains="SYNC-* IMAGE-13 IMAGE-16", leaves_out="chunks"),
    Check("VIDEO-11", "warning", "frames repeated: the camera was slower than the rows",
          "images are older than their rows say", explains="SYNC-01 IMAGE-13 IMAGE-16"),
    Check("VIDEO-12", "error", "a piece of the video is played twice", "images and actions do not belong together",
          explains="SYNC-* IMAGE-13 IMAGE-16"),
)  # fmt: skip
