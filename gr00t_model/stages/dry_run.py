"""A run looked at before it is started: everything that it would read, without a weight, and its memory."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_model.lineage.chain import described_base
from gr00t_model.loop.config import ConfigError
from gr00t_model.stages.release import starting_settings
from gr00t_model.stages.settings import FinetuneSettings
from gr00t_model.stages.train import GROUNDED, also_named, takes_grounded_base, with_base
from gr00t_model.training.config import Data, Mixture, TrainConfig
from gr00t_model.training.key import base_digest
from gr00t_model.training.recipes import recipe as recipe_named
from gr00t_model.training.settings import override

if TYPE_CHECKING:
    from gr00t_model.training.memory import Plan

_GB = 1e9


@dataclass(frozen=True)
class DryRun:
    """What a run would be.

    Attributes:
        base: what it would start from, or what is missing for it to start.
        inputs: the mixtures it would read, or what is missing.
        card_bytes: memory of the card that is there or was named; None where there is none.
        card: its name.
    """

    config: TrainConfig
    plan: "Plan"
    base: str
    inputs: str
    card: str
    card_bytes: float | None

    @property
    def fits(self) -> bool:
        """Whether the estimate is within the memory of the card, where there is one."""
        return self.card_bytes is None or self.plan.total <= self.card_bytes

    def facts(self) -> dict[str, str]:
        """For people, beside the plan."""
        if self.card_bytes is None:
            memory = "no card is here, and none was named (--card 24)"
        else:
            told = f"{self.plan.total / _GB:.2f} of {self.card_bytes / _GB:.2f} GB of {self.card}"
            ways = "--tune low_memory, model.lora.rank, machine.gradient_checkpointing=true or a smaller batch_size"
            memory = f"fits: {told}" if self.fits else f"DOES NOT FIT: {told}; try {ways}"
        return {"base": self.base, "inputs": self.inputs, "card": memory}


def dry_run(lake: Lake, settings: FinetuneSettings, embodiment: str = "gr1", card_gb: float | None = None) -> DryRun:
    """Look at everything that a run would read, as far as it is there: recipe, settings, robots, base, tokenizer,
    dimensions. Needs no lake and makes no weights.

    Args:
        card_gb: memory of the card to hold the estimate against, in GB of 10**9 bytes; None: the one that is here.

    Raises:
        ConfigError: no such recipe, or something that does not fit; ``WeightsError``, ``PromptError``: of the base.
        EmbodimentError: no such robot.
    """
    import torch

    from gr00t_model.training.memory import plan
    from gr00t_model.training.runs.changes import preset_sizes
    from gr00t_model.training.runs.fitting import require_fitting
    from gr00t_model.training.runs.settled import settled_sizes

    if card_gb is not None and not 0 < card_gb < float("inf"):
        raise ConfigError(f"--card {card_gb}: expected the memory of a card in GB, for example --card 24")
    config, inputs = _config(lake, settings, embodiment)
    waits = takes_grounded_base(config.model) and lake.pointed(GROUNDED) is None
    if not waits:
        config = with_base(lake, config)
    model = config.model
    sizes = settled_sizes(model) if model.base else preset_sizes(model.preset, model.changes)
    require_fitting(config, sizes)
    name, there = _card(card_gb)
    planned = plan(config, on_gpu=card_gb is not None or torch.cuda.is_available())
    return DryRun(config, planned, _told_base(config, waits=waits), inputs, name, there)


def _config(lake: Lake, settings: FinetuneSettings, embodiment: str) -> tuple[TrainConfig, str]:
    """The configuration with what the lake has of its inputs, and what it lacks."""
    robots = [(embodiment, 1.0), *map(also_named, settings.also)]
    first, *others = (_mixture(lake, name, weight) for name, weight in robots)
    data = Data(**first.model_dump(), also=tuple(others), cache=str(lake.cache))
    changes = [*starting_settings(lake, load_embodiment(embodiment), settings.start), *settings.changes]
    config = override(recipe_named(settings.recipe, data), changes)
    found = [one.manifest or f"no mixture of {one.embodiment} in {lake.root} yet" for one in config.data.mixtures]
    return config, ", ".join(found)


def _mixture(lake: Lake, name: str, weight: float) -> Mixture:
    robot = load_embodiment(name)
    manifest, statistics = (lake.pointed(f"{what}_{robot.name}") for what in ("mixture", "norm_stats"))
    return Mixture(
        manifest=str(manifest[0]) if manifest else "",
        statistics=str(statistics[0]) if statistics else "",
        embodiment=name,
        weight=weight,
    )


def _told_base(config: TrainConfig, *, waits: bool) -> str:
    folder = config.model.base_folder
    if folder is not None:
        return described_base(config.model.base, base_digest(folder))
    if config.model.base:
        return described_base(config.model.base, "")
    if waits:
        return "the grounded base, which the lake does not have yet (`gr00t ground`)"
    return "NOT NAMED: the run is refused until one is (--set model.base=FOLDER, or --set model.base=random)"


def _card(card_gb: float | None) -> tuple[str, float | None]:
    import torch

    if card_gb is not None:
        return "the named card", card_gb * _GB
    if torch.cuda.is_available():
        return torch.cuda.get_device_name(), float(torch.cuda.mem_get_info()[1])
    return "", None
