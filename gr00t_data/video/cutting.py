"""Video files cut and joined by their packets: no pixel is decoded, so every frame stays what it was.

A video packet holds one coded frame. A run of packets that begins with a keyframe and leaves no hole in decoding order
can be moved to another file as it is; anything else has to be encoded again (``spans.encode_span``).
"""

import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video import VideoStream

from gr00t_data.disk import replacing
from gr00t_data.video.files import VideoError, opened
from gr00t_data.video.packets import Packets, probe


def read_whole(path: Path) -> Packets:
    """The packets of a file that is to be cut or joined, its rotation included.

    Raises:
        VideoError: no such file, not a video, without a video stream, or a packet without a presentation time.
    """
    video = probe(path, turned=True)
    if video.timeless:
        raise VideoError(f"{path}: packet {video.timeless[0]} has no presentation time; copy it again from its source")
    if not video.frames:
        raise VideoError(f"{path}: holds no video frame; copy it again from its source")
    return video


def signature(video: Packets) -> tuple[object, ...]:
    """Files with equal signatures can stand in one stream one after the other."""
    delay = int(video.ticks[0] - video.dts.min())
    size = (video.width, video.height, video.pixel_format)
    return (video.codec, *size, video.time_base, video.rotation_deg, video.setup, delay, video.lone)


def packets_of(video: Packets, first: int, last: int) -> slice | None:
    """The packets of frames first to last (inclusive), or None when they cannot be taken out without re-encoding.

    They can when the first of them is a keyframe and no packet of another frame stands between them.
    """
    inside = np.flatnonzero((video.pts >= video.ticks[first]) & (video.pts <= video.ticks[last]))
    start, stop = int(inside[0]), int(inside[-1]) + 1
    whole = video.keyframe[start] and video.pts[start] == video.ticks[first] and stop - start == len(inside)
    shows_all = (np.diff(video.ticks) > 0).all()
    return slice(start, stop) if whole and shows_all else None


def cut(track: Packets, first: int, last: int, target: Path) -> None:
    """Write frames first to last (inclusive, presentation order) of a file to ``target`` without re-encoding.

    The first frame stands at time 0, the others keep their distance from it; every decoded frame equals its original.

    Raises:
        VideoError: the frames do not exist, or the span cannot be cut by packets: see ``packets_of``.
    """
    check_span(track, first, last)
    if track.lone and (first, last) == (0, track.frames - 1):
        with replacing(target) as temporary:
            shutil.copyfile(track.path, temporary)
        return
    span = packets_of(track, first, last)
    if span is None:
        raise VideoError(
            f"{track.path}: frames {first} to {last} do not begin with a keyframe or depend on frames outside; "
            "encode the span again"
        )
    _write([(track, span, -int(track.ticks[first]))], target)


def concat(tracks: Sequence[Packets], target: Path, fps: float) -> list[int]:
    """Join videos into one file without re-encoding; frame i of the result is shown at i / fps.

    Args:
        fps: rows a second of the dataset; each file must be ``regular`` at this rate.

    Returns:
        the number of the first frame of each part in the result.

    Raises:
        VideoError: a file is not at this rate, or is coded differently from the first one.
    """
    firsts = [sum(track.frames for track in tracks[:number]) for number in range(len(tracks))]
    if len(tracks) == 1:
        with replacing(target) as temporary:
            shutil.copyfile(tracks[0].path, temporary)
        return firsts
    for track in tracks:
        if signature(track) != signature(tracks[0]) or not track.lone:
            raise VideoError(f"{track.path}: is coded differently from {tracks[0].path}; they cannot share a stream")
        if not track.regular(fps):
            raise VideoError(f"{track.path}: its frames are not shown at {fps:g} Hz; it needs a file of its own")
    tick_s, rate = tracks[0].time_base, Fraction(fps).limit_denominator(1001)
    offsets = [round(first / rate / tick_s) for first in firsts]
    _write([(t, slice(0, t.frames), offset) for t, offset in zip(tracks, offsets, strict=True)], target)
    return firsts


def retime(path: Path, target: Path, fps: float) -> None:
    """Write the frames of a file, which are stored in presentation order, to ``target`` so that frame i is shown at
    i / fps; none is decoded."""
    rate, options = Fraction(fps).limit_denominator(1001), {"movflags": "faststart"}
    with (
        opened(path) as (container, source),
        replacing(target) as temporary,
        av.open(str(temporary), "w", options=options) as out,
    ):
        stream = out.add_stream_from_template(source, opaque=True)
        ticks_a_frame = 1 / (rate * Fraction(source.time_base or 1))
        for number, packet in enumerate(one for one in container.demux(source) if one.size):
            packet.pts = packet.dts = round(number * ticks_a_frame)
            packet.duration = round(ticks_a_frame)
            packet.stream = stream
            out.mux(packet)


def _write(parts: Sequence[tuple[Packets, slice, int]], target: Path) -> None:
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
    container: InputContainer, stream: VideoStream, track: Packets, span: slice
) -> Iterator[tuple[int, Packet]]:
    """Packets with their numbers; reading begins at the keyframe that the span begins with, not at the file's start."""
    if span.start:
        container.seek(int(track.pts[span.start]), stream=stream, backward=True)
    number = None
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if number is None:
            number = int(np.flatnonzero(track.pts == packet.pts)[0])
            if number > span.start:
                raise VideoError(f"{track.path}: packet {span.start} cannot be reached by its time; copy it again")
        if number >= span.stop:
            return
        if number >= span.start:
            yield number, packet
        number += 1


def check_span(track: Packets, first: int, last: int) -> None:
    """Raise VideoError unless frames first to last (inclusive) exist."""
    if not 0 <= first <= last < track.frames:
        raise VideoError(f"{track.path}: frames {first} to {last} do not exist; it holds {track.frames}")


def groups(tracks: Sequence[Packets], fps: float, limit_bytes: int) -> list[list[int]]:
    """Which files may be joined: runs of neighbours, coded alike, regular, and together within ``limit_bytes``.

    Args:
        tracks: files in the order they shall follow one another.

    Returns:
        positions of ``tracks``; a file that can join none stands alone.
    """
    result = [[0]] if tracks else []
    for number, (previous, track) in enumerate(pairwise(tracks), start=1):
        together = sum(int(tracks[i].size.sum()) for i in result[-1])
        joins = track.lone and signature(track) == signature(previous) and track.regular(fps) and previous.regular(fps)
        if joins and together + int(track.size.sum()) < limit_bytes:
            result[-1].append(number)
        else:
            result.append([number])
    return result
