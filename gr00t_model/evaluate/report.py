"""The evaluation of a checkpoint as one JSON file and small figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from gr00t_data.curate.figures import canvas, png
from gr00t_data.disk import replacing_folder, write_json
from gr00t_data.foreign_text import printable
from gr00t_data.integrity import write_record
from gr00t_data.progress import Say
from gr00t_model.evaluate.alignment import Alignment, alignment
from gr00t_model.evaluate.closed_loop import ClosedLoop, evaluate_closed_loop, unseen_seeds
from gr00t_model.evaluate.comparison import behaviour_digest, compare, comparison_figure
from gr00t_model.evaluate.evaluation import (
    AlignmentResult,
    Evaluation,
    OpenLoopErrors,
    PartErrors,
    Share,
    TaskResult,
)
from gr00t_model.evaluate.foreign import Foreign
from gr00t_model.evaluate.open_loop import Errors, EvaluationError, Example, OpenLoop, evaluate_open_loop
from gr00t_model.evaluate.paired import Comparison
from gr00t_model.lineage.digests import require_unchanged
from gr00t_model.loop.loss_figure import loss_figure
from gr00t_model.policy import Policy
from gr00t_model.training.checkpoint import Checkpoint

_HEIGHT_PX = 240
_PARTS = "parts"
_CURVES_SHOWN = 3


@dataclass(frozen=True)
class Report:
    """An evaluation on disk: ``report.json`` and PNG figures up to 350 pixels wide, more of them in ``parts``.

    Attributes:
        folder: where it lies.
        content: what ``report.json`` holds.
    """

    folder: Path
    content: Evaluation

    @classmethod
    def load(cls, folder: Path) -> "Report":
        """Read a written report."""
        return cls(folder, Evaluation.load(folder))

    @property
    def figures(self) -> dict[str, Path]:
        """Name -> PNG."""
        return {path.stem: path for path in sorted(self.folder.glob("*.png"))}

    @property
    def part_figures(self) -> dict[str, Path]:
        """Part -> PNG of its predicted over its recorded values, in one held-out episode."""
        return {path.stem: path for path in sorted((self.folder / _PARTS).glob("*.png"))}


def evaluate(
    checkpoint_folder: Path,
    evaluations: Path,
    *,
    tasks: Sequence[str] = ("reach",),
    trials: int = 100,
    swapped: bool = True,
    processes: int = 2,
    losses: Sequence[dict[str, float]] = (),
    released: Path | None = None,
    say: Say | None = None,
    foreign: Foreign | None = None,
    stores: Mapping[str, str] = MappingProxyType({}),
) -> Report:
    """Evaluate a checkpoint on its held-out episodes (open loop, alignment) and closed loop in the simulator.

    A checkpoint of several embodiments is evaluated open loop on each; the rest is of the first one.

    Args:
        evaluations: the report becomes a folder below it, named by the checkpoint's digest.
        tasks: simulator tasks to run; none for embodiments the simulator does not have.
        trials: unseen scenes per task.
        losses: logged metrics of the run, for its curve up to the checkpoint's step.
        released: a checkpoint to compare with, on the same episodes and scenes.
        foreign: for a folder that no run of ours left: the mixture it is tried on.
        stores: digest -> folder, where the stores of a checkpoint that was carried elsewhere lie.

    Raises:
        IntegrityError: a file of a checkpoint is not the one that was recorded.
    """
    require_unchanged(checkpoint_folder, asked=True)
    tell = say or (lambda line: None)
    checkpoint = foreign.checkpoint(checkpoint_folder) if foreign else Checkpoint.load(checkpoint_folder)
    checkpoint = checkpoint.with_stores(stores)
    target = evaluations / checkpoint.digest[:16]  # what is reported is what was read now
    acting = foreign.acting if foreign else {}
    opened = evaluate_open_loop(checkpoint, Policy.from_checkpoint(checkpoint_folder, **acting))
    tell(f"open loop: {_ratio_text(opened.overall)} on {opened.episodes} held-out episodes")
    others = _others(checkpoint, tell)
    aligned = None if foreign else _aligned(checkpoint, tell)
    seeds = unseen_seeds(checkpoint.manifest, trials)
    closed = []
    for task in tasks:
        closed.append(
            evaluate_closed_loop(
                checkpoint_folder, task, seeds, swapped=swapped, processes=processes, acting=tuple(acting.items())
            )
        )
        tell(f"closed loop, {task}: success {closed[-1].success}, wrong object {closed[-1].wrong_object}")
        if closed[-1].swapped:
            tell(f"closed loop, {task}, instruction swapped: success {closed[-1].swapped_success}")
    compared = _compared(checkpoint, released, closed, evaluations, processes, tell)
    losses = [record for record in losses if record["step"] <= checkpoint.steps]  # the run may have gone on
    return write_report(target, checkpoint, opened, closed, losses, aligned, compared, others)


def _others(checkpoint: Checkpoint, tell: Say) -> dict[str, OpenLoop]:
    """Open loop of every further mixture by ``embodiment (selection)``; one that held out no episode is told, and left
    out.
    """
    found = {}
    for member in checkpoint.members[1:]:
        robot, selection = member.embodiment.name, member.manifest.selection
        name = f"{robot} ({selection})"
        policy = Policy.from_checkpoint(checkpoint.folder, embodiment=robot, selection=selection)
        try:
            found[name] = evaluate_open_loop(checkpoint, policy)
        except EvaluationError as error:
            tell(f"open loop, {name}: not measured: {error}")
        else:
            tell(f"open loop, {name}: {_ratio_text(found[name].overall)} on {found[name].episodes} held-out episodes")
    return found


def _compared(
    checkpoint: Checkpoint,
    released: Path | None,
    closed: Sequence[ClosedLoop],
    evaluations: Path,
    processes: int,
    tell: Say,
) -> Comparison | None:
    """None without another checkpoint to compare with."""
    other = Checkpoint.load(released) if released else None
    if other is None or other.digest == checkpoint.digest:
        return None
    trials = {result.task: (*result.trials, *result.swapped) for result in closed}
    return compare(checkpoint, other, trials, evaluations, processes=processes, say=tell)


def _aligned(checkpoint: Checkpoint, tell: Say) -> Alignment | None:
    """What the future tokens foresee; None, with the reason told, where there is nothing to measure."""
    try:
        aligned = alignment(checkpoint)
    except EvaluationError as error:
        tell(f"alignment: not measured: {error}")
        return None
    tell(f"alignment: {aligned}")
    return aligned


def write_report(
    folder: Path,
    checkpoint: Checkpoint,
    opened: OpenLoop,
    closed: Sequence[ClosedLoop],
    losses: Sequence[dict[str, float]] = (),
    aligned: Alignment | None = None,
    compared: Comparison | None = None,
    others: Mapping[str, OpenLoop] | None = None,
) -> Report:
    """Write JSON and figures in one step; an older report of the same checkpoint is replaced.

    Args:
        others: open loop on the checkpoint's further embodiments, by their names.
    """
    content = Evaluation(
        checkpoint=checkpoint.digest,
        recipe=checkpoint.train_config.recipe,
        steps=checkpoint.steps,
        open_loop=_errors_of(opened),
        others={name: _errors_of(result) for name, result in (others or {}).items()},
        alignment=None if aligned is None else AlignmentResult.model_validate(aligned.to_dict()),
        closed_loop={result.task: _result_of(result) for result in closed},
        behaviour=behaviour_digest(),
        comparison=compared,
    )
    with replacing_folder(folder, over=True) as temporary:
        write_json(temporary / "report.json", content.facts())
        (temporary / "predicted.png").write_bytes(predicted_figure(opened.example))
        (temporary / _PARTS).mkdir()
        for example in opened.part_examples:
            (temporary / _PARTS / f"{example.part}.png").write_bytes(predicted_figure(example))
        for name, result in (others or {}).items():
            folder_of_one = temporary / _PARTS / name.replace("/", "_")
            folder_of_one.mkdir()
            for example in result.part_examples:
                (folder_of_one / f"{example.part}.png").write_bytes(predicted_figure(example))
        if compared is not None and compared.measures:
            (temporary / "comparison.png").write_bytes(comparison_figure(compared))
        if losses:
            (temporary / "loss.png").write_bytes(loss_figure(losses))
        write_record(temporary)  # last: it names every file
    return Report(folder, content)


def _errors_of(result: OpenLoop) -> OpenLoopErrors:
    """Errors per part in its unit, and over all parts in standard deviations."""

    def told(errors: Errors, unit: str) -> PartErrors:
        return PartErrors(**asdict(errors), ratio=errors.ratio, unit=unit)

    parts = {name: told(errors, result.units[name]) for name, errors in result.parts.items()}
    overall = told(result.overall, "standard deviations")
    return OpenLoopErrors(episodes=result.episodes, chunks=result.chunks, parts=parts, overall=overall)


def _result_of(result: ClosedLoop) -> TaskResult:
    """Rates with their intervals, and every trial."""
    swapped = {"swapped_success": Share.of(result.swapped_success)} if result.swapped else {}
    success, wrong_object = Share.of(result.success), Share.of(result.wrong_object)
    trials = (*result.trials, *result.swapped)
    return TaskResult(success=success, wrong_object=wrong_object, trials=trials, **swapped)


def _ratio_text(errors: Errors) -> str:
    ratio = "nothing moved" if errors.ratio is None else f"{errors.ratio:.2f}x the better baseline"
    return f"mean absolute error {errors.policy:.3f} standard deviations, {ratio}"


def predicted_figure(example: Example) -> bytes:
    """PNG: the dimensions that move most, predicted over recorded, with a tick where each chunk begins."""
    figure, (axes,) = canvas(_HEIGHT_PX)
    order = example.recorded.std(axis=0).argsort()[::-1][:_CURVES_SHOWN]
    for number, dimension in enumerate(order):
        axes.plot(example.recorded[:, dimension], color=f"C{number}", linewidth=1.2)
        axes.plot(example.predicted[:, dimension], color=f"C{number}", linewidth=1.0, linestyle="--")
    axes.plot(example.replans, [axes.get_ylim()[0]] * len(example.replans), "|", color="grey", markersize=4)
    axes.set_title(f"{example.part}: recorded (line), predicted (dashes)", fontsize=7, parse_math=False)
    axes.set_xlabel(printable(f"frame - {example.instruction}"), fontsize=6, parse_math=False)
    axes.set_ylabel(example.unit, fontsize=7)
    return png(figure)
