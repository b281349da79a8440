"""The packets of a video, read once and without decoding, and the one way to decode a run of its frames.

Times are kept as the container has them, in ticks; seconds are made of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video import VideoStream
from av.video.frame import VideoFrame

from gr00t_data.limits import VIDEO_FRAMES, require_within
from gr00t_data.video.files import VideoError, opened

TIME_TOLERANCE_S = 1e-4
"""How far a frame may stand from its row before LeRobot's reader refuses it (``tolerance_s`` of LeRobotDataset)."""


@dataclass(frozen=True)
class Packets:
    """The video stream of one file as its packets tell it. Packets have decoding order, frames presentation order.

    Attributes:
        path: the file.
        codec: for example ``h264`` or ``av1``.
        width, height: coded size, pixels.
        fps: average rate that the container declares, Hz; 0 when it declares none.
        time_base: seconds of one tick.
        pts, dts: int64 [N] in decoding order, ticks.
        keyframe: bool [N] in decoding order, where decoding can begin.
        size: int64 [N] in decoding order, bytes.
        timeless: numbers of the packets without a presentation time. They are in no column: readers skip them.
        pixel_format: for example ``yuv420p``; empty when only decoding would tell.
        setup: the codec's parameter sets (SPS and PPS, sequence header).
        sound: whether there is an audio stream.
        lone: the file holds nothing but this stream, and no packet that is decoded without being shown.
        declared: frames by the container's own index; 0 where it has none. More than there are: it was cut off.
        rotation_deg: how a player is asked to turn the picture, degrees counter-clockwise; None where nobody looked.
    """

    path: Path
    codec: str
    width: int
    height: int
    fps: float
    time_base: Fraction
    pts: np.ndarray
    dts: np.ndarray
    keyframe: np.ndarray
    size: np.ndarray
    timeless: tuple[int, ...] = ()
    pixel_format: str = ""
    setup: bytes = b""
    sound: bool = False
    lone: bool = True
    declared: int = 0
    rotation_deg: int | None = None

    @property
    def frames(self) -> int:
        """Number of packets that hold a picture and a time."""
        return len(self.pts)

    @cached_property
    def _order(self) -> np.ndarray:
        return np.lexsort((self.size, self.keyframe, self.pts))

    @cached_property
    def ticks(self) -> np.ndarray:
        """int64 [N]: presentation times in ticks, ascending."""
        return self.pts[self._order]

    @cached_property
    def keyframes(self) -> np.ndarray:
        """bool [N] in presentation order: where decoding can begin."""
        return self.keyframe[self._order]

    @cached_property
    def sizes(self) -> np.ndarray:
        """int64 [N] in presentation order: bytes of each packet."""
        return self.size[self._order]

    @cached_property
    def pts_s(self) -> np.ndarray:
        """float64 [N]: presentation times in seconds on the container's clock, ascending."""
        return self.ticks * self.time_base.numerator / self.time_base.denominator

    @cached_property
    def times_s(self) -> np.ndarray:
        """float64 [N]: when each frame is shown, seconds from the first one."""
        return (self.ticks - self.ticks[0]) * float(self.time_base)

    @property
    def duration_s(self) -> float:
        """From the first frame until the last one has been shown for one usual step."""
        step = float(np.median(np.diff(self.times_s))) if self.frames > 1 else 0.0
        return float(self.times_s[-1]) + step

    @property
    def shown_fps(self) -> float:
        """Frames a second as they are shown, whatever the container declares."""
        return (self.frames - 1) / float(self.times_s[-1]) if self.frames > 1 and self.times_s[-1] > 0 else 0.0

    @property
    def steady(self) -> bool:
        """Whether all steps are alike (within a tenth of one); False for a variable rate."""
        steps = np.diff(self.times_s)
        return bool(len(steps) == 0 or (np.abs(steps - np.median(steps)) < 0.1 * np.median(steps)).all())

    @property
    def turn_deg(self) -> int:
        """``rotation_deg`` as whole quarters: 0, 90, 180 or 270."""
        return round((self.rotation_deg or 0) / 90.0) % 4 * 90

    @property
    def upright_px(self) -> tuple[int, int]:
        """(width, height) as a player shows it, after turning."""
        return (self.width, self.height) if self.turn_deg % 180 == 0 else (self.height, self.width)

    def regular(self, fps: float) -> bool:
        """Whether frame i is shown at i / fps, within ``TIME_TOLERANCE_S`` or one tick."""
        tolerance = max(TIME_TOLERANCE_S, float(self.time_base))
        return bool(np.all(np.abs(self.pts_s - np.arange(self.frames) / fps) <= tolerance))


