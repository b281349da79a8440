"""Training clips: windows of recorded episodes at a stated rate, never played slower or faster than they were.

DreamGen's released data subsamples every episode, however long, to the same number of frames: the time between two
generated frames then means something else for each clip, and inferred actions come out too small or too large. Here a
window has one clock; an episode that is too short for it is left out, and counted.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from gr00t_data.store.store import EpisodeStore
from gr00t_model.dream.pictures import View
from gr00t_model.dream.world_model import ClipShape, DreamError


@dataclass(frozen=True)
class Window:
    """Some rows of an episode.

    Attributes:
        rows: row numbers, one a frame of the clip.
    """

    store: EpisodeStore
    episode: int
    rows: tuple[int, ...]

    @property
    def instruction(self) -> str:
        return self.store.row(self.episode).instruction


@dataclass(frozen=True)
class Windows:
    """What a training learns from and measures on.

    Attributes:
        too_short: episodes that have fewer frames than a clip.
        unsaid: episodes without an instruction.
    """

    learn: list[Window]
    held_out: list[Window]
    too_short: int
    unsaid: int


def plan_windows(
    stores: Sequence[EpisodeStore], shape: ClipShape, stride_frames: int, held_out_share: float
) -> Windows:
    """Windows of all episodes; whole episodes are held out, chosen by a hash of (store, episode).

    Raises:
        DreamError: no episode is long enough, or a rate above the recording's.
    """
    for store in stores:
        if shape.fps > store.fps:
            raise DreamError(f"{store.root}: was recorded at {store.fps:g} Hz, clips at {shape.fps:g} fps ask for more")
    every = [(store, row) for store in stores for row in store.rows]
    told = [(store, row) for store, row in every if row.instruction.strip()]
    long = [(store, row) for store, row in told if row.length > last_row(shape, store.fps)]
    if not long:
        longest = max((row.length / store.fps for store, row in told), default=0.0)
        raise DreamError(
            f"none of {len(every)} episodes holds {shape.frames} frames at {shape.fps:g} fps "
            f"({(shape.frames - 1) / shape.fps:.2f} s); the longest with an instruction lasts {longest:.2f} s: take "
            "fewer frames or a higher rate"
        )
    ordered = sorted(long, key=lambda pair: hashlib.sha256(f"{pair[0].digest}/{pair[1].index}".encode()).hexdigest())
    held = min(max(round(held_out_share * len(ordered)), held_out_share > 0), len(ordered) - 1)
    cut = [[w for s, row in part for w in _windows(s, row.index, row.length, shape, stride_frames)]
           for part in (ordered[held:], ordered[:held])]  # fmt: skip
    return Windows(cut[0], cut[1], len(told) - len(long), len(every) - len(told))


def last_row(shape: ClipShape, recorded_hz: float) -> int:
    """The row, counted from the first, that the last frame of a clip shows."""
    return int(np.rint((shape.frames - 1) * recorded_hz / shape.fps))


def _windows(store: EpisodeStore, episode: int, length: int, shape: ClipShape, stride: int) -> Iterator[Window]:
    steps = np.rint(np.arange(shape.frames) * store.fps / shape.fps).astype(int)
    for first in range(0, length - int(steps[-1]), stride or length):
        yield Window(store, episode, tuple(int(row) for row in first + steps))


class Films:
    """Frames of windows; the last episode stays decoded, because its windows follow each other."""

    def __init__(self, view: View, shape: ClipShape):
        self._view, self._size = view, (shape.height, shape.width)
        self._key: tuple[str, int] | None = None
        self._frames = np.zeros((0, 0, 0, 3), dtype=np.uint8)

    def __call__(self, window: Window) -> UInt8[np.ndarray, "t h w 3"]:
        """DreamError when the video is shorter than the rows of its episode."""
        key = (str(window.store.root), window.episode)
        if key != self._key:
            self._frames = self._view.frames(window.store, window.episode, self._size)
            self._key = key
        if window.rows[-1] >= len(self._frames):
            raise DreamError(
                f"{window.store.root}: episode {window.episode}: row {window.rows[-1]} has no picture, the video has "
                f"{len(self._frames)} frames; check the store (gr00t check)"
            )
        return self._frames[list(window.rows)]
