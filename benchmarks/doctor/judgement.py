"""What the doctor says about a folder, reduced to codes by episode."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.doctor.defects.defect import STORE
from gr00t_data.curate.doctor import diagnose
from gr00t_data.curate.finding import Finding
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.stages.foreign import shown, unreadable

ERROR = 3
_RANK = {"info": 1, "warning": 2, "error": ERROR}
Weight = tuple[int, int]
"""Rank of the gravest finding of a code (1 info, 2 warning, 3 error), and how many findings have that rank."""
Codes = dict[str, Weight]


@dataclass(frozen=True)
class Judgement:
    """Codes by episode number (``STORE`` for those about the store), which were rejected, and CPU seconds of this
    process: of opening and comparing, as workers read the episodes."""

    codes: dict[int, Codes]
    rejected: frozenset[int]
    seconds: float

    def why_rejected(self) -> str:
        """The rejected episodes with the codes of their errors: "3 IMAGE-14, 7 MOTION-04 MOTION-09"."""
        errors = {
            e: [code for code, (rank, _) in self.codes[e].items() if rank == ERROR] for e in sorted(self.rejected)
        }
        return ", ".join(" ".join((str(episode), *sorted(codes))) for episode, codes in errors.items())

    def new(self, before: "Judgement", numbers: dict[int, int]) -> dict[int, set[str]]:
        """Codes that are new, graver, or more often given than before. ``numbers``: episode number now -> before."""
        found = {}
        for episode, codes in self.codes.items():
            known = before.codes.get(numbers.get(episode, episode), {})
            found[episode] = {code for code, weight in codes.items() if weight > known.get(code, (0, 0))}
        return {episode: codes for episode, codes in found.items() if codes}


def judge(root: Path, embodiment: Embodiment) -> Judgement:
    """Run the doctor on one folder."""
    start = time.process_time()
    try:
        with shown(root, embodiment) as whole:
            report = whole.told(diagnose(whole.store, embodiment))
    except (ValueError, OSError) as error:
        report = unreadable(root, error)
    seconds = time.process_time() - start
    codes = {STORE: _gravest(report.findings)}
    codes |= {verdict.episode_index: _gravest(verdict.findings) for verdict in report.verdicts}
    rejected = frozenset(verdict.episode_index for verdict in report.verdicts if not verdict.accepted)
    return Judgement(codes, rejected, seconds)


def _gravest(findings: Sequence[Finding]) -> Codes:
    codes: Codes = {}
    for finding in findings:
        rank, (before, count) = _RANK[finding.severity], codes.get(finding.code, (0, 0))
        codes[finding.code] = (rank, 1) if rank > before else (before, count + (rank == before))
    return codes
