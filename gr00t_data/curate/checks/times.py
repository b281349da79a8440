"""Checks of the clock of the rows, in control periods and in the embodiment's ``tolerance_s``."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.sight import Sight
from gr00t_data.curate.subject.subject import Subject

_DRIFT_PERIODS = 2.0
"""A clock that is off by more rows than this at the end of an episode makes readers by time pick another frame."""


_GAP_PERIODS = 1.5
"""A step of time longer than this, in control periods, is a gap (dropped rows)."""
_GAP_MANY_SHARE = 0.05
"""More gaps than this share of the rows is an error."""
RATE_ERROR_SHARE = 0.1
"""The median spacing off the control period by more than this share is an error."""


def check_clock(subject: Subject) -> Iterator[Finding]:
    """TIME-01 to TIME-04; a clock that does not increase says nothing more."""
    order = list(check_order(subject))
    yield from order
    if not order:
        yield from check_gaps(subject)
        yield from check_rate(subject)
        yield from check_start(subject)


def check_order(subject: Subject) -> Iterator[Finding]:
    """TIME-01: timestamps are numbers that increase from row to row."""
    times = subject.times_s
    if times is None or len(times) == 0:
        return
    if not np.isfinite(times).all():
        at = int(np.flatnonzero(~np.isfinite(times))[0])
        message = f"{subject.where} frame {at}: timestamp is {times[at]}, expected seconds; export the episode again"
        yield TIME_01.finding(message, (at, at))
        return
    back = np.flatnonzero(np.diff(times) <= 0)
    if back.size:
        at = int(back[0]) + 1
        yield TIME_01.finding(
            f"{subject.where} frame {at}: timestamp {times[at]:.4f} s does not come after {times[at - 1]:.4f} s "
            f"({back.size} such rows); sort the rows by time or export the episode again",
            (at, int(back[-1]) + 1),
        )


def gap_rows(subject: Subject) -> np.ndarray:
    """int64: the rows after which time jumps by more than ``_GAP_PERIODS`` periods."""
    times = subject.times_s
    if times is None or len(times) < 2 or not np.isfinite(times).all():
        return np.zeros(0, dtype=np.int64)
    steps = np.diff(times)
    # A clock that is slow as a whole has the wrong rate (TIME-03), not a gap at every row.
    usual = max(subject.period_s, float(np.median(steps)))
    return np.flatnonzero(steps > _GAP_PERIODS * usual)


def check_gaps(subject: Subject) -> Iterator[Finding]:
    """TIME-02: missing rows. Chunks across a gap leave the keep ranges; too many gaps reject the episode."""
    gaps, times = gap_rows(subject), subject.times_s
    if times is None or not gaps.size:
        return
    steps = np.diff(times)[gaps]
    many = gaps.size > _GAP_MANY_SHARE * len(times)
    at = int(gaps[steps.argmax()])
    remedy = "leave it out" if many else "action chunks across it are left out of the keep ranges"
    yield TIME_02.finding(
        f"{subject.where} frame {at}: the next row comes {steps.max():.4f} s later, expected {subject.period_s:.4f} s "
        f"({gaps.size} gaps in {len(times)} rows); {remedy}",
        (int(gaps[0]), int(gaps[-1]) + 1),
        severity="error" if many else "warning",
    )


def check_rate(subject: Subject) -> Iterator[Finding]:
    """TIME-03: the median spacing is the control period; single steps keep to it within ``tolerance_s``."""
    times = subject.times_s
    if times is None or len(times) < 2 or not np.isfinite(times).all():
        return
    steps, period = np.diff(times), subject.period_s
    median = float(np.median(steps))
    if abs(median - period) > RATE_ERROR_SHARE * period:
        rate = f"{1 / median:.3f} Hz" if median > 0 else "no rate"
        yield TIME_03.finding(
            f"{subject.where}: rows are {median:.4f} s apart ({rate}), expected {subject.embodiment.control_hz:g} Hz "
            f"as embodiment {subject.embodiment.name!r} or info.json says; resample it or correct the timestamps",
            severity="error",
        )
        return
    off = np.abs(steps - period)
    off[gap_rows(subject)] = 0
    drift = float((steps - period)[off > 0].sum())
    if abs(drift) > _DRIFT_PERIODS * period:
        yield TIME_03.finding(
            f"{subject.where}: the clock of the rows runs {'slow' if drift < 0 else 'fast'}: after {len(times)} rows "
            f"it is {1000 * abs(drift):.0f} ms from {subject.embodiment.control_hz:g} Hz "
            f"({abs(drift) / period:.1f} rows); readers that match by time pick other frames: correct the timestamps"
        )
        return
    if off.max() > subject.embodiment.tolerance_s:
        at = int(off.argmax())
        yield TIME_03.finding(
            f"{subject.where} frame {at}: the next row comes {steps[at]:.4f} s later, expected {period:.4f} s within "
            f"{subject.embodiment.tolerance_s:g} s ({int((off > subject.embodiment.tolerance_s).sum())} rows are off); "
            "align the episode to a regular clock",
            (at, at + 1),
        )


def check_start(subject: Subject) -> Iterator[Finding]:
    """TIME-04: the first row is at zero. Up to one period late is a habit of recorders, more deserves a look."""
    times = subject.times_s
    if times is None or not len(times) or not np.isfinite(times[0]):
        return
    tolerance = subject.embodiment.tolerance_s
    if abs(times[0]) > tolerance:
        within_a_period = 0 < times[0] <= subject.period_s + tolerance
        yield TIME_04.finding(
            f"{subject.where} frame 0: timestamp is {times[0]:.4f} s, expected 0 within {tolerance:g} s; "
            "frames are matched to rows by number here, so nothing is shifted",
            (0, 0),
            severity="info" if within_a_period else "warning",
        )


def check_end(sight: Sight) -> Iterator[Finding]:
    """TIME-05: no row lies after the last video frame."""
    subject, camera, facts = sight.subject, sight.camera.name, sight.view.packets
    times, tolerance = subject.times_s, subject.embodiment.tolerance_s
    if times is None or not len(times) or not np.isfinite(times).all() or not facts.frames:
        return
    end = float(facts.pts_s[-1])
    late = np.flatnonzero(times > end + tolerance)
    if late.size:
        yield TIME_05.finding(
            f"{subject.where} frame {int(late[0])}: timestamp {times[late[0]]:.4f} s is past the last frame of camera "
            f"{camera!r} at {end:.4f} s ({late.size} rows); frames are matched to rows by number here, "
            "readers that match by time repeat the last frame",
            (int(late[0]), int(late[-1])),
        )


TIME_01, TIME_02, TIME_03, TIME_04 = Look(Subject, check_clock, 2).finds(
    Check("TIME-01", "error", "timestamps do not increase", "rows are out of order: actions jump in time",
          explains="TIME-0[2-5] MOTION-02 MOTION-12"),
    Check("TIME-02", "warning", "gap in the timestamps",
          "an action chunk across the gap moves faster than the robot did"),
    Check("TIME-03", "warning", "row spacing differs from the control rate",
          "the policy replays motions at another speed", rig=True),
    Check("TIME-04", "warning", "timestamps do not start at zero",
          "readers that match by time may pick the next video frame"),
)  # fmt: skip
(TIME_05,) = Look(Sight, check_end, 1).finds(
    Check("TIME-05", "warning", "timestamps reach past the last video frame",
          "the last rows see a repeated or missing image", rig=True),
)  # fmt: skip
