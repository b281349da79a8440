"""From a mixture to a checkpoint, stage by stage. The shell and the Dagster graph call these same functions.

No torch at import: the stages that need it import it when called.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gr00t_data.disk import digest_json
from gr00t_data.embodiment import Embodiment
from gr00t_data.lake import Lake
from gr00t_model.training.config import Data, TrainConfig, override
from gr00t_model.training.launch import Launched, launch
from gr00t_model.training.recipes import recipe as recipe_named
from gr00t_model.training.run import RunFolder, base_digest, prepare_run

if TYPE_CHECKING:
    from gr00t_model.evaluate.report import Report

Progress = Callable[[int, int], None]
Say = Callable[[str], None]


class MissingInput(ValueError):
    """A stage was asked for before the one that makes its input; the message says what to run."""


def base_model(lake: Lake, *, stills: int, seed: int = 0, progress: Progress | None = None) -> tuple[Path, str]:
    """The base of the nano preset: a vision-language model that points at named objects, learnt from simulator stills.

    Returns:
        its folder and digest; made once for the same arguments and code. It becomes ``base_nano`` of the lake.
    """
    from gr00t_model.training.grounding import ground

    folder = ground(stills, seed, lake.bases, progress)
    digest = base_digest(folder)
    lake.point("base_nano", folder, digest)
    return folder, digest


def new_run(
    lake: Lake, embodiment: Embodiment, name: str, settings: Sequence[str] = (), embodiment_path: str = ""
) -> RunFolder:
    """The run folder of a recipe on the lake's current mixture and statistics; made if it is not there.

    Args:
        name: a recipe of ``gr00t_model.training.recipes``.
        settings: ``a.b=c`` changes to it.
        embodiment_path: the YAML the embodiment came from, when it is not a bundled one.

    Raises:
        MissingInput: the mixture, the statistics or the base model is missing; says what to run.
        ConfigError: no such recipe, or a change that does not fit.
    """
    data = Data(
        manifest=str(_input(lake, f"mixture_{embodiment.name}", "gr00t mix")),
        statistics=str(_input(lake, f"norm_stats_{embodiment.name}", "gr00t stats")),
        embodiment=embodiment_path or embodiment.name,
        cache=str(lake.cache),
    )
    config = override(recipe_named(name, data), settings)
    config = _with_base(lake, config)
    run = prepare_run(config, lake.runs)
    lake.point(f"run_{embodiment.name}", run.root, run.key)
    return run


def _with_base(lake: Lake, config: TrainConfig) -> TrainConfig:
    """nano starts from the lake's grounded base unless the recipe or the user named another one."""
    if config.model.preset != "nano" or config.model.base or config.model.changes:
        return config
    base = _input(lake, "base_nano", "gr00t ground")
    return config.model_copy(update={"model": config.model.model_copy(update={"base": str(base)})})


def _input(lake: Lake, name: str, verb: str) -> Path:
    pointed = lake.pointed(name)
    if pointed is None:
        raise MissingInput(f"{lake.root}: has no {name} yet; run `{verb}` or materialize {name}")
    return pointed[0]


def train_run(run: RunFolder, say: Say) -> Launched:
    """Train in processes of their own. See ``training.launch.launch``."""
    return launch(run, say)


def publish_checkpoint(lake: Lake, embodiment: Embodiment, run: RunFolder) -> tuple[Path, str]:
    """Give the checkpoint of a finished run its own place; it becomes ``checkpoint_<embodiment>`` of the lake.

    Raises:
        MissingInput: the run is not complete.
        CheckpointError: the run's checkpoint is broken.
    """
    from gr00t_model.training.checkpoint import Checkpoint, is_checkpoint, publish

    if not is_checkpoint(run.checkpoint):
        raise MissingInput(
            f"{run.root}: is not finished, so it left no checkpoint; run `gr00t train` again, it resumes"
        )
    folder = publish(run.checkpoint, lake.checkpoints)
    digest = Checkpoint.load(folder).digest
    lake.point(f"checkpoint_{embodiment.name}", folder, digest)
    return folder, digest


def evaluate_checkpoint(
    lake: Lake, embodiment: Embodiment, *, tasks: Sequence[str], trials: int, swapped: bool, processes: int, say: Say
) -> "Report":
    """Evaluate the lake's current checkpoint; the report becomes ``evaluation_<embodiment>`` of the lake.

    Raises:
        MissingInput: there is no checkpoint yet.
    """
    from gr00t_model.evaluate.report import evaluate

    checkpoint = _input(lake, f"checkpoint_{embodiment.name}", "gr00t train")
    pointed = lake.pointed(f"run_{embodiment.name}")
    losses = RunFolder(pointed[0]).records() if pointed else []
    report = evaluate(
        checkpoint,
        lake.evaluations,
        tasks=tasks,
        trials=trials,
        swapped=swapped,
        processes=processes,
        losses=losses,
        say=say,
    )
    lake.point(f"evaluation_{embodiment.name}", report.folder, digest_json(report.content))
    return report


def evaluation_rows(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The numbers of a report as rows: what, value, unit or interval, beside what."""
    rows = []
    for part, errors in [*content["open_loop"]["parts"].items(), ("all parts", content["open_loop"]["overall"])]:
        baselines = f"hold last {errors['hold_last']:.4f}, mean action {errors['mean_action']:.4f}"
        ratio = "-" if errors["ratio"] is None else f"{errors['ratio']:.2f}"
        rows.append(_row(f"open loop {part}", f"{errors['policy']:.4f} {errors['unit']}", baselines, ratio))
    for task, result in content["closed_loop"].items():
        for name in ("success", "wrong_object", "swapped_success"):
            if name in result:
                low, high = (100 * bound for bound in result[name]["interval_95"])
                share = f"{result[name]['hits']}/{result[name]['trials']}"
                rows.append(_row(f"{task} {name}", share, f"95% interval {low:.0f}-{high:.0f}%", "-"))
    return rows


def _row(what: str, value: str, beside: str, ratio: str) -> dict[str, Any]:
    return {"what": what, "value": value, "beside": beside, "ratio to the better baseline": ratio}
