"""Checkpoint folders in the published layout: config.json and (sharded) safetensors. Nothing is ever unpickled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers.initialization import no_init_weights

from gr00t_data.disk import read_json, replacing, write_json
from gr00t_data.integrity import require_intact
from gr00t_data.limits import require_within
from gr00t_model.groot.config import ConfigError, GrootConfig
from gr00t_model.groot.model import Groot
from gr00t_model.groot.weights.growth import grown

_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_MOST_SHARDS = 10_000
"""50 TB of shards of the usual size."""
_SHARD_BYTES = 5_000_000_000
_EMBEDDING = "backbone.eagle_model.language_model.model.embed_tokens.weight"
_LANGUAGE_HEAD = "backbone.eagle_model.language_model.lm_head.weight"
_TWINS = ((_EMBEDDING, _LANGUAGE_HEAD), (_LANGUAGE_HEAD, _EMBEDDING))
"""One tensor under two names, of which a file may have either."""
_METADATA = Path("experiment_cfg", "metadata.json")
_OURS = ("flare.", "action_head.model.prompt_condition.", "action_head.missing_state.")
"""Parameters a published checkpoint does not have: they keep their initial values when a file lacks them."""
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_POINTER_START = b"version https://git-lfs"
_FOREIGN_PREFIX = "_groot_model."
"""LeRobot's port writes the same names under this prefix."""


class WeightsError(ValueError):
    """A folder that cannot be loaded; the message lists every tensor in question and the remedy."""


