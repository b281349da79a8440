"""Evaluation as a stage: the report of a checkpoint, and its rows for a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gr00t_data.disk import digest_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake, working
from gr00t_data.progress import Say
from gr00t_data.store.store import sealed_in
from gr00t_model.evaluate.evaluation import Evaluation, OpenLoopErrors
from gr00t_model.evaluate.paired import Comparison
from gr00t_model.lineage.record import Record
from gr00t_model.loop.run import RunFolder
from gr00t_model.stages.checkpoints import checkpoint_named
from gr00t_model.stages.inputs import needed
from gr00t_model.stages.settings import EvaluationSettings

if TYPE_CHECKING:
    from gr00t_model.evaluate.foreign import Foreign
    from gr00t_model.evaluate.report import Report

LIBRARIES = ("av", "mujoco", "numpy", "onnxruntime", "scipy", "torch", "transformers")


@dataclass(frozen=True)
class Chosen:
    """What is evaluated.

    Attributes:
        checkpoint: path or name of a folder with a model; empty: the lake's current checkpoint.
        at: ``checkpoint`` names a run, taken as it was at this step.
        embodiment: name or YAML of the robot that acts, for a folder that others made; empty: its own name.
        tag, tokenizer: of such a folder, as ``Policy.from_checkpoint`` takes them.
    """

    checkpoint: str = ""
    at: int | None = None
    embodiment: str = ""
    tag: str = ""
    tokenizer: str = ""


@working
def evaluate_checkpoint(
    lake: Lake, embodiment: Embodiment, settings: EvaluationSettings, say: Say, chosen: Chosen = Chosen()
) -> "Report":
    """Evaluate a checkpoint. The report of the lake's current one becomes ``evaluation_<embodiment>`` of the lake.

    Where a checkpoint is released, the candidate is put beside it on the same held-out episodes and scenes. A robot
    that the simulator does not have is evaluated open loop only, whatever ``tasks`` are named. A folder that is no
    checkpoint of a run is tried on what the lake's current mixture holds out.

    Raises:
        MissingInput: there is no checkpoint yet, or no mixture to try another one's on.
        UnknownName: nothing of the name that was given.
    """
    from gr00t_data.sources.sim.body import ROBOT
    from gr00t_model.evaluate.report import evaluate
    from gr00t_model.groot.weights.published_folder import is_published
    from gr00t_model.release.history import released

    folder = _folder(lake, embodiment, chosen)
    tasks = [task for task in settings.tasks if task != "none"]
    if tasks and embodiment.name != ROBOT:
        say(f"closed loop: none, the simulator has no {embodiment.name}")
        tasks = []
    theirs = _foreign(lake, embodiment, chosen) if is_published(folder) else None
    before = None if theirs else released(lake, embodiment.name)
    report = evaluate(
        folder,
        lake.evaluations,
        tasks=tasks,
        trials=settings.trials,
        swapped=settings.swapped,
        processes=settings.processes,
        losses=[] if theirs else _losses(lake, folder),
        released=before[0] if before else None,
        say=say,
        foreign=theirs,
        stores={store.digest: str(store.root) for store in sealed_in(lake.stores)},
    )
    current = lake.pointed(f"checkpoint_{embodiment.name}")
    if current and folder == current[0]:
        lake.point(f"evaluation_{embodiment.name}", report.folder, digest_json(report.content.facts()))
    return report


def _folder(lake: Lake, embodiment: Embodiment, chosen: Chosen) -> Path:
    if not chosen.checkpoint and chosen.at is None:
        return needed(lake, f"checkpoint_{embodiment.name}", "gr00t train")
    return checkpoint_named(lake, chosen.checkpoint or f"run_{embodiment.name}", chosen.at)


def _foreign(lake: Lake, embodiment: Embodiment, chosen: Chosen) -> "Foreign":
    """The lake's current mixture for a folder that others made, and how that acts."""
    from gr00t_data.batches.mixture.manifest import MixtureManifest
    from gr00t_data.batches.rows import Member
    from gr00t_data.batches.statistics.statistics import NormStats
    from gr00t_model.evaluate.foreign import Foreign

    manifest = MixtureManifest.load(needed(lake, f"mixture_{embodiment.name}", "gr00t mix"))
    statistics = NormStats.load(needed(lake, f"norm_stats_{embodiment.name}", "gr00t stats"))
    member = Member(manifest, statistics, embodiment)
    return Foreign(member, chosen.embodiment or embodiment.name, chosen.tag or None, chosen.tokenizer or None)


def _losses(lake: Lake, checkpoint: Path) -> list[dict[str, float]]:
    """The logged metrics of the run that left a checkpoint; empty where that run is gone."""
    made = Record.load(checkpoint)
    for folder in sorted(lake.runs.glob(f"*-{made.key[:16]}")) if lake.runs.is_dir() else []:
        run = RunFolder(folder)
        if run.run_json.is_file() and run.key == made.key:
            return run.records()
    return []


def evaluation_rows(content: Evaluation) -> list[dict[str, str]]:
    """The numbers of a report as rows: what, value, unit or interval, beside what."""
    rows = _open_loop_rows("open loop", content.open_loop)
    for name, result in content.others.items():
        rows += _open_loop_rows(f"open loop, {name},", result)
    if aligned := content.alignment:
        share = "-" if aligned.skill is None else f"closes {100 * aligned.skill:.0f}% of the gap"
        beside = f"copying the present {aligned.copied:.4f}, {share}"
        rows.append(_row("alignment cosine", f"{aligned.predicted:.4f}", beside, "-"))
        alarm = "COLLAPSED" if aligned.variety.collapsed else "not collapsed"
        varies = f"{100 * aligned.variety.share:.0f}% of their energy varies, {alarm}"
        rows.append(_row("alignment targets", f"effective rank {aligned.variety.effective_rank:.1f}", varies, "-"))
    for task, result in content.closed_loop.items():
        for name, rate in result.rates.items():
            low, high = (100 * bound for bound in rate.interval_95)
            rows.append(
                _row(f"{task} {name}", f"{rate.hits}/{rate.trials}", f"95% interval {low:.0f}-{high:.0f}%", "-")
            )
    return rows + _comparison_rows(content.comparison)


def _comparison_rows(compared: Comparison | None) -> list[dict[str, str]]:
    rows = []
    for measure in compared.measures if compared else ():
        low, high = measure.interval or (float("nan"), float("nan"))
        beside = f"released {measure.released:.3f}, difference {measure.difference:+.3f} [{low:+.3f}, {high:+.3f}]"
        rows.append(_row(f"beside the release: {measure.name}", f"{measure.candidate:.3f}", beside, "-"))
    return rows


def _open_loop_rows(title: str, result: OpenLoopErrors) -> list[dict[str, str]]:
    rows = []
    for part, errors in [*result.parts.items(), ("all parts", result.overall)]:
        baselines = f"hold last {errors.hold_last:.4f}, mean action {errors.mean_action:.4f}"
        ratio = "-" if errors.ratio is None else f"{errors.ratio:.2f}"
        rows.append(_row(f"{title} {part}", f"{errors.policy:.4f} {errors.unit}", baselines, ratio))
    return rows


def _row(what: str, value: str, beside: str, ratio: str) -> dict[str, str]:
    return {"what": what, "value": value, "beside": beside, "ratio to the better baseline": ratio}
