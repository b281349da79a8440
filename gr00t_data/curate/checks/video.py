"""Checks of the videos: packets first (counts, times, size), then what a bounded number of frames shows."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gr00t_data.curate.checks.cuts import check_cuts
from gr00t_data.curate.checks.frozen import check_frozen
from gr00t_data.curate.checks.packets import check_damage, check_presentation, check_rotation
from gr00t_data.curate.checks.pixels import check_pixels
from gr00t_data.curate.checks.times import check_end
from gr00t_data.curate.codes import THRESHOLDS
from gr00t_data.curate.finding import Finding, Severity
from gr00t_data.curate.subject.subject import Subject
from gr00t_data.curate.subject.view import View, view_of
from gr00t_data.embodiment.robot import Camera
from gr00t_data.video.files import VideoError
from gr00t_data.video.survey import Packets, survey

Seen = tuple[list[Finding], int | None, View | None]
"""Findings, how many frames the file has (None when it cannot be read), and what was decoded of it."""


def check_camera(subject: Subject, camera: Camera, speed: np.ndarray | None = None) -> Seen:
    """Everything about one camera of one episode.

    A camera that the default selection does not use gives warnings where one in use gives errors, and nothing when the
    store has none.

    Args:
        speed: float64 [T - 1], the fastest joint of each step, share of its range a row.
    """
    used = camera.name in subject.embodiment.selection().cameras
    severity: Severity = "error" if used else "warning"
    path = _path(subject, camera)
    if path is None and not used:
        return [], None, None
    if path is None or not path.is_file():
        return [_missing(subject, camera, path, severity)], None, None
    try:
        packets = survey(path)
        if not packets.frames:
            raise VideoError(f"{path}: holds no video frame; copy it again from its source")
        view = view_of(path, packets)
    except (VideoError, OSError) as error:
        return [_undecodable(subject, camera, str(error), severity)], None, None
    findings = [*_counts(subject, camera, path, packets, severity), *_rate(subject, path, packets)]
    findings += [*_size(subject, camera, path, packets), *check_end(subject, camera.name, packets)]
    findings += [*check_presentation(subject, camera, str(path), packets), *check_rotation(subject, camera, view)]
    findings += [*check_damage(subject, camera, view), *check_pixels(subject, camera, view)]
    frozen, explained = check_frozen(subject, camera, view, np.zeros(0) if speed is None else speed)
    explained |= view.number >= (subject.rows or len(view.number))
    findings += [*frozen, *check_cuts(subject, camera, view, explained)]
    return findings, packets.frames, view


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


def _counts(subject: Subject, camera: Camera, path: Path, facts: Packets, severity: Severity) -> Iterator[Finding]:
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


def _rate(subject: Subject, path: Path, facts: Packets) -> Iterator[Finding]:
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


def _size(subject: Subject, camera: Camera, path: Path, facts: Packets) -> Iterator[Finding]:
    if camera.height is None or camera.width is None:
        return
    if facts.width * camera.height != facts.height * camera.width:
        yield Finding(
            "VIDEO-06",
            "warning",
            f"{path}: episode {subject.row.index}: frames are {facts.width}x{facts.height}, camera {camera.name!r} "
            f"of {subject.embodiment.name!r} is {camera.width}x{camera.height}, another shape; crop or pad the video",
        )
