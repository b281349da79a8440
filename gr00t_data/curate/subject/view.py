"""What one camera of one episode shows: its packets, and small frames of some or all of its runs."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from gr00t_data.video.packets import Packets
from gr00t_data.video.survey import look

SIDE = 64
"""Pixels of the small frames. Robots, hands and objects still show; noise and texture average out."""

_FULL_PIXELS = 90_000_000
"""Frames are all decoded up to this many pixels of a file (68 s of 256x256 at 20 Hz); longer files are sampled in runs,
so that the cost of an episode is bounded (about 0.7 s on one slow core)."""

_FRAME_PIXELS = 307_200
"""Of a video with larger frames (than 640x480) only this share of the frames is decoded, so that an hour of it costs no
more than one of these."""

_COSTLY = {"av1": 2.2, "hevc": 1.6, "vp9": 1.6}
"""What a pixel of them counts: it costs more to decode than one of H.264, nearly twice as much in AV1 with a key frame
every other frame, as LeRobot writes it."""

_RUNS = 6
_SHORTEST_RUN = 20
_STILLS = 4
_ODDEST = 5.0
"""Spreads from the usual size at which a packet is as odd as any."""


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


def planned_runs(packets: Packets) -> list[tuple[int, int]]:
    """(first, count) of the runs to decode: all of a small video; of a large one its begin, its end, and between them
    where its packets are oddest, one run in each of equal stretches.
    """
    frames, pixels = packets.frames, max(packets.width * packets.height, 1)
    share = _FRAME_PIXELS / (pixels * _COSTLY.get(packets.codec, 1.0))
    affordable = int(max(min(share * frames, _FULL_PIXELS / pixels), _RUNS * _SHORTEST_RUN))
    if frames <= affordable:
        return [(0, frames)]
    count = affordable // _RUNS
    oddness = np.concatenate([[0.0], np.cumsum(_oddness(packets))])
    bounds = np.linspace(count, frames - count, _RUNS - 1).astype(int).tolist()
    firsts = [0]
    for begin, end in pairwise(bounds):
        sums = oddness[begin + count : end + 1] - oddness[begin : end - count + 1]
        firsts.append(begin + int(np.median(np.flatnonzero(sums >= sums.max() - 1e-9))))
    return [(first, count) for first in [*firsts, frames - count]]


def _oddness(packets: Packets) -> np.ndarray:
    """float64 [N], 0 to 1: how far the size of a packet is from the usual one of its kind. A camera that stands still
    leaves small ones, what leaps a large one.
    """
    sizes, odd = np.log(packets.sizes + 1.0), np.zeros(packets.frames)
    for kind in (packets.keyframes, ~packets.keyframes):
        if kind.sum() >= 2 * _RUNS:
            away = np.abs(sizes[kind] - np.median(sizes[kind]))
            spread = max(1.4826 * float(np.median(away)), 0.05)
            odd[kind] = np.clip(away / spread - 1, 0, _ODDEST) / _ODDEST
    return odd


def view_of(packets: Packets) -> View:
    """Decode the runs of a video.

    Raises:
        VideoError: see ``look``.
    """
    planned = planned_runs(packets)
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
