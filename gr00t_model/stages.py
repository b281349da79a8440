"""From a mixture to a checkpoint, stage by stage. The shell and the Dagster graph call these same functions.

No torch at import: the stages that need it import it when called.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gr00t_data.disk import digest_json
from gr00t_data.embodiment import Embodiment, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.locks import locked
from gr00t_model.licensing import require_licences
from gr00t_model.lineage_people import require_consent
from gr00t_model.training.config import ConfigError, Data, Mixture, TrainConfig
from gr00t_model.training.launch import Launched, launch
from gr00t_model.training.recipes import recipe as recipe_named
from gr00t_model.training.run import RunFolder, base_digest, prepare_run
from gr00t_model.training.settings import override

if TYPE_CHECKING:
    from gr00t_model.evaluate.report import Report
    from gr00t_model.training.memory import Plan

_CHANGES_OF_A_BASE = {
    f"action_head_cfg.{name}"
    for name in (
        "action_dim",
        "max_state_dim",
        "action_horizon",
        "max_seq_len",
        "missing_state_token",
        "state_dropout",
        "num_inference_timesteps",
    )
} | {"flare_cfg.embedding"}
"""Changes under which the weights of a base keep their meaning: it is widened, or gets a token more."""

Progress = Callable[[int, int], None]
Say = Callable[[str], None]


class MissingInput(ValueError):
    """A stage was asked for before the one that makes its input; the message says what to run."""


def base_model(lake: Lake, *, stills: int, seed: int = 0, progress: Progress | None = None) -> tuple[Path, str]:
    """The base of the nano preset: a vision-language model that points at named objects, learnt from simulator stills.

    Returns:
        its folder and digest; made once for the same arguments and code. It becomes ``base_nano`` of the lake.
    """
    from gr00t_model.training.grounding_key import GroundingConfig, grounding_key

    folder = lake.bases / grounding_key(stills, seed, GroundingConfig())[:16]
    with locked(lake.root / "locks" / "base_nano"):  # who comes second finds it made
        if not folder.is_dir():
            from gr00t_model.training.grounding import ground

            ground(stills, seed, lake.bases, progress)
    digest = base_digest(folder)
    lake.point("base_nano", folder, digest)
    return folder, digest


def new_run(
    lake: Lake,
    embodiment: Embodiment,
    name: str,
    settings: Sequence[str] = (),
    embodiment_path: str = "",
    also: Sequence[str] = (),
) -> RunFolder:
    """The run folder of a recipe on the lake's current mixture and statistics; made if it is not there.

    Args:
        name: a recipe of ``gr00t_model.training.recipes``.
        settings: ``a.b=c`` changes to it.
        embodiment_path: the YAML the embodiment came from, when it is not a bundled one.
        also: further embodiments of the lake to train in the same batches, each ``NAME`` or ``NAME=WEIGHT``.

    Raises:
        MissingInput: the mixture, the statistics or the base model is missing; says what to run.
        ConfigError: no such recipe, or a change that does not fit.
        ConsentError: the weights to start from have seen somebody who withdrew.
        LicenceError: a mixture has the commercial profile, and the weights or another mixture do not fit it.
    """
    first = _mixture(lake, embodiment, embodiment_path or embodiment.name)
    others = tuple(_also(lake, text) for text in also)
    data = Data(**first.model_dump(), also=others, cache=str(lake.cache))
    config = override(recipe_named(name, data), settings)
    config = _with_embedding(lake, embodiment, _with_base(lake, config))
    require_licences(config)
    require_consent(lake, config.model_dump(mode="json"))
    run = prepare_run(config, lake.runs)
    lake.point(f"{_product(config, 'run')}_{embodiment.name}", run.root, run.key)
    return run


def _mixture(lake: Lake, embodiment: Embodiment, named: str, weight: float = 1.0) -> Mixture:
    """The lake's current mixture and statistics of an embodiment."""
    return Mixture(
        manifest=str(_input(lake, f"mixture_{embodiment.name}", f"gr00t mix --embodiment {named}")),
        statistics=str(_input(lake, f"norm_stats_{embodiment.name}", f"gr00t stats --embodiment {named}")),
        embodiment=named,
        weight=weight,
    )


