"""All that one episode shows on its own, and what it adds up to: a verdict. Nothing an episode holds raises."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gr00t_data.curate.checks.catalogue import CHECKS, found_in, without_consequences
from gr00t_data.curate.checks.kept import KEEP_01, keep_ranges, without_frames
from gr00t_data.curate.checks.pixels import SMALLEST_PX
from gr00t_data.curate.checks.times import gap_rows
from gr00t_data.curate.compare.evidence import EpisodeEvidence, pose_of
from gr00t_data.curate.compare.row_evidence import row_evidence
from gr00t_data.curate.copies.fingerprints import fingerprint
from gr00t_data.curate.finding import Finding, Verdict
from gr00t_data.curate.metadata.folder import Folder
from gr00t_data.curate.subject.camera_evidence import CameraEvidence, camera_evidence
from gr00t_data.curate.subject.sight import Sight, look_through
from gr00t_data.curate.subject.stillness import repeats_of
from gr00t_data.curate.subject.subject import Whole, read_subject
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.rates import at_recorded_rate
from gr00t_data.store.store import EpisodeStore


def check_folder(folder: Folder) -> list[Finding]:
    """What is wrong with a folder before its episodes are looked at."""
    return list(found_in(folder))


def check_store(store: EpisodeStore, embodiment: Embodiment) -> list[Finding]:
    """What is wrong with a store as a whole. An error bars every episode of it (``STORE-01`` in its verdicts)."""
    return list(found_in(Whole(store, embodiment)))


def check_episode(
    store: EpisodeStore, index: int, embodiment: Embodiment, store_findings: Sequence[Finding] = ()
) -> Verdict:
    """Check one episode against its embodiment, on its own.

    Args:
        index: the episode's number in the store.
        store_findings: what ``check_store`` found; an error among them rejects the episode too.
    """
    verdict, _ = examine(store, index, embodiment, store_findings)
    return concluded(verdict, without_consequences(verdict.findings), at_recorded_rate(embodiment, store))


def examine(
    store: EpisodeStore, index: int, embodiment: Embodiment, store_findings: Sequence[Finding] = ()
) -> tuple[Verdict, EpisodeEvidence]:
    """The findings of one episode in a verdict that is not concluded yet (accepted, all whole chunks kept), and what is
    needed to compare the episode with the others of its store.
    """
    embodiment = at_recorded_rate(embodiment, store)
    subject = read_subject(store, store.row(index), embodiment, store_findings)
    findings: list[Finding] = list(found_in(subject))
    cameras: dict[str, CameraEvidence] = {}
    pictures: dict[str, np.ndarray] = {}
    frames = subject.rows or 0
    for camera in embodiment.cameras:
        seen = look_through(subject, camera)
        findings += found_in(seen)
        if isinstance(seen, Sight):
            packets = seen.view.packets
            frames = min(frames, packets.frames)
            repeats = repeats_of(seen.view, seen.moving)
            kept = camera_evidence(seen.view)
            cameras[camera.name] = replace(kept, repeated=repeats.repeated, seen=repeats.seen)
            if min(packets.width, packets.height) >= SMALLEST_PX:
                pictures[camera.name] = seen.view.small
    keep = keep_ranges(subject, frames)
    if not keep and not any(finding.severity == "error" for finding in findings):
        findings.append(KEEP_01.finding(f"{subject.where}: no frame is left whose action chunk is whole; leave it out"))
    length = subject.row.length if subject.rows is None else subject.rows
    instruction, changes = subject.spoken
    own = tuple(without_consequences(findings, of_rigs=False))
    verdict = Verdict(index, True, length, keep, instruction, own, text_changes=changes)
    signals = subject.signals
    known = fingerprint(store, index, embodiment, pictures) if signals else None
    rows, pose = row_evidence(signals, gap_rows(subject)), pose_of(signals, len(embodiment.state))
    evidence = EpisodeEvidence(index, subject.instruction, rows, cameras, pose, known)
    return verdict, evidence


def concluded(verdict: Verdict, findings: Sequence[Finding], embodiment: Embodiment) -> Verdict:
    """The verdict with these findings instead of its own: accepted without an error, less the frames they concern."""
    accepted = not any(finding.severity == "error" for finding in findings)
    keep = verdict.keep if accepted else ()
    for finding in findings:
        keep = without_frames(keep, CHECKS[finding.code], finding.frames, embodiment)
    after = replace(verdict, accepted=accepted, keep=keep, findings=tuple(findings))
    empty = tuple(found_in(after))
    return replace(after, accepted=False, findings=(*after.findings, *empty)) if empty else after
