"""How well scores tell defects from clean clips, and what thresholds make of both."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gr00t_data.curate.gate.scores import SCORES, ClipScores
from gr00t_data.curate.gate.thresholds import Thresholds

COMPARED = tuple(name for name in SCORES if name != "duplicate")
"""Without ``duplicate``: several dreams are made of one episode."""


def auroc(bad: np.ndarray, good: np.ndarray) -> float:
    """Chance that a bad clip scores higher than a good one, ties half; NaN without numbers."""
    bad, good = bad[np.isfinite(bad)], good[np.isfinite(good)]
    if not len(bad) or not len(good):
        return float("nan")
    return float((bad[:, None] > good).mean() + 0.5 * (bad[:, None] == good).mean())


def values(clips: Iterable[ClipScores], name: str) -> np.ndarray:
    """One score of several clips."""
    return np.array([one.values.get(name, np.nan) for one in clips])


def table(bad: Mapping[str, list[ClipScores]], good: list[ClipScores]) -> dict[str, dict[str, float]]:
    """Defect -> score -> AUROC."""
    clean = {name: values(good, name) for name in COMPARED}
    return {
        defect: {name: auroc(values(clips, name), clean[name]) for name in COMPARED} for defect, clips in bad.items()
    }


def without_duplicates(thresholds: Thresholds) -> Thresholds:
    """The same, blind to copies: dreams of one episode are copies by construction."""
    limits = {name: limit for name, limit in thresholds.limits.items() if name != "duplicate"}
    return Thresholds(**{**vars(thresholds), "limits": limits})


def rejected_share(clips: Iterable[ClipScores], thresholds: Thresholds) -> float:
    """Share of clips with at least one reason; NaN without clips."""
    decisions = [bool(thresholds.reasons(one)) for one in clips]
    return float(np.mean(decisions)) if decisions else float("nan")


def rejected_by(clips: Iterable[ClipScores], thresholds: Thresholds) -> dict[str, int]:
    """Score -> clips it speaks against."""
    names = [reason.split()[0] for one in clips for reason in thresholds.reasons(one)]
    return {name: names.count(name) for name in SCORES if name in names}


def markdown(report: Mapping[str, Any]) -> str:
    """AUROC and caught shares as a table for people."""
    names = [name for name in COMPARED if any(np.isfinite(row[name]) for row in report["auroc"].values())]
    lines = ["| defect | clips | caught | " + " | ".join(names) + " |", "|---" * (len(names) + 3) + "|"]
    for defect, row in sorted(report["auroc"].items()):
        cells = [f"{row[name]:.2f}" if np.isfinite(row[name]) else "-" for name in names]
        share, count = report["caught"][defect], report["clips"][defect]
        lines.append(f"| {defect} | {count} | {share:.2f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
