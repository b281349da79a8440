"""All checks in their order, and what they add up to: a verdict an episode. Nothing an episode holds raises."""

from gr00t_data.curate.check_rows import check_finite, check_length, check_limits, check_numbering, check_widths
from gr00t_data.curate.check_store import check_store
from gr00t_data.curate.check_text import check_instruction, check_success, instruction_of
from gr00t_data.curate.check_times import check_gaps, check_order, check_rate, check_start, gap_rows
from gr00t_data.curate.check_video import check_camera
from gr00t_data.curate.codes import CHECKS
from gr00t_data.curate.finding import Finding, Verdict
from gr00t_data.curate.subject import Subject, read_subject
from gr00t_data.embodiment import Embodiment
from gr00t_data.store import EpisodeStore

__all__ = ["CHECKS", "check_episode", "check_store"]

Ranges = tuple[tuple[int, int], ...]


def check_episode(
    store: EpisodeStore, index: int, embodiment: Embodiment, store_findings: list[Finding] | None = None
) -> Verdict:
    """Check one episode against its embodiment.

    Args:
        index: the episode's number in the store.
        store_findings: what ``check_store`` found; an error among them rejects the episode too.
    """
    subject = read_subject(store, store.row(index), embodiment)
    instruction = instruction_of(subject)
    findings = [*subject.findings, *_check_rows(subject), *check_instruction(subject, instruction)]
    findings += [*check_success(subject), *_barred(subject, store_findings or [])]
    frames = subject.rows
    for camera in embodiment.cameras:
        seen, count = check_camera(subject, camera)
        findings += seen
        if frames is not None and count is not None:
            frames = min(frames, count)
    keep = keep_ranges(subject, frames or 0)
    if not keep and not any(finding.severity == "error" for finding in findings):
        message = f"{subject.where}: no frame is left whose action chunk is whole; leave it out"
        findings.append(Finding("KEEP-01", "error", message))
    accepted = not any(finding.severity == "error" for finding in findings)
    length = subject.row.length if subject.rows is None else subject.rows
    return Verdict(index, accepted, length, keep if accepted else (), instruction, tuple(findings))


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


def _check_rows(subject: Subject) -> list[Finding]:
    widths = list(check_widths(subject))
    findings = [*check_length(subject), *check_numbering(subject), *widths]
    if not widths:
        findings += [*check_finite(subject), *check_limits(subject)]
    order = list(check_order(subject))
    findings += order
    if not order:
        findings += [*check_gaps(subject), *check_rate(subject), *check_start(subject)]
    return findings


def _barred(subject: Subject, store_findings: list[Finding]) -> list[Finding]:
    codes = sorted({finding.code for finding in store_findings if finding.severity == "error"})
    if not codes:
        return []
    message = f"{subject.where}: its store has errors of its own ({', '.join(codes)}); correct those first"
    return [Finding("STORE-01", "error", message)]
