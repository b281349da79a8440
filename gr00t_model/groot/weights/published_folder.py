"""A checkpoint folder as published: config.json, safetensors, experiment_cfg/metadata.json, and no files of ours."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gr00t_data.batches.statistics.metadata import (
    METADATA,
    PUBLISHED_SLOTS,
    MetadataError,
    published_statistics,
    tags_of,
)
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.embodiment.robot import Embodiment, load_embodiment
from gr00t_model.groot.model import Groot
from gr00t_model.groot.prompt import Prompt, open_prompt
from gr00t_model.groot.weights.nvidia import load, read_config

_OURS = ("versions.json", "train_config.json", "manifest.json")
"""Files of a checkpoint of ours: with one of them, a folder is ours, if damaged."""


@dataclass(frozen=True)
class Published:
    """What a policy needs of such a folder.

    Attributes:
        embodiment: with the slot that belongs to the tag, whatever its YAML says.
    """

    model: Groot
    prompt: Prompt
    embodiment: Embodiment
    statistics: NormStats


def is_published(folder: Path | str) -> bool:
    """Whether the folder is a model by others: a configuration, and no record of a run of ours."""
    folder = Path(folder)
    return (folder / "config.json").is_file() and not any((folder / name).exists() for name in _OURS)


def open_published(
    folder: Path | str,
    embodiment: str | Path | Embodiment | None,
    selection: str | None = None,
    *,
    tag: str | None = None,
    tokenizer: Path | str | None = None,
    dtype: torch.dtype | None = None,
) -> Published:
    """Open a folder like nvidia/GR00T-N1.5-3B. Small files are checked before the weights are read.

    Args:
        embodiment: the robot; a name, the path of a YAML, or itself. None: the folder says only which tags it knows.
        selection: parts and cameras of the robot; None is its default.
        tag: which statistics and which slot of the folder; None is the robot's name.
        tokenizer: folder of the tokenizer (published folders come without one); None looks inside the checkpoint.
        dtype: of the weights; None keeps what is stored.

    Raises:
        MetadataError: no embodiment was named, or the folder has no statistics of it.
        PromptError: no tokenizer, or one of another model.
        ConfigError, WeightsError: another version of GR00T, or weights that are missing or do not fit.
    """
    config = read_config(folder)
    if embodiment is None:
        known = ", ".join(tags_of(folder))
        raise MetadataError(f"{folder}: say which robot acts with embodiment=; {METADATA} has statistics of {known}")
    robot = embodiment if isinstance(embodiment, Embodiment) else load_embodiment(embodiment)
    statistics = published_statistics(folder, robot, tag, selection)
    prompt = open_prompt(config, folder if tokenizer is None else tokenizer)
    model = load(folder, backbone_dtype=dtype, head_dtype=dtype)
    slot = PUBLISHED_SLOTS.get(robot.name if tag is None else tag, robot.slot)
    return Published(model, prompt, replace(robot, slot=slot), statistics)
