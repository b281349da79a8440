"""The shell verbs about data: demo, ingest, check, stats, mix, embodiments. `gr00t --help` lists them all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from gr00t_data import stages
from gr00t_data.embodiment import Embodiment, embodiment_names, load_embodiment
from gr00t_data.lake import Lake

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
    return Lake(path.absolute()) if path else Lake.from_environment()


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
    path: Annotated[Path, typer.Argument(help="Folder of one dataset.")],
    embodiment: EmbodimentOption = "gr1",
    name: Annotated[str | None, typer.Option(help="Name of the store; the folder's name by default.")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the content; it follows every episode.")] = "unknown",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a dataset into the lake: sealed, and every episode checked against its embodiment. The drop is not changed.

    Example: `gr00t ingest ~/demos/pick_fruit --embodiment gr1 --licence CC-BY-4.0`
    """
    from gr00t_data.sources.ingest import ingest as ingest_drop

    robot = load_embodiment(embodiment)
    with progress_bar("copying files") as progress:
        store = ingest_drop(path, robot, lake_at(lake), name=name, licence=licence, progress=progress)
    _report_checks(lake_at(lake), store, robot, as_json)


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
    from gr00t_data.store import EpisodeStore

    if _report_checks(lake_at(lake), EpisodeStore.open(store), load_embodiment(embodiment), as_json):
        raise typer.Exit(1)


def _report_checks(lake: Lake, store: Any, embodiment: Embodiment, as_json: bool) -> int:
    """Print the verdicts; returns the number of rejected episodes."""
    from gr00t_data.curate.index import summary_rows

    with progress_bar("checking episodes") as progress:
        index = stages.check(lake, store, embodiment, progress)
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
def stats(
    embodiment: EmbodimentOption = "gr1",
    stores: StoresOption = ["*"],  # noqa: B006 - typer copies it
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure normalization statistics over all accepted episodes of the lake."""
    statistics, path = stages.measure_statistics(lake_at(lake), load_embodiment(embodiment), stores)
    rows = [
        {"part": f"{side}.{name}", "count": part.count, "mean": _short(part.mean), "std": _short(part.std)}
        | {"min": _short(part.min), "max": _short(part.max), "q01": _short(part.q01), "q99": _short(part.q99)}
        for side, parts in (("state", statistics.state), ("action", statistics.action))
        for name, part in parts.items()
    ]
    show({"statistics": str(path), "digest": statistics.digest}, as_json, rows)


def _short(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3g}" for value in values)


@app.command()
def mix(
    embodiment: EmbodimentOption = "gr1",
    stores: StoresOption = ["*"],  # noqa: B006 - typer copies it
    weight: Annotated[list[str], typer.Option(help="STORE=SHARE of the samples; repeat for several.")] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(min=0, help="Seed of the order and of the held-out episodes.")] = 0,
    held_out_share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of episodes kept for evaluation.")] = 0.1,
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write down what training samples: stores, weights, accepted episodes, held-out episodes, seed."""
    weights = {}
    for text in weight:
        name, sign, share = text.rpartition("=")
        if not sign or not share.replace(".", "", 1).isdigit():
            raise typer.BadParameter(f"{text!r} is not STORE=SHARE, for example PickNPlace=0.3", param_hint="--weight")
        weights[name] = float(share)
    robot = load_embodiment(embodiment)
    manifest, path = stages.mix(lake_at(lake), robot, stores, weights=weights, seed=seed, held_out_share=held_out_share)
    rows = [
        {
            "store": source.store,
            "kind": source.kind,
            "weight": round(source.weight, 4),
            "episodes": len(source.episodes),
            "frames": sum(entry.kept_frames for entry in source.episodes),
        }
        for source in manifest.sources
    ]
    facts = {"manifest": str(path), "digest": manifest.digest, "training frames": manifest.frames}
    show({**facts, "held-out episodes": len(manifest.held_out)}, as_json, rows)


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
