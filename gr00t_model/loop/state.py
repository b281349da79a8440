"""Resumable states: weights, averaged weights and optimizer moments as safetensors, scalars as JSON, no pickles.

A state is a folder named by its step; it appears by one rename, so every folder that is there is whole.
"""

import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gr00t_data.disk import read_json, replacing_folder, write_json
from gr00t_data.integrity import IntegrityError, require_intact, write_record
from gr00t_model.loop.optimizer import AveragedWeights, trainable
from gr00t_model.loop.run import list_states


class StateError(ValueError):
    """A resumable state that cannot be read; the message names the file and the remedy."""


def learned_tensors(model: nn.Module) -> dict[str, Tensor]:
    """What training changes: trainable parameters and buffers. Frozen parameters come from the base model."""
    everything = model.named_parameters(remove_duplicate=False)  # tied weights under each of their names
    frozen = {name for name, parameter in everything if not parameter.requires_grad}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in frozen}


def save_state(
    states: Path, step: int, model: nn.Module, average: AveragedWeights, optimizer: torch.optim.Optimizer, keep: int
) -> Path:
    """Write the state after ``step`` optimizer steps and drop all but the last ``keep``."""
    folder = states / f"{step:08d}"
    with replacing_folder(folder, over=True) as temporary:
        _save(learned_tensors(model), temporary / "weights.safetensors")
        if average.decay:
            _save(average.weights, temporary / "average.safetensors")
        _save(_moments(model, optimizer), temporary / "optimizer.safetensors")
        write_json(temporary / "state.json", {"step": step, "torch": torch.__version__})
        write_record(temporary)  # last: it names every file
    for old in list_states(states)[:-keep]:
        shutil.rmtree(states / f"{old:08d}")
    return folder


def load_state(
    states: Path, step: int, model: nn.Module, average: AveragedWeights, optimizer: torch.optim.Optimizer
) -> None:
    """Bring model, average and optimizer to the state after ``step`` steps, bit for bit.

    Raises:
        StateError: a file is missing or broken, is not the one that was saved, or belongs to another model.
    """
    moments = _load(states / f"{step:08d}" / "optimizer.safetensors")
    load_learned(states, step, model, average)
    _restore_moments(moments, model, optimizer)


def load_learned(states: Path, step: int, model: nn.Module, average: AveragedWeights) -> None:
    """Bring model and average to the state after ``step`` steps; nothing can be trained on from there.

    Raises:
        StateError: as ``load_state``.
    """
    folder = states / f"{step:08d}"
    parts = {"weights": learned_tensors(model)} | ({"average": average.weights} if average.decay else {})
    found = {name: _load(folder / f"{name}.safetensors") for name in parts}
    _require_saved(folder)  # after reading, which says more exactly what is wrong with what cannot be read
    for name, into in parts.items():
        _copy(found[name], into, folder / f"{name}.safetensors")


def check_state(folder: Path) -> None:
    """Read all of a state and compare it with its record, for whoever wants to know whether it is whole.

    Raises:
        StateError: it is not.
    """
    average = folder / "average.safetensors"
    for name in ("weights.safetensors", "optimizer.safetensors", *([average.name] if average.is_file() else [])):
        _load(folder / name)
    _require_saved(folder)


def _require_saved(folder: Path) -> None:
    """StateError unless a state is as its record says, where it has one, and of the step that names its folder."""
    try:
        require_intact(folder, remedy=_remedy(folder))
    except IntegrityError as error:
        raise StateError(str(error)) from error
    try:
        found = read_json(folder / "state.json")["step"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{folder}/state.json: cannot be read ({error}); {_remedy(folder)}") from error
    if found != int(folder.name):
        raise StateError(f"{folder}/state.json holds another step; {_remedy(folder)}")


def _remedy(folder: Path) -> str:
    return (
        f"remove this folder to resume from the state before it (`gr00t checkpoints {folder.parents[1]} --mend` sets "
        "aside all that are damaged)"
    )


def _save(tensors: dict[str, Tensor], path: Path) -> None:
    """safetensors refuses tensors that share memory: those are written as copies of their own."""
    held: set[int] = set()
    alone = {}
    for name, tensor in tensors.items():
        here = tensor.detach().cpu().contiguous()
        memory = here.untyped_storage()
        shared = memory.data_ptr() in held or memory.nbytes() != here.nbytes
        held.add(memory.data_ptr())
        alone[name] = here.clone() if shared else here
    save_file(alone, path)


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise StateError(f"{path}: cannot be read ({error}); {_remedy(path.parent)}") from error


@torch.no_grad()
def _copy(found: dict[str, Tensor], into: dict[str, Tensor], path: Path) -> None:
    if found.keys() != into.keys():
        unlike = sorted(found.keys() ^ into.keys())[:3]
        raise StateError(f"{path}: holds other tensors than the model, for example {unlike}; start a new run")
    for name, tensor in into.items():
        if found[name].shape != tensor.shape:
            raise StateError(f"{path}: {name} is {list(found[name].shape)}, the model has {list(tensor.shape)}")
        tensor.copy_(found[name])


def _moments(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's numbers (step, moments, and what 8 bits of them mean) as ``<parameter>/<field>``."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in trainable(model).items():
        for field, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{name}/{field}"] = torch.as_tensor(value)
    return tensors


def _restore_moments(found: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    parameters = trainable(model)
    for key, tensor in found.items():
        name, _, field = key.rpartition("/")
        if name not in parameters:
            raise StateError(f"optimizer state of {name!r}, which the model does not train; start a new run")
        # The step counter of torch's fused AdamW lives beside the parameter, as the moments do; bitsandbytes counts
        # in a plain number.
        plain = field == "step" and not isinstance(optimizer, torch.optim.AdamW)
        optimizer.state[parameters[name]][field] = int(tensor) if plain else tensor.to(parameters[name].device)
