"""LoRA (arXiv 2106.09685) through peft: which layers get an adapter, and how adapters are kept, saved and merged.

peft puts its layers into the model in place, so the model stays a Groot: the training loop, the states and the policy
need to know nothing of it. An adapter is saved in peft's own format, so peft can load it onto the base; the slots that
train beside it have a file of their own.

The published code wraps the same layers and freezes all else. The encoders and the decoder of a robot the base has
never seen then stay random. Here the slots in use can train as well (``slots`` of ``add_lora``), and so does what a
published base lacks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from peft import LoraConfig, get_peft_model, inject_adapter_in_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gr00t_data.disk import read_json, write_json
from gr00t_model.groot.model import Groot
from gr00t_model.groot.weights.own_slots import merge_slots, put_slot_rows, slot_rows, train_slots

ADAPTER_BASE = "base.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_SLOTS = "slots.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
WRAPPED = ("q_proj", "k_proj", "v_proj", "to_q", "to_k", "to_v")
"""Linears whose name contains one of these get an adapter, as in the published code."""
SCOPES = {"action_head": ("action_head.",), "whole": ("backbone.", "action_head.")}
_NOT_PUBLISHED = ("flare", "embedding", "action_head.missing_state", "action_head.model.prompt_condition")
"""Modules of ours: a published base has no weights for them, so they train beside the adapters."""
_ADAPTER = "default"  # peft's usual name of the only adapter
_PREFIX = "base_model.model."  # of every name in peft's files


class AdapterError(ValueError):
    """An adapter folder that cannot be used; the message names the file and the remedy."""


def lora_targets(model: nn.Module, scope: str) -> list[str]:
    """Names of the linears that get an adapter: in ``action_head`` or in the ``whole`` model."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and name.startswith(SCOPES[scope])
        and any(part in name for part in WRAPPED)
        and not name.startswith(_NOT_PUBLISHED)
    ]


def add_lora(model: Groot, rank: int, alpha: float, dropout: float, scope: str, slots: Sequence[int] = ()) -> None:
    """Freeze ``model`` and put adapters into it, which train; initial weights come from torch's global generator.

    The adapters' output is zero at first. Parts under an adapter run in training mode (their dropout is on).

    Args:
        slots: embodiment slots whose encoders and decoder train too; none is the published behaviour.
    """
    whole = scope == "whole"
    model.freeze(tune_visual=whole, tune_llm=whole)
    kept = {name for name, p in model.named_parameters() if p.requires_grad and name.startswith(_NOT_PUBLISHED)}
    targets, scaled = lora_targets(model, scope), cast(int, alpha)
    config = LoraConfig(r=rank, lora_alpha=scaled, lora_dropout=dropout, target_modules=targets, bias="none")
    inject_adapter_in_model(config, model, _ADAPTER)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad or name in kept)
    if slots:
        train_slots(model, slots)


