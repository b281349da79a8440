"""The shell verbs about data. `gr00t --help` lists them all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from gr00t_data.embodiment.robot import Embodiment, embodiment_names, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.stages import ingest as stages
from gr00t_data.stages import stores as checked

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")
console = Console(stderr=True)

EmbodimentOption = Annotated[
    str, typer.Option("--embodiment", "-e", help="Name of a bundled embodiment, or path of your own YAML.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines instead of a table.")]
LakeOption = Annotated[
    Path | None, typer.Option("--lake", envvar="GR00T_LAKE", help="Folder of the lake (default: ./lake).")
]
StoresOption = Annotated[list[str], typer.Option("--stores", help="Pattern of store names; repeat for several.")]
TASKS = ("reach", "push", "pick_and_place")


def lake_at(path: Path | None) -> Lake:
    """The lake of an option, or of the environment."""
    lake = Lake.from_environment()
    return replace(lake, root=path.absolute()) if path else lake


@contextmanager
def progress_bar(what: str) -> Iterator[stages.Progress]:
    """A bar with count, elapsed and remaining time on standard error; yields ``progress(done, total)``."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def show(value: dict[str, Any], as_json: bool, rows: list[dict[str, Any]] | None = None) -> None:
    """Print facts and rows: JSON on standard output, or facts and a table for people."""
    if as_json:
        typer.echo(json.dumps({**value, **({"rows": rows} if rows is not None else {})}, indent=1, ensure_ascii=False))
        return
    for name, fact in value.items():
        typer.echo(f"{name}: {fact}")
    if rows:
        table = Table(*rows[0])
        for row in rows:
            table.add_row(*(str(cell) for cell in row.values()))
        Console(width=None if Console().is_terminal else 160).print(table)