def _also(lake: Lake, text: str) -> Mixture:
    named, sign, weight = text.partition("=")
    try:
        share = float(weight) if sign else 1.0
    except ValueError as error:
        raise ConfigError(f"--also {text}: expected NAME or NAME=WEIGHT, for example --also so100=0.5") from error
    return _mixture(lake, load_embodiment(named), named, share)


def _product(config: TrainConfig, name: str) -> str:
    """The runs of an embedding and what they leave have names of their own beside the policy's."""
    return f"embedding_{name}" if config.model.flare.pretrain_embedding else name


def _with_embedding(lake: Lake, embodiment: Embodiment, config: TrainConfig) -> TrainConfig:
    """An action-aware target is the lake's embedding unless the user named another one."""
    flare = config.model.flare
    if flare.target != "action_aware" or flare.embedding or not flare.on or flare.pretrain_embedding:
        return config
    name = f"embedding_checkpoint_{embodiment.name}"
    found = flare.model_copy(update={"embedding": str(_input(lake, name, "gr00t train --recipe gr1_nano_embedding"))})
    return config.model_copy(update={"model": config.model.model_copy(update={"flare": found})})


def training_plan(name: str, settings: Sequence[str] = (), embodiment: str = "gr1") -> tuple[TrainConfig, "Plan"]:
    """What a recipe would train on this machine and the memory it would take. Needs no lake and makes no weights.

    Raises:
        ConfigError: no such recipe, or a change that does not fit.
    """
    import torch

    from gr00t_model.training.memory import plan

    config = override(recipe_named(name, Data(embodiment=embodiment)), settings)
    return config, plan(config, on_gpu=torch.cuda.is_available())


def _with_base(lake: Lake, config: TrainConfig) -> TrainConfig:
    """nano starts from the lake's grounded base unless the user named another one, or changed what the base has."""
    resized = config.model.changes.keys() - _CHANGES_OF_A_BASE
    if config.model.preset != "nano" or config.model.base or resized:
        return config
    base = _input(lake, "base_nano", "gr00t ground")
    return config.model_copy(update={"model": config.model.model_copy(update={"base": str(base)})})


def _input(lake: Lake, name: str, verb: str) -> Path:
    pointed = lake.pointed(name)
    if pointed is None:
        raise MissingInput(f"{lake.root}: has no {name} yet; run `{verb}` or materialize {name}")
    return pointed[0]


def samples_of(name: str) -> int:
    """How many samples a recipe draws in all."""
    config = recipe_named(name)
    return config.steps * config.batch_size * config.accumulate * config.machine.num_processes


def train_run(run: RunFolder, say: Say) -> Launched:
    """Train in processes of their own. See ``training.launch.launch``. Who comes second waits, and finds it done.

    For a run that is complete no process is started.
    """
    with locked(run.root / "lock"):
        if done := run.finished():
            say(done.message)
            return Launched(done, 0.0)
        return launch(run, say)


def publish_checkpoint(lake: Lake, embodiment: Embodiment, run: RunFolder) -> tuple[Path, str]:
    """Give the checkpoint of a finished run its own place; it becomes ``checkpoint_<embodiment>`` of the lake, or
    ``embedding_checkpoint_<embodiment>`` when the run learnt an embedding.

    Raises:
        MissingInput: the run is not complete.
        CheckpointError: the run's checkpoint is broken.
    """
    from gr00t_model.training.checkpoint import Checkpoint, is_checkpoint, publish

    if not is_checkpoint(run.checkpoint):
        raise MissingInput(
            f"{run.root}: is not finished, so it left no checkpoint; run `gr00t train` again, it resumes"
        )
    with locked(lake.root / "locks" / "checkpoints"):
        folder = publish(run.checkpoint, lake.checkpoints)
    digest = Checkpoint.load(folder).digest
    lake.point(f"{_product(run.config(), 'checkpoint')}_{embodiment.name}", folder, digest)
    return folder, digest


