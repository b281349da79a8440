"""A candidate against the released checkpoint: the same held-out episodes, the same scenes, paired.

Episodes count only when neither of the two has trained on them, and scenes only when neither has demonstrations of
them. The released checkpoint acts again, unless its report holds the same scenes made by the same code.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gr00t_data.code_key import code_key
from gr00t_data.curate.figures import canvas, png
from gr00t_data.progress import Say
from gr00t_model.evaluate.closed_loop import evaluate_closed_loop, seen_seeds
from gr00t_model.evaluate.evaluation import Evaluation, Trial
from gr00t_model.evaluate.open_loop import Held, episode_error, held_out_entries
from gr00t_model.evaluate.paired import Comparison, Measure, paired_errors, paired_shares
from gr00t_model.policy import Policy
from gr00t_model.training.checkpoint import Checkpoint

_STANDARD_DEVIATIONS = "standard deviations"
_HEIGHT_PX = 200
Trials = Sequence[Trial]


def behaviour_digest() -> str:
    """SHA-256 (hex) of the code that decides what a checkpoint does in the simulator."""
    return code_key("gr00t_model.evaluate.closed_loop")


def compare(
    candidate: Checkpoint,
    released: Checkpoint,
    trials: Mapping[str, Trials],
    evaluations: Path,
    *,
    processes: int = 1,
    stride_frames: int = 8,
    image_size: int = 256,
    say: Say = lambda line: None,
) -> Comparison:
    """Put a candidate beside the released checkpoint.

    Args:
        trials: task -> the candidate's trials, as its report lists them.
        evaluations: where the report of the released checkpoint may lie.
    """
    notes: list[str] = []
    measures = _open_loop(candidate, released, stride_frames, notes)
    for task, own in trials.items():
        measures += _closed_loop(task, own, released, evaluations, processes, image_size, notes)
    for measure in measures:
        say(f"beside the released checkpoint: {as_text(measure)}")
    return Comparison(released=released.digest, measures=tuple(measures), notes=tuple(notes))


def as_text(measure: Measure) -> str:
    """One measure in words."""
    low, high = measure.interval or (float("nan"), float("nan"))
    return (
        f"{measure.name} {measure.candidate:.3f}, released {measure.released:.3f}, difference "
        f"{measure.difference:+.3f} [{low:+.3f}, {high:+.3f}] over {measure.pairs} pairs"
    )


def _open_loop(candidate: Checkpoint, released: Checkpoint, stride: int, notes: list[str]) -> list[Measure]:
    ours, theirs = Policy.from_checkpoint(candidate.folder), Policy.from_checkpoint(released.folder)
    if missing := set(ours.selection.action) ^ set(theirs.selection.action):
        notes.append(f"open loop: the two command different parts ({', '.join(sorted(missing))}), not compared")
        return []
    if candidate.embodiment.digest != released.embodiment.digest:
        notes.append("open loop: the embodiment has changed since the release, not compared")
        return []
    held = _fair_episodes(candidate, released, notes)
    if not held:
        notes.append("open loop: the released checkpoint has trained on every held-out episode, not compared")
        return []
    steps = min(ours.horizon, theirs.horizon)
    errors = [
        [episode_error(one, policy, candidate.members[0], stride_frames=stride, steps=steps) for one in held]
        for policy in (ours, theirs)
    ]
    return [paired_errors("open loop error", _STANDARD_DEVIATIONS, errors[0], errors[1])]


def _fair_episodes(candidate: Checkpoint, released: Checkpoint, notes: list[str]) -> list[Held]:
    """The candidate's held-out episodes without those that the released checkpoint has trained on."""
    trained = {(entry.store, entry.episode) for entry in released.episodes}
    every = held_out_entries(candidate.manifest)
    fair = [held for digest, held in every if (digest, held.episode) not in trained]
    if len(fair) < len(every):
        notes.append(
            f"open loop: {len(every) - len(fair)} of {len(every)} held-out episodes left out, because the released "
            "checkpoint has trained on them"
        )
    return fair


def _closed_loop(
    task: str,
    own: Trials,
    released: Checkpoint,
    evaluations: Path,
    processes: int,
    image_size: int,
    notes: list[str],
) -> list[Measure]:
    known = seen_seeds(released.manifest)
    fair = [trial for trial in own if trial.seed not in known]
    if len(fair) < len(own):
        notes.append(f"{task}: {len(own) - len(fair)} scenes left out, the released checkpoint has seen them")
    seeds = sorted({trial.seed for trial in fair})
    if not seeds:
        return []
    swapped = any(trial.swapped for trial in fair)
    theirs = _reported(task, seeds, swapped, released, evaluations)
    if theirs is None:
        run = evaluate_closed_loop(
            released.folder, task, seeds, swapped=swapped, processes=processes, image_size=image_size
        )
        theirs = [*run.trials, *run.swapped]
    return _paired(task, fair, theirs)


def _reported(
    task: str, seeds: Sequence[int], swapped: bool, released: Checkpoint, evaluations: Path
) -> list[Trial] | None:
    """The released checkpoint's trials, if its report has these scenes and was made by this code."""
    folder = evaluations / released.digest[:16]
    if not (folder / "report.json").is_file():
        return None
    content = Evaluation.load(folder)
    if content.behaviour != behaviour_digest() or content.checkpoint != released.digest:
        return None
    result = content.closed_loop.get(task)
    trials = [trial for trial in result.trials if trial.seed in set(seeds)] if result else []
    enough = {trial.seed for trial in trials if not trial.swapped} == set(seeds)
    return trials if enough and any(trial.swapped for trial in trials) >= swapped else None


def _paired(task: str, candidate: Trials, released: Trials) -> list[Measure]:
    ours, theirs = ({(t.seed, t.swapped): t for t in trials} for trials in (candidate, released))
    measures = []
    for name, swapped, key in (
        ("success", False, "success"),
        ("wrong object", False, "wrong_object"),
        ("success, instruction swapped", True, "success"),
    ):
        both = sorted(pair for pair in ours.keys() & theirs.keys() if pair[1] == swapped)
        if both:
            values = [[bool(getattr(trials[pair], key)) for pair in both] for trials in (ours, theirs)]
            better = "lower" if key == "wrong_object" else "higher"
            measures.append(paired_shares(f"{task}: {name}", better, values[0], values[1]))
    return measures


def comparison_figure(comparison: Comparison) -> bytes:
    """PNG: for each measure by how much the candidate is worse (right of zero) or better, with its interval."""
    figure, (axes,) = canvas(_HEIGHT_PX)
    shown = comparison.measures
    for row, measure in enumerate(shown):
        low, high = measure.loss_interval or (measure.loss, measure.loss)
        axes.plot([low, high], [row, row], color="C0", linewidth=1.2)
        axes.plot([measure.loss], [row], "o", color="C0", markersize=3)
    axes.axvline(0.0, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [measure.name for measure in shown], fontsize=5)
    axes.set_xlabel("candidate worse by, 95% interval", fontsize=6)
    return png(figure)
