"""A published model as a folder on this machine: what it must hold, what must not be in it, and its digest.

Nothing is fetched, nothing is unpickled, and no code that lies in the folder is run.
"""

import logging
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from gr00t_data.disk import digest_json, read_json
from gr00t_data.integrity import RECORD, IntegrityError, digest_of, read_record, read_sealed, write_sealed, wrong_files
from gr00t_model.dream.world_model import DreamError

INDEX = "model_index.json"
_LOG = logging.getLogger(__name__)
_LIBRARIES = ("diffusers", "transformers")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_WITHOUT_WEIGHTS = ("scheduler", "tokenizer", "image_processor", "feature_extractor", "safety_checker")
_FETCH = "fetch the whole snapshot of a Diffusers checkpoint on a machine with a network and copy it here"


def read_index(folder: Path) -> dict[str, Any]:
    """The ``model_index.json`` of a folder in Diffusers layout, after looking for everything that it names.

    Raises:
        DreamError: no such folder or index; a part that is missing, is pickled, or brings its own code.
    """
    if not folder.is_dir():
        raise DreamError(f"{folder}: no such folder; models are read from this machine only: {_FETCH}")
    if not (folder / INDEX).is_file():
        raise DreamError(f"{folder}: has no {INDEX}, so it is not a Diffusers checkpoint; {_FETCH}")
    index = read_json(folder / INDEX)
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise DreamError(f"{folder / INDEX}: names no _class_name; {_FETCH}")
    for part, kind in index.items():
        if isinstance(kind, list) and len(kind) == 2 and kind[0] is not None:
            _check_part(folder, part, str(kind[0]))
    return index


def _check_part(folder: Path, part: str, library: str) -> None:
    if part == "safety_checker":  # brought along by the program, never loaded from the folder
        return
    if library not in _LIBRARIES:
        raise DreamError(
            f"{folder / INDEX}: part {part!r} comes from {library!r}; only parts of {' and '.join(_LIBRARIES)} are "
            "loaded, no code of a checkpoint is run"
        )
    where = folder / part
    if not where.is_dir():
        raise DreamError(f"{where}: no such folder, but {folder / INDEX} names it; {_FETCH}")
    if part in _WITHOUT_WEIGHTS:
        return
    weights = sorted(where.glob("*.safetensors"))
    pickled = sorted(path.name for path in where.iterdir() if path.suffix in _PICKLES)
    if not weights and pickled:
        raise DreamError(
            f"{where / pickled[0]}: is a pickle, and pickles are never read (they can run code); fetch the safetensors "
            "of this checkpoint, or convert it where you trust it"
        )
    if not weights:
        raise DreamError(f"{where}: holds no safetensors; {_FETCH}")
    _check_layers(where, weights)
    for listing in sorted(where.glob("*.safetensors.index.json")):
        names = set(read_json(listing).get("weight_map", {}).values())
        if missing := sorted(names - {path.name for path in weights}):
            raise DreamError(f"{where / missing[0]}: is missing ({len(missing)} of {len(names)} shards); {_FETCH}")


def _check_layers(where: Path, weights: list[Path]) -> None:
    """Whether the weights can be of as many layers as the configuration has: each is made before they are read."""
    path = where / "config.json"
    told = read_json(path) if path.is_file() else {}
    named = told.items() if isinstance(told, dict) else ()
    layers = max((one for name, one in named if "layer" in name and isinstance(one, int)), default=0)
    try:
        tensors = sum(len(list(safe_open(one, framework="np").keys())) for one in weights)
    except SafetensorError:
        return  # who loads them says what is wrong
    if layers > tensors:
        raise DreamError(f"{path}: has {layers} layers, the weights beside it {tensors} tensors; {_FETCH}")


def part_config(folder: Path, part: str) -> dict[str, Any]:
    """``config.json`` of a part (``scheduler_config.json`` of a scheduler).

    Raises:
        DreamError: it is not there.
    """
    path = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
    if not path.is_file():
        raise DreamError(f"{path}: no such file; {_FETCH}")
    return read_json(path)


def folder_digest(folder: Path, kept: Path | None = None) -> str:
    """SHA-256 over names and bytes of every file of a model folder, hidden ones left out.

    Args:
        kept: JSON file in which the digests of files are remembered by size, times and place, because hashing tens of
            gigabytes takes minutes.

    Raises:
        IntegrityError: a file is not the one that the folder's own record names.
    """
    known: dict[str, Any] = _remembered(kept)
    digests = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder)
        if any(part.startswith(".") for part in name.parts):
            continue
        found = path.stat()
        stamp = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
        entry = known.get(str(path.absolute()))
        digest = entry[-1] if entry and entry[:-1] == stamp else digest_of(path)
        known[str(path.absolute())] = [*stamp, digest]
        digests[name.as_posix()] = digest
    if kept:
        write_sealed(kept, known)
    if (folder / RECORD).is_file():
        recorded, free = read_record(folder)
        own = {name: digest for name, digest in digests.items() if name != RECORD and name not in free}
        if wrong := wrong_files(recorded, own, loaded_only=True):
            raise IntegrityError(f"{folder / wrong[0][0]}: {wrong[0][1]}; copy the whole folder again")
    return digest_json(digests)


def _remembered(kept: Path | None) -> dict[str, Any]:
    """What was remembered; a broken note is only a note lost, which the log says."""
    try:
        return read_sealed(kept, "every file is hashed again") if kept and kept.is_file() else {}
    except IntegrityError as error:
        _LOG.warning("%s", error)
        return {}