def merge_lora(model: Groot) -> None:
    """Add the adapters into the weights they belong to and remove them: a plain Groot again. Not to be undone."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            model.set_submodule(name, module.get_base_layer())
    merge_slots(model)
    del model.peft_config


def save_adapter(model: Groot, folder: Path, base_digest: str) -> None:
    """Write what trained and nothing else: adapter_config.json and adapter_model.safetensors as peft reads them, the
    rows of the slots that trained, and ``base_digest``.

    Modules that train beside the adapters are peft's ``modules_to_save``. A slot is a row of a tensor that holds all
    robots, which peft can only save whole (1.2 GB in N1.5 for one robot); its rows lie in ``slots.safetensors``.
    """
    config = cast(dict[str, LoraConfig], model.peft_config)[_ADAPTER]
    tensors = {name: tensor for name, tensor in model.state_dict().items() if ".lora_" in name}
    tensors = {name.replace(f".{_ADAPTER}.", "."): tensor for name, tensor in tensors.items()}
    modules = [name for part in _NOT_PUBLISHED for name in _learning(model, part)]
    for module in modules:
        tensors |= model.get_submodule(module).state_dict(prefix=f"{module}.")
    folder.mkdir(parents=True, exist_ok=True)
    fields = {key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()}
    write_json(folder / ADAPTER_CONFIG, {**fields, "inference_mode": True, "modules_to_save": modules or None})
    _save({f"{_PREFIX}{name}": tensor for name, tensor in tensors.items()}, folder / ADAPTER_WEIGHTS)
    if rows := slot_rows(model):
        _save(rows, folder / ADAPTER_SLOTS)
    write_json(folder / ADAPTER_BASE, {"sha256": base_digest})


def _save(tensors: Mapping[str, Tensor], path: Path) -> None:
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    # A second key in the metadata would make the bytes differ from save to save: they are written in any order.
    save_file(plain, path, metadata={"format": "pt"})


def _learning(model: nn.Module, name: str) -> list[str]:
    """The largest modules at or below ``name`` in which every parameter trains."""
    try:
        module = model.get_submodule(name)
    except AttributeError:
        return []
    trains = [parameter.requires_grad for parameter in module.parameters()]
    if not any(trains):
        return []
    if all(trains):
        return [name]
    return [found for child, _ in module.named_children() for found in _learning(model, f"{name}.{child}")]


def merge_adapter(model: Groot, folder: Path) -> None:
    """Merge a saved adapter into the base it was trained on. What it touches should be in float32 (see ``widen``).

    Raises:
        AdapterError: not an adapter of peft's LoRA, or one of another model.
    """
    tensors = adapter_tensors(folder)
    try:
        peft_model = get_peft_model(model, LoraConfig.from_pretrained(str(folder)))  # pyright: ignore[reportArgumentType]
        result = set_peft_model_state_dict(peft_model, tensors)
    except (ValueError, KeyError, RuntimeError, TypeError) as error:
        raise AdapterError(
            f"{folder}: does not fit this base ({error}); merge it into the one it was made on"
        ) from error
    for problem, names in (
        ("holds {} tensors this base has no place for", result.unexpected_keys),
        ("lacks {} tensors of its own configuration", [name for name in result.missing_keys if ".lora_" in name]),
    ):
        if names:
            raise AdapterError(
                f"{folder}: {problem.format(len(names))}, for example {names[0]}; train or fetch it again"
            )
    merged = peft_model.merge_and_unload()  # pyright: ignore[reportCallIssue]
    assert merged is model
    put_adapter_slots(model, folder)


def put_adapter_slots(model: nn.Module, folder: Path) -> None:
    """Write the slots that trained beside an adapter into a model, whether peft has wrapped it or not.

    Raises:
        AdapterError: the file is broken, or of another model.
    """
    try:
        put_slot_rows(model, adapter_slots(folder))
    except (AttributeError, RuntimeError, IndexError, ValueError, KeyError) as error:
        raise AdapterError(f"{folder / ADAPTER_SLOTS}: does not fit this base ({error})") from error


def adapter_slots(folder: Path) -> dict[str, Tensor]:
    """The rows of the slots that trained beside an adapter; none where no slot did.

    Raises:
        AdapterError: the file is broken.
    """
    path = folder / ADAPTER_SLOTS
    return _tensors_of(path) if path.is_file() else {}


def adapter_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors of an adapter folder, under peft's names.

    Raises:
        AdapterError: a file is missing, broken or a pickle, or the adapter is of another kind.
    """
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (folder / name).is_file():
            raise AdapterError(
                f"{folder} has no {name}; give a folder that peft or `gr00t train --set model.lora.rank=32` wrote "
                "(pickled adapters are never read)"
            )
    if (kind := read_json(folder / ADAPTER_CONFIG).get("peft_type")) != "LORA":
        raise AdapterError(f"{folder}/{ADAPTER_CONFIG}: peft_type is {kind!r}, only 'LORA' can be merged")
    return _tensors_of(folder / ADAPTER_WEIGHTS)


def _tensors_of(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise AdapterError(f"{path}: cannot be read ({error}); copy it again") from error
