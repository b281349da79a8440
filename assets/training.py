"""Group train: the base model, the fine-tuning run and the checkpoint it leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import dagster as dg
from pydantic import Field

from assets.declaring import asset_of
from assets.mixtures import MixtureConfig, StatisticsConfig, data_source, make_mixture, make_statistics, sources_of
from assets.recording import record, register
from assets.reporting import Made, every_tenth, figure, table
from assets.settings import config_of
from assets.teleop import TeleopConfig, make_store, teleop_version
from assets.versions import code_version
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.sources.sim.body import ROBOT

if TYPE_CHECKING:
    from gr00t_model.loop.run import Outcome
from gr00t_model.stages.settings import FinetuneSettings, GroundSettings
from gr00t_model.training.key import PolicyRun


class BaseConfig(config_of(GroundSettings)):
    """How the small base model is grounded."""


class FinetuneConfig(config_of(FinetuneSettings)):
    """What is trained, and what happens when its inputs are missing."""

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
    from gr00t_model.stages.base import base_model

    folder, digest = base_model(lake, config, progress=every_tenth(log, "steps", "grounding: "))
    return Made(folder, digest, read_json(folder / "grounding.json"))


def make_run(embodiment: Embodiment, config: FinetuneConfig, lake: Lake, log: dg.DagsterLogManager) -> Made:
    """Train in a process group that ends with this step, and report the losses."""
    from gr00t_model.lineage.chain import described_base
    from gr00t_model.loop.loss_figure import loss_figure
    from gr00t_model.stages.train import new_run, train_run

    run = new_run(lake, embodiment, config, say=log.info)
    log.info(f"run folder {run.root}; a cancel saves the state before the processes end")
    launched = train_run(run, log.info)
    outcome = launched.outcome
    require_all_steps(run, outcome, embodiment.name)
    records = run.records()
    metadata = {
        "recipe": config.recipe,
        "base": described_base(run.config().model.base, ""),
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


def require_all_steps(run: "PolicyRun", outcome: "Outcome", name: str) -> None:
    """Refuse a run that did not do its steps; a green run that trained nothing would be released.

    Raises:
        dagster.Failure: it was interrupted, or says that it is complete and is not.
    """
    steps = run.config().steps
    if outcome.state != "complete":
        raise dg.Failure(
            f"{run.root}: training ended {outcome.state} at step {outcome.step}: {outcome.message}; "
            f"materialize finetune_{name} again, it resumes there",
            allow_retries=False,
        )
    if outcome.step < steps:
        raise dg.Failure(f"{run.root}: says it is complete after {outcome.step} of {steps} steps", allow_retries=False)


def _data_source(embodiment: Embodiment, lake: Lake) -> str:
    from gr00t_data.batches.mixture.manifest import MixtureManifest

    pointed = lake.pointed(f"mixture_{embodiment.name}")
    return data_source(MixtureManifest.load(pointed[0])) if pointed else ""


@dataclass(frozen=True)
class Input:
    """Something that a run needs: whether the lake lacks it, how it is built, and what Dagster is to know of it."""

    key: str
    missing: bool
    build: Callable[[], Made]
    version: str
    partition: str | None = None
    made_of: tuple[str, ...] = ()


def inputs_of(embodiment: Embodiment, config: FinetuneConfig, lake: Lake, log: dg.DagsterLogManager) -> list[Input]:
    """What ``finetune_<embodiment>`` reads, in the order in which it is built."""
    from gr00t_data.stages.ingest import SIMULATOR, simulator_name
    from gr00t_data.stages.stores import sealed_stores
    from gr00t_model.stages.train import needs_grounded_base

    name = embodiment.name
    is_empty = not sealed_stores(lake, embodiment)
    recorded = simulator_name(lake) if is_empty else SIMULATOR
    return [
        Input(
            "teleop_episodes",
            is_empty,
            lambda: make_store(recorded, simulated(embodiment, config.simulator, lake), lake, log),
            teleop_version(),
            partition=recorded,
        ),
        Input(
            f"norm_stats_{name}",
            lake.pointed(f"norm_stats_{name}") is None,
            lambda: make_statistics(embodiment, StatisticsConfig(), lake),
            code_version("norm_stats", embodiment),
            made_of=sources_of(name),
        ),
        Input(
            f"mixture_{name}",
            lake.pointed(f"mixture_{name}") is None,
            lambda: make_mixture(embodiment, MixtureConfig(), lake),
            code_version("mixture", embodiment),
            made_of=sources_of(name),
        ),
        Input(
            "base_nano",
            needs_grounded_base(lake, embodiment, config) and lake.pointed("base_nano") is None,
            lambda: make_base(config.base, lake, log),
            code_version("base_nano"),
        ),
    ]


def simulated(embodiment: Embodiment, config: TeleopConfig, lake: Lake) -> TeleopConfig:
    """How the simulator records a robot.

    Raises:
        dagster.Failure: it does not have this robot.
    """
    if embodiment.name != ROBOT:
        raise dg.Failure(
            f"{lake.root}: holds no episode of {embodiment.name}, and the simulator has no such robot; land a drop "
            f"whose _SUCCESS says `embodiment: {embodiment.name}`",
            allow_retries=False,
        )
    return config.model_copy(update={"embodiment": embodiment.name, "simulate": True})


def ensure_inputs(
    context: dg.AssetExecutionContext, embodiment: Embodiment, config: FinetuneConfig, lake: Lake
) -> None:
    """Build what is missing upstream with the assets' own bodies, and record each as a materialization.

    Raises:
        dagster.Failure: something is missing and ``on_missing_input`` is ``fail``.
    """
    missing = [one for one in inputs_of(embodiment, config, lake, context.log) if one.missing]
    if missing and config.on_missing_input == "fail":
        raise dg.Failure(
            f"finetune_{embodiment.name} has no {', '.join(one.key for one in missing)} in {lake.root}; run: "
            f"dagster asset materialize --select '*finetune_{embodiment.name}'",
            allow_retries=False,
        )
    for one in missing:
        context.log.warning(f"{one.key} is missing: building it here, validated as in the graph")
        made = one.build()
        if one.partition:
            context.log.warning("no demonstrations in the lake: these come from the simulator (data_source: simulator)")
            register(context, "drops", one.partition)
        record(context, one.key, made, one.version, partition=one.partition, inputs=one.made_of)


def training_assets(embodiment: Embodiment) -> list[dg.AssetsDefinition]:
    """``finetune_<embodiment>`` and ``checkpoint_<embodiment>``."""
    name = embodiment.name

    def ensure_and_run(context: dg.AssetExecutionContext, config: FinetuneConfig, lake: Lake) -> Made:
        ensure_inputs(context, embodiment, config, lake)
        return make_run(embodiment, config, lake, context.log)

    finetune = asset_of(
        f"finetune_{name}",
        code_version("finetune", embodiment),
        FinetuneConfig,
        ensure_and_run,
        deps=[f"norm_stats_{name}", f"mixture_{name}", "base_nano"],
        group="train",
        kinds={"pytorch", "huggingface"},
        team="robot-learning",
        pool="gpu",
        description=(
            f"One GR00T N1.5 fine-tuning run for `{name}`: flow matching + FLARE, started with `accelerate launch` as "
            "a process group that ends with its Dagster run. The run folder is keyed by mixture, statistics, base, "
            "configuration, code and library versions: equal work is done once, an interrupted run resumes bit for bit."
        ),
    )

    checkpoint = asset_of(
        f"checkpoint_{name}",
        code_version("checkpoint", embodiment),
        dg.Config,
        lambda _, config, lake: make_checkpoint(embodiment, lake),
        deps=[f"finetune_{name}"],
        group="train",
        kinds={"pytorch", "safetensors"},
        team="robot-learning",
        description=(
            f"The policy that the last run of `{name}` left, in a folder that stands on its own: weights, statistics, "
            "embodiment, manifest, configuration, versions, and every episode the weights have seen."
        ),
    )
    return [finetune, checkpoint]


def make_checkpoint(embodiment: Embodiment, lake: Lake) -> Made:
    """Publish the checkpoint of the last run."""
    from gr00t_model.stages.inputs import MissingInput
    from gr00t_model.stages.train import publish_checkpoint
    from gr00t_model.training.checkpoint import Checkpoint
    from gr00t_model.training.key import PolicyRun

    pointed = lake.pointed(f"run_{embodiment.name}")
    if pointed is None:
        raise MissingInput(f"{lake.root}: has no run of {embodiment.name} yet; materialize finetune_{embodiment.name}")
    folder, digest = publish_checkpoint(lake, embodiment, PolicyRun(pointed[0]))
    checkpoint = Checkpoint.load(folder)
    kinds = sorted({episode.kind for episode in checkpoint.episodes})
    metadata = {
        "recipe": checkpoint.train_config.recipe,
        "steps": checkpoint.steps,
        "mixture": checkpoint.manifest.digest[:16],
        "kinds": ", ".join(kinds),
        "licences": ", ".join(sorted({episode.licence for episode in checkpoint.episodes})),
        "episodes seen": table([episode.facts() for episode in checkpoint.episodes]),
        "megabytes": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 1),
    }
    return Made(folder, digest, metadata)


base_nano = asset_of(
    "base_nano",
    code_version("base_nano"),
    BaseConfig,
    lambda context, config, lake: make_base(config, lake, context.log),
    group="train",
    kinds={"pytorch", "mujoco"},
    team="robot-learning",
    description=(
        "The base model of the nano preset: its vision-language model learns on simulator stills to point at the "
        "object that the instruction names, and is frozen afterwards. It stands where nvidia/GR00T-N1.5-3B stands for "
        "the full preset."
    ),
)
