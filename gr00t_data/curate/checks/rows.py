"""Checks of the rows: width, finite values, limits, and how many there are."""

from collections.abc import Iterator

import numpy as np

from gr00t_data.curate.codes import THRESHOLDS
from gr00t_data.curate.finding import Finding, Severity
from gr00t_data.curate.subject.subject import Subject
from gr00t_data.embodiment.robot import Part


def check_length(subject: Subject) -> Iterator[Finding]:
    """ROWS-01 and ROWS-02: rows against the declared length and the action horizon."""
    rows, row = subject.rows, subject.row
    if rows is None:
        return
    if rows != row.length:
        yield Finding(
            "ROWS-01",
            "error",
            f"{subject.where}: holds {rows} rows, meta/episodes.jsonl declares {row.length}; "
            "correct the metadata, or copy the file again",
        )
    horizon = subject.embodiment.action_horizon
    if rows < horizon:
        yield Finding(
            "ROWS-02",
            "error",
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
            yield Finding(
                "ROWS-03",
                "error" if name == "frame_index" else "warning",
                f"{subject.where}: {name} is {found[at, 0]:g} in row {at}, expected {values[at]} "
                f"({wrong.size} rows differ); export the episode again",
                (at, int(wrong[-1])),
            )


def check_widths(subject: Subject) -> Iterator[Finding]:
    """SHAPE-01: a column must be as wide as the parts the embodiment finds in it."""
    embodiment = subject.embodiment
    for column, parts in _by_column(subject).items():
        found = subject.arrays[column].shape[1]
        expected = max(part.end for part in parts)
        if found != expected:
            names = ", ".join(f"{part.name} {part.start}:{part.end}" for part in parts)
            yield Finding(
                "SHAPE-01",
                "error",
                f"{subject.where}: {column} has {found} values a row, embodiment {embodiment.name!r} expects "
                f"{expected} ({names}); choose the embodiment this robot is, or correct its file",
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
            yield Finding(
                "NAN-01",
                "error",
                f"{subject.where} frame {frame}: {column} part {part.name!r} joint {_joint(part, dim)!r} is {value}, "
                f"expected a finite number ({int(bad.any(1).sum())} frames have one); cut the frames or leave it out",
                (frame, last),
            )


def check_limits(subject: Subject) -> Iterator[Finding]:
    """LIMIT-01: one finding a part, about its worst joint; see ``Thresholds`` for error against warning."""
    for column, parts in _by_column(subject).items():
        for part in parts:
            if part.limits:
                yield from _beyond_limits(subject, column, part, subject.arrays[column][:, part.slice])


def _beyond_limits(subject: Subject, column: str, part: Part, values: np.ndarray) -> Iterator[Finding]:
    low, high = np.array(part.limits, dtype=np.float64).T
    span = np.maximum(high - low, np.finfo(np.float64).tiny)
    share = np.nan_to_num(np.maximum(low - values, values - high) / span, nan=0.0)
    outside = share > THRESHOLDS.limit_ignore_share
    if not outside.any():
        return
    frame, dim = np.unravel_index(int(share.argmax()), share.shape)
    frames = np.flatnonzero(outside.any(1))
    joints = int(outside.any(0).sum())
    others = f", {joints - 1} other joints too" if joints > 1 else ""
    severity = _limit_severity(float(share.max()), len(frames) / len(values))
    remedy = "check the unit and the order of the joints" if severity == "error" else "look at the sensor's zero"
    yield Finding(
        "LIMIT-01",
        severity,
        f"{subject.where} frame {frame}: {column} part {part.name!r} joint {_joint(part, int(dim))!r} is "
        f"{values[frame, dim]:.4g} {part.unit}, expected {low[dim]:.4g} to {high[dim]:.4g} {part.unit} "
        f"({len(frames)} of {len(values)} frames are outside{others}); {remedy}",
        (int(frames[0]), int(frames[-1])),
    )


def _limit_severity(worst_share: float, frames_share: float) -> Severity:
    far = worst_share > THRESHOLDS.limit_far_share
    many = worst_share > THRESHOLDS.limit_near_share and frames_share > THRESHOLDS.limit_many_share
    return "error" if far or many else "warning"


def _by_column(subject: Subject) -> dict[str, list[Part]]:
    """The parts of each column that was read, in the order of their slices; only those that lie inside it."""
    columns: dict[str, list[Part]] = {}
    for part in (*subject.embodiment.state, *subject.embodiment.action):
        if part.column in subject.arrays:
            columns.setdefault(part.column, []).append(part)
    return columns


def _joint(part: Part, dim: int) -> str:
    return part.joints[dim] if dim < len(part.joints) else f"{part.name}_{dim}"
