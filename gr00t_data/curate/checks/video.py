"""Checks of a video as a whole: whether it is there, and how many frames it has, how often, and how large."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.checks.packets import EXTRA_FRAMES, VIDEO_02
from gr00t_data.curate.checks.times import RATE_ERROR_SHARE
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.metadata.store import META_06
from gr00t_data.curate.subject.sight import CameraFile, Sight
from gr00t_data.curate.subject.subject import SEAL_01
from gr00t_data.store.notes import read_notes

_DROPPED = (
    "the file is whole, so frames were dropped while it was recorded, and copying it again brings none: record the "
    "episode again, or leave it out"
)


def check_file(file: CameraFile) -> Iterator[Finding]:
    """VIDEO-01, VIDEO-02, SEAL-01; nothing where the store has no such camera and the default selection needs none."""
    subject, camera = file.subject, file.camera
    if file.changed:
        yield SEAL_01.finding(f"{file.error} (camera {camera.name!r})")
    elif file.error:
        message = f"{file.error} (episode {subject.row.index}, camera {camera.name!r})"
        yield VIDEO_02.finding(message, severity=file.severity)
    elif file.path is not None:
        if META_06.code in subject.store_errors and not file.path.parent.exists():
            return  # no episode has this camera: one finding of the store says so
        message = (
            f"{file.path}: episode {subject.row.index}: no video of camera {camera.name!r}; "
            f"{_why_missing(file) or 'copy it again from its source'}"
        )
        yield VIDEO_01.finding(message, severity=file.severity)
    elif file.used:
        message = (
            f"{subject.where}: the store maps no camera {camera.name!r} (it maps {', '.join(subject.store.cameras)}); "
            "add it to meta/modality.json or choose another embodiment"
        )
        yield VIDEO_01.finding(message)


def _why_missing(file: CameraFile) -> str:
    """What was noted of the video when its dataset was brought in."""
    store, index = file.subject.store, file.subject.row.index
    column = store.camera_columns[file.camera.name]
    return "; ".join(n.message for n in read_notes(store.root) if (n.episode_index, n.camera) == (index, column))


def check_video(sight: Sight) -> Iterator[Finding]:
    """VIDEO-03 to VIDEO-06."""
    yield from _counts(sight)
    yield from _rate(sight)
    yield from _size(sight)


def _counts(sight: Sight) -> Iterator[Finding]:
    facts, rows = sight.view.packets, sight.subject.rows
    if rows is None or facts.frames == rows:
        return
    difference = facts.frames - rows
    few = abs(difference) <= EXTRA_FRAMES
    if difference < 0:
        lost = "copy the video again" if facts.declared > facts.frames else _DROPPED
        remedy = "the rows without an image are left out of the keep ranges" if few else lost
    else:
        remedy = "the frames after the last row are not used" if few else "cut the video or find the missing rows"
    check, frames = VIDEO_03 if difference < 0 else VIDEO_04, (min(facts.frames, rows), max(facts.frames, rows) - 1)
    message = f"{sight.where} has {facts.frames} frames for {rows} rows; {remedy}"
    yield check.finding(message, frames, severity="warning" if few else sight.severity)


def _rate(sight: Sight) -> Iterator[Finding]:
    facts, subject = sight.view.packets, sight.subject
    if facts.frames < 2:
        return
    median = float(np.median(np.diff(facts.pts_s)))
    if abs(median - subject.period_s) > RATE_ERROR_SHARE * subject.period_s:
        yield VIDEO_05.finding(
            f"{sight.path}: episode {subject.row.index}: frames are {median:.4f} s apart, expected "
            f"{subject.period_s:.4f} s ({subject.embodiment.control_hz:g} Hz); frames are matched to rows by number "
            "here, write the video again at the control rate for readers that match by time"
        )


def _size(sight: Sight) -> Iterator[Finding]:
    facts, subject, camera = sight.view.packets, sight.subject, sight.camera
    if camera.height is None or camera.width is None:
        return
    if facts.width * camera.height != facts.height * camera.width:
        yield VIDEO_06.finding(
            f"{sight.path}: episode {subject.row.index}: frames are {facts.width}x{facts.height}, camera "
            f"{camera.name!r} of {subject.embodiment.name!r} is {camera.width}x{camera.height}, another shape; "
            "crop or pad the video"
        )


(VIDEO_01,) = Look(CameraFile, check_file, 0).finds(
    Check("VIDEO-01", "error", "video file missing", "the loader stops when it reaches the episode"),
)
VIDEO_03, VIDEO_04, VIDEO_05, VIDEO_06 = Look(Sight, check_video, 0).finds(
    Check("VIDEO-03", "error", "video shorter than the rows", "images and actions drift apart",
          explains="SYNC-* TIME-05"),
    Check("VIDEO-04", "error", "video longer than the rows", "images and actions drift apart", explains="SYNC-*"),
    Check("VIDEO-05", "warning", "video frame rate differs from the control rate",
          "readers that match by time pick wrong frames", explains="VIDEO-08 TIME-05", rig=True),
    Check("VIDEO-06", "warning", "video size differs from the embodiment", "the image is stretched to another shape",
          fact=True, rig=True),
)  # fmt: skip
