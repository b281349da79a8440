"""What a run starts from is settled by small files and headers, before a weight is made, read or written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gr00t_model.groot.config import ConfigError as SizesError
from gr00t_model.groot.config import GrootConfig, KeypointConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.prompt import open_prompt
from gr00t_model.groot.weights.growth import grown
from gr00t_model.groot.weights.nvidia import compare, read_config, stored_tensors
from gr00t_model.loop.config import RANDOM_BASE, ConfigError
from gr00t_model.training.config import Model
from gr00t_model.training.runs.changes import changed, preset_sizes

_WAY_OUT = f"leave them out, name a base that has them, or start from random weights (--set model.base={RANDOM_BASE})"
_READ_BY_WEIGHTS = ("eagle_cfg.", "backbone_cfg.")
_READ_EVERYWHERE = (
    ".num_attention_heads",
    ".attention_head_dim",
    ".interleave_self_attention",
    ".num_timestep_buckets",
)
"""Fields that begin or end like these: under another value, weights of the same shapes lose their meaning."""


def settled_sizes(model: Model) -> GrootConfig:
    """The sizes of the network that a run would start with, its base and its tokenizer looked at.

    Raises:
        ConfigError: the base is no folder with a model, does not fit ``model.changes``, or no preset is known.
        WeightsError: weights that are missing, cut short or pickled.
        PromptError: no tokenizer, or one of another model.
    """
    folder = model.base_folder
    if folder is None:
        sizes = preset_sizes(model.preset, model.changes)
        require_tokenizer(sizes, model)
        return sizes
    own = read_config(folder)
    try:
        sizes = changed(own, model.changes)
    except SizesError as error:
        raise ConfigError(f"model.changes: {error}, on the base {folder}; {_WAY_OUT}") from error
    _require_meaning(folder, own, model.changes)
    _require_shapes(folder, sizes, model.changes)
    open_prompt(sizes, model.tokenizer or folder)
    return sizes


def require_tokenizer(sizes: GrootConfig, model: Model) -> None:
    """The tokenizer of a network with random weights: one that is named, or one to be trained on the instructions.

    Raises:
        ConfigError: none is named, and the preset is not made for one that is trained here.
        PromptError: the named one is of another model.
    """
    if model.tokenizer:
        open_prompt(sizes, model.tokenizer)
    elif not isinstance(sizes.backbone.vision, KeypointConfig):
        raise ConfigError(
            f"model.tokenizer: the preset {model.preset} needs one, and one trained on the instructions would not fit; "
            "name the folder of Qwen3-1.7B's or of the Eagle model's (--set model.tokenizer=FOLDER)"
        )


def _require_meaning(folder: Path, own: GrootConfig, changes: Mapping[str, Any]) -> None:
    former = own.to_dict(with_defaults=True)
    wrong = [
        f"{dotted} (there {found!r}, asked for {value!r})"
        for dotted, value in changes.items()
        if (dotted.startswith(_READ_BY_WEIGHTS) or dotted.endswith(_READ_EVERYWHERE))
        and (found := _at(former, dotted)) != value
    ]
    if wrong:
        raise ConfigError(f"model.changes: {', '.join(wrong)} would make the weights of {folder} useless; {_WAY_OUT}")


def _at(values: Mapping[str, Any], dotted: str) -> Any:
    found: Any = values
    for name in dotted.split("."):
        found = found[name]
    return found


def _require_shapes(folder: Path, sizes: GrootConfig, changes: Mapping[str, Any]) -> None:
    with torch.device("meta"):
        own = Groot(sizes).state_dict()
        stored = {name: torch.empty(one.shape) for name, one in stored_tensors(folder).items()}
    tied = [f"backbone.eagle_model.language_model.{name}.weight" for name in ("lm_head", "model.embed_tokens")]
    for name, twin in (tied, tied[::-1]):
        if name not in stored and twin in stored:
            stored[name] = stored[twin]
    if not sizes.flare.enabled:
        stored = {name: tensor for name, tensor in stored.items() if not name.startswith("flare.")}
    if difference := compare(grown(stored, own) if changes else stored, own):
        asked = f" under model.changes {', '.join(changes)}" if changes else ""
        raise ConfigError(
            f"model.base: {folder} does not fit{asked}: {difference}; {_WAY_OUT if changes else 'fetch it again'}"
        )
