"""Published inverse dynamics checkpoints: a folder with config.json and (sharded) safetensors. Nothing is unpickled."""

from pathlib import Path

import torch
from transformers.initialization import no_init_weights

from gr00t_data.disk import read_json
from gr00t_model.groot.weights.nvidia import WeightsError, compare, read_tensors
from gr00t_model.idm.config import IdmConfig
from gr00t_model.idm.model import Idm

_PREFIX = "action_head."
"""Of every name in a published file: the backbone of the published class is empty."""


def load(folder: Path | str, *, dtype: torch.dtype | None = None) -> Idm:
    """The model of a folder in eval mode; a dtype of None keeps what is stored.

    config.json holds the published constructor arguments, at its top or under ``action_head_cfg``. Names may come with
    or without ``action_head.``.

    Raises:
        WeightsError: no config.json or weights, or one report of everything missing, unexpected or misshapen.
        ConfigError: a configuration of another model.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise WeightsError(f"{path} does not exist; a checkpoint folder holds config.json beside its safetensors")
    with no_init_weights():
        model = Idm(IdmConfig.from_dict(read_json(path)))
    tensors = {name.removeprefix(_PREFIX): tensor for name, tensor in read_tensors(folder).items()}
    if difference := compare(tensors, model.state_dict()):
        raise WeightsError(f"{folder} is no inverse dynamics model of its config.json: {difference}")
    model.load_state_dict(tensors, strict=True, assign=True)
    model.freeze(model.config.tune_vision_tower, model.config.tune_diffusion_model)
    return model.to(dtype).eval()
