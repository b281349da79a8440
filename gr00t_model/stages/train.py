"""From a mixture to a checkpoint, stage by stage. The shell and the Dagster graph call these same functions.

No torch at import: the stages that need it import it when called.
"""

import math
from contextlib import nullcontext
from pathlib import Path

from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.integrity import IntegrityError
from gr00t_data.lake import Lake, root_above
from gr00t_data.locks import locked
from gr00t_data.progress import Say
from gr00t_data.stages.names import UnknownName
from gr00t_model.lineage.people import require_consent
from gr00t_model.lineage.record import Settings
from gr00t_model.loop.config import ConfigError
from gr00t_model.loop.launch import Launched, launch
from gr00t_model.loop.run import DamagedRun
from gr00t_model.loop.tracking import require_trackers
from gr00t_model.release.licences import require_licences
from gr00t_model.stages.checkpoints import checkpoint_named
from gr00t_model.stages.inputs import MissingInput, needed
from gr00t_model.stages.release import starting_settings
from gr00t_model.stages.settings import FinetuneSettings
from gr00t_model.training.config import Data, Mixture, Model, TrainConfig
from gr00t_model.training.key import PolicyRun, prepare_run, require_base
from gr00t_model.training.recipes import recipe as recipe_named
from gr00t_model.training.runs.extended import run_beside
from gr00t_model.training.settings import override

GROUNDED = "base_nano"
"""What a lake calls the grounded base of the nano preset."""


def new_run(
    lake: Lake,
    embodiment: Embodiment,
    settings: FinetuneSettings = FinetuneSettings(),
    embodiment_path: str = "",
    say: Say = lambda line: None,
) -> PolicyRun:
    """The run folder of a recipe on the lake's current mixture and statistics; made if it is not there. A run that
    differs only in having fewer steps goes on in it.

    Args:
        embodiment_path: the YAML the embodiment came from, when it is not a bundled one.
        say: told what goes on, or beside which run this one starts anew.

    Raises:
        MissingInput: the mixture, the statistics or the base model is missing; says what to run.
        ConfigError: no such recipe, a change that does not fit, or nothing says which weights to start from.
        ConsentError: the weights to start from have seen somebody who withdrew.
        TransformError: a binary gripper whose data are not between its two values.
        LicenceError: a mixture has the commercial profile, and the weights or another mixture do not fit it.
    """
    recipe_named(settings.recipe)  # a mistyped one is told before what a lake lacks
    first = _mixture(lake, embodiment, embodiment_path or embodiment.name)
    others = tuple(_also(lake, text) for text in settings.also)
    data = Data(**first.model_dump(), also=others, cache=str(lake.cache))
    changes = [*starting_settings(lake, embodiment, settings.start), *settings.changes]
    config = override(recipe_named(settings.recipe, data), changes)
    config = _with_embedding(lake, embodiment, with_base(lake, config))
    require_base(config)
    _require_fit(lake, config)
    _require_switches(config)
    require_trackers(config.machine.track)
    require_licences(config)
    require_consent(lake, Settings.model_validate(config.model_dump(mode="json")))
    run = run_beside(config, lake.runs, say) if settings.extend else prepare_run(config, lake.runs)
    lake.point(f"{_product(config, 'run')}_{embodiment.name}", run.root, run.key)
    return run


def _require_switches(config: TrainConfig) -> None:
    """TransformError before any process starts, when the data of a binary gripper are not between its two values."""
    from gr00t_data.batches.mixture.manifest import MixtureManifest
    from gr00t_data.batches.statistics.statistics import NormStats
    from gr00t_data.batches.transforms.transforms import require_switches_of

    for mixture in config.data.mixtures:
        selection = MixtureManifest.load(Path(mixture.manifest)).selection
        require_switches_of(load_embodiment(mixture.embodiment), selection, NormStats.load(Path(mixture.statistics)))


def _mixture(lake: Lake, embodiment: Embodiment, named: str, weight: float = 1.0) -> Mixture:
    """The lake's current mixture and statistics of an embodiment."""
    return Mixture(
        manifest=str(needed(lake, f"mixture_{embodiment.name}", f"gr00t mix --embodiment {named}")),
        statistics=str(needed(lake, f"norm_stats_{embodiment.name}", f"gr00t stats --embodiment {named}")),
        embodiment=named,
        weight=weight,
    )


def _also(lake: Lake, text: str) -> Mixture:
    named, share = also_named(text)
    return _mixture(lake, load_embodiment(named), named, share)


def also_named(text: str) -> tuple[str, float]:
    """(embodiment, weight) of ``NAME`` or ``NAME=WEIGHT``.

    Raises:
        ConfigError: the weight is no number above 0.
    """
    named, sign, weight = text.partition("=")
    try:
        share = float(weight) if sign else 1.0
    except ValueError as error:
        raise ConfigError(f"--also {text}: expected NAME or NAME=WEIGHT, for example --also so100=0.5") from error
    if not 0 < share < math.inf:
        raise ConfigError(f"--also {text}: the weight must be a finite number above 0")
    return named, share