@app.command()
def demo(
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of each task.")] = 50,
    task: Annotated[str, typer.Option(help=f"One of {', '.join(TASKS)}, or `all`.")] = "all",
    seed: Annotated[int, typer.Option(min=0, help="First seed; each episode takes the next one.")] = 0,
    name: Annotated[str, typer.Option(help="Name of the store; must start with `simulator`.")] = "simulator",
    workers: Annotated[int, typer.Option(min=1, help="Processes that record.")] = 2,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record demonstrations of the scripted expert in the embedded simulator, as a sealed store.

    Example: `gr00t demo --episodes 50 --task all`
    """
    if task not in (*TASKS, "all"):
        raise typer.BadParameter(f"{task!r} is not one of {', '.join(TASKS)}, all", param_hint="--task")
    if not name.startswith(stages.SIMULATOR):
        raise typer.BadParameter(f"{name!r} must start with {stages.SIMULATOR!r}", param_hint="--name")
    tasks = TASKS if task == "all" else (task,)
    wanted = stages.Demonstrations(dict.fromkeys(tasks, episodes), seed=seed, workers=workers)
    with progress_bar("recording") as progress:
        store = stages.simulate(lake_at(lake), load_embodiment("gr1"), wanted, name=name, progress=progress)
    facts = {
        "store": str(store.root),
        "digest": store.digest,
        "episodes": len(store.rows),
        "frames": sum(row.length for row in store.rows),
        "successful": sum(row.success is True for row in store.rows),
    }
    show(facts, as_json)


@app.command()
def ingest(
    path: Annotated[Path, typer.Argument(help="Folder or file of one dataset.")],
    embodiment: EmbodimentOption = "gr1",
    name: Annotated[str | None, typer.Option(help="Name of the store; the folder's name by default.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the content; it follows every episode.")] = "unknown",
    mapping: Annotated[Path | None, typer.Option(help="YAML: which topics or keys become which parts.")] = None,
    write_mapping: Annotated[
        Path | None, typer.Option(help="Write the mapping that would be used to this file, and stop.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show mapping, shapes and clocks, and stop.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that align and encode episodes.")] = 2,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a recording into the lake: aligned to the control rate, sealed, checked. The drop is not changed.

    Takes LeRobot v2.0, v2.1 and v3.0, robomimic and ALOHA HDF5, MCAP, ROS 1 and ROS 2 bags, Unitree JSON. Exit status 1
    when an episode was refused.

    Example: `gr00t ingest ~/bags/pick_fruit --embodiment gr1 --mapping gr1_bags.yaml --licence CC-BY-4.0`
    """
    from gr00t_data.sources.ingest import ingest as ingest_drop
    from gr00t_data.sources.reader import reader_for
    from gr00t_data.sources.recordings.mapping import dump_mapping, load_mapping

    robot = load_embodiment(embodiment)
    given = load_mapping(mapping) if mapping else None
    reader = reader_for(path)
    if dry_run or write_mapping:
        found = reader.look(path, robot, given)
        if write_mapping and found.mapping:
            write_mapping.write_text(found.contents + dump_mapping(found.mapping), encoding="utf-8")
        written = {"mapping": found.mapping.model_dump(mode="json", exclude_defaults=True)} if found.mapping else {}
        show({**found.facts, **written} if as_json else found.facts, as_json, found.rows)
        typer.echo(found.contents + dump_mapping(found.mapping) if found.mapping and not as_json else "", nl=False)
        raise typer.Exit(1 if "problem" in found.facts and not write_mapping else 0)
    if given := reader.mapping(path, robot, given):
        console.print(dump_mapping(given), markup=False, highlight=False)
    with progress_bar("ingesting") as progress:
        store = ingest_drop(
            path, robot, lake_at(lake), name=name, licence=licence, mapping=given, workers=workers, progress=progress
        )
    refused = store.about.source.refused or ()
    for one in refused:
        console.print(f"refused {one.episode}: {one.reason}", markup=False, soft_wrap=True)
    _report_checks(lake_at(lake), store, robot, as_json)
    raise typer.Exit(1 if refused else 0)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Folder of a LeRobot dataset: v2.0, v2.1 or v3.0.")],
    target: Annotated[Path, typer.Argument(help="Folder to write; it must not exist yet.")],
    to: Annotated[str, typer.Option("--to", help="v3.0 (LeRobot 0.4 and later) or v2.1 (GR00T N1.5).")],
    embodiment: Annotated[
        str | None, typer.Option("--embodiment", "-e", help="Names the parts in modality.json when v3.0 has none.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a dataset between LeRobot v3.0 and GR00T-LeRobot v2.1: same rows, same frames, the way back included.

    Example: `gr00t convert ~/data/so100_v3 ~/data/so100_v21 --to v2.1 --embodiment so100`
    """
    from gr00t_data.lerobot.convert import convert as convert_dataset

    robot = load_embodiment(embodiment) if embodiment else None
    with progress_bar("converting") as progress:
        done = convert_dataset(source, target, to, progress, embodiment=robot)
    notes = [{name: fact for name, fact in vars(note).items() if fact is not None} for note in done.notes]
    facts = {"source": str(done.source), "target": str(done.target), "from": done.before, "to": done.after}
    show({**facts, "notes": notes if as_json else len(notes)}, as_json)
    for note in () if as_json else notes:
        typer.echo(" ".join([*(f"{k} {v}:" for k, v in note.items() if k != "message"), note["message"]]))


@app.command()
def check(
    store: Annotated[Path, typer.Argument(help="A store of the lake, or any GR00T-LeRobot v2.0/v2.1 folder.")],
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every episode of a store. Exit status 1 when an episode was rejected.

    Example: `gr00t check lake/stores/simulator`
    """
    from gr00t_data.store.store import EpisodeStore

    if _report_checks(lake_at(lake), EpisodeStore.open(store), load_embodiment(embodiment), as_json):
        raise typer.Exit(1)


def _report_checks(lake: Lake, store: Any, embodiment: Embodiment, as_json: bool) -> int:
    """Print the verdicts; returns the number of rejected episodes."""
    from gr00t_data.curate.index import summary_rows

    with progress_bar("checking episodes") as progress:
        index = checked.check(lake, store, embodiment, progress)
    facts = {
        "store": str(store.root),
        "digest": store.digest,
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
    if as_json:
        report = {**facts, "findings": [vars(finding) for finding in index.findings], "episodes": episodes}
        typer.echo(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        findings = facts.pop("findings")
        show(facts, False, summary_rows(index))
        for line in findings:
            typer.echo(line)
    return len(index.rejected)


@app.command()
def embodiments(as_json: JsonOption = False) -> None:
    """List the bundled embodiments."""
    robots = [load_embodiment(name) for name in embodiment_names()]
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
    show({}, as_json, rows)
