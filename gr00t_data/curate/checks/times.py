"""Checks of the clock of the rows, in control periods and in the embodiment's ``tolerance_s``."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.codes import THRESHOLDS
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.subject.subject import Subject
from gr00t_data.video.survey import Packets

_DRIFT_PERIODS = 2.0
"""A clock that is off by more rows than this at the end of an episode makes readers by time pick another frame."""


def check_order(subject: Subject) -> Iterator[Finding]:
    """TIME-01: timestamps are numbers that increase from row to row."""
    times = subject.times_s
    if times is None or len(times) == 0:
        return
    if not np.isfinite(times).all():
        at = int(np.flatnonzero(~np.isfinite(times))[0])
        message = f"{subject.where} frame {at}: timestamp is {times[at]}, expected seconds; export the episode again"
        yield Finding("TIME-01", "error", message, (at, at))
        return
    back = np.flatnonzero(np.diff(times) <= 0)
    if back.size:
        at = int(back[0]) + 1
        yield Finding(
            "TIME-01",
            "error",
            f"{subject.where} frame {at}: timestamp {times[at]:.4f} s does not come after {times[at - 1]:.4f} s "
            f"({back.size} such rows); sort the rows by time or export the episode again",
            (at, int(back[-1]) + 1),
        )


def gap_rows(subject: Subject) -> np.ndarray:
    """int64: the rows after which time jumps by more than ``gap_periods`` periods."""
    times = subject.times_s
    if times is None or len(times) < 2 or not np.isfinite(times).all():
        return np.zeros(0, dtype=np.int64)
    steps = np.diff(times)
    # A clock that is slow as a whole has the wrong rate (TIME-03), not a gap at every row.
    usual = max(subject.period_s, float(np.median(steps)))
    return np.flatnonzero(steps > THRESHOLDS.gap_periods * usual)


def check_gaps(subject: Subject) -> Iterator[Finding]:
    """TIME-02: missing rows. Chunks across a gap leave the keep ranges; too many gaps reject the episode."""
    gaps, times = gap_rows(subject), subject.times_s
    if times is None or not gaps.size:
        return
    steps = np.diff(times)[gaps]
    many = gaps.size > THRESHOLDS.gap_many_share * len(times)
    at = int(gaps[steps.argmax()])
    remedy = "leave it out" if many else "action chunks across it are left out of the keep ranges"
    yield Finding(
        "TIME-02",
        "error" if many else "warning",
        f"{subject.where} frame {at}: the next row comes {steps.max():.4f} s later, expected {subject.period_s:.4f} s "
        f"({gaps.size} gaps in {len(times)} rows); {remedy}",
        (int(gaps[0]), int(gaps[-1]) + 1),
    )


def check_rate(subject: Subject) -> Iterator[Finding]:
    """TIME-03: the median spacing is the control period; single steps keep to it within ``tolerance_s``."""
    times = subject.times_s
    if times is None or len(times) < 2 or not np.isfinite(times).all():
        return
    steps, period = np.diff(times), subject.period_s
    median = float(np.median(steps))
    if abs(median - period) > THRESHOLDS.rate_error_share * period:
        rate = f"{1 / median:.3f} Hz" if median > 0 else "no rate"
        yield Finding(
            "TIME-03",
            "error",
            f"{subject.where}: rows are {median:.4f} s apart ({rate}), expected {subject.embodiment.control_hz:g} Hz "
            f"as embodiment {subject.embodiment.name!r} or info.json says; resample it or correct the timestamps",
        )
        return
    off = np.abs(steps - period)
    off[gap_rows(subject)] = 0
    drift = float((steps - period)[off > 0].sum())
    if abs(drift) > _DRIFT_PERIODS * period:
        yield Finding(
            "TIME-03",
            "warning",
            f"{subject.where}: the clock of the rows runs {'slow' if drift < 0 else 'fast'}: after {len(times)} rows "
            f"it is {1000 * abs(drift):.0f} ms from {subject.embodiment.control_hz:g} Hz "
            f"({abs(drift) / period:.1f} rows); readers that match by time pick other frames: correct the timestamps",
        )
        return
    if off.max() > subject.embodiment.tolerance_s:
        at = int(off.argmax())
        yield Finding(
            "TIME-03",
            "warning",
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
        yield Finding(
            "TIME-04",
            "info" if within_a_period else "warning",
            f"{subject.where} frame 0: timestamp is {times[0]:.4f} s, expected 0 within {tolerance:g} s; "
            "frames are matched to rows by number here, so nothing is shifted",
            (0, 0),
        )


def check_end(subject: Subject, camera: str, facts: Packets) -> Iterator[Finding]:
    """TIME-05: no row lies after the last video frame."""
    times, tolerance = subject.times_s, subject.embodiment.tolerance_s
    if times is None or not len(times) or not np.isfinite(times).all() or not facts.frames:
        return
    end = float(facts.pts_s[-1])
    late = np.flatnonzero(times > end + tolerance)
    if late.size:
        yield Finding(
            "TIME-05",
            "warning",
            f"{subject.where} frame {int(late[0])}: timestamp {times[late[0]]:.4f} s is past the last frame of camera "
            f"{camera!r} at {end:.4f} s ({late.size} rows); frames are matched to rows by number here, "
            "readers that match by time repeat the last frame",
            (int(late[0]), int(late[-1])),
        )