def evaluate_checkpoint(
    lake: Lake, embodiment: Embodiment, *, tasks: Sequence[str], trials: int, swapped: bool, processes: int, say: Say
) -> "Report":
    """Evaluate the lake's current checkpoint; the report becomes ``evaluation_<embodiment>`` of the lake.

    Where a checkpoint is released, the candidate is put beside it on the same held-out episodes and scenes.

    Raises:
        MissingInput: there is no checkpoint yet.
    """
    from gr00t_model.evaluate.report import evaluate
    from gr00t_model.release import released

    before = released(lake, embodiment.name)
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
        released=before[0] if before else None,
        say=say,
    )
    lake.point(f"evaluation_{embodiment.name}", report.folder, digest_json(report.content))
    return report


def evaluation_rows(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The numbers of a report as rows: what, value, unit or interval, beside what."""
    rows = _open_loop_rows("open loop", content["open_loop"])
    for name, result in content.get("others", {}).items():
        rows += _open_loop_rows(f"open loop, {name},", result)
    if aligned := content.get("alignment"):
        share = "-" if aligned["skill"] is None else f"closes {100 * aligned['skill']:.0f}% of the gap"
        beside = f"copying the present {aligned['copied']:.4f}, {share}"
        rows.append(_row("alignment cosine", f"{aligned['predicted']:.4f}", beside, "-"))
        rank, share = aligned["variety"]["effective_rank"], aligned["variety"]["share"]
        alarm = "COLLAPSED" if aligned["variety"]["collapsed"] else "not collapsed"
        varies = f"{100 * share:.0f}% of their energy varies, {alarm}"
        rows.append(_row("alignment targets", f"effective rank {rank:.1f}", varies, "-"))
    for task, result in content["closed_loop"].items():
        for name in ("success", "wrong_object", "swapped_success"):
            if name in result:
                low, high = (100 * bound for bound in result[name]["interval_95"])
                share = f"{result[name]['hits']}/{result[name]['trials']}"
                rows.append(_row(f"{task} {name}", share, f"95% interval {low:.0f}-{high:.0f}%", "-"))
    return rows + _comparison_rows(content.get("comparison"))


def _comparison_rows(compared: dict[str, Any] | None) -> list[dict[str, Any]]:
    rows = []
    for measure in compared["measures"] if compared else ():
        low, high = measure["interval"] or (float("nan"), float("nan"))
        beside = (
            f"released {measure['released']:.3f}, difference {measure['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"
        )
        rows.append(_row(f"beside the release: {measure['name']}", f"{measure['candidate']:.3f}", beside, "-"))
    return rows


def _open_loop_rows(title: str, result: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for part, errors in [*result["parts"].items(), ("all parts", result["overall"])]:
        baselines = f"hold last {errors['hold_last']:.4f}, mean action {errors['mean_action']:.4f}"
        ratio = "-" if errors["ratio"] is None else f"{errors['ratio']:.2f}"
        rows.append(_row(f"{title} {part}", f"{errors['policy']:.4f} {errors['unit']}", baselines, ratio))
    return rows


def describe_model(
    preset: str, folder: Path | None, settings: Sequence[str], shapes_file: Path | None, flare: bool
) -> dict[str, Any]:
    """Parameter counts of a preset, or the contents of a checkpoint folder; optionally name -> shape as JSON.

    Raises:
        MissingInput: neither a preset nor a folder, or both.
        ConfigError: no such preset or field; ``WeightsError``: the folder's weights cannot be read.
    """
    from gr00t_data.disk import write_json
    from gr00t_model.describe import describe_folder, parameter_counts, preset_config, shapes_of
    from gr00t_model.groot.nvidia_weights import stored_tensors

    if bool(preset) == bool(folder):
        raise MissingInput("describe one model: --preset n1_5_3b (or nano), or --folder DIR")
    if folder is not None:
        facts = describe_folder(folder)
        shapes = {name: tensor.shape for name, tensor in stored_tensors(folder).items()}
    else:
        shapes = shapes_of(preset_config(preset, settings), flare=flare)
        facts = {"preset": preset, "tensors": len(shapes), "parameters": parameter_counts(shapes)}
    if shapes_file is not None:
        write_json(shapes_file, {name: list(shape) for name, shape in shapes.items()})
        facts["shapes"] = str(shapes_file)
    return facts


def _row(what: str, value: str, beside: str, ratio: str) -> dict[str, Any]:
    return {"what": what, "value": value, "beside": beside, "ratio to the better baseline": ratio}