def _product(config: TrainConfig, name: str) -> str:
    """The runs of an embedding and what they leave have names of their own beside the policy's."""
    return f"embedding_{name}" if config.model.flare.pretrain_embedding else name


def _with_embedding(lake: Lake, embodiment: Embodiment, config: TrainConfig) -> TrainConfig:
    """An action-aware target is the lake's embedding unless the user named another one."""
    flare = config.model.flare
    if flare.target != "action_aware" or flare.embedding or not flare.on or flare.pretrain_embedding:
        return config
    name = f"embedding_checkpoint_{embodiment.name}"
    found = flare.model_copy(update={"embedding": str(needed(lake, name, "gr00t train --recipe gr1_nano_embedding"))})
    return config.model_copy(update={"model": config.model.model_copy(update={"flare": found})})


def with_base(lake: Lake, config: TrainConfig) -> TrainConfig:
    """nano starts from the lake's grounded base unless the user said otherwise; checkpoints go by their names too."""
    model = config.model
    if takes_grounded_base(model):
        base = needed(lake, GROUNDED, "gr00t ground")
    elif model.base_folder is not None:
        base = _folder_named(lake, model.base)
    else:
        return config
    return config.model_copy(update={"model": model.model_copy(update={"base": str(base)})})


def _folder_named(lake: Lake, text: str) -> Path:
    try:
        return checkpoint_named(lake, text)
    except UnknownName as error:
        raise ConfigError(f"model.base: {error}; random weights are asked for with --set model.base=random") from error


def takes_grounded_base(model: Model) -> bool:
    """Whether a run starts from the grounded base of its lake: nano, where nothing else is said."""
    return model.preset == "nano" and not model.base


def needs_grounded_base(lake: Lake, embodiment: Embodiment, settings: FinetuneSettings) -> bool:
    """Whether ``new_run`` would ask the lake for its grounded base.

    Raises:
        ConfigError: no such recipe, or a change that does not fit.
    """
    changes = [*starting_settings(lake, embodiment, settings.start), *settings.changes]
    return takes_grounded_base(override(recipe_named(settings.recipe), changes).model)


def _require_fit(lake: Lake, config: TrainConfig) -> None:
    """Look at base, tokenizer and the robots' dimensions before anything is written. The grounded base as it is needs
    no look, and no torch.
    """
    model, grounded = config.model, lake.pointed(GROUNDED)
    if model.changes or model.tokenizer or grounded is None or model.base != str(grounded[0]):
        from gr00t_model.training.runs.fitting import require_fitting
        from gr00t_model.training.runs.settled import settled_sizes

        require_fitting(config, settled_sizes(model))


def samples_of(name: str) -> int:
    """How many samples a recipe draws in all."""
    config = recipe_named(name)
    return config.steps * config.batch_size * config.accumulate * config.machine.num_processes


def train_run(run: PolicyRun, say: Say) -> Launched:
    """Train in processes of their own. See ``training.launch.launch``. Who comes second waits, and finds it done.

    For a run that is complete no process is started.
    """
    root = root_above(run.run_json)
    with Lake(root).at_work() if root else nullcontext(), locked(run.root / "lock"):
        if done := run.finished():
            say(done.message)
            return Launched(done, 0.0)
        return launch(run, say)


def publish_checkpoint(lake: Lake, embodiment: Embodiment, run: PolicyRun) -> tuple[Path, str]:
    """Give the checkpoint of a finished run its own place; it becomes ``checkpoint_<embodiment>`` of the lake, or
    ``embedding_checkpoint_<embodiment>`` when the run learnt an embedding.

    Raises:
        MissingInput: the run is not complete.
        DamagedRun: the run's checkpoint is broken.
    """
    from gr00t_model.groot.weights.nvidia import WeightsError, stored_tensors
    from gr00t_model.training.checkpoint import Checkpoint, CheckpointError, is_checkpoint, publish

    if not is_checkpoint(run.checkpoint):
        raise MissingInput(
            f"{run.root}: is not finished, so it left no checkpoint; run `gr00t train` again, it resumes"
        )
    try:
        stored_tensors(run.checkpoint)
        with locked(lake.root / "locks" / "checkpoints"):
            folder = publish(run.checkpoint, lake.checkpoints)
    except (CheckpointError, IntegrityError, WeightsError) as error:
        raise DamagedRun(run.root, run.checkpoint, error) from error
    digest = Checkpoint.load(folder).digest
    lake.point(f"{_product(run.config(), 'checkpoint')}_{embodiment.name}", folder, digest)
    return folder, digest
