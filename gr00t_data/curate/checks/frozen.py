"""Checks of the order of pictures: frozen, played twice. All of them need a robot that moves meanwhile."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.camera_evidence import boxed
from gr00t_data.curate.subject.sight import Sight
from gr00t_data.curate.subject.signals import runs_of
from gr00t_data.curate.subject.stillness import CELLS, held_runs, stir_of
from gr00t_data.curate.subject.view import View

_FROZEN_S = 0.2
_SEEN_LEVELS = 5.0
"""Change of the most changed cell from which motion is seen to go on."""

_QUIET_SHARE = 0.25
"""Change of the whole picture below which not even the noise of sensor and encoder is left: a share of what the quieter
quarter of the other frames has."""

_NOISE_LEVELS = 0.05
_NOISE_QUANTILE = 0.02
_LONGEST_LOOP = 20


def check_frozen(sight: Sight) -> list[Finding]:
    """VIDEO-10 and VIDEO-12; the frames that they explain are marked in ``sight.explained``."""
    view, explained = sight.view, sight.explained
    if len(view.number) < 8 or not len(sight.speed):
        return []
    energy = np.nan_to_num(boxed(np.abs(view.steps), CELLS).max((1, 2)), nan=_SEEN_LEVELS)
    findings = list(_frozen(sight, energy))
    if not findings:
        findings += _played_twice(sight.where, view, energy, explained)
    return findings


def _frozen(sight: Sight, energy: np.ndarray) -> Iterator[Finding]:
    """Runs with one picture in which not even noise is left, where motion or noise would have been seen."""
    view, control_hz, moving = sight.view, sight.subject.embodiment.control_hz, sight.moving
    least = max(round(_FROZEN_S * control_hz), 3)
    stir = stir_of(view)
    runs = [run for run in held_runs(view, least) if _quiet(view, stir, moving, run)]
    free = ~view.begins
    for first, last in runs:
        free[first : last + 1] = False
    for first, last in runs:
        if moving[first : last + 1].mean() < 0.6:
            continue
        seen = energy[moving & free]
        expected = float(np.quantile(seen, 0.25)) if len(seen) > 8 else 0.0
        after = energy[last + 1 : last + 7]
        leaps = len(after) > 3 and after[0] > 2.5 * after[1:].max() and after[0] > _SEEN_LEVELS
        if not leaps and expected < _SEEN_LEVELS and not _noiseless(view, stir, free, first, last):
            continue
        sight.explained[max(first - 1, 0) : last + 2] = True
        length = last - first + 2
        frames = (int(view.number[first]) - 1, int(view.number[last]))
        yield VIDEO_10.finding(
            f"{sight.where} shows one picture for {length} frames from frame {frames[0]} on while the robot moves; "
            "the camera or its driver stalled: leave these frames out",
            frames,
            severity="error" if length - 1 > 0.5 * control_hz else "warning",
        )


def _kinds(view: View) -> tuple[np.ndarray, np.ndarray]:
    """bool [N] of key frames and of the others: an encoder leaves other noise in each."""
    keys = view.packets.keyframes[view.number]
    return keys, ~keys


def _quiet(view: View, stir: np.ndarray, moving: np.ndarray, run: tuple[int, int]) -> bool:
    """Whether a run changes by a small share of what as many other frames of the same kinds do."""
    inside = np.zeros(len(stir), dtype=bool)
    inside[run[0] : run[1] + 1] = True
    expected = 0.0
    for kind in _kinds(view):
        others = stir[kind & moving & ~inside & ~view.begins]
        if len(others) > 3:
            expected += float(np.quantile(others, 0.25)) * int((kind & inside).sum())
    return float(stir[inside].sum()) < _QUIET_SHARE * expected


def _noiseless(view: View, stir: np.ndarray, free: np.ndarray, first: int, last: int) -> bool:
    """Whether all other frames, the stillest too, have noise that the frames of the run have not."""
    for kind in _kinds(view):
        others, inside = stir[kind & free], stir[first : last + 1][kind[first : last + 1]]
        if len(others) < 20 or len(inside) < 2:
            continue
        floor = float(np.quantile(others, _NOISE_QUANTILE))
        if floor > _NOISE_LEVELS and inside.mean() < 0.5 * floor:
            return True
    return False


def _played_twice(where: str, view: View, energy: np.ndarray, explained: np.ndarray) -> Iterator[Finding]:
    """Several frames in a row equal those a few frames before, although the picture changed in between."""
    pictures = boxed(view.luma, CELLS)
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


VIDEO_10, VIDEO_12 = Look(Sight, check_frozen, 4).finds(
    Check("VIDEO-10", "error", "camera frozen while the robot moves", "the policy learns to act without seeing",
          explains="SYNC-* IMAGE-13 IMAGE-16", leaves_out="chunks"),
    Check("VIDEO-12", "error", "a piece of the video is played twice", "images and actions do not belong together",
          explains="SYNC-* IMAGE-13 IMAGE-16"),
)  # fmt: skip