@dataclass(frozen=True)
class Difference:
    """How a file's tensors differ from a model's."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]  # "name: file [2, 3], model [2, 4]"

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshapen)

    def __str__(self) -> str:
        lines = []
        for title, names in (
            ("missing from the file", self.missing),
            ("not in the model", self.unexpected),
            ("of another shape", self.misshapen),
        ):
            if names:
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                lines.append(f"{len(names)} {title}: {', '.join(names[:5])}{more}")
        return "; ".join(lines)


@dataclass(frozen=True)
class Stored:
    """What a safetensors header says of one tensor: its shape, and its type as written there (``BF16``, ``F32``)."""

    shape: tuple[int, ...]
    dtype: str


def compare(file: Mapping[str, Tensor | Stored], model: Mapping[str, Tensor]) -> Difference:
    """All differences at once; parameters of ours that the file lacks are none."""
    shared = [name for name in model if name in file]
    return Difference(
        missing=tuple(name for name in model if name not in file and not name.startswith(_OURS)),
        unexpected=tuple(name for name in file if name not in model),
        misshapen=tuple(
            f"{name}: file {list(file[name].shape)}, model {list(model[name].shape)}"
            for name in shared
            if file[name].shape != model[name].shape
        ),
    )


def read_config(folder: Path | str) -> GrootConfig:
    """The configuration of a checkpoint folder; WeightsError when there is none."""
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise WeightsError(f"{path} does not exist; a checkpoint folder holds config.json beside its safetensors")
    return GrootConfig.from_dict(read_json(path))


def read_tensors(folder: Path | str) -> dict[str, Tensor]:
    """Every tensor of the folder's safetensors, tied token embeddings filled in from either copy.

    Raises:
        WeightsError: no safetensors (pickled weights are refused), or shards that are missing or cut short: all of
            them in one message.
    """
    folder = Path(folder)
    tensors: dict[str, Tensor] = {}
    complaints = []
    for path in _shards(folder):
        try:
            tensors |= load_file(path)
        except (SafetensorError, OSError) as error:
            complaints.append(_complaint(path, error))
    if complaints:
        raise WeightsError("; ".join(complaints))
    tensors = {name.removeprefix(_FOREIGN_PREFIX): tensor for name, tensor in tensors.items()}
    for twin, name in _TWINS:
        if name not in tensors and twin in tensors:
            tensors[name] = tensors[twin]
    return tensors


def stored_tensors(folder: Path | str) -> dict[str, Stored]:
    """Name -> shape and type of every tensor of a folder, from the headers alone: no weight is read.

    Raises:
        WeightsError: as ``read_tensors``.
    """
    stored: dict[str, Stored] = {}
    complaints = []
    for path in _shards(Path(folder)):
        try:
            with safe_open(path, framework="pt") as shard:
                for name in shard.keys():  # noqa: SIM118 - not a mapping
                    tensor = shard.get_slice(name)
                    stored[name.removeprefix(_FOREIGN_PREFIX)] = Stored(tuple(tensor.get_shape()), tensor.get_dtype())
        except (SafetensorError, OSError) as error:
            complaints.append(_complaint(path, error))
    if complaints:
        raise WeightsError("; ".join(complaints))
    return stored


def _complaint(path: Path, error: Exception) -> str:
    """What is wrong with one shard, and the remedy."""
    if not path.is_file():
        return f"{path} is missing although the index names it; fetch it again"
    with path.open("rb") as stream:
        start = stream.read(len(_POINTER_START))
    if start.startswith(_PICKLE_STARTS):
        return f"{path} is a pickle under a safetensors name, which is never opened here; convert it to safetensors"
    if start == _POINTER_START:
        return f"{path} is a git-lfs pointer, not the weights; run `git lfs pull` in its folder"
    return f"{path} is cut short or damaged ({error}); fetch it again"


def _shards(folder: Path) -> list[Path]:
    if (folder / _INDEX).is_file():
        index = read_json(folder / _INDEX)
        placed = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(placed, dict) or not all(isinstance(name, str) for name in placed.values()):
            raise WeightsError(f"{folder / _INDEX}: its weight_map does not name the shards; fetch it again")
        names = sorted(set(placed.values()))
        if outside := [name for name in names if Path(name).name != name]:
            raise WeightsError(f"{folder / _INDEX}: names a shard outside its folder ({outside[0]}); fetch it again")
        require_within(len(names), _MOST_SHARDS, f"{folder / _INDEX}: shards")
        return [folder / name for name in names]
    if (folder / _SINGLE).is_file():
        return [folder / _SINGLE]
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    found = f"only pickled weights ({', '.join(pickles)}), which are never read" if pickles else "no weights"
    raise WeightsError(f"{folder} holds {found}; convert or fetch {_SINGLE} or {_INDEX} with its shards")


def load_weights(model: Groot, folder: Path | str, *, grow: bool = False) -> tuple[str, ...]:
    """Give ``model`` the folder's tensors, in the dtype they are stored in.

    Args:
        grow: let the model be wider than the file where it may be (see ``growth``).

    Returns:
        The names that keep their initial values because a published checkpoint does not have them.

    Raises:
        WeightsError: one report of everything missing, unexpected or misshapen.
    """
    tensors, own = read_tensors(folder), model.state_dict()
    if grow:
        tensors = grown(tensors, own)
    if model.flare is None:
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("flare.")}
    if difference := compare(tensors, own):
        raise WeightsError(f"{folder} does not fit its config.json (or another version of GR00T): {difference}")
    model.load_state_dict(tensors, strict=False, assign=True)
    language = model.backbone.eagle_model.language_model
    language.lm_head.weight = language.model.embed_tokens.weight
    return tuple(name for name in own if name not in tensors)


def load(
    folder: Path | str,
    config: GrootConfig | None = None,
    *,
    backbone_dtype: torch.dtype | None = None,
    head_dtype: torch.dtype | None = None,
) -> Groot:
    """A model from a checkpoint folder, in eval mode. A dtype of None keeps what is stored.

    Args:
        config: other settings than the folder's own config.json; action and state dimensions and positions may be
            more than the folder has (see ``growth``), and what the folder lacks is drawn from torch's generator.

    Raises:
        IntegrityError: a file is not the one that the folder's own record names.
        WeightsError: as ``load_weights``.
    """
    own = read_config(folder)
    _require_fit(Path(folder), own)
    config = own if config is None else config
    with no_init_weights():
        model = Groot(config)
    fresh = load_weights(model, folder, grow=config != own)
    require_intact(Path(folder))  # after reading, which says more exactly what is wrong with what cannot be read
    if any(name.startswith("flare.") for name in fresh) and model.flare is not None:
        model.flare.reset()
    if "action_head.model.prompt_condition.weight" in fresh:
        model.action_head.model.prompt_condition.reset_parameters()
    if "action_head.missing_state.token" in fresh:
        model.action_head.missing_state.reset()
    model.backbone.to(backbone_dtype)
    model.action_head.to(head_dtype)
    return model.eval()


def _require_fit(folder: Path, config: GrootConfig) -> None:
    """Whether the weights are as large as config.json says, by their headers: before anything of that size is made.

    Raises:
        ConfigError, WeightsError: they are not, or no model can be built of it.
    """
    stored = stored_tensors(folder)
    if (layers := _most_layers(config.to_dict())) > len(stored):
        raise WeightsError(f"{folder / 'config.json'}: has {layers:.9g} layers, the weights {len(stored)} tensors")
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"), no_init_weights():
            own = Groot(config).state_dict()
    except ConfigError:
        raise
    except _NO_MODEL as error:
        told = f"no model can be built of it ({type(error).__name__}: {error}); fetch it again"
        raise WeightsError(f"{folder / 'config.json'}: {told}") from error
    found = {**{twin: stored[name] for name, twin in _TWINS if name in stored}, **stored}
    if not config.flare.enabled:
        found = {name: one for name, one in found.items() if not name.startswith("flare.")}
    if difference := compare(found, own):
        raise WeightsError(f"{folder} does not fit its config.json (or another version of GR00T): {difference}")


_NO_MODEL = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def _most_layers(values: Mapping[str, Any]) -> int:
    """The largest number of layers in a configuration: each has tensors of its own."""
    inner = [_most_layers(one) for one in values.values() if isinstance(one, Mapping)]
    own = [one for name, one in values.items() if "layer" in name and isinstance(one, int)]
    return max([0, *inner, *own])


def save(
    model: Groot, folder: Path | str, shard_bytes: int = _SHARD_BYTES, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write config.json and safetensors (one file, or shards and their index) that ``load`` reads back.

    Args:
        metadata: embodiment tag -> statistics and modalities (``gr00t_data.batches.statistics.metadata``); with it
            the folder also has ``experiment_cfg/metadata.json``, without which the published policy cannot use it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    tensors[_LANGUAGE_HEAD] = tensors[_LANGUAGE_HEAD].clone()
    shards = _split(tensors, shard_bytes)
    names = [_SINGLE]
    if len(shards) > 1:
        names = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        with replacing(folder / name) as temporary:
            save_file(shard, temporary, metadata={"format": "pt"})
    if len(shards) > 1:
        places = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        total = sum(tensor.nbytes for tensor in tensors.values())
        write_json(folder / _INDEX, {"metadata": {"total_size": total}, "weight_map": places})
    write_json(folder / "config.json", model.config.to_dict())
    if metadata is not None:
        write_json(folder / _METADATA, dict(metadata))


def _split(tensors: Mapping[str, Tensor], shard_bytes: int) -> list[dict[str, Tensor]]:
    shards: list[dict[str, Tensor]] = [{}]
    filled = 0
    for name, tensor in tensors.items():
        if shards[-1] and filled + tensor.nbytes > shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = tensor
        filled += tensor.nbytes
    return shards
