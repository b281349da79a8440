"""A baseline: the findings that are known. With one, only what is new fails."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from gr00t_data.curate.doctor import Report
from gr00t_data.curate.finding import Finding, Severity
from gr00t_data.integrity import read_sealed, write_sealed

Known = dict[str, dict[str, tuple[Severity, int]]]
"""``store`` or episode number as text -> code -> (gravest severity, number of findings)."""

_STORE = "store"
_REMEDY = "write one with `gr00t doctor STORE --write-baseline {path}`"
_RANK = {"info": 1, "warning": 2, "error": 3}


class Baseline(BaseModel):
    """The file."""

    format: Literal["gr00t-doctor-baseline"] = "gr00t-doctor-baseline"
    embodiment: str
    known: Known


def write_baseline(path: Path, report: Report) -> None:
    """Write what is known now."""
    write_sealed(path, Baseline(embodiment=report.embodiment, known=_known(report)).model_dump(mode="json"))


def read_baseline(path: Path) -> Known:
    """What was known then.

    Raises:
        ValueError: not a baseline (names the file).
    """
    try:
        return Baseline.model_validate(read_sealed(path, _REMEDY.format(path=path))).known
    except ValidationError as error:
        raise ValueError(f"{path}: not a baseline; {_REMEDY.format(path=path)}") from error


def new_findings(report: Report, known: Known) -> Report:
    """The report with the findings that the baseline does not hold, or holds as less grave or fewer.

    A verdict is rejected in the result only for a new error.
    """
    verdicts = []
    for verdict in report.verdicts:
        fresh = _fresh(verdict.findings, known.get(str(verdict.episode_index), {}))
        accepted = not any(finding.severity == "error" for finding in fresh)
        verdicts.append(replace(verdict, accepted=accepted, findings=fresh))
    return replace(report, findings=_fresh(report.findings, known.get(_STORE, {})), verdicts=tuple(verdicts))


def _known(report: Report) -> Known:
    places = {_STORE: report.findings} | {str(v.episode_index): v.findings for v in report.verdicts}
    return {place: _counted(findings) for place, findings in places.items() if findings}


def _counted(findings: tuple[Finding, ...]) -> dict[str, tuple[Severity, int]]:
    gravest: dict[str, Severity] = {}
    for finding in sorted(findings, key=lambda finding: _RANK[finding.severity]):
        gravest[finding.code] = finding.severity
    counts = Counter(finding.code for finding in findings)
    return {code: (gravest[code], count) for code, count in sorted(counts.items())}


def _fresh(findings: tuple[Finding, ...], known: dict[str, tuple[Severity, int]]) -> tuple[Finding, ...]:
    left = {code: count for code, (_, count) in known.items()}
    fresh = []
    for finding in findings:
        severity = known.get(finding.code, ("", 0))[0]
        if left.get(finding.code, 0) > 0 and _RANK[finding.severity] <= _RANK.get(severity, 0):
            left[finding.code] -= 1
        else:
            fresh.append(finding)
    return tuple(fresh)
