"""What was recorded of files, compared with what is there. No torch.

Records are seals of stores, ``digests.json`` of folders, the digest that a file carries itself, and that in a name.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gr00t_data.disk import digest_json
from gr00t_data.integrity import (
    ADDED,
    GONE,
    KEPT,
    RECORD,
    IntegrityError,
    is_sealed,
    kept_content,
    read_record,
    read_sealed,
    wrong_files,
)
from gr00t_data.lake import Lake
from gr00t_data.seal import SEAL, read_seal
from gr00t_data.sources.how_made import HOW_MADE
from gr00t_data.terms import withdrawal
from gr00t_model.dream.run import ENCODED
from gr00t_model.lineage.digests import METRICS, digest_of_name
from gr00t_model.stages.file_kinds import Kind
from gr00t_model.training.key import base_digest

What = Literal["damaged", "missing", "added"]
_NAMED_BY_CONTENT = ("statistics", "mixture")
_SHORT = re.compile(r"[0-9a-f]{16}$")
_NAMED_AS_POINTED = ("mixtures", "statistics", "runs", "checkpoints")
"""Folders where the digest in a name is the one that pointers hold; elsewhere it tells what something was made from."""


@dataclass(frozen=True)
class Fault:
    """One file that is not what was recorded.

    Attributes:
        file: relative to what is verified.
        told: what was found and what was recorded.
    """

    file: str
    what: What
    told: str


Compared = tuple[list[Fault], int]
"""What is wrong, and how many files had a record."""


def sealed_store(root: Path, found: Mapping[str, str]) -> Compared:
    """A store against its seal.

    Args:
        found: relative name -> SHA-256 of every file.
    """
    if not (root / SEAL).is_file():
        return [Fault(SEAL, "missing", "is gone, or the store was never finished")], 0
    try:
        seal = read_seal(root)
    except ValueError as error:
        return [Fault(SEAL, "damaged", str(error))], len(found)
    if seal and seal.fault:
        return [Fault(SEAL, "damaged", seal.fault)], len(found)
    files = seal.files if seal else {}
    own = {name: digest for name, digest in found.items() if name != SEAL}
    return [*_faults(wrong_files(files, own)), *_how_made(root)], len(found)


def _how_made(root: Path) -> Iterator[Fault]:
    """What lies hidden in a store beside what is sealed."""
    try:
        if (root / HOW_MADE).is_file():
            read_sealed(root / HOW_MADE, "delete it")
    except IntegrityError as error:
        yield Fault(HOW_MADE, "damaged", str(error))


def recorded_folder(root: Path, found: Mapping[str, str]) -> Compared:
    """A folder against its ``digests.json``; one without, that is named by its digest, against its name."""
    own = {name: digest for name, digest in found.items() if name != RECORD}
    named = digest_of_published(root)
    if named and named != (whole := digest_json({n: d for n, d in own.items() if n != METRICS}))[:16]:
        other = [Fault(".", "damaged", f"its files have digest {whole[:16]}, its name says {named}")]
    else:
        other = []
    if not (root / RECORD).is_file():
        return other, len(own) if named else 0
    try:
        recorded, free = read_record(root)
    except IntegrityError as error:
        return [Fault(RECORD, "damaged", str(error))], len(found)
    wrong = _faults(wrong_files(recorded, {n: d for n, d in own.items() if n not in free}, loaded_only=True))
    for name in sorted(own.keys() & {name for name in free if name.endswith(".json")}):
        try:
            read_sealed(root / name)
        except IntegrityError as error:
            wrong.append(Fault(name, "damaged", str(error)))
    return wrong or other, len(recorded.keys() & own.keys()) + 1


def digest_of_published(root: Path) -> str | None:
    """The digest in the name of a checkpoint of a lake; None for other folders, which are named by a key."""
    return digest_of_name(root) if root.resolve().parent.name == "checkpoints" else None


def _faults(wrong: Iterable[tuple[str, str]]) -> list[Fault]:
    kinds: dict[str, What] = {GONE: "missing", ADDED: "added"}
    return [Fault(name, kinds.get(told, "damaged"), told) for name, told in wrong]


def alone(path: Path, kind: Kind) -> Compared:
    """A file that stands alone: its seal, its checksum beside it, or its name.

    Raises:
        ValueError: it is damaged; the message says how.
    """
    if not kind.ours:
        return [], 0
    if kind.name == "withdrawals":
        withdrawal.read(path.parent)
        return [], int((path.parent / withdrawal.DIGEST_FILE).is_file())
    if path.suffix == ".npy" and path.with_suffix(".crc32").is_file():
        from gr00t_data.batches.frames import mapped

        mapped(path)
        return [], 1
    if path.parent.name == ENCODED and path.suffix == ".safetensors":
        from gr00t_model.dream.learner import require_whole

        require_whole(path)
        return [], 1
    if path.suffix == KEPT:
        kept_content(path)
        return [], 1
    if path.suffix == ".crc32":
        return [], int(path.with_suffix(".npy").is_file())
    if path.name == "metrics.jsonl":
        from gr00t_model.loop.run import MARK, RunFolder

        RunFolder(path.parent).records()
        return [], int(f'"{MARK}": "'.encode() in path.read_bytes())
    if path.suffix != ".json":
        return [], 0
    if kind.name == "pointer":
        return _pointer(path), int(is_sealed(path))
    read_sealed(path)
    named = _NAMES.get(kind.name)
    if named and (wanted := named(path)) != path.stem:
        raise IntegrityError(f"holds what is named {wanted}: it is another file of its kind")
    return [], int(is_sealed(path) or kind.name in _NAMED_BY_CONTENT)


def _pointer(path: Path) -> list[Fault]:
    """What a pointer names must be there, and have the digest that the pointer says."""
    value, lake = read_sealed(path), path.parents[1]
    if (name := value.get("name", path.stem)) != path.stem:
        raise IntegrityError(f"is the pointer {name}, copied or renamed")
    target = lake / value["path"]
    if not target.exists():
        return [Fault("", "missing", f"names {value['path']}, which is gone")]
    found = _digest_at(target)
    if found is None or value["digest"].startswith(found):
        return []
    return [Fault("", "damaged", f"names {value['path']} with digest {value['digest'][:16]}, found {found[:16]}")]


def _digest_at(target: Path) -> str | None:
    """The digest of what a pointer names, or how it begins, as far as its name or its own record tell."""
    if (target / SEAL).is_file():
        return read_sealed(target / SEAL)["digest"]
    if target.parent.name == "evaluations":
        return digest_json(read_sealed(target / "report.json"))
    if target.parent.name == "bases":
        return base_digest(target)
    named = _SHORT.search(target.name.removesuffix(".json"))
    return named[0] if named and target.parent.name in _NAMED_AS_POINTED else None


def _run(path: Path) -> str:
    named, key = _SHORT.search(path.parent.name), read_sealed(path)["key"]
    return path.stem if named is None or key.startswith(named[0]) else f"the one of run {key[:16]}"


def _landed(path: Path) -> str:
    """Its store is still what it was."""
    if path.parent.name != "landed":
        return path.stem
    record = read_sealed(path)
    seal = path.parents[1] / "stores" / record["store"] / SEAL
    if seal.is_file() and read_sealed(seal)["digest"] != record["digest"]:
        return f"a record of a store {record['store']} with digest {record['digest'][:16]}"
    return path.stem


def _history(path: Path) -> str:
    """It says what the pointer says, which follows it."""
    from gr00t_model.release.history import history

    lake, robot = Lake(path.parents[2]), path.parent.name
    standing, pointed = history(lake, robot).current, lake.pointed(f"released_{robot}")
    if standing and pointed and pointed[1] != standing.digest:
        return f"a history that ends with {standing.digest[:16]}, while released_{robot} is {pointed[1][:16]}"
    return path.stem


def _statistics(path: Path) -> str:
    from gr00t_data.batches.statistics.statistics import NormStats

    return NormStats.load(path).digest[:16]


def _mixture(path: Path) -> str:
    from gr00t_data.batches.mixture.manifest import MixtureManifest

    return MixtureManifest.load(path).digest[:16]


def _index(path: Path) -> str:
    from gr00t_data.curate.index import load_index

    index = load_index(path)
    return f"{index.store_digest[:16]}-{index.rules_digest[:8]}"


_NAMES: dict[str, Callable[[Path], str]] = {
    "statistics": _statistics,
    "mixture": _mixture,
    "index": _index,
    "landing record": _landed,
    "release history": _history,
    "run": lambda path: _run(path) if path.name == "RUN.json" else path.stem,
}
"""Kind -> the name that its content gives a file; any other text says what the file is instead."""
