"""The model a run starts from: a folder with config.json, safetensors and a tokenizer."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gr00t_data.batches.mixture import MixtureManifest
from gr00t_data.disk import replacing_folder
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.nvidia_weights import load, save
from gr00t_model.groot.presets import PRESETS
from gr00t_model.groot.prompt import Prompt, train_tokenizer
from gr00t_model.training.config import ConfigError, Model, TrainConfig
from gr00t_model.training.run import RunFolder, base_digest


@dataclass(frozen=True)
class Base:
    """A model ready to be trained, its tokenizer, and the digest of the folder they came from."""

    model: Groot
    prompt: Prompt
    digest: str


def open_base(config: TrainConfig, run: RunFolder) -> Base:
    """Load the base of ``config``, or make a fresh one in the run's folder first.

    Raises:
        ConfigError: an unknown preset, or a folder without a model.
    """
    folder = Path(config.model.base) if config.model.base else run.fresh_base
    if not config.model.base and not folder.is_dir():
        manifest = MixtureManifest.load(Path(config.data.manifest))
        make_base(folder, config.model, instructions(manifest), config.seed)
    digest = base_digest(folder)
    torch.manual_seed(config.seed)  # parameters that a published base lacks are drawn now, alike on every rank
    model = with_training_switches(load(folder), config.model)
    return Base(model, Prompt.load(folder / "tokenizer"), digest)


def instructions(manifest: MixtureManifest) -> list[str]:
    """Every instruction of a manifest once, sorted."""
    return sorted({entry.instruction for source in manifest.sources for entry in source.episodes})


def make_base(folder: Path, model: Model, texts: Iterable[str], seed: int) -> None:
    """Write a model with random weights, and a tokenizer trained on ``texts``, in one step.

    Raises:
        ConfigError: an unknown preset.
    """
    if model.preset not in PRESETS:
        raise ConfigError(f"model.preset: expected one of {', '.join(PRESETS)}, found {model.preset!r}")
    config = changed(PRESETS[model.preset](), model.changes)
    with replacing_folder(folder) as temporary:
        train_tokenizer(texts, temporary / "tokenizer", config.backbone.vision.tokens_per_image)
        torch.manual_seed(seed)
        save(Groot(config), temporary)


def changed(config: GrootConfig, changes: dict[str, Any]) -> GrootConfig:
    """``config`` with dotted fields of its dictionary replaced (``action_head_cfg.action_horizon``).

    Raises:
        ConfigError: no such field.
    """
    fields = config.to_dict()
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        section: Any = fields
        for name in path:
            section = section.get(name) if isinstance(section, dict) else None
        if not isinstance(section, dict) or last not in section:
            raise ConfigError(f"model.changes: the model has no field {dotted!r}")
        section[last] = value
    return GrootConfig.from_dict(fields)


def with_training_switches(model: Groot, chosen: Model) -> Groot:
    """Set what trains and which losses count, whatever the base was trained with."""
    tune = chosen.tune
    flare = replace(model.config.flare, enabled=chosen.flare.on, coefficient=chosen.flare.coefficient)
    if chosen.flare.on and model.flare is None:
        raise ConfigError("model.flare.on: the base model has no FLARE projector; use --set model.flare.on=false")
    if not chosen.flare.on:
        model.flare = None
    model.config = replace(model.config, flare=flare)
    model.freeze(tune.visual, tune.llm, tune.projector, tune.diffusion_model)
    return model
