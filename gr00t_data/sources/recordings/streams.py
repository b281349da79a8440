"""What a recorded episode is before alignment: named streams, each on its own clock, nothing resampled yet."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from gr00t_data.video import files as video

SignalKind = Literal["joint", "angle", "quaternion", "command", "binary", "force", "relative"]
"""How values between two samples are found.

joint: on the straight line. angle: the same after unwrapping full turns. quaternion: along the great circle (any
rotation representation). command, binary: the last one sent holds. force: low-pass filtered before it is thinned out.
relative: displacements, summed (rotations multiplied) over the row's interval.
"""

Picture = TypeVar("Picture")


class StreamError(ValueError):
    """A recording that cannot be read as asked; the message names file, episode, stream, expectation and remedy."""


class Frames(Protocol):
    """Pictures that are read when they are needed, never all at once."""

    def take(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """uint8 [H, W, 3] RGB of each of these sample numbers, in the order asked; a number may repeat."""
        ...


@dataclass(frozen=True)
class VideoFile:
    """The frames of an mp4 that lies beside the recording; copied as it is when its frames are exactly the rows."""

    path: Path

    def take(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See ``Frames.take``. Raises VideoError when the file has no such frame."""
        return in_order(video.frames(self.path), indices)


@dataclass(frozen=True)
class FrameReader:
    """Frames that a function reads one by one, for formats with random access."""

    read: Callable[[int], np.ndarray]

    def take(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See ``Frames.take``."""
        last, picture = -1, None
        for index in indices:
            if picture is None or index != last:
                last, picture = index, self.read(int(index))
            yield picture


@dataclass(frozen=True)
class ChosenFrames:
    """Some of the pictures of a source: those that have a stamp. Sample n is picture ``numbers[n]`` of the source."""

    frames: Frames
    numbers: tuple[int, ...]

    def take(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See ``Frames.take``."""
        return self.frames.take([self.numbers[index] for index in indices])


@dataclass(frozen=True)
class Stream:
    """The values of one part, as they were stamped.

    Attributes:
        kind: the rule of resampling.
        times_ns: int64 [N], the stamps as recorded: order and repetitions included.
        values: float64 [N, D], in the unit of the part.
        received_ns: int64 [N], a second clock (when the recorder got the sample); None when there is only one.
        latency_ns: how much later than the event the stamps are; subtracted before matching.
        tolerance_ns: how far a sample may lie from the row it stands for; None: that of the episode.
        rotation: the representation of rotations, which are interpolated and composed as rotations; None: numbers.
        turn: what a full turn is in the unit of an angle: 2 pi or 360.
        moving_frame: relative rotations turn about the axes of the moving body instead of those of its base.
        unstamped: samples that had no usable stamp and are left out.
    """

    kind: SignalKind
    times_ns: np.ndarray
    values: np.ndarray
    received_ns: np.ndarray | None = None
    latency_ns: int = 0
    tolerance_ns: int | None = None
    rotation: str | None = None
    turn: float = 2 * np.pi
    moving_frame: bool = False
    unstamped: int = 0


@dataclass(frozen=True)
class CameraStream:
    """The pictures of one camera and their stamps. The fields of the same names mean what they mean in ``Stream``."""

    times_ns: np.ndarray
    frames: Frames
    received_ns: np.ndarray | None = None
    latency_ns: int = 0
    tolerance_ns: int | None = None
    unstamped: int = 0


@dataclass(frozen=True)
class RawEpisode:
    """One recorded demonstration, many clocks.

    Attributes:
        name: names the episode within its drop, for example ``session 3/demo.hdf5#demo_0``.
        state, action: part -> its stream, or float64 [D] for a part that is constant by declaration.
        cameras: camera -> its stream.
        instruction: what the robot was asked to do; empty when the recording does not say.
        success: whether it succeeded; None when nobody said.
        source: JSON-able facts of the recording.
        notes: what a reader should know: a cut-off file, values left out.
    """

    name: str
    state: dict[str, Stream | np.ndarray]
    action: dict[str, Stream | np.ndarray]
    cameras: dict[str, CameraStream] = field(default_factory=dict)
    instruction: str = ""
    success: bool | None = None
    source: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def streams(self) -> dict[str, Stream | CameraStream]:
        """Every stream by its full name: ``state.left_arm``, ``action.left_arm``, ``video.ego_view``."""
        named: dict[str, Stream | CameraStream] = {}
        for side, parts in (("state", self.state), ("action", self.action), ("video", self.cameras)):
            named |= {f"{side}.{name}": item for name, item in parts.items() if not isinstance(item, np.ndarray)}
        return named


def in_order(pictures: Iterable[Picture], indices: Sequence[int]) -> Iterator[Picture]:
    """Items of a sequence that can only be read once from its start, in the order asked.

    Keeps only what was passed and is still wanted, which is little when the order is nearly ascending.

    Raises:
        StreamError: the sequence ends before an item that was asked for.
    """
    waiting, kept, source = Counter(map(int, indices)), dict[int, Picture](), enumerate(pictures)
    for index in map(int, indices):
        while index not in kept:
            try:
                number, picture = next(source)
            except StopIteration:
                raise StreamError(f"frame {index} does not exist; the recording is shorter than its stamps") from None
            if waiting[number]:
                kept[number] = picture
        yield kept[index]
        waiting[index] -= 1
        if not waiting[index]:
            del kept[index]
