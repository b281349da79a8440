"""Checks of a video from its packets alone: when frames are shown, how regularly, and how they are turned."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.codes import THRESHOLDS
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Subject
from gr00t_data.curate.subject.view import View
from gr00t_data.embodiment.robot import Camera
from gr00t_data.video.survey import Packets


def check_presentation(subject: Subject, camera: Camera, path: str, packets: Packets) -> Iterator[Finding]:
    """VIDEO-07: the first frame is shown at zero. VIDEO-08: frames are evenly spaced."""
    where = f"{path}: episode {subject.row.index}: camera {camera.name!r}"
    period = subject.period_s
    start = float(packets.pts_s[0])
    if abs(start) > max(subject.embodiment.tolerance_s, 0.5 * period):
        yield Finding(
            "VIDEO-07",
            "error" if abs(start) > 2 * period else "warning",
            f"{where} shows its first frame at {start:.3f} s, expected 0; readers that match by time pick frames "
            f"{abs(start) / period:.0f} rows {'early' if start > 0 else 'late'}: rewrite the times of the packets",
        )
    if packets.frames > 2:
        steps = np.diff(packets.pts_s)
        usual = float(np.median(steps))
        off = np.abs(steps - usual) > 0.1 * max(usual, 1e-6)
        if off.mean() > 0.02 or off.sum() > max(2, 0.02 * packets.frames):
            at = int(np.flatnonzero(off)[0])
            yield Finding(
                "VIDEO-08",
                "error" if off.mean() > 0.2 else "warning",
                f"{where} has a variable frame rate: frames are {1000 * steps.min():.0f} to "
                f"{1000 * steps.max():.0f} ms "
                f"apart, expected {1000 * period:.0f} ms ({int(off.sum())} of {len(steps)} steps are off); "
                "align the frames to the rows by time before use",
                (at, min(at + 1, packets.frames - 1)),
            )
    if packets.undated:
        yield Finding("VIDEO-08", "warning", f"{where}: {packets.undated} packets have no time; write the video again")


def check_rotation(subject: Subject, camera: Camera, view: View) -> Iterator[Finding]:
    """VIDEO-09: players turn the picture, decoders do not."""
    if view.rotation_deg % 360:
        yield Finding(
            "VIDEO-09",
            "warning",
            f"{view.path}: episode {subject.row.index}: camera {camera.name!r} is stored turned: "
            f"players show it turned by "
            f"{view.rotation_deg % 360} degrees, training reads it as stored; turn the pixels and remove the mark",
        )


def check_damage(subject: Subject, camera: Camera, view: View) -> Iterator[Finding]:
    """VIDEO-02 for a video that opens, but of which frames cannot be decoded."""
    if view.damaged > THRESHOLDS.video_extra_frames:
        yield Finding(
            "VIDEO-02",
            "error",
            f"{view.path}: episode {subject.row.index}: camera {camera.name!r}: {view.damaged} frames "
            f"cannot be decoded; "
            "copy the file again from its source",
        )
