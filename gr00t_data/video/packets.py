"""Video files cut and joined by their packets: no pixel is decoded, so every frame stays what it was.

A video packet holds one coded frame. A run of packets that begins with a keyframe and leaves no hole in decoding order
can be moved to another file as it is; anything else has to be encoded again (``video_spans.encode_span``).
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video import VideoStream

from gr00t_data.disk import replacing
from gr00t_data.video.files import VideoError, opened

TIME_TOLERANCE_S = 1e-4
"""How far a frame may stand from its row before LeRobot's reader refuses it (``tolerance_s`` of LeRobotDataset)."""


@dataclass(frozen=True)
class Track:
    """The video stream of one file as its packets tell it: packets in decoding order, frames in presentation order.

    Attributes:
        path: the file.
        codec: for example ``h264`` or ``av1``.
        width, height: coded size, pixels.
        pixel_format: for example ``yuv420p``; empty when only decoding would tell.
        time_base: seconds of one tick.
        fps: average rate that the container declares, Hz; 0 when it declares none.
        rotation_deg: how a player is asked to turn the picture, degrees counter-clockwise.
        setup: the codec's parameter sets (SPS and PPS, sequence header).
        pts, dts: int64 [N], ticks.
        keyframe: bool [N].
        bytes: size of the packets together.
        lone: the file holds nothing but this stream, and no packet that is decoded without being shown.
    """

    path: Path
    codec: str
    width: int
    height: int
    pixel_format: str
    time_base: Fraction
    fps: float
    rotation_deg: int
    setup: bytes
    pts: np.ndarray
    dts: np.ndarray
    keyframe: np.ndarray
    bytes: int
    lone: bool

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.pts)

    @cached_property
    def ticks(self) -> np.ndarray:
        """int64 [N]: presentation times in ticks, ascending."""
        return np.sort(self.pts)

    @cached_property
    def times_s(self) -> np.ndarray:
        """float64 [N]: presentation times, ascending, seconds."""
        return self.ticks * float(self.time_base)

    def regular(self, fps: float) -> bool:
        """Whether frame i is shown at i / fps, within ``TIME_TOLERANCE_S`` or one tick."""
        tolerance = max(TIME_TOLERANCE_S, float(self.time_base))
        return bool(np.all(np.abs(self.times_s - np.arange(self.frames) / fps) <= tolerance))

    @property
    def signature(self) -> tuple[object, ...]:
        """Files with equal signatures can stand in one stream one after the other."""
        delay = int(self.ticks[0] - self.dts.min())
        size = (self.width, self.height, self.pixel_format)
        return (self.codec, *size, self.time_base, self.rotation_deg, self.setup, delay, self.lone)

    def packets_of(self, first: int, last: int) -> slice | None:
        """The packets of frames first to last (inclusive), or None when they cannot be taken out without re-encoding.

        They can when the first of them is a keyframe and no packet of another frame stands between them.
        """
        inside = np.flatnonzero((self.pts >= self.ticks[first]) & (self.pts <= self.ticks[last]))
        start, stop = int(inside[0]), int(inside[-1]) + 1
        whole = self.keyframe[start] and self.pts[start] == self.ticks[first] and stop - start == len(inside)
        return slice(start, stop) if whole and self._shows_all else None

    @cached_property
    def _shows_all(self) -> bool:
        return bool((np.diff(self.ticks) > 0).all())


def read_track(path: Path) -> Track:
    """Read the packets of ``path`` (one frame is decoded, to learn the rotation).

    Raises:
        VideoError: no such file, not a video, without a video stream, or a packet without a presentation time.
    """
    with opened(path) as (container, stream):
        packets = list(_packets(container, stream, path))
        if not packets:
            raise VideoError(f"{path}: holds no video frame; copy it again from its source")
        context = stream.codec_context
        facts = [(p.pts, p.dts if p.dts is not None else p.pts, p.is_keyframe, p.size, p.is_discard) for p in packets]
        pts, dts, keyframe, sizes, unseen = (np.array(column) for column in zip(*facts, strict=True))
        return Track(
            path=path,
            codec=context.codec.canonical_name,
            width=context.width,
            height=context.height,
            pixel_format=str(context.pix_fmt or ""),
            time_base=Fraction(stream.time_base or 0),
            fps=float(stream.average_rate or 0),
            rotation_deg=_rotation_deg(container, stream, path),
            setup=bytes(context.extradata or b""),
            pts=pts,
            dts=dts,
            keyframe=keyframe,
            bytes=int(sizes.sum()),
            lone=len(container.streams) == 1 and not unseen.any(),
        )