def probe(path: Path, *, turned: bool = False) -> Packets:
    """The packets of ``path``.

    Args:
        turned: decode the first frame too, which alone says how a player turns the picture; None when there is none.

    Raises:
        VideoError: no such file, not a video, cut off before its index, without a video stream, or ``turned`` and the
            first frame cannot be decoded.
    """
    with opened(path) as (container, stream):
        return packets_in(path, container, stream, turned=turned)


def packets_in(path: Path, container: InputContainer, stream: VideoStream, *, turned: bool = False) -> Packets:
    """``probe`` of a video that is open already."""
    dated, timeless = list[tuple[int, int, int, bool, bool]](), list[int]()
    for number, packet in enumerate(container.demux(stream)):  # packets are let go of: a video may be long
        if not packet.size:
            continue
        require_within(number, VIDEO_FRAMES, "packets up to here")
        if packet.pts is None:
            timeless.append(number)
        else:
            dts = packet.pts if packet.dts is None else packet.dts
            dated.append((packet.pts, dts, packet.size, packet.is_keyframe, packet.is_discard))
    pts, dts, size, keyframe, unseen = np.array(dated, dtype=np.int64).reshape(-1, 5).T
    context = stream.codec_context
    return Packets(
        path=path,
        codec=context.codec.canonical_name,
        width=context.width,
        height=context.height,
        fps=float(stream.average_rate or 0),
        time_base=Fraction(stream.time_base or 0),
        pts=pts,
        dts=dts,
        keyframe=keyframe.astype(bool),
        size=size,
        timeless=tuple(timeless),
        pixel_format=str(context.pix_fmt or ""),
        setup=bytes(context.extradata or b""),
        sound=any(one.type == "audio" for one in container.streams),
        lone=len(container.streams) == 1 and not unseen.any(),
        declared=stream.frames,
        rotation_deg=_rotation_deg(path, container, stream) if turned and dated else None,
    )


def _rotation_deg(path: Path, container: InputContainer, stream: VideoStream) -> int | None:
    try:
        container.seek(0)
        return next((int(frame.rotation) for frame in container.decode(stream)), None)
    except FFmpegError as error:
        raise VideoError(f"{path}: its first frame cannot be decoded ({error}); copy it again") from error


def pictures(
    container: InputContainer,
    stream: VideoStream,
    packets: Packets,
    first: int,
    last: int | None = None,
    *,
    standing: int | None = None,
) -> Iterator[tuple[int, VideoFrame]]:
    """(number, frame) from ``first`` to ``last`` in presentation order; without ``last`` to the end.

    Decoding begins at the nearest independent picture at or before ``first``. A frame that the decoder leaves out is
    missing here.

    Args:
        standing: the frame before which the container stands, at most ``first``: it goes on from there where no later
            independent picture is nearer. None where nobody knows.

    Raises:
        FFmpegError: a frame cannot be decoded; the caller knows what it was wanted for.
    """
    key = int(np.flatnonzero(packets.keyframes[: first + 1]).max(initial=0))
    if packets.frames and (standing is None or key > standing):
        container.seek(int(packets.ticks[key]), stream=stream, backward=True)
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        number = int(np.searchsorted(packets.ticks, frame.pts))
        if first <= number < packets.frames and (last is None or number <= last):
            yield number, frame
        if last is not None and number >= last:
            return
