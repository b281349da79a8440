"""A baseline: the findings that are known. With one, only what is new fails."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from gr00t_data.curate.doctor import Report
from gr00t_data.curate.finding import Finding
from gr00t_data.disk import read_json, write_json

FORMAT = "gr00t-doctor-baseline"

_STORE = "store"
_RANK = {"info": 1, "warning": 2, "error": 3}


def write_baseline(path: Path, report: Report) -> None:
    """Write what is known now: for the store and each episode, code -> [severity, number of findings]."""
    write_json(path, {"format": FORMAT, "embodiment": report.embodiment, "known": _known(report)})


def read_baseline(path: Path) -> dict[str, dict[str, Any]]:
    """``store`` or episode number as text -> code -> [severity, number].

    Raises:
        ValueError: not a baseline (names the file).
    """
    value = read_json(path)
    if not isinstance(value, dict) or value.get("format") != FORMAT or not isinstance(value.get("known"), dict):
        raise ValueError(f"{path}: not a baseline; write one with `gr00t doctor STORE --write-baseline {path}`")
    return value["known"]


def new_findings(report: Report, known: dict[str, dict[str, Any]]) -> Report:
    """The report with the findings that the baseline does not hold, or holds as less grave or fewer.

    A verdict is rejected in the result only for a new error.
    """
    verdicts = []
    for verdict in report.verdicts:
        fresh = _fresh(verdict.findings, known.get(str(verdict.episode_index), {}))
        accepted = not any(finding.severity == "error" for finding in fresh)
        verdicts.append(replace(verdict, accepted=accepted, findings=fresh))
    return replace(report, findings=_fresh(report.findings, known.get(_STORE, {})), verdicts=tuple(verdicts))


def _known(report: Report) -> dict[str, dict[str, list[Any]]]:
    places = {_STORE: report.findings} | {str(v.episode_index): v.findings for v in report.verdicts}
    return {place: _counted(findings) for place, findings in places.items() if findings}


def _counted(findings: tuple[Finding, ...]) -> dict[str, list[Any]]:
    counts = Counter(finding.code for finding in findings)
    gravest = {
        code: max((f.severity for f in findings if f.code == code), key=lambda severity: _RANK[severity])
        for code in counts
    }
    return {code: [gravest[code], count] for code, count in sorted(counts.items())}


def _fresh(findings: tuple[Finding, ...], known: dict[str, Any]) -> tuple[Finding, ...]:
    left = {code: int(count) for code, (_, count) in known.items()}
    fresh = []
    for finding in findings:
        severity = known.get(finding.code, ("", 0))[0]
        if left.get(finding.code, 0) > 0 and _RANK[finding.severity] <= _RANK.get(severity, 0):
            left[finding.code] -= 1
        else:
            fresh.append(finding)
    return tuple(fresh)
