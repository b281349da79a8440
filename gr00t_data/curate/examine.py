"""All checks of one episode in their order, and what they add up to: a verdict. Nothing an episode holds raises."""

from dataclasses import replace

import numpy as np

from gr00t_data.curate.checks.hands import check_hands
from gr00t_data.curate.checks.leaps import check_leaps
from gr00t_data.curate.checks.masked import check_masked
from gr00t_data.curate.checks.motion import check_motion
from gr00t_data.curate.checks.pixels import SMALLEST_PX
from gr00t_data.curate.checks.rows import check_finite, check_length, check_limits, check_numbering, check_widths
from gr00t_data.curate.checks.store import check_store
from gr00t_data.curate.checks.text import check_instruction, check_success, instruction_of
from gr00t_data.curate.checks.times import check_gaps, check_order, check_rate, check_start, gap_rows
from gr00t_data.curate.checks.video import check_camera
from gr00t_data.curate.codes import CHECKS
from gr00t_data.curate.compare.evidence import EpisodeEvidence, pose_of
from gr00t_data.curate.compare.row_evidence import row_evidence
from gr00t_data.curate.copies.fingerprints import fingerprint
from gr00t_data.curate.finding import Finding, Verdict
from gr00t_data.curate.precedence import without_consequences
from gr00t_data.curate.subject.camera_evidence import CameraEvidence, camera_evidence
from gr00t_data.curate.subject.signals import Signal, signals_of, speed_of
from gr00t_data.curate.subject.subject import Subject, read_subject
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rates import at_recorded_rate
from gr00t_data.store.store import EpisodeStore

__all__ = ["CHECKS", "check_episode", "check_store", "examine"]

Ranges = tuple[tuple[int, int], ...]

CUT = frozenset({"MOTION-01", "MOTION-02", "MOTION-05", "VIDEO-10", "IMAGE-19", "MASK-01"})
"""Findings that do not reject an episode but whose frames, and the chunks that cross them, are left out."""

_IDLE = frozenset({"IDLE-01", "IDLE-02"})
_IDLE_KEPT_S = 0.5


def check_episode(
    store: EpisodeStore, index: int, embodiment: Embodiment, store_findings: list[Finding] | None = None
) -> Verdict:
    """Check one episode against its embodiment, on its own.

    Args:
        index: the episode's number in the store.
        store_findings: what ``check_store`` found; an error among them rejects the episode too.
    """
    return examine(store, index, embodiment, store_findings)[0]


def examine(
    store: EpisodeStore, index: int, embodiment: Embodiment, store_findings: list[Finding] | None = None
) -> tuple[Verdict, EpisodeEvidence]:
    """The same, with what is needed to compare the episode with the others of its store."""
    embodiment = at_recorded_rate(embodiment, store)
    subject = read_subject(store, store.row(index), embodiment)
    instruction = instruction_of(subject)
    signals = signals_of(subject)
    findings = [*subject.findings, *_check_rows(subject, signals), *check_instruction(subject, instruction)]
    findings += [*check_success(subject), *check_masked(subject), *check_hands(subject)]
    findings += _barred(subject, store_findings or [])
    pose = pose_of(signals, len(embodiment.state))
    cameras: dict[str, CameraEvidence] = {}
    pictures: dict[str, np.ndarray] = {}
    frames = subject.rows
    for camera in embodiment.cameras:
        seen, count, view = check_camera(subject, camera, speed_of(signals))
        findings += seen
        if frames is not None and count is not None:
            frames = min(frames, count)
        if view is not None:
            cameras[camera.name] = camera_evidence(view)
            if min(view.packets.width, view.packets.height) >= SMALLEST_PX:
                pictures[camera.name] = view.small
    keep = keep_ranges(subject, frames or 0)
    if not keep and not any(finding.severity == "error" for finding in findings):
        message = f"{subject.where}: no frame is left whose action chunk is whole; leave it out"
        findings.append(Finding("KEEP-01", "error", message))
    length = subject.row.length if subject.rows is None else subject.rows
    verdict = Verdict(index, True, length, keep, instruction, ())
    rows = row_evidence(signals, gap_rows(subject))
    known = fingerprint(store, index, embodiment, pictures) if signals else None
    evidence = EpisodeEvidence(index, instruction, rows, cameras, pose, known)
    return concluded(verdict, without_consequences(findings), embodiment), evidence


def concluded(verdict: Verdict, findings: list[Finding], embodiment: Embodiment) -> Verdict:
    """The verdict with these findings instead of its own: accepted without an error, less the frames they concern."""
    accepted = not any(finding.severity == "error" for finding in findings)
    keep = verdict.keep
    for finding in findings:
        keep = _without(keep, finding, embodiment)
    if accepted and not keep and verdict.keep:
        message = f"episode {verdict.episode_index}: the findings leave no frame to sample; leave it out"
        findings = [*findings, Finding("KEEP-01", "error", message)]
        accepted = False
    return replace(verdict, accepted=accepted, keep=keep if accepted else (), findings=tuple(findings))


def _without(keep: Ranges, finding: Finding, embodiment: Embodiment) -> Ranges:
    """The ranges without the frames of a finding and, if it is a break, without the chunks that reach into it."""
    if finding.frames is None or finding.code not in CUT | _IDLE:
        return keep
    first, last = finding.frames
    spare = round(_IDLE_KEPT_S * embodiment.control_hz)
    if finding.code in CUT:
        first -= embodiment.action_horizon - 1
    elif finding.code == "IDLE-01":
        last -= spare
    else:
        first += spare
    pieces = [piece for start, end in keep for piece in ((start, min(end, first)), (max(start, last + 1), end))]
    return tuple((start, end) for start, end in pieces if end > start)


def keep_ranges(subject: Subject, frames: int) -> Ranges:
    """Half-open ranges of the frames that may be sampled: all below ``frames``, less those whose chunk crosses a gap.

    A chunk that begins at frame f uses rows f to f + horizon - 1, so the horizon - 1 frames up to a gap go.
    """
    ranges, start = [], 0
    for gap in gap_rows(subject):
        last = int(gap) - subject.embodiment.action_horizon + 2
        ranges.append((start, min(last, frames)))
        start = int(gap) + 1
    ranges.append((start, frames))
    return tuple((first, end) for first, end in ranges if end > first)


def _check_rows(subject: Subject, signals: list[Signal]) -> list[Finding]:
    widths = list(check_widths(subject))
    findings = [*check_length(subject), *check_numbering(subject), *widths]
    if not widths:
        findings += [*check_finite(subject), *check_limits(subject)]
    order = list(check_order(subject))
    findings += order
    if not order:
        findings += [*check_gaps(subject), *check_rate(subject), *check_start(subject)]
    return [*findings, *check_motion(subject, signals), *check_leaps(subject, signals)]


def _barred(subject: Subject, store_findings: list[Finding]) -> list[Finding]:
    codes = sorted({finding.code for finding in store_findings if finding.severity == "error"})
    if not codes:
        return []
    message = f"{subject.where}: its store has errors of its own ({', '.join(codes)}); correct those first"
    return [Finding("STORE-01", "error", message)]
