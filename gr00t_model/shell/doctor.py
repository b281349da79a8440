"""The shell verbs `gr00t doctor` and `gr00t explain`."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from pydantic import Field

from gr00t_model.shell.app import InLake, Shown, print_json, progress_bar, say, tell
from gr00t_model.shell.options import UsageError, verb

if TYPE_CHECKING:
    from gr00t_data.curate.doctor import Report
    from gr00t_data.embodiment.robot import Embodiment
    from gr00t_data.store.store import EpisodeStore

COULD_NOT_CHECK = 3
"""Exit status when the folder, the embodiment or the baseline cannot be read: nothing is known about the data."""


class OfAnyRobot(InLake):
    """And which robot it is about, if that is known."""

    embodiment: str | None = Field(
        default=None,
        description="Name of a bundled embodiment, or path of your own YAML (default: the robot the store names, or "
        "one that is proposed from its info.json).",
    )


@verb
def doctor(
    store: Annotated[str, Parameter(help="A store of the lake, by name or path, or any LeRobot v2.0, v2.1 or v3.0.")],
    /,
    *,
    fix: Annotated[bool, Parameter(help="Repair metadata, with a backup; data is never changed.")] = False,
    dry_run: Annotated[bool, Parameter(help="With --fix: show what would change, and stop.")] = False,
    baseline: Annotated[Path | None, Parameter(help="Report only what this file does not know yet.")] = None,
    write_baseline: Annotated[Path | None, Parameter(help="Write what is found now as known.")] = None,
    report: Annotated[Path | None, Parameter(help="Write one self-contained HTML page.")] = None,
    workers: Annotated[int, Parameter(help="Processes; 0 is one a core.")] = 0,
    asked: OfAnyRobot,
) -> int:
    """Look for everything that is wrong with a store: files, clocks, videos, motion, language, metadata.

    A LeRobot v3.0 folder is read as `gr00t ingest` reads it, through a temporary copy. A robot that nobody described
    is checked as its info.json and rows have it, and a YAML to begin with is printed.

    Exit status: 0 nothing that rejects an episode; 1 an episode or the store is rejected (with --baseline: for
    something new); 3 it could not be checked. `gr00t explain CODE` says what a finding means.

    Example: `gr00t doctor simulator --report doctor.html`
    """
    from gr00t_data.curate.baseline import new_findings, read_baseline
    from gr00t_data.curate.baseline import write_baseline as write
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.stages.names import named

    try:
        robot = load_embodiment(asked.embodiment) if asked.embodiment else None
        known = read_baseline(baseline) if baseline else None
        root = named(asked.where, store, asked.where.stores, "meta")
    except (ValueError, OSError) as error:
        return _could_not_check(error)
    try:
        found = _diagnosed(root, robot, asked, fix or dry_run, dry_run, report, workers or os.cpu_count() or 1)
    except (ValueError, OSError) as error:
        return _unreadable(root, error, asked)
    if write_baseline:
        write(write_baseline, found)
    shown = new_findings(found, known) if known is not None else found
    _print(shown, asked)
    return 1 if shown.rejects else 0


def _could_not_check(error: Exception) -> int:
    say(f"could not check: {error}", style="red")
    return COULD_NOT_CHECK


def _unreadable(root: Path, error: Exception, asked: Shown) -> int:
    """Show why the folder cannot be read; that it is another version than it says rejects it."""
    from gr00t_data.stages.foreign import is_labelled_wrongly, unreadable

    found = unreadable(root, error)
    if asked.as_json or is_labelled_wrongly(found):
        _print(found, asked)
    return 1 if is_labelled_wrongly(found) else _could_not_check(error)


def _diagnosed(
    root: Path, given: "Embodiment | None", asked: Shown, fix: bool, dry_run: bool, page: Path | None, workers: int
) -> "Report":
    """What is wrong with the folder, repaired before where that was asked for; the page is written."""
    from gr00t_data.curate.doctor import diagnose
    from gr00t_data.curate.report import write_report
    from gr00t_data.stages.foreign import robot_of, shown

    with progress_bar("reading files") as files, shown(root, given, files) as whole:
        robot, proposed = (given, "") if given else robot_of(whole)
        if fix and proposed:
            raise ValueError(f"{root}: --fix writes the parts of a robot, and names none: give --embodiment")
        if fix:
            whole = replace(whole, store=_fixed(whole.repairable, robot, dry_run, asked))
        with progress_bar("checking episodes") as progress:
            found = diagnose(whole.store, robot, progress=progress, workers=workers)
        told = replace(whole.told(found), proposed=proposed)
        if page:
            write_report(page, whole.store, robot, told.findings, told.verdicts, path_shown=told.store_path)
    return told


def _fixed(store: "EpisodeStore", embodiment: "Embodiment", dry_run: bool, asked: Shown) -> "EpisodeStore":
    """The store with its metadata repaired; the same store after a dry run."""
    from gr00t_data.curate.repair.plan import plan_repair
    from gr00t_data.curate.repair.repair import repair
    from gr00t_data.store.store import EpisodeStore
    from gr00t_data.store.unlisted import orphans

    told = say if asked.as_json else tell
    done = None if dry_run else repair(store, embodiment)
    changes = plan_repair(store, embodiment) if done is None else done.changes
    for change in changes:
        for reason in change.reasons:
            told(f"{'would write' if dry_run else 'wrote'} meta/{change.name}: {reason}")
    if left := orphans(store):
        named = ", ".join(path.relative_to(store.root).as_posix() for path in left[:8]) + (" ..." if left[8:] else "")
        told(f"left alone: {len(left)} files that no listed episode uses ({named}); list them again, or take them out")
    if done is not None and done.changes:
        kept = f"the old files are in {done.backup}" if done.backup else f"the repaired copy is {done.root}"
        told(kept)
    return store if done is None else EpisodeStore.open(done.root)


def _print(report: "Report", asked: Shown) -> None:
    if asked.as_json:
        print_json(report.to_json())
        return
    rejected = [verdict for verdict in report.verdicts if not verdict.accepted]
    rows = [
        {"episode": "store", "severity": f.severity, "code": f.code, "frames": "", "message": f.message}
        for f in report.findings
    ]
    rows += [
        {
            "episode": str(verdict.episode_index),
            "severity": f.severity,
            "code": f.code,
            "frames": f"{f.frames[0]}-{f.frames[1]}" if f.frames else "",
            "message": f.message,
        }
        for verdict in report.verdicts
        for f in verdict.findings
    ]
    facts = {"store": report.store_path, "accepted": len(report.verdicts) - len(rejected), "rejected": len(rejected)}
    asked.show(facts, rows)
    if report.proposed:
        tell("Nobody described this robot; it was checked as this. Correct it and give it as --embodiment FILE.yaml:")
        for line in report.proposed.splitlines():
            tell(line)


@verb
def explain(
    code: Annotated[str | None, Parameter(help="For example IMAGE-05; without one, all are listed.")] = None,
    /,
    *,
    asked: Shown,
) -> None:
    """Say what a code of `gr00t doctor` means, and what happens to training when it is ignored.

    Example: `gr00t explain SYNC-01`
    """
    from gr00t_data.curate.checks.catalogue import CHECKS
    from gr00t_data.embodiment.document import did_you_mean

    rows = {
        name: {key: getattr(check, key) for key in ("code", "severity", "title", "consequence", "explains")}
        for name, check in CHECKS.items()
    }
    if code is None:
        asked.show({}, list(rows.values()))
        return
    name = code.strip().upper()
    if name not in CHECKS:
        raise UsageError(f"{code!r} is no code{did_you_mean(name, CHECKS)}; `gr00t explain` lists them all")
    if asked.as_json:
        asked.show(rows[name])
        return
    check = CHECKS[name]
    tell(f"{name}: {check.explanation} Most findings of it are of severity {check.severity!r}.")
    if check.explains:
        tell(f"Beside it, what follows from it is not reported: {check.explains.replace(' ', ', ')}.")
