"""The videos of a LeRobot v3.0 folder, taken apart into one mp4 an episode and camera.

``from_timestamp`` and ``to_timestamp`` are sums of container durations and drift, so a frame number is never read off
them alone: they must tile the file, or the rows of the episodes must fill it; otherwise the nearest frames are taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gr00t_data.disk import path_inside
from gr00t_data.lerobot.v3_records import Clip, Dataset, Record
from gr00t_data.store import layout
from gr00t_data.store.notes import Note
from gr00t_data.video.cutting import cut, packets_of, read_whole
from gr00t_data.video.files import VideoError
from gr00t_data.video.foreign import watched
from gr00t_data.video.packets import TIME_TOLERANCE_S, Packets
from gr00t_data.video.spans import encode_span

_ON_A_FRAME = 0.1
"""A time counts as the time of a frame when it is within this share of the distance between frames."""
_SHARED_FRAMES = 1.5
"""Two clips that overlap by more name the same frames; durations that were added up overlap by one at most."""


@dataclass(frozen=True)
class Wanted:
    """What one episode wants of one video file: its clip, and the timestamp of its first row."""

    record: Record
    clip: Clip
    first_row_s: float


@dataclass(frozen=True)
class Span:
    """Frames ``first`` to ``last`` (inclusive) of a file, and what was odd about finding them."""

    first: int
    last: int
    oddity: str = ""


def frame_spans(wanted: Sequence[Wanted], track: Packets, fps: float) -> list[Span | str]:
    """The frames of each episode in one file; a text says why there are none. Same order as ``wanted``."""
    order = sorted(range(len(wanted)), key=lambda number: wanted[number].clip.begin_s)
    inside = [wanted[number] for number in order]
    spans = _tiling(inside, track, fps) or _contradicting(inside, track, fps) or _filling(inside, track)
    spans = spans or [_nearest(one, track, fps) for one in inside]
    found = {number: _with_drift(span, wanted[number], track) for number, span in zip(order, spans, strict=True)}
    return [found[number] for number in range(len(wanted))]


def _tiling(wanted: Sequence[Wanted], track: Packets, fps: float) -> list[Span | str] | None:
    """By the clips' times, when they follow one another without a hole from the first frame to the last.

    Rows that do not start at time 0 are counted from their own start (``begin_s`` is then earlier by as much), or not
    at all: both kinds of writer exist.
    """
    for share in (0.0, 1.0):
        edges = [
            (one.clip.begin_s + share * one.first_row_s, one.clip.end_s + share * one.first_row_s) for one in wanted
        ]
        numbers = [(_frame_at(begin, track, fps), _frame_at(end, track, fps)) for begin, end in edges]
        ends = [0, *(stop for _, stop in numbers)]
        if all(start == before for (start, _), before in zip(numbers, ends, strict=False)) and ends[-1] == track.frames:
            return [Span(start, stop - 1) for start, stop in numbers if start is not None and stop is not None]
    return None


def _frame_at(time_s: float, track: Packets, fps: float) -> int | None:
    """The number of the frame that stands at this time (the number of frames for the end), None between frames."""
    times = np.append(track.pts_s, track.pts_s[-1] + 1 / fps)
    nearest = int(np.abs(times - time_s).argmin())
    return nearest if abs(times[nearest] - time_s) <= _ON_A_FRAME / fps else None


def _contradicting(wanted: Sequence[Wanted], track: Packets, fps: float) -> list[Span | str] | None:
    """When episodes claim frames of the file that others claim, too: those have none, the rest has the nearest ones.

    Which of them is right nobody can tell. Sums of durations drift by less than ``_SHARED_FRAMES``.
    """
    nearest = [_nearest(one, track, fps) for one in wanted]
    inside = np.array([isinstance(span, Span) for span in nearest])
    begin_s, end_s, first_s = np.array([(one.clip.begin_s, one.clip.end_s, one.first_row_s) for one in wanted]).T
    begin_s[~inside] = np.inf
    rivals = [_rival(number, begin_s, end_s, first_s, _SHARED_FRAMES / fps) for number in range(len(wanted))]
    if not any(rival is not None for rival in rivals):
        return None
    return [
        span
        if rival is None
        else f"from_timestamp {one.clip.begin_s:.3f} s to to_timestamp {one.clip.end_s:.3f} s of {track.path.name} "
        f"names frames that episode {wanted[rival].record.index} names too, so nobody can tell whose they are: correct "
        "meta/episodes, or merge the datasets again with a newer LeRobot"
        for one, span, rival in zip(wanted, nearest, rivals, strict=True)
    ]


def _rival(number: int, begin_s: np.ndarray, end_s: np.ndarray, first_s: np.ndarray, most_s: float) -> int | None:
    """The first other clip that one overlaps by more than ``most_s``, however rows that do not start at time 0 are
    counted (see ``_tiling``)."""
    shared = np.full(len(begin_s), np.inf)
    for share in (0.0, 1.0):
        begin, end = begin_s + share * first_s, end_s + share * first_s
        shared = np.minimum(shared, np.minimum(end, end[number]) - np.maximum(begin, begin[number]))
    shared[number] = -np.inf
    return int(shared.argmax()) if shared.max() > most_s else None


def _filling(wanted: Sequence[Wanted], track: Packets) -> list[Span | str] | None:
    """By counting, when the rows of the episodes together are as many as the frames of the file."""
    ends = np.cumsum([one.record.length for one in wanted])
    if ends[-1] != track.frames or any(one.record.length < 1 for one in wanted):
        return None
    return [Span(int(end) - one.record.length, int(end) - 1) for end, one in zip(ends, wanted, strict=True)]


def _nearest(one: Wanted, track: Packets, fps: float) -> Span | str:
    shift = one.first_row_s if one.clip.begin_s < -0.5 / fps else 0.0
    begin, end = one.clip.begin_s + shift, one.clip.end_s + shift
    last_s = float(track.pts_s[-1]) + 1 / fps
    if not (track.pts_s[0] - 0.5 / fps <= begin < end <= last_s + 0.5 / fps):
        return (
            f"from_timestamp {one.clip.begin_s:.3f} s to to_timestamp {one.clip.end_s:.3f} s is outside "
            f"{track.path.name}, which lasts {last_s:.3f} s"
        )
    first, stop = (int(np.abs(track.pts_s - (time - tiny)).argmin()) for time, tiny in ((begin, 0), (end, 1 / fps)))
    claim = f"{track.path.name} has {track.frames} frames, which is not what its episodes have together"
    return Span(first, max(first, stop), f"{claim}; frames {first} to {stop} are the nearest to its timestamps")


def _with_drift(span: Span | str, one: Wanted, track: Packets) -> Span | str:
    if isinstance(span, str):
        return span
    drift_s = float(one.clip.begin_s + one.first_row_s - track.pts_s[span.first])
    if span.oddity or abs(drift_s) <= TIME_TOLERANCE_S:
        return span
    return Span(
        span.first, span.last, f"from_timestamp is {drift_s:+.4f} s off the frame that belongs to the first row"
    )


def split_videos(dataset: Dataset, first_rows_s: dict[int, float], root: Path) -> Iterator[list[Note]]:
    """Write the video of every episode and camera below ``root``; yields the notes of each one when it is done.

    A video that cannot be had (no file, outside of it, damaged) is left out and noted; the checks reject its episode.
    """
    for camera in dataset.cameras:
        files: dict[Path, list[Wanted]] = {}
        for record in dataset.records:
            clip = record.clips[camera]
            if clip is None:
                yield [Note("the metadata gives no video for it", record.index, camera)]
                continue
            wanted = Wanted(record, clip, first_rows_s[record.index])
            files.setdefault(clip.file, []).append(wanted)
        for file, inside in files.items():
            yield from _split_file(dataset, camera, file, inside, root)


def _split_file(dataset: Dataset, camera: str, file: Path, wanted: list[Wanted], root: Path) -> Iterator[list[Note]]:
    try:
        track = watched(file, read_whole, file)
    except VideoError as error:
        for one in wanted:
            yield [Note(str(error), one.record.index, camera)]
        return
    for one, span in zip(wanted, frame_spans(wanted, track, dataset.fps), strict=True):
        number = dataset.number_of(one.record.index)
        place = {"episode_chunk": number // layout.CHUNK_EPISODES, "episode_index": number}
        target = path_inside(root, layout.VIDEO_PATH, video_key=camera, **place)
        yield [Note(message, one.record.index, camera) for message in _clip(span, one, track, target, dataset.fps)]


def _clip(span: Span | str, one: Wanted, track: Packets, target: Path, fps: float) -> Iterator[str]:
    """Write one clip; yields what should be known about it."""
    if isinstance(span, str):
        yield f"{span}; the episode has no video of this camera"
        return
    if span.oddity:
        yield span.oddity
    if (frames := span.last - span.first + 1) != one.record.length:
        yield f"{frames} frames stand for {one.record.length} rows"
    times_s = track.pts_s[span.first : span.last + 1] - track.pts_s[span.first]
    off_s = float(np.abs(times_s - np.arange(frames) / fps).max())
    if off_s > max(TIME_TOLERANCE_S, float(track.time_base)):
        yield f"its frames are not shown at {fps:g} Hz: up to {off_s:.4f} s beside their rows; the times were kept"
    if track.rotation_deg:
        yield f"a player is asked to turn the picture by {track.rotation_deg} degrees; readers of arrays do not"
    try:
        if not watched(track.path, _cut_or_encoded, track, span, target, pictures=frames):
            place = f"frame {span.first} of {track.path.name}"
            yield f"re-encoded as h264, frame for frame: {place} is no place to cut packets"
    except VideoError as error:
        yield str(error)


def _cut_or_encoded(track: Packets, span: Span, target: Path) -> bool:
    """Write the frames of a span; whether they could stay as they are."""
    whole = (span.first, span.last) == (0, track.frames - 1)
    as_it_is = (track.lone and whole) or packets_of(track, span.first, span.last) is not None
    (cut if as_it_is else encode_span)(track, span.first, span.last, target)
    return as_it_is
