"""From a mixture to a checkpoint, stage by stage. The shell and the Dagster graph call these same functions.

No torch at import: the stages that need it import it when called.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.locks import locked
from gr00t_data.progress import Say
from gr00t_model.lineage.people import require_consent
from gr00t_model.lineage.record import Settings
from gr00t_model.loop.config import ConfigError
from gr00t_model.loop.launch import Launched, launch
from gr00t_model.release.licences import require_licences
from gr00t_model.stages.inputs import MissingInput, needed
from gr00t_model.stages.release import starting_settings
from gr00t_model.stages.settings import FinetuneSettings
from gr00t_model.training.config import Data, Mixture, TrainConfig
from gr00t_model.training.key import PolicyRun, prepare_run
from gr00t_model.training.recipes import recipe as recipe_named
from gr00t_model.training.settings import override

if TYPE_CHECKING:
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


def new_run(
    lake: Lake, embodiment: Embodiment, settings: FinetuneSettings = FinetuneSettings(), embodiment_path: str = ""
) -> PolicyRun:
    """The run folder of a recipe on the lake's current mixture and statistics; made if it is not there.

    Args:
        embodiment_path: the YAML the embodiment came from, when it is not a bundled one.

    Raises:
        MissingInput: the mixture, the statistics or the base model is missing; says what to run.
        ConfigError: no such recipe, or a change that does not fit.
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
    config = _with_embedding(lake, embodiment, _with_base(lake, config))
    _require_switches(config)
    require_licences(config)
    require_consent(lake, Settings.model_validate(config.model_dump(mode="json")))
    run = prepare_run(config, lake.runs)
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
    found = flare.model_copy(update={"embedding": str(needed(lake, name, "gr00t train --recipe gr1_nano_embedding"))})
    return config.model_copy(update={"model": config.model.model_copy(update={"flare": found})})


def training_plan(settings: FinetuneSettings, embodiment: str = "gr1") -> tuple[TrainConfig, "Plan"]:
    """What a recipe would train on this machine and the memory it would take. Needs no lake and makes no weights.

    Raises:
        ConfigError: no such recipe, or a change that does not fit.
    """
    import torch

    from gr00t_model.training.memory import plan

    config = override(recipe_named(settings.recipe, Data(embodiment=embodiment)), settings.changes)
    return config, plan(config, on_gpu=torch.cuda.is_available())


def _with_base(lake: Lake, config: TrainConfig) -> TrainConfig:
    """nano starts from the lake's grounded base unless the user named another one, or changed what the base has."""
    resized = config.model.changes.keys() - _CHANGES_OF_A_BASE
    if config.model.preset != "nano" or config.model.base or resized:
        return config
    base = needed(lake, "base_nano", "gr00t ground")
    return config.model_copy(update={"model": config.model.model_copy(update={"base": str(base)})})


def samples_of(name: str) -> int:
    """How many samples a recipe draws in all."""
    config = recipe_named(name)
    return config.steps * config.batch_size * config.accumulate * config.machine.num_processes


def train_run(run: PolicyRun, say: Say) -> Launched:
    """Train in processes of their own. See ``training.launch.launch``. Who comes second waits, and finds it done.

    For a run that is complete no process is started.
    """
    with locked(run.root / "lock"):
        if done := run.finished():
            say(done.message)
            return Launched(done, 0.0)
        return launch(run, say)


def publish_checkpoint(lake: Lake, embodiment: Embodiment, run: PolicyRun) -> tuple[Path, str]:
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
