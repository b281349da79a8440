"""The model a run starts from: a folder with config.json, safetensors and a tokenizer."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.disk import replacing_folder
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.integrity import write_record
from gr00t_model.groot.model import Groot
from gr00t_model.groot.prompt import Prompt, open_prompt, train_tokenizer
from gr00t_model.groot.recompute import enable_gradient_checkpointing
from gr00t_model.groot.weights.nvidia import load, read_config, save
from gr00t_model.groot.weights.own_slots import train_slots
from gr00t_model.lineage.chain import random_weights, write_chain
from gr00t_model.training.alignment_target import set_flare
from gr00t_model.training.config import Model, TrainConfig
from gr00t_model.training.key import PolicyRun, base_digest, require_base
from gr00t_model.training.runs.changes import changed, preset_sizes
from gr00t_model.training.runs.settled import require_tokenizer


@dataclass(frozen=True)
class Base:
    """A model ready to be trained, its tokenizer, and the digest of the folder they came from."""

    model: Groot
    prompt: Prompt
    digest: str


def open_base(config: TrainConfig, run: PolicyRun) -> Base:
    """Load the base of ``config``, or make one of random weights in the run's folder first, where it asks for that.

    Raises:
        ConfigError: nothing says what to start from, an unknown preset, or a folder without a model.
    """
    require_base(config)
    folder = run.base_of(config)
    if config.model.base_folder is None and not folder.is_dir():
        texts = {text for mixture in config.data.mixtures for text in _texts(Path(mixture.manifest))}
        make_base(folder, config.model, texts, config.seed)
    digest = base_digest(folder)
    torch.manual_seed(config.seed)  # parameters that a published base lacks are drawn now, alike on every rank
    model = load(folder, changed(read_config(folder), config.model.changes))
    model = with_training_switches(model, config.model, folder)
    if config.machine.gradient_checkpointing:
        enable_gradient_checkpointing(model)
    add_own_weights(model, config)
    return Base(model, open_prompt(model.config, config.model.tokenizer or folder), digest)


def copy_tokenizer(config: TrainConfig, base: Path, target: Path) -> None:
    """Put the tokenizer that a run trains with into the folder ``target``."""
    source = Path(config.model.tokenizer) if config.model.tokenizer else base
    if (source / "tokenizer").is_dir():
        shutil.copytree(source / "tokenizer", target)
    else:
        model = changed(read_config(base), config.model.changes)
        open_prompt(model, source).save(target)


def add_own_weights(model: Groot, config: TrainConfig) -> None:
    """Give ``model`` the weights that this run alone trains: LoRA when the configuration has it, and, of the slots,
    those of the run's embodiments.
    """
    chosen, lora, slots = config.model, config.model.lora, slots_in_use(config)
    if lora.on:
        from gr00t_model.groot.lora import add_lora  # only those who train adapters need peft

        add_lora(model, lora.rank, lora.alpha, lora.dropout, lora.scope, slots if lora.train_slots else ())
    elif chosen.tune.projector and not chosen.train_all_slots:
        train_slots(model, slots)


def slots_in_use(config: TrainConfig) -> tuple[int, ...]:
    """The slots of the embodiments that the run's data come from, and those that stores of the mixtures ask for."""
    found = set()
    for mixture in config.data.mixtures:
        slot = load_embodiment(mixture.embodiment).slot
        found |= {slot, *(MixtureManifest.load(Path(mixture.manifest)).slots(slot) if mixture.manifest else ())}
    return tuple(sorted(found))


def _texts(manifest: Path) -> list[str]:
    return instructions(MixtureManifest.load(manifest))


def instructions(manifest: MixtureManifest) -> list[str]:
    """Every instruction of a manifest once, sorted."""
    return sorted({text for source in manifest.sources for entry in source.episodes for text in entry.texts})


def make_base(folder: Path, model: Model, texts: Iterable[str], seed: int) -> None:
    """Write a model with random weights, and its tokenizer, in one step: the one that ``model`` names, or one trained
    on ``texts``.

    Raises:
        ConfigError: an unknown preset, or one that no tokenizer trained here fits.
        PromptError: the named tokenizer is of another model.
    """
    config = preset_sizes(model.preset, model.changes)
    require_tokenizer(config, model)
    with replacing_folder(folder) as temporary:
        if model.tokenizer:
            open_prompt(config, model.tokenizer).save(temporary / "tokenizer")
        else:
            train_tokenizer(texts, temporary / "tokenizer", config.backbone.vision.tokens_per_image)
        torch.manual_seed(seed)
        save(Groot(config), temporary)
        write_chain(temporary, [random_weights()])
        write_record(temporary)  # last: it names every file


def with_training_switches(model: Groot, chosen: Model, folder: Path) -> Groot:
    """Set what trains and which losses count, whatever the base was trained with."""
    tune = chosen.tune
    set_flare(model, chosen, folder)
    model.freeze(tune.visual, tune.llm, tune.projector, tune.diffusion_model)
    return model
