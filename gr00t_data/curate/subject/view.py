"""What one camera of one episode shows: its packets, and small frames of some or all of its runs."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gr00t_data.video.packets import Packets
from gr00t_data.video.survey import look

SIDE = 64
"""Pixels of the small frames. Robots, hands and objects still show; noise and texture average out."""

_FULL_PIXELS = 90_000_000
"""Frames are all decoded up to this many pixels of a file (68 s of 256x256 at 20 Hz); longer files are sampled in runs,
so that the cost of an episode is bounded (about 0.7 s on one slow core)."""

_RUNS = 6
_SHORTEST_RUN = 40
_STILLS = 4


@dataclass(frozen=True)
class View:
    """The decoded part of one video.

    Attributes:
        packets: of the whole file.
        number: int64 [N], the frame each small picture is.
        small: uint8 [N, 3, SIDE, SIDE], planes Y, U, V.
        begins: bool [N], True where a run begins (the frame before is not known).
        stills: frame number -> uint8 [H, W], luma at full size.
        damaged: frames that should have been decoded and could not be.
        rotation_deg: how players turn the picture.
    """

    path: Path
    packets: Packets
    number: np.ndarray
    small: np.ndarray
    begins: np.ndarray
    stills: dict[int, np.ndarray]
    damaged: int
    rotation_deg: int

    @cached_property
    def luma(self) -> np.ndarray:
        """float32 [N, SIDE, SIDE], 16 to 235 for most videos."""
        return self.small[:, 0].astype(np.float32)

    @cached_property
    def steps(self) -> np.ndarray:
        """float32 [N, SIDE, SIDE]: luma less that of the frame before; NaN where a run begins."""
        steps = np.full_like(self.luma, np.nan)
        steps[1:] = self.luma[1:] - self.luma[:-1]
        steps[self.begins] = np.nan
        return steps

    @cached_property
    def background(self) -> np.ndarray:
        """float32 [3, SIDE, SIDE]: the median picture."""
        every = max(len(self.small) // 24, 1)
        return np.median(self.small[::every], axis=0).astype(np.float32)


def planned_runs(frames: int, pixels: int) -> list[tuple[int, int]]:
    """(first, count) of the runs to decode of a file with ``frames`` frames of ``pixels`` pixels each."""
    affordable = _FULL_PIXELS // max(pixels, 1)
    if frames <= max(affordable, _RUNS * _SHORTEST_RUN):
        return [(0, frames)]
    count = max(affordable // _RUNS, _SHORTEST_RUN)
    firsts = np.linspace(0, frames - count, _RUNS).astype(int)
    return [(int(first), count) for first in firsts]


def view_of(packets: Packets) -> View:
    """Decode the runs of a video.

    Raises:
        VideoError: see ``look``.
    """
    planned = planned_runs(packets.frames, packets.width * packets.height)
    still_every = max(-(-sum(count for _, count in planned) // _STILLS), 1)
    runs = list(look(packets, planned, SIDE, still_every))
    begins = [np.arange(len(run.small)) == 0 for run in runs]
    return View(
        path=packets.path,
        packets=packets,
        number=np.concatenate([run.first + np.arange(len(run.small)) for run in runs]),
        small=np.concatenate([run.small for run in runs]),
        begins=np.concatenate(begins),
        stills={number: still for run in runs for number, still in run.stills.items()},
        damaged=sum(run.damaged for run in runs),
        rotation_deg=runs[0].rotation_deg,
    )
