"""Checks of the rows: width, finite values, limits, and how many there are."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.finding import Finding, Severity
from gr00t_data.curate.subject.signals import spans
from gr00t_data.curate.subject.subject import SHAPE_01, Subject
from gr00t_data.embodiment.robot import Part

_LIMIT_IGNORE_SHARE = 1e-3
"""An excess over a limit below this share of the limit's range is rounding, not a finding."""
_LIMIT_FAR_SHARE = 0.5
"""One value beyond a limit by more than this share of the range is an error."""
_LIMIT_NEAR_SHARE = 0.05
"""Beyond this share of the range, many frames are an error."""
_LIMIT_MANY_SHARE = 0.2
"""Share of the frames that counts as many."""


def check_rows(subject: Subject) -> Iterator[Finding]:
    """All of this file; values are looked at where the columns are as wide as they should be."""
    yield from check_length(subject)
    yield from check_numbering(subject)
    widths = list(check_widths(subject))
    yield from widths
    if not widths:
        yield from check_finite(subject)
        yield from check_limits(subject)


def check_length(subject: Subject) -> Iterator[Finding]:
    """ROWS-01 and ROWS-02: rows against the declared length and the action horizon."""
    rows, row = subject.rows, subject.row
    if rows is None:
        return
    if rows != row.length:
        yield ROWS_01.finding(
            f"{subject.where}: holds {rows} rows, meta/episodes.jsonl declares {row.length}; "
            "correct the metadata, or copy the file again"
        )
    horizon = subject.embodiment.action_horizon
    if rows < horizon:
        yield ROWS_02.finding(
            f"{subject.where}: has {rows} frames, the action horizon of {subject.embodiment.name!r} is {horizon}; "
            "leave it out or record a longer one",
            (0, max(rows - 1, 0)),
        )


def check_numbering(subject: Subject) -> Iterator[Finding]:
    """ROWS-03: frame_index counts 0, 1, 2 ... and episode_index names this episode in every row."""
    rows = subject.rows or 0
    expected = {"frame_index": np.arange(rows), "episode_index": np.full(rows, subject.row.index)}
    for name, values in expected.items():
        found = subject.arrays.get(name)
        if found is None:
            continue
        wrong = np.flatnonzero(found[:, 0] != values)
        if wrong.size:
            at = int(wrong[0])
            yield ROWS_03.finding(
                f"{subject.where}: {name} is {found[at, 0]:g} in row {at}, expected {values[at]} "
                f"({wrong.size} rows differ); export the episode again",
                (at, int(wrong[-1])),
                severity="error" if name == "frame_index" else "warning",
            )


def check_widths(subject: Subject) -> Iterator[Finding]:
    """SHAPE-01: a column must be as wide as the parts the embodiment finds in it."""
    embodiment = subject.embodiment
    for column, parts in _by_column(subject).items():
        found = subject.arrays[column].shape[1]
        expected = max(part.end for part in parts)
        if found != expected:
            names = ", ".join(f"{part.name} {part.start}:{part.end}" for part in parts)
            yield SHAPE_01.finding(
                f"{subject.where}: {column} has {found} values a row, embodiment {embodiment.name!r} expects "
                f"{expected} ({names}); choose the embodiment this robot is, or correct its file"
            )


def check_finite(subject: Subject) -> Iterator[Finding]:
    """NAN-01: every value is a finite number."""
    for column, parts in _by_column(subject).items():
        for part in parts:
            bad = ~np.isfinite(subject.arrays[column][:, part.slice])
            if not bad.any():
                continue
            frame, dim = (int(i[0]) for i in np.nonzero(bad))
            last = int(np.flatnonzero(bad.any(1))[-1])
            value = subject.arrays[column][frame, part.start + dim]
            yield NAN_01.finding(
                f"{subject.where} frame {frame}: {column} part {part.name!r} joint {part.joint(dim)!r} is {value}, "
                f"expected a finite number ({int(bad.any(1).sum())} frames have one); cut the frames or leave it out",
                (frame, last),
            )


def check_limits(subject: Subject) -> Iterator[Finding]:
    """LIMIT-01: one finding a part, about its worst joint; see ``_limit_severity`` for error against warning."""
    for column, parts in _by_column(subject).items():
        for part in parts:
            if part.limits:
                yield from _beyond_limits(subject, column, part, subject.arrays[column][:, part.slice])


def _beyond_limits(subject: Subject, column: str, part: Part, values: np.ndarray) -> Iterator[Finding]:
    low, high = np.array(part.limits, dtype=np.float64).T
    share = np.nan_to_num(np.maximum(low - values, values - high) / spans(part), nan=0.0)
    outside = share > _LIMIT_IGNORE_SHARE
    if not outside.any():
        return
    frame, dim = np.unravel_index(int(share.argmax()), share.shape)
    frames = np.flatnonzero(outside.any(1))
    joints = int(outside.any(0).sum())
    others = f", {joints - 1} other joints too" if joints > 1 else ""
    severity = _limit_severity(float(share.max()), len(frames) / len(values))
    remedy = "check the unit and the order of the joints" if severity == "error" else "look at the sensor's zero"
    yield LIMIT_01.finding(
        f"{subject.where} frame {frame}: {column} part {part.name!r} joint {part.joint(int(dim))!r} is "
        f"{values[frame, dim]:.4g} {part.unit}, expected {low[dim]:.4g} to {high[dim]:.4g} {part.unit} "
        f"({len(frames)} of {len(values)} frames are outside{others}); {remedy}",
        (int(frames[0]), int(frames[-1])),
        severity=severity,
    )


def _limit_severity(worst_share: float, frames_share: float) -> Severity:
    far = worst_share > _LIMIT_FAR_SHARE
    many = worst_share > _LIMIT_NEAR_SHARE and frames_share > _LIMIT_MANY_SHARE
    return "error" if far or many else "warning"


def _by_column(subject: Subject) -> dict[str, list[Part]]:
    """The parts of each column that was read, in the order of their slices; only those that lie inside it."""
    columns: dict[str, list[Part]] = {}
    for part in (*subject.embodiment.state, *subject.embodiment.action):
        if part.column in subject.arrays:
            columns.setdefault(part.column, []).append(part)
    return columns


ROWS_01, ROWS_02, ROWS_03, NAN_01, LIMIT_01 = Look(Subject, check_rows, 1).finds(
    Check("ROWS-01", "error", "row count differs from the declared length", "frames and rows are matched wrongly"),
    Check("ROWS-02", "error", "episode shorter than the action horizon", "no complete action chunk can be cut from it"),
    Check("ROWS-03", "error", "row numbers are not 0, 1, 2 ...",
          "rows were dropped, swapped or merged from several episodes", explains="MOTION-02 MOTION-12"),
    Check("NAN-01", "error", "NaN or infinite values", "the loss becomes NaN and the run is lost"),
    Check("LIMIT-01", "warning", "values outside the limits of a part", "wrong unit or joint order, or a broken sensor",
          explains="MOTION-0[13] MOTION-11 MOTION-15"),
)  # fmt: skip
