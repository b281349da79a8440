"""Checks of what one video shows on its own: light, flicker, bands."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.sight import Sight
from gr00t_data.curate.subject.signals import runs_of
from gr00t_data.curate.subject.view import View

SMALLEST_PX = 32
"""Pictures with a shorter side are icons; light and focus of them say nothing."""

BLACK = 16.0
WHITE = 235.0

_DARK_SHARE = 0.10
_BLACK_FRAME_TIMES = 0.35
_FLICKER_LEVELS = 3.0
_BAND_LEVELS = 4.0


def check_pixels(sight: Sight) -> Iterator[Finding]:
    """IMAGE-02, IMAGE-05, IMAGE-08 and IMAGE-19 of one view."""
    view, where = sight.view, sight.where
    if min(view.packets.width, view.packets.height) < SMALLEST_PX or len(view.number) < 6:
        return
    yield from _dark(where, view)
    yield from _flicker(where, view)
    yield from _bands(where, view)


def _dark(where: str, view: View) -> Iterator[Finding]:
    lit = view.background[0] > BLACK + 4
    shown = lit.mean() >= 0.02
    level = (view.luma[:, lit].mean(1) - BLACK) / (WHITE - BLACK) if shown else np.zeros(len(view.number))
    usual = float(np.median(level))
    if usual < _DARK_SHARE:
        yield IMAGE_02.finding(
            f"{where} is dark: where it shows anything its brightness is {100 * usual:.0f} % of white, expected over "
            f"{100 * _DARK_SHARE:.0f} %; set the exposure, or leave the episode out"
        )
        return
    for first, last in runs_of(level < _BLACK_FRAME_TIMES * usual):
        yield IMAGE_19.finding(
            f"{where} goes black from frame {int(view.number[first])} to {int(view.number[last])}: brightness "
            f"{100 * float(level[first : last + 1].mean()):.0f} % of white, before and after {100 * usual:.0f} %; "
            "leave these frames out",
            (int(view.number[first]), int(view.number[last])),
        )
        return


def gain_steps(view: View) -> np.ndarray:
    """float32 [N]: the change of light of the whole picture since the frame before, levels (0 where a run begins)."""
    lit = view.background[0] > BLACK + 4
    if lit.mean() < 0.02:
        return np.zeros(len(view.number), dtype=np.float32)
    steps = np.median(view.steps[:, lit], axis=1)
    return np.nan_to_num(steps, nan=0.0)


def _flicker(where: str, view: View) -> Iterator[Finding]:
    steps = gain_steps(view)
    flicker = np.abs(steps) > _FLICKER_LEVELS
    turns = flicker[1:] & flicker[:-1] & (steps[1:] * steps[:-1] < 0)
    if turns.sum() >= 4 and turns.mean() > 0.1:
        rows = np.flatnonzero(turns)
        yield IMAGE_08.finding(
            f"{where} flickers: the whole picture is {float(np.median(np.abs(steps[flicker]))):.0f} levels brighter "
            f"and darker from frame to frame ({int(turns.sum())} times); fix the exposure and the mains frequency",
            (int(view.number[rows[0]]), int(view.number[rows[-1]]) + 1),
            severity="error" if turns.mean() > 0.4 else "warning",
        )


def _bands(where: str, view: View) -> Iterator[Finding]:
    """Lines that get lighter and darker together over the whole width while the scene stands still in most of them."""
    residual = view.luma - view.background[0]
    half = residual.shape[1] // 2
    for axis, words in ((2, "horizontal"), (1, "vertical")):
        lit = view.background[0].mean(axis - 1) > BLACK + 4
        if lit.sum() < 16:
            continue
        halves = (np.take(residual, np.arange(half), axis), np.take(residual, np.arange(half, 2 * half), axis))
        lines = (np.median(side, axis=axis)[:, lit] for side in halves)
        one, two = (levels - levels.mean(1, keepdims=True) for levels in lines)
        strength = np.sqrt(np.maximum((one * two).mean(1), 0))
        alike = (one * two).sum(1) / np.sqrt(np.maximum((one**2).sum(1) * (two**2).sum(1), 1e-9))
        banded = (strength > _BAND_LEVELS) & (alike > 0.7)
        if banded.mean() > 0.6:
            yield IMAGE_05.finding(
                f"{where} has {words} bands that wander: lines differ by {float(np.median(strength[banded])):.0f} "
                f"levels (rms) in {100 * banded.mean():.0f} % of the frames; set the shutter to the mains frequency"
            )
            return


IMAGE_02, IMAGE_05, IMAGE_08, IMAGE_19 = Look(Sight, check_pixels, 3).finds(
    Check("IMAGE-02", "error", "dark", "the policy cannot see what it must act on",
          explains="IMAGE-0[3-9] IMAGE-1* IMAGE-2* SYNC-* VIDEO-1*", rig=True),
    Check("IMAGE-05", "error", "wandering bands", "the policy learns the flicker of the light",
          explains="IMAGE-0[1346789] IMAGE-1* IMAGE-2* SYNC-* VIDEO-12", rig=True),
    Check("IMAGE-08", "warning", "flicker", "the policy learns the flicker of the light",
          explains="IMAGE-07 IMAGE-13 IMAGE-16 IMAGE-19 SYNC-*", rig=True),
    Check("IMAGE-19", "warning", "black frames", "the policy acts without seeing", explains="IMAGE-13 IMAGE-16",
          leaves_out="chunks"),
)  # fmt: skip
