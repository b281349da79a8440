"""What a model or a checkpoint folder consists of: names, shapes and counts, without reading a weight."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gr00t_data.batches.statistics.metadata import METADATA, tags_of
from gr00t_model.groot.config import GrootConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.presets import PRESETS
from gr00t_model.groot.weights.nvidia import Difference, compare, read_config, stored_tensors
from gr00t_model.loop.config import ConfigError
from gr00t_model.training.config import TrainConfig
from gr00t_model.training.runs.changes import preset_sizes
from gr00t_model.training.settings import override

Shapes = dict[str, tuple[int, ...]]

_COUNTED = {
    "total": "",
    "backbone": "backbone.",
    "vision tower": "backbone.eagle_model.vision_model.",
    "language model": "backbone.eagle_model.language_model.",
    "action head": "action_head.",
    "diffusion transformer": "action_head.model.",
    "adapter": "action_head.vl_self_attention.",
    "flare": "flare.",
}
"""What is counted: its title, and how the names of its tensors begin."""


def preset_config(name: str, settings: Sequence[str] = ()) -> GrootConfig:
    """A preset with ``field=value`` changes, the fields dotted as in config.json.

    Raises:
        ConfigError: no such preset or field.
    """
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}; expected one of {', '.join(PRESETS)}")
    chosen = override(TrainConfig(recipe=name, steps=1, batch_size=1), [f"model.changes.{text}" for text in settings])
    return preset_sizes(name, chosen.model.changes)


def shapes_of(config: GrootConfig, *, flare: bool = False) -> Shapes:
    """Name -> shape of a model's state dict, made on the meta device: no memory, no weights.

    Args:
        flare: with the tensors of FLARE, which published checkpoints do not have.
    """
    config = config if flare else replace(config, flare=replace(config.flare, enabled=False))
    with torch.device("meta"):
        model = Groot(config)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def parameter_counts(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Numbers in all tensors, part by part. A tied embedding counts under each of its names, as in the files."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    counts = {
        title: sum(size for name, size in sizes.items() if name.startswith(prefix))
        for title, prefix in _COUNTED.items()
    }
    return {title: count for title, count in counts.items() if count}


def describe_folder(folder: Path) -> dict[str, Any]:
    """What a checkpoint folder holds, from its headers and small files.

    Raises:
        ConfigError: another version of GR00T.
        WeightsError: no weights, or shards that are missing or cut short.
    """
    config, stored = read_config(folder), stored_tensors(folder)
    shapes = {name: tensor.shape for name, tensor in stored.items()}
    fits = difference(config, shapes)
    metadata = tags_of(folder) if (folder / METADATA).is_file() else []
    return {
        "folder": str(folder),
        "tensors": len(shapes),
        "types": dict(Counter(tensor.dtype for tensor in stored.values())),
        "parameters": parameter_counts(shapes),
        "action_dim": config.action_head.action_dim,
        "max_state_dim": config.action_head.max_state_dim,
        "action_horizon": config.action_head.action_horizon,
        "statistics_of": metadata,
        "fits_config": str(fits) if fits else "yes",
    }


def difference(config: GrootConfig, shapes: Shapes) -> Difference:
    """How a folder's tensors differ from those its config.json asks for; a tied embedding may lack one of its names."""
    wanted = {name: torch.empty(shape, device="meta") for name, shape in shapes_of(config, flare=True).items()}
    found = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    tied = [f"backbone.eagle_model.language_model.{name}.weight" for name in ("lm_head", "model.embed_tokens")]
    for name, twin in (tied, tied[::-1]):
        if name not in found and twin in found:
            found[name] = found[twin]
    return compare(found, wanted)
