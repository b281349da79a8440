"""The shell verbs that bring data into the lake: demo, ingest, convert, check, embodiments."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gr00t_data.stages.settings import TASKS, Demonstrations, DropSettings, Task
from gr00t_model.shell.app import (
    DryRunOption,
    InLake,
    OfRobot,
    Shown,
    StoreArgument,
    print_json,
    progress_bar,
    say,
    tell,
)
from gr00t_model.shell.options import UsageError, verb

if TYPE_CHECKING:
    from gr00t_data.embodiment.robot import Embodiment
    from gr00t_data.lake import Lake
    from gr00t_data.sources.dry_run import Look
    from gr00t_data.sources.recordings.mapping import Mapping as GivenMapping
    from gr00t_data.sources.told import Told
    from gr00t_data.store.store import EpisodeStore

_NOTES_SAID = 20


@verb
def demo(
    *,
    episodes: Annotated[int | None, Parameter(help="Of each task, in place of the numbers below.")] = None,
    task: Annotated[Task | Literal["all"], Parameter(help="Record this one only.")] = "all",
    settings: Demonstrations,
    name: Annotated[str, Parameter(help="Name of the store.")] = "simulator",
    asked: InLake,
) -> None:
    """Record demonstrations of the scripted expert in the embedded simulator, as a sealed store.

    Example: `gr00t demo --episodes 50 --task all`
    """
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.stages.ingest import simulate

    if episodes is not None and episodes < 1:
        raise UsageError(f"--episodes: input should be greater than or equal to 1, found {episodes}")
    counts = {one: episodes or getattr(settings, one) for one in TASKS if task in (one, "all")}
    wanted = settings.model_copy(update={**dict.fromkeys(TASKS, 0), **counts})
    with progress_bar("recording") as progress:
        store = simulate(asked.where, load_embodiment("gr1"), wanted, name=name, progress=progress)
    facts = {
        "store": str(store.root),
        "digest": store.digest,
        "episodes": len(store.rows),
        "frames": sum(row.length for row in store.rows),
        "successful": sum(row.success is True for row in store.rows),
    }
    asked.show(facts)


@verb
def ingest(
    path: Annotated[Path, Parameter(help="Folder or file of one dataset.")],
    /,
    *,
    settings: DropSettings,
    name: Annotated[str | None, Parameter(help="Name of the store; the folder's name by default.")] = None,
    mapping: Annotated[Path | None, Parameter(help="YAML: which topics or keys become which parts.")] = None,
    write_mapping: Annotated[
        Path | None, Parameter(help="Write the mapping that would be used to this file, and stop.")
    ] = None,
    dry_run: DryRunOption = False,
    replace: Annotated[bool, Parameter(help="Make the store anew if there is one of that name.")] = False,
    workers: Annotated[int, Parameter(help="Processes that align and encode episodes.")] = 2,
    asked: InLake,
) -> int:
    """Bring a recording into the lake: aligned to the control rate, sealed, checked. The drop is not changed.

    Takes LeRobot v2.0, v2.1 and v3.0, robomimic and ALOHA HDF5, MCAP, ROS 1 and ROS 2 bags, Unitree JSON. Exit status 1
    when an episode was refused.

    Example: `gr00t ingest ~/bags/pick_fruit --embodiment gr1 --mapping gr1_bags.yaml --licence CC-BY-4.0`
    """
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.embodiment.units import with_recorded_units
    from gr00t_data.sources.content import acted, counts
    from gr00t_data.sources.ingest import ingest as ingest_drop
    from gr00t_data.sources.ingest import look
    from gr00t_data.sources.reader import reader_for
    from gr00t_data.sources.recordings.mapping import dump_mapping, load_mapping

    robot = with_recorded_units(load_embodiment(settings.embodiment), settings.unit)
    given = load_mapping(mapping) if mapping else None
    if dry_run or write_mapping:
        return _look(look(path, robot, given, settings.told), write_mapping, asked)
    given = reader_for(path).mapping(path, robot, given, settings.told)
    told = _with_instruction(path, robot, given, settings.told)
    if given:
        for line in dump_mapping(given).splitlines():
            say(line)
    where = asked.where
    options = {"name": name, "licence": settings.licence, "workers": max(workers, 1), "replace": replace}
    with progress_bar("ingesting") as progress:
        store = ingest_drop(path, robot, where, mapping=given, told=told, progress=progress, **options)
    if absent := store.about.absent:
        say(f"without a source, zeros that are masked in training: {', '.join(absent)}")
    _say_conversion(store)
    refused = store.about.source.refused or ()
    for one in refused:
        say(f"refused {one.episode}: {one.reason}")
    _say_notes(store)
    _report_checks(where, store, robot, asked, {**counts(store), **acted(store)}, settings.embodiment)
    return 1 if refused else 0


def _say_notes(store: "EpisodeStore") -> None:
    """What was odd about the recordings that were taken in, each thing once."""
    episodes: dict[str, list[str]] = {}
    for row in store.rows:
        for note in row.source.notes:
            episodes.setdefault(note, []).append(row.source.episode or f"episode {row.index}")
    for note, names in episodes.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        say(f"{names[0]}{more}: {note}")


def _say_conversion(store: "EpisodeStore") -> None:
    """What was odd about bringing it in: all of it where it is little, else so much that nobody overlooks it."""
    from gr00t_data.store.notes import CONVERSION, read_notes

    notes = read_notes(store.root)
    for note in notes[:_NOTES_SAID]:
        say(str(note))
    if len(notes) > _NOTES_SAID:
        say(f"{len(notes) - _NOTES_SAID} more are in {store.root / CONVERSION}")


def _with_instruction(path: Path, robot: "Embodiment", given: "GivenMapping | None", told: "Told") -> "Told":
    """What is told, with the instruction of a drop that has none; it is asked for where somebody sits before it.

    Raises:
        UntoldError: there is none, and nobody to ask; says the command.
    """
    from gr00t_data.sources.untold import UntoldError, require_instruction

    command = shlex.join(["gr00t", *sys.argv[1:], "--instruction"])
    try:
        require_instruction(path, robot, given, told, f"say it: `{command} TEXT`")
    except UntoldError as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        say(str(error))
        say("What was the robot asked to do (nothing: stop)?")
        text = sys.stdin.readline().strip()
        if not text:
            raise
        return replace(told, instruction=text)
    return told


def _look(found: "Look", write_mapping: Path | None, asked: Shown) -> int:
    """What would be ingested, with the mapping; 1 when it could not be."""
    from gr00t_data.sources.recordings.mapping import dump_mapping

    if write_mapping and found.mapping:
        write_mapping.write_text(found.contents + dump_mapping(found.mapping), encoding="utf-8")
    written = {"mapping": found.mapping.model_dump(mode="json", exclude_defaults=True)} if found.mapping else {}
    asked.show({**found.facts, **written} if asked.as_json else found.facts, found.rows)
    if found.mapping and not asked.as_json:
        for line in (found.contents + dump_mapping(found.mapping)).splitlines():
            tell(line)
    return 1 if "problem" in found.facts and not write_mapping else 0


@verb
def convert(
    source: Annotated[Path, Parameter(help="Folder of a LeRobot dataset: v2.0, v2.1 or v3.0.")],
    target: Annotated[Path, Parameter(help="Folder to write; it must not exist yet.")],
    /,
    *,
    to: Annotated[str, Parameter(help="v3.0 (LeRobot 0.4 and later) or v2.1 (GR00T N1.5).")],
    embodiment: Annotated[str | None, Parameter(help="Names the parts in modality.json when v3.0 has none.")] = None,
    asked: Shown,
) -> None:
    """Convert a dataset between LeRobot v3.0 and GR00T-LeRobot v2.1: same rows, same frames, the way back included.

    Example: `gr00t convert ~/data/so100_v3 ~/data/so100_v21 --to v2.1 --embodiment so100`
    """
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.lerobot.convert import convert as convert_dataset

    robot = load_embodiment(embodiment) if embodiment else None
    with progress_bar("converting") as progress:
        done = convert_dataset(source, target, f"v{to.removeprefix('v')}", progress, embodiment=robot)
    notes = [{name: fact for name, fact in vars(note).items() if fact is not None} for note in done.notes]
    facts = {"source": str(done.source), "target": str(done.target), "from": done.before, "to": done.after}
    asked.show({**facts, "notes": notes if asked.as_json else len(notes)})
    for note in () if asked.as_json else notes:
        tell(" ".join([*(f"{k} {v}:" for k, v in note.items() if k != "message"), note["message"]]))


@verb
def check(
    store: StoreArgument,
    /,
    *,
    asked: OfRobot,
) -> int:
    """Check every episode of a store. Exit status 1 when an episode was rejected.

    Example: `gr00t check simulator`
    """
    from gr00t_data.stages.names import store_named

    where = asked.where
    return 1 if _report_checks(where, store_named(where, store), asked.robot, asked) else 0


def _report_checks(
    lake: "Lake",
    store: "EpisodeStore",
    embodiment: "Embodiment",
    asked: Shown,
    counted: Mapping[str, object] | None = None,
    named: str = "",
) -> int:
    """Print the verdicts, and how many episodes became of those found; returns the number of rejected episodes."""
    from gr00t_data.curate.index import summary_rows
    from gr00t_data.stages import stores as checked

    with progress_bar("checking episodes") as progress:
        index = checked.check(lake, store, embodiment, progress)
    facts = {
        "store": str(store.root),
        "digest": store.digest,
        **(counted or {}),
        "accepted": len(index.accepted),
        "rejected": len(index.rejected),
        "frames": sum(verdict.kept_frames for verdict in index.accepted),
        "findings": [f"{f.severity} {f.code}: {f.message}" for f in index.findings],
    }
    episodes = [
        {
            "episode_index": verdict.episode_index,
            "verdict": "accepted" if verdict.accepted else "rejected",
            "findings": [vars(finding) for finding in verdict.findings],
        }
        for verdict in index.verdicts
    ]
    if asked.as_json:
        left = {} if counted is None else {"refusals": [vars(one) for one in store.about.source.refused or ()]}
        findings = {"findings": [vars(finding) for finding in index.findings]}
        print_json({**facts, **left, **findings, "episodes": episodes})
        return len(index.rejected)
    findings = facts.pop("findings")
    asked.show(facts, summary_rows(index))
    for line in findings:
        tell(line)
    if not index.accepted:
        tell(f"no episode can be used as it is; what to do: `gr00t doctor {store.root} -e {named or embodiment.name}`")
    return len(index.rejected)


@verb
def embodiments(*, asked: Shown) -> None:
    """List the embodiments that ship and those of the lake; one whose YAML is wrong is named with what is wrong."""
    from gr00t_data.embodiment.robot import embodiment_names, right_embodiments
    from gr00t_data.embodiment.widths import too_wide

    robots = right_embodiments(embodiment_names(), say)
    for wide in filter(None, map(too_wide, robots)):
        say(wide)
    rows = [
        {
            "name": robot.name,
            "state": robot.state_dim,
            "action": robot.action_dim,
            "Hz": robot.control_hz,
            "slot": robot.slot,
            "cameras": " ".join(camera.name for camera in robot.cameras),
            "selections": " ".join(robot.selections),
        }
        for robot in robots
    ]
    asked.show({}, rows)
