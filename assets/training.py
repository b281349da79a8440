"""Group train: the base model, the fine-tuning run and the checkpoint it leaves."""

from collections.abc import Callable
from typing import Literal

import dagster as dg
from pydantic import Field

from assets.mixtures import MixtureConfig, StatisticsConfig, make_mixture, make_statistics
from assets.reporting import Made, figure, table
from assets.teleop import TeleopConfig, make_store, register
from gr00t_data.embodiment import Embodiment
from gr00t_data.lake import Lake


class BaseConfig(dg.Config):
    """How the small base model is grounded."""

    stills: int = Field(default=4000, ge=16, description="Simulator stills to learn 'where is the named object' from.")
    seed: int = Field(default=0, ge=0, description="Seed of the stills and of the weights.")


class FinetuneConfig(dg.Config):
    """What is trained, and what happens when its inputs are missing."""

    recipe: str = Field(
        default="gr1_nano", description="A recipe: gr1_nano, gr1_nano_long, gr1_nano_tiny, gr1_n1_5_3b."
    )
    settings: list[str] = Field(
        default=[], description="Changes to the recipe, each 'a.b=c', for example 'optimizer.lr=3e-4'."
    )
    start: Literal["base", "released"] = Field(
        default="base", description="Train from the base model, or on from the released checkpoint where there is one."
    )
    on_missing_input: Literal["ensure", "fail"] = Field(
        default="ensure",
        description="'ensure' builds missing inputs as the graph would and records them; 'fail' stops.",
    )
    simulator: TeleopConfig = Field(
        default=TeleopConfig(), description="What 'ensure' records when the lake holds no episode."
    )
    base: BaseConfig = Field(default=BaseConfig(), description="How 'ensure' grounds the base model.")


