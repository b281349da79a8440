"""The shell verb `gr00t gate`: which generated clips may be trained on."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.store import EpisodeStore
from gr00t_model.shell.ingest import EmbodimentOption, JsonOption, LakeOption, app, console, lake_at, show

if TYPE_CHECKING:
    from gr00t_data.curate.gate.opinion import Judge
    from gr00t_model.stages.gate import Progress as Told

_JUDGING = "External judge"


@app.command("gate")
def gate(
    store: Annotated[Path, typer.Argument(help="A sealed store of generated clips.")],
    calibrate: Annotated[
        list[Path], typer.Option(help="A store of recorded episodes that sets the thresholds; repeat for several.")
    ] = [],  # noqa: B006
    thresholds: Annotated[Path | None, typer.Option(help="Thresholds of an earlier run (JSON), instead.")] = None,
    idm: Annotated[
        Path | None, typer.Option(help="Inverse dynamics model that labels the clips and the recorded episodes first.")
    ] = None,
    replay: Annotated[
        bool, typer.Option(help="Execute the actions in the simulator, where its scene is known.")
    ] = True,
    own_slot: Annotated[bool, typer.Option(help="Give the accepted episodes projectors of their own.")] = True,
    judge: Annotated[
        str, typer.Option(help="Program to ask about each clip; JSON in, JSON out.", rich_help_panel=_JUDGING)
    ] = "",
    judge_url: Annotated[str, typer.Option(help="The same as a URL to POST to.", rich_help_panel=_JUDGING)] = "",
    judge_prompt: Annotated[
        Path | None, typer.Option(help="Text file with {instruction} in it.", rich_help_panel=_JUDGING)
    ] = None,
    judge_frames: Annotated[int, typer.Option(min=1, help="Pictures sent.", rich_help_panel=_JUDGING)] = 8,
    judge_timeout_s: Annotated[float, typer.Option(min=0.1, help="For one clip.", rich_help_panel=_JUDGING)] = 60.0,
    name: Annotated[str | None, typer.Option(help="Name of the new store; STORE-accepted by default.")] = None,
    embodiment: EmbodimentOption = "gr1",
    lake: LakeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge generated clips by scores that are kept apart; the accepted ones become a new sealed store.

    Thresholds are set so that at most 5 % of recorded episodes would be rejected. The report, the thresholds and the
    contact sheets are written to `gate/<name>-<hash>/` in the lake. A judge gets `{"prompt", "instruction", "frames":
    [{"index", "time_s", "png_base64"}]}` and answers `{"verdict": "accept" | "reject", "reason"}`; an answer that
    cannot be used is reported and rejects nobody.

    Example: `gr00t gate lake/stores/dreams --idm lake/idm/nano/model --calibrate lake/stores/simulator`
    """
    from gr00t_data.curate.gate.thresholds import Thresholds
    from gr00t_model.stages.gate import GateSettings, free_slot, gate_store

    opened, robot = EpisodeStore.open(store), load_embodiment(embodiment)
    if bool(calibrate) == bool(thresholds):
        raise typer.BadParameter("give --calibrate or --thresholds, one of them", param_hint="--calibrate")
    settings = GateSettings(
        thresholds=Thresholds.load(thresholds) if thresholds else None,
        judge=_judge(judge, judge_url, judge_prompt, judge_frames, judge_timeout_s),
        replay=replay,
        slot=free_slot(robot) if own_slot else None,
    )
    real = [EpisodeStore.open(path) for path in calibrate]
    title = name or f"{opened.root.name}-accepted"
    with _bars() as progress:
        accepted, folder = gate_store(
            lake_at(lake), opened, robot, idm, real=real, settings=settings, name=title, progress=progress
        )
    _show(accepted, folder, as_json)


def _judge(program: str, url: str, prompt: Path | None, frames: int, timeout_s: float) -> "Judge | None":
    from gr00t_data.curate.gate.opinion import PROMPT, Judge

    if not program and not url:
        return None
    text = prompt.read_text("utf-8") if prompt else PROMPT
    return Judge(tuple(shlex.split(program)), url, text, frames, timeout_s=timeout_s)


@contextmanager
def _bars() -> Iterator["Told"]:
    """One bar for each thing that is done, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield told


def _show(accepted: EpisodeStore, folder: Path, as_json: bool) -> None:
    from gr00t_data.disk import read_json

    report = read_json(folder / "report.json")
    facts: dict[str, Any] = {"store": str(accepted.root), "digest": accepted.digest, "accepted": report["accepted"]}
    facts |= {
        "rejected": report["clips"] - report["accepted"],
        "rejected by": report["rejected_by"],
        "slot": report["slot"],
        "report": str(folder / "report.json"),
        "sheet": str(folder / report["sheets"][0]),
        "false rejects of real episodes": report["false_rejects"],
    }
    if report["judge"]["asked"]:
        facts |= {"judge was asked": report["judge"]["asked"], "no verdict": report["judge"]["without_verdict"]}
    rows = [
        {"episode": one["episode"], "clip": one["clip"] or "", "reasons": "; ".join(one["reasons"]) or "accepted"}
        for one in report["decisions"]
    ]
    show(facts, as_json, rows)
