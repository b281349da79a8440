"""Checks of a video from its packets alone: when frames are shown, how regularly, and how they are turned."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.sight import Sight

EXTRA_FRAMES = 2
"""A difference between frames and rows, or a damage, of up to this many frames is a warning; beyond it is an error."""


def check_packets(sight: Sight) -> Iterator[Finding]:
    """VIDEO-07 to VIDEO-09, and VIDEO-02 of a video that opens."""
    yield from check_presentation(sight)
    yield from check_rotation(sight)
    yield from check_damage(sight)


def check_presentation(sight: Sight) -> Iterator[Finding]:
    """VIDEO-07: the first frame is shown at zero. VIDEO-08: frames are evenly spaced."""
    where, packets, period = sight.where, sight.view.packets, sight.subject.period_s
    start = float(packets.pts_s[0])
    if abs(start) > max(sight.subject.embodiment.tolerance_s, 0.5 * period):
        yield VIDEO_07.finding(
            f"{where} shows its first frame at {start:.3f} s, expected 0; readers that match by time pick frames "
            f"{abs(start) / period:.0f} rows {'early' if start > 0 else 'late'}: rewrite the times of the packets",
            severity="error" if abs(start) > 2 * period else "warning",
        )
    if packets.frames > 2:
        steps = np.diff(packets.pts_s)
        usual = float(np.median(steps))
        off = np.abs(steps - usual) > 0.1 * max(usual, 1e-6)
        if off.mean() > 0.02 or off.sum() > max(2, 0.02 * packets.frames):
            at = int(np.flatnonzero(off)[0])
            yield VIDEO_08.finding(
                f"{where} has a variable frame rate: frames are {1000 * steps.min():.0f} to {1000 * steps.max():.0f} "
                f"ms apart, expected {1000 * period:.0f} ms ({int(off.sum())} of {len(steps)} steps are off); align "
                "the frames to the rows by time before use",
                (at, min(at + 1, packets.frames - 1)),
                severity="error" if off.mean() > 0.2 else "warning",
            )
    if packets.timeless:
        yield VIDEO_08.finding(f"{where}: {len(packets.timeless)} packets have no time; write the video again")


def check_rotation(sight: Sight) -> Iterator[Finding]:
    """VIDEO-09: players turn the picture, decoders do not."""
    if turned := sight.view.rotation_deg % 360:
        yield VIDEO_09.finding(
            f"{sight.where} is stored turned: players show it turned by {turned} degrees, training reads it as stored; "
            "turn the pixels and remove the mark"
        )


def check_damage(sight: Sight) -> Iterator[Finding]:
    """VIDEO-02 for a video that opens, but of which frames cannot be decoded."""
    if sight.view.damaged > EXTRA_FRAMES:
        yield VIDEO_02.finding(
            f"{sight.where}: {sight.view.damaged} frames cannot be decoded; copy the file again from its source"
        )


VIDEO_02, VIDEO_07, VIDEO_08, VIDEO_09 = Look(Sight, check_packets, 2).finds(
    Check("VIDEO-02", "error", "video cut off or not decodable", "the loader stops when it reaches the frame",
          explains="VIDEO-0[3-9] VIDEO-1* IMAGE-* SYNC-*"),
    Check("VIDEO-07", "warning", "first video frame is not shown at zero",
          "readers that match by time pick wrong frames", explains="TIME-05", rig=True),
    Check("VIDEO-08", "warning", "variable frame rate", "readers that match by time pick wrong frames",
          explains="VIDEO-05 TIME-05", rig=True),
    Check("VIDEO-09", "warning", "video is marked to be turned when shown",
          "training sees it as stored, people see it turned", rig=True),
)  # fmt: skip
