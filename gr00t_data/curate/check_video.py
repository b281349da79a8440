"""Checks of the videos: packets first (counts, times, size), then the first and the last frame are decoded."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gr00t_data import video
from gr00t_data.curate.check_times import check_end
from gr00t_data.curate.codes import THRESHOLDS
from gr00t_data.curate.finding import Finding, Severity
from gr00t_data.curate.subject import Subject
from gr00t_data.embodiment import Camera


def check_camera(subject: Subject, camera: Camera) -> tuple[list[Finding], int | None]:
    """Everything about one camera of one episode.

    Returns:
        the findings, and how many frames the file has (None when it cannot be read). A camera that the default
        selection does not use gives warnings where one in use gives errors, and nothing when the store has none.
    """
    used = camera.name in subject.embodiment.selection().cameras
    severity: Severity = "error" if used else "warning"
    path = _path(subject, camera)
    if path is None and not used:
        return [], None
    if path is None or not path.is_file():
        return [_missing(subject, camera, path, severity)], None
    try:
        facts = video.probe(path)
        if not facts.frames:
            raise video.VideoError(f"{path}: holds no video frame; copy it again from its source")
        video.decode_at(path, [0, facts.frames - 1])
    except video.VideoError as error:
        return [_undecodable(subject, camera, str(error), severity)], None
    except (ValueError, AttributeError, MemoryError, OSError) as error:
        # PyAV lets these through when a header is damaged: names that are no text, a stream without a codec.
        message = f"{path}: its header is damaged ({error}); copy it again from its source"
        return [_undecodable(subject, camera, message, severity)], None
    findings = [*_counts(subject, camera, path, facts, severity), *_rate(subject, path, facts)]
    findings += [*_size(subject, camera, path, facts), *check_end(subject, camera.name, facts)]
    return findings, facts.frames


def _path(subject: Subject, camera: Camera) -> Path | None:
    if camera.name not in subject.store.cameras:
        return None
    try:
        return subject.store.video_path(subject.row.index, camera.name)
    except (KeyError, ValueError):
        # The template of info.json is broken or leads out of the folder.
        return subject.store.root / "videos"


def _missing(subject: Subject, camera: Camera, path: Path | None, severity: Severity) -> Finding:
    if path is None:
        message = (
            f"{subject.where}: the store maps no camera {camera.name!r} (it maps {', '.join(subject.store.cameras)}); "
            "add it to meta/modality.json or choose another embodiment"
        )
    else:
        message = (
            f"{path}: episode {subject.row.index}: no video of camera {camera.name!r}; copy it again from its source"
        )
    return Finding("VIDEO-01", severity, message)


def _undecodable(subject: Subject, camera: Camera, message: str, severity: Severity) -> Finding:
    return Finding("VIDEO-02", severity, f"{message} (episode {subject.row.index}, camera {camera.name!r})")


def _counts(
    subject: Subject, camera: Camera, path: Path, facts: video.VideoInfo, severity: Severity
) -> Iterator[Finding]:
    rows = subject.rows
    if rows is None or facts.frames == rows:
        return
    difference = facts.frames - rows
    few = abs(difference) <= THRESHOLDS.video_extra_frames
    if difference < 0:
        remedy = "the rows without an image are left out of the keep ranges" if few else "copy the video again"
    else:
        remedy = "the frames after the last row are not used" if few else "cut the video or find the missing rows"
    yield Finding(
        "VIDEO-03" if difference < 0 else "VIDEO-04",
        "warning" if few else severity,
        f"{path}: episode {subject.row.index}: camera {camera.name!r} has {facts.frames} frames for {rows} rows; "
        f"{remedy}",
        (min(facts.frames, rows), max(facts.frames, rows) - 1),
    )


def _rate(subject: Subject, path: Path, facts: video.VideoInfo) -> Iterator[Finding]:
    if facts.frames < 2:
        return
    median = float(np.median(np.diff(facts.pts_s)))
    if abs(median - subject.period_s) > THRESHOLDS.rate_error_share * subject.period_s:
        yield Finding(
            "VIDEO-05",
            "warning",
            f"{path}: episode {subject.row.index}: frames are {median:.4f} s apart, expected {subject.period_s:.4f} s "
            f"({subject.embodiment.control_hz:g} Hz); frames are matched to rows by number here, write the video "
            "again at the control rate for readers that match by time",
        )


def _size(subject: Subject, camera: Camera, path: Path, facts: video.VideoInfo) -> Iterator[Finding]:
    if camera.height is None or camera.width is None:
        return
    if facts.width * camera.height != facts.height * camera.width:
        yield Finding(
            "VIDEO-06",
            "warning",
            f"{path}: episode {subject.row.index}: frames are {facts.width}x{facts.height}, camera {camera.name!r} "
            f"of {subject.embodiment.name!r} is {camera.width}x{camera.height}, another shape; crop or pad the video",
        )
