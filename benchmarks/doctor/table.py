"""The scores as tables: one line a defect, one a group, one a control, and the numbers over all."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.doctor.catalogue import DEFECTS
from benchmarks.doctor.controls import CONTROLS
from benchmarks.doctor.score import Score


def summary(scores: Sequence[Score], clean: dict[str, dict[str, float]]) -> dict[str, Any]:
    """The numbers over all defects and controls. ``clean``: store -> facts about the doctor on the clean store."""
    names = {defect.name for defect in DEFECTS}
    planted = [score for score in scores if score.name in names]
    controls = [score for score in scores if score.name not in names]
    total = sum(score.planted for score in planted) or 1
    return {
        "defects": len({score.name for score in planted}),
        "planted": sum(score.planted for score in planted),
        "specific_recall": sum(score.named for score in planted) / total,
        "generic_recall": sum(score.noticed for score in planted) / total,
        "false_alarms_beside_defects": sum(len(score.false_alarms) for score in planted),
        "controls": len({score.name for score in controls}),
        "false_alarms_on_controls": sum(len(score.false_alarms) for score in controls),
        "wrongly_rejected": sum(len(score.wrongly_rejected) for score in scores),
        "clean": clean,
    }


def as_json(scores: Sequence[Score], clean: dict[str, dict[str, float]]) -> str:
    """One JSON object: summary and every score."""
    return json.dumps({"summary": summary(scores, clean), "scores": [asdict(score) for score in scores]}, indent=2)


def as_markdown(scores: Sequence[Score], clean: dict[str, dict[str, float]]) -> str:
    """Tables for a README."""
    by_name: dict[str, list[Score]] = {}
    for score in scores:
        by_name.setdefault(score.name, []).append(score)
    lines = ["| defect | planted | named | noticed | false alarms | codes |", "|---|---|---|---|---|---|"]
    lines += [_line(f"{one.name}: {one.magnitude}", by_name[one.name]) for one in DEFECTS if one.name in by_name]
    lines += ["", "| group | things planted | named | noticed |", "|---|---|---|---|"]
    for group in dict.fromkeys(defect.group for defect in DEFECTS):
        of_group = [s for d in DEFECTS if d.group == group for s in by_name.get(d.name, [])]
        if of_group:
            lines.append(f"| {group} | {sum(s.planted for s in of_group)} | {_shares(of_group)} |")
    lines += ["", "| harmless change | stores | new findings | rejections |", "|---|---|---|---|"]
    for control in CONTROLS:
        of = by_name.get(control.name, [])
        if of:
            alarms = [alarm for s in of for alarm in s.false_alarms]
            rejected = sum(len(s.wrongly_rejected) for s in of)
            lines.append(f"| {control.description} | {len(of)} | {_some(alarms)} | {rejected} |")
    return "\n".join([*lines, "", *_facts(summary(scores, clean))])


def _line(title: str, scores: Sequence[Score]) -> str:
    planted = sum(score.planted for score in scores)
    named, noticed = sum(score.named for score in scores), sum(score.noticed for score in scores)
    codes = " ".join(sorted({code for score in scores for code in score.codes})) or "-"
    alarms = [alarm for score in scores for alarm in score.false_alarms]
    return f"| {title} | {planted} | {named} | {noticed} | {_some(alarms)} | {codes} |"


def _shares(scores: Sequence[Score]) -> str:
    planted = sum(score.planted for score in scores) or 1
    named, noticed = sum(score.named for score in scores), sum(score.noticed for score in scores)
    return f"{named} ({named / planted:.0%}) | {noticed} ({noticed / planted:.0%})"


def _some(alarms: Sequence[str]) -> str:
    return f"{len(alarms)}: {', '.join(alarms[:3])}" if alarms else "0"


def _facts(facts: dict[str, Any]) -> list[str]:
    lines = [
        f"{facts['defects']} defects, {facts['planted']} plantings: {facts['specific_recall']:.1%} named, "
        f"{facts['generic_recall']:.1%} noticed; "
        f"{facts['false_alarms_beside_defects']} new findings on untouched episodes",
        f"{facts['controls']} harmless changes: {facts['false_alarms_on_controls']} new findings; "
        f"{facts['wrongly_rejected']} clean episodes rejected beside defects and controls",
    ]
    for name, store in facts["clean"].items():
        lines.append(
            f"clean store {name}: {store['episodes']:.0f} episodes, {store['rejected']:.0f} rejected, "
            f"{store['seconds_per_hour']:.0f} CPU seconds per hour of video"
        )
    return lines
