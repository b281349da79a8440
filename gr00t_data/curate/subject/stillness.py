"""Where a video does not change: pictures that come twice, and runs in which one picture is held.

An encoder adds noise of its own where it begins anew, so pictures are compared by the means of their cells, and by how
much they change over two frames: what moves is then about half way in between, what is repeated is at one end.
"""

from dataclasses import dataclass

import numpy as np

from gr00t_data.curate.subject.camera_evidence import boxed
from gr00t_data.curate.subject.view import View

CELLS = 16

HELD_LEVELS = 1.2
"""Change of the mean of the most changed cell up to which a picture is the same one, encoded again (H.264 at crf 30
with a key frame every other frame: 1.1; AV1: 0)."""

SEEN_LEVELS = 8.0
"""Change of the most changed cell over two frames from which motion is seen for certain."""

_REPEATED_SHARE = 0.2
_REPEATED_LEVELS = 5.0
_SKIPPED_LEVELS = 0.2
_DENSE_KEYS = 0.15
_PARTLY_SHARE = 0.1


@dataclass(frozen=True)
class Repeats:
    """Frames that show the picture before them while motion is seen.

    Attributes:
        repeated: int32 [R], their numbers.
        seen: how many frames could have been one.
    """

    repeated: np.ndarray
    seen: int

    @property
    def share(self) -> float:
        """0 where nothing is seen to move."""
        return len(self.repeated) / max(self.seen, 1)


def repeats_of(view: View, moving: np.ndarray) -> Repeats:
    """The repeated frames of a view.

    Args:
        moving: bool [N], whether the robot moves up to each frame.
    """
    step = np.nan_to_num(boxed(np.abs(view.steps), CELLS).max((1, 2)), nan=np.inf)
    both = np.zeros(len(step))
    both[1:-1] = boxed(np.abs(view.luma[2:] - view.luma[:-2]), CELLS).max((1, 2))
    inside = ~view.begins
    inside[:-1] &= ~view.begins[1:]
    seen = inside & moving & (both > SEEN_LEVELS)
    repeated = seen & (step < _REPEATED_SHARE * both) & (step < _REPEATED_LEVELS)
    if _left_out_by_encoder(view, repeated, step):
        seen = seen & view.packets.keyframes[view.number]
        repeated = repeated & seen
    return Repeats(view.number[repeated].astype(np.int32), int(seen.sum()))


def _left_out_by_encoder(view: View, repeated: np.ndarray, step: np.ndarray) -> bool:
    """Whether frames between dense key frames leave motion out to save bits.

    A camera that repeats a picture gives the encoder nothing to code at all. One that saves bits codes a part.
    """
    keys = view.packets.keyframes[view.number]
    between = repeated & ~keys
    if keys.mean() < _DENSE_KEYS or not between.any() or (repeated & keys).any():
        return False
    return bool((step[between] > _SKIPPED_LEVELS).mean() > _PARTLY_SHARE)


def held_runs(view: View, least: int) -> list[tuple[int, int]]:
    """(first, last) of the runs of at least that many frames after one that show its picture; positions in the view."""
    if not len(view.number):
        return []
    cells = boxed(view.luma, CELLS).reshape(len(view.luma), -1)
    found, first = [], 0
    for at in range(1, len(cells) + 1):
        if at < len(cells) and not view.begins[at] and np.abs(cells[at] - cells[first]).max() < HELD_LEVELS:
            continue
        if at - first > least:
            found.append((first + 1, at - 1))
        first = at
    return found


def stir_of(view: View) -> np.ndarray:
    """float64 [N]: mean absolute change of brightness since the frame before, levels; NaN where a run begins."""
    return np.abs(view.steps).mean((1, 2)).astype(np.float64)
