"""The scores as tables: one line a defect, one a group, one a control, and the numbers over all."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.command import table
from benchmarks.doctor.controls import CONTROLS
from benchmarks.doctor.defects.catalogue import DEFECTS
from benchmarks.doctor.score import Score


def summary(scores: Sequence[Score], clean: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The numbers over all defects and controls. ``clean``: store -> facts about the doctor on the clean store."""
    names = {defect.name for defect in DEFECTS}
    planted = [score for score in scores if score.name in names and not score.skipped]
    controls = [score for score in scores if score.name not in names and not score.skipped]
    total = sum(score.planted for score in planted) or 1
    return {
        "not_planted": {f"{score.name} in {score.store}": score.skipped for score in scores if score.skipped},
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


def plain(scores: Sequence[Score], clean: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Summary and every score, for JSON."""
    return {"summary": summary(scores, clean), "scores": [asdict(score) for score in scores]}


def lines(scores: Sequence[Score], clean: dict[str, dict[str, Any]]) -> list[str]:
    """Tables for a README."""
    by_name: dict[str, list[Score]] = {}
    for score in (score for score in scores if not score.skipped):
        by_name.setdefault(score.name, []).append(score)
    of = {one.name: by_name[one.name] for one in (*DEFECTS, *CONTROLS) if one.name in by_name}
    named = [(f"{one.name}: {one.magnitude}", of[one.name]) for one in DEFECTS if one.name in of]
    groups: dict[str, list[Score]] = {}
    for one in DEFECTS:
        groups.setdefault(one.group, []).extend(of.get(one.name, []))
    harmless = [(one.description, of[one.name]) for one in CONTROLS if one.name in of]
    return [
        *table(("defect", "planted", "named", "noticed", "false alarms", "codes"), (_line(*one) for one in named)),
        "",
        *table(("group", "things planted", "named", "noticed"), (_shares(*one) for one in groups.items() if one[1])),
        "",
        *table(("harmless change", "stores", "new findings", "rejections"), (_control(*one) for one in harmless)),
        "",
        *_facts(summary(scores, clean)),
    ]


def _counts(scores: Sequence[Score]) -> tuple[int, int, int]:
    """Things planted, named, noticed."""
    planted, named, noticed = zip(*((one.planted, one.named, one.noticed) for one in scores), strict=True)
    return sum(planted), sum(named), sum(noticed)


def _line(title: str, scores: Sequence[Score]) -> tuple[object, ...]:
    codes = " ".join(sorted({code for score in scores for code in score.codes})) or "-"
    return title, *_counts(scores), _alarms(scores), codes


def _shares(group: str, scores: Sequence[Score]) -> tuple[object, ...]:
    planted, named, noticed = _counts(scores)
    return group, planted, *(f"{count} ({count / (planted or 1):.0%})" for count in (named, noticed))


def _control(description: str, scores: Sequence[Score]) -> tuple[object, ...]:
    return description, len(scores), _alarms(scores), sum(len(score.wrongly_rejected) for score in scores)


def _alarms(scores: Sequence[Score]) -> str:
    alarms = [alarm for score in scores for alarm in score.false_alarms]
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
        why = f" ({store['why']})" if store["why"] else ""
        lines.append(
            f"clean store {name}: {store['episodes']} episodes, {store['rejected']} rejected{why}, "
            f"{store['seconds_per_hour']:.0f} CPU seconds per hour of video"
        )
    return [*lines, *_not_planted(facts["not_planted"])]


def _not_planted(reasons: dict[str, str]) -> list[str]:
    """One line a reason: "not planted (no video): video-lost, ..."."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [f"not planted ({reason}): {', '.join(which)}" for reason, which in names.items()]