def make_base(config: BaseConfig, lake: Lake, log: dg.DagsterLogManager) -> Made:
    """Ground the base model of the nano preset."""
    from gr00t_data.disk import read_json
    from gr00t_model.stages import base_model

    said = 0

    def progress(done: int, total: int) -> None:
        nonlocal said
        if (tenth := 10 * done // total) > said:
            said = tenth
            log.info(f"grounding: {done} of {total} steps")

    folder, digest = base_model(lake, stills=config.stills, seed=config.seed, progress=progress)
    return Made(folder, digest, read_json(folder / "grounding.json"))


def make_run(
    embodiment: Embodiment, source: str, config: FinetuneConfig, lake: Lake, log: dg.DagsterLogManager
) -> Made:
    """Train in a process group that ends with this step, and report the losses."""
    from gr00t_model.evaluate.report import loss_figure
    from gr00t_model.gate import starting_settings
    from gr00t_model.stages import new_run, train_run

    settings = [*starting_settings(lake, embodiment, config.start), *config.settings]
    run = new_run(lake, embodiment, config.recipe, settings, embodiment_path=source)
    log.info(f"run folder {run.root}; a cancel saves the state before the processes end")
    launched = train_run(run, log.info)
    outcome = launched.outcome
    if outcome.state != "complete":
        raise dg.Failure(
            f"{run.root}: training ended {outcome.state} at step {outcome.step}: {outcome.message}; "
            f"materialize finetune_{embodiment.name} again, it resumes there",
            allow_retries=False,
        )
    if outcome.step < run.config().steps:
        raise dg.Failure(f"{run.root}: says it is complete after {outcome.step} of {run.config().steps} steps")
    records = run.records()
    metadata = {
        "recipe": config.recipe,
        "step": outcome.step,
        "steps done now": outcome.steps_done,
        "seconds": round(launched.seconds, 1),
        "peak memory, MB": outcome.peak_memory_bytes // 1_000_000,
        "data_source": _data_source(embodiment, lake),
        **{f"loss {name}": round(value, 5) for name, value in outcome.losses.items()},
        "losses": table(records[:: max(len(records) // 50, 1)]),
        "loss curve": figure(loss_figure(records), "loss curve"),
        "tensorboard": dg.MetadataValue.path(str(run.tensorboard)),
    }
    return Made(run.root, run.key, metadata)


def _data_source(embodiment: Embodiment, lake: Lake) -> str:
    from gr00t_data.batches.mixture import MixtureManifest

    pointed = lake.pointed(f"mixture_{embodiment.name}")
    kinds = {source.kind for source in MixtureManifest.load(pointed[0]).sources} if pointed else set()
    return "simulator" if kinds == {"simulated"} else "+".join(sorted(kinds))


def ensure_inputs(
    context: dg.AssetExecutionContext, embodiment: Embodiment, source: str, config: FinetuneConfig, lake: Lake
) -> None:
    """Build what is missing upstream with the assets' own bodies, and record each as a materialization.

    Raises:
        dagster.Failure: something is missing and ``on_missing_input`` is ``fail``.
    """
    from gr00t_data.stages import SIMULATOR, sealed_stores

    name = embodiment.name
    simulator = config.simulator.model_copy(update={"embodiment": source})
    steps: list[tuple[str, bool, str | None, Callable[[], Made]]] = [
        (
            "teleop_episodes",
            not sealed_stores(lake, embodiment),
            SIMULATOR,
            lambda: make_store(SIMULATOR, simulator, lake, context.log),
        ),
        (
            f"norm_stats_{name}",
            lake.pointed(f"norm_stats_{name}") is None,
            None,
            lambda: make_statistics(embodiment, StatisticsConfig(), lake),
        ),
        (
            f"mixture_{name}",
            lake.pointed(f"mixture_{name}") is None,
            None,
            lambda: make_mixture(embodiment, MixtureConfig(), lake),
        ),
        (
            "base_nano",
            "nano" in config.recipe and lake.pointed("base_nano") is None,
            None,
            lambda: make_base(config.base, lake, context.log),
        ),
    ]
    missing = [key for key, is_missing, _, _ in steps if is_missing]
    if missing and config.on_missing_input == "fail":
        raise dg.Failure(
            f"finetune_{name} has no {', '.join(missing)} in {lake.root}; run: "
            f"dagster asset materialize --select '*finetune_{name}'",
            allow_retries=False,
        )
    for key, is_missing, partition, build in steps:
        if not is_missing:
            continue
        made = _built(context, key, build)
        if partition:
            context.log.warning("no demonstrations in the lake: these come from the simulator (data_source: simulator)")
            register(context, partition)
        context.log_event(made.event(key, partition))


def _built(context: dg.AssetExecutionContext, key: str, build: Callable[[], Made]) -> Made:
    context.log.warning(f"{key} is missing: building it here, validated as in the graph")
    return build()


def training_assets(embodiment: Embodiment, source: str) -> list[dg.AssetsDefinition]:
    """``finetune_<embodiment>`` and ``checkpoint_<embodiment>``. ``source``: name or YAML path of the embodiment."""
    name = embodiment.name

    @dg.asset(
        name=f"finetune_{name}",
        deps=[f"norm_stats_{name}", f"mixture_{name}", "base_nano"],
        group_name="train",
        kinds={"pytorch", "huggingface"},
        owners=["team:robot-learning"],
        pool="gpu",
        code_version="1",
        description=(
            f"One GR00T N1.5 fine-tuning run for `{name}`: flow matching + FLARE, started with `accelerate launch` as "
            "a process group that ends with its Dagster run. The run folder is keyed by mixture, statistics, base, "
            "configuration and code, so equal work is done once, and an interrupted run resumes bit for bit."
        ),
    )
    def finetune(
        context: dg.AssetExecutionContext, config: FinetuneConfig, lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult:
        ensure_inputs(context, embodiment, source, config, lake)
        return make_run(embodiment, source, config, lake, context.log).result()

    @dg.asset(
        name=f"checkpoint_{name}",
        deps=[f"finetune_{name}"],
        group_name="train",
        kinds={"pytorch", "safetensors"},
        owners=["team:robot-learning"],
        code_version="1",
        description=(
            f"The policy that the last run of `{name}` left, in a folder that stands on its own: weights, statistics, "
            "embodiment, manifest, configuration, versions, and every episode the weights have seen."
        ),
    )
    def checkpoint(lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        return make_checkpoint(embodiment, lake).result()

    return [finetune, checkpoint]


def make_checkpoint(embodiment: Embodiment, lake: Lake) -> Made:
    """Publish the checkpoint of the last run."""
    from gr00t_model.stages import MissingInput, publish_checkpoint
    from gr00t_model.training.checkpoint import Checkpoint
    from gr00t_model.training.run import RunFolder

    pointed = lake.pointed(f"run_{embodiment.name}")
    if pointed is None:
        raise MissingInput(f"{lake.root}: has no run of {embodiment.name} yet; materialize finetune_{embodiment.name}")
    folder, digest = publish_checkpoint(lake, embodiment, RunFolder(pointed[0]))
    checkpoint = Checkpoint.load(folder)
    kinds = sorted({str(episode["kind"]) for episode in checkpoint.episodes})
    metadata = {
        "recipe": checkpoint.train_config.recipe,
        "steps": checkpoint.metrics["step"],
        "mixture": checkpoint.manifest.digest[:16],
        "kinds": ", ".join(kinds),
        "licences": ", ".join(sorted({str(episode["licence"]) for episode in checkpoint.episodes})),
        "episodes seen": table(checkpoint.episodes),
        "megabytes": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 1),
    }
    return Made(folder, digest, metadata)


@dg.asset(
    name="base_nano",
    group_name="train",
    kinds={"pytorch", "mujoco"},
    owners=["team:robot-learning"],
    code_version="1",
    description=(
        "The base model of the nano preset: its vision-language model learns on simulator stills to point at the "
        "object that the instruction names, and is frozen afterwards. It stands where nvidia/GR00T-N1.5-3B stands for "
        "the full preset."
    ),
)
def base_nano(
    context: dg.AssetExecutionContext, config: BaseConfig, lake: dg.ResourceParam[Lake]
) -> dg.MaterializeResult:
    """Ground the base model."""
    return make_base(config, lake, context.log).result()
