"""The shell verb `gr00t gate`: which generated clips may be trained on."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gr00t_model.shell.app import OfRobot, Shown, progress_bars
from gr00t_model.shell.options import UsageError, verb
from gr00t_model.stages.settings import GatingSettings

if TYPE_CHECKING:
    from gr00t_data.curate.gate.opinion import Judge
    from gr00t_data.store.store import EpisodeStore

_JUDGING = "External judge"


@verb
def gate(
    store: Annotated[str, Parameter(help="A sealed store of generated clips, by name or path.")],
    /,
    *,
    calibrate: Annotated[
        list[str], Parameter(help="A store of recorded episodes that sets the thresholds; repeat for several.")
    ] = [],  # noqa: B006
    thresholds: Annotated[Path | None, Parameter(help="Thresholds of an earlier run (JSON), instead.")] = None,
    idm: Annotated[
        str, Parameter(help="Inverse dynamics model that labels the clips and the recorded episodes first.")
    ] = "",
    settings: GatingSettings,
    judge: Annotated[str, Parameter(help="Program to ask about each clip; JSON in, JSON out.", group=_JUDGING)] = "",
    judge_url: Annotated[str, Parameter(help="The same as a URL to POST to.", group=_JUDGING)] = "",
    judge_prompt: Annotated[Path | None, Parameter(help="Text file with {instruction} in it.", group=_JUDGING)] = None,
    judge_frames: Annotated[int, Parameter(help="Pictures sent.", group=_JUDGING)] = 8,
    judge_timeout_s: Annotated[float, Parameter(help="For one clip.", group=_JUDGING)] = 60.0,
    name: Annotated[str | None, Parameter(help="Name of the new store; STORE-accepted by default.")] = None,
    asked: OfRobot,
) -> None:
    """Judge generated clips by scores that are kept apart; the accepted ones become a new sealed store.

    Thresholds are set so that at most 5 % of recorded episodes would be rejected. The report, the thresholds and the
    contact sheets are written to `gate/<name>-<hash>/` in the lake. A judge gets `{"prompt", "instruction", "frames":
    [{"index", "time_s", "png_base64"}]}` and answers `{"verdict": "accept" | "reject", "reason"}`; an answer that
    cannot be used is reported and rejects nobody.

    Example: `gr00t gate dreams --idm idm_gr1 --calibrate simulator`
    """
    from gr00t_data.curate.gate.thresholds import Thresholds
    from gr00t_data.stages.names import store_named
    from gr00t_model.stages.gate import GateSettings, free_slot, gate_store
    from gr00t_model.stages.idm import model_named

    where, robot = asked.where, asked.robot
    opened = store_named(where, store)
    if bool(calibrate) == bool(thresholds):
        raise UsageError("--calibrate: give --calibrate or --thresholds, one of them")
    how = GateSettings(
        thresholds=Thresholds.load(thresholds) if thresholds else None,
        judge=_judge(judge, judge_url, judge_prompt, judge_frames, judge_timeout_s),
        replay=settings.replay,
        slot=free_slot(robot) if settings.own_slot else None,
        any_model=settings.any_model,
    )
    real = [store_named(where, text) for text in calibrate]
    labels, title = model_named(where, idm) if idm else None, name or f"{opened.root.name}-accepted"
    with progress_bars() as progress:
        accepted, folder = gate_store(
            where, opened, robot, labels, real=real, settings=how, name=title, progress=progress
        )
    _show(accepted, folder, asked)


def _judge(program: str, url: str, prompt: Path | None, frames: int, timeout_s: float) -> "Judge | None":
    from gr00t_data.curate.gate.opinion import PROMPT, Judge

    if not program and not url:
        return None
    text = prompt.read_text("utf-8") if prompt else PROMPT
    return Judge(tuple(shlex.split(program)), url, text, frames, timeout_s=timeout_s)


def _show(accepted: "EpisodeStore", folder: Path, asked: Shown) -> None:
    from gr00t_model.stages.gate import GateReport

    report = GateReport.load(folder)
    facts = {
        "store": str(accepted.root),
        "digest": accepted.digest,
        "accepted": report.accepted,
        "rejected": report.clips - report.accepted,
        "rejected by": report.rejected_by,
        "slot": report.slot,
        "report": str(folder / "report.json"),
        "sheet": str(folder / report.sheets[0]),
        "false rejects of real episodes": report.false_rejects,
    }
    if report.judge.asked:
        facts |= {"judge was asked": report.judge.asked, "no verdict": list(report.judge.without_verdict)}
    rows = [
        {"episode": one.episode, "clip": one.clip or "", "reasons": "; ".join(one.reasons) or "accepted"}
        for one in report.decisions
    ]
    asked.show(facts, rows)