def _packets(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[Packet]:
    try:
        for number, packet in enumerate(container.demux(stream)):
            if packet.size and packet.pts is None:
                raise VideoError(f"{path}: packet {number} has no presentation time; copy it again from its source")
            if packet.size:
                yield packet
    except FFmpegError as error:
        raise VideoError(f"{path}: its packets cannot be read ({error}); copy it again from its source") from error


def _rotation_deg(container: InputContainer, stream: VideoStream, path: Path) -> int:
    try:
        container.seek(0)
        return int(next(container.decode(stream)).rotation)
    except StopIteration:
        return 0
    except FFmpegError as error:
        raise VideoError(f"{path}: its first frame cannot be decoded ({error}); copy it again") from error


def cut(path: Path, first: int, last: int, target: Path) -> None:
    """Write frames first to last (inclusive, presentation order) of ``path`` to ``target`` without re-encoding.

    The first frame stands at time 0, the others keep their distance from it; every decoded frame equals its original.

    Raises:
        VideoError: the frames do not exist, or the span cannot be cut by packets: see ``Track.packets_of``.
    """
    cut_track(read_track(path), first, last, target)


def cut_track(track: Track, first: int, last: int, target: Path) -> None:
    """``cut`` of a file whose packets are known already."""
    check_span(track, first, last)
    if track.lone and (first, last) == (0, track.frames - 1):
        with replacing(target) as temporary:
            shutil.copyfile(track.path, temporary)
        return
    span = track.packets_of(first, last)
    if span is None:
        raise VideoError(
            f"{track.path}: frames {first} to {last} do not begin with a keyframe or depend on frames outside; "
            "encode the span again"
        )
    _write([(track, span, -int(track.ticks[first]))], target)


def concat(paths: Sequence[Path], target: Path, fps: float) -> list[int]:
    """Join videos into one file without re-encoding; frame i of the result is shown at i / fps.

    Args:
        fps: rows a second of the dataset; each file must be ``regular`` at this rate.

    Returns:
        the number of the first frame of each part in the result.

    Raises:
        VideoError: a file cannot be read, is not at this rate, or is coded differently from the first one.
    """
    return concat_tracks([read_track(path) for path in paths], target, fps)


def concat_tracks(tracks: Sequence[Track], target: Path, fps: float) -> list[int]:
    """``concat`` of files whose packets are known already."""
    firsts = [sum(track.frames for track in tracks[:number]) for number in range(len(tracks))]
    if len(tracks) == 1:
        with replacing(target) as temporary:
            shutil.copyfile(tracks[0].path, temporary)
        return firsts
    for track in tracks:
        if track.signature != tracks[0].signature or not track.lone:
            raise VideoError(f"{track.path}: is coded differently from {tracks[0].path}; they cannot share a stream")
        if not track.regular(fps):
            raise VideoError(f"{track.path}: its frames are not shown at {fps:g} Hz; it needs a file of its own")
    tick_s, rate = tracks[0].time_base, Fraction(fps).limit_denominator(1001)
    offsets = [round(first / rate / tick_s) for first in firsts]
    _write([(t, slice(0, t.frames), offset) for t, offset in zip(tracks, offsets, strict=True)], target)
    return firsts


def _write(parts: Sequence[tuple[Track, slice, int]], target: Path) -> None:
    """Mux the packets of each (track, packets, shift in ticks) into one mp4."""
    with replacing(target) as temporary, av.open(str(temporary), "w", options={"movflags": "faststart"}) as out:
        stream = None
        for track, span, shift in parts:
            with opened(track.path) as (container, source):
                stream = stream or out.add_stream_from_template(source, opaque=True)
                for number, packet in _packets_of(container, source, track, span):
                    packet.pts, packet.dts = int(track.pts[number]) + shift, int(track.dts[number]) + shift
                    packet.stream = stream
                    out.mux(packet)


def _packets_of(
    container: InputContainer, stream: VideoStream, track: Track, span: slice
) -> Iterator[tuple[int, Packet]]:
    """Packets with their numbers; reading begins at the keyframe that the span begins with, not at the file's start."""
    if span.start:
        container.seek(int(track.pts[span.start]), stream=stream, backward=True)
    number = None
    for packet in _packets(container, stream, track.path):
        if number is None:
            number = int(np.flatnonzero(track.pts == packet.pts)[0])
            if number > span.start:
                raise VideoError(f"{track.path}: packet {span.start} cannot be reached by its time; copy it again")
        if number >= span.stop:
            return
        if number >= span.start:
            yield number, packet
        number += 1


def check_span(track: Track, first: int, last: int) -> None:
    """Raise VideoError unless frames first to last (inclusive) exist."""
    if not 0 <= first <= last < track.frames:
        raise VideoError(f"{track.path}: frames {first} to {last} do not exist; it holds {track.frames}")


def groups(tracks: Sequence[Track | None], fps: float, limit_bytes: int) -> list[list[int]]:
    """Which files may be joined: runs of neighbours, coded alike, regular, and together within ``limit_bytes``.

    Args:
        tracks: files in the order they shall follow one another; None where there is none.

    Returns:
        positions of ``tracks``; a file that can join none stands alone, one that is None stands in no group.
    """
    present = [number for number, track in enumerate(tracks) if track is not None]
    result: list[list[int]] = [present[:1]] if present else []
    for before, number in pairwise(present):
        together = sum(track.bytes for i in result[-1] if (track := tracks[i]))
        track, previous = tracks[number], tracks[before]
        assert track is not None and previous is not None
        joins = track.lone and track.signature == previous.signature and track.regular(fps) and previous.regular(fps)
        if joins and together + track.bytes < limit_bytes:
            result[-1].append(number)
        else:
            result.append([number])
    return result
