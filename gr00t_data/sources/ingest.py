"""Ingest: a drop becomes a sealed store in the lake."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from gr00t_data.disk import digest_json, read_json, replacing_folder, write_json
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.lerobot import v2 as lerobot_v2
from gr00t_data.lerobot import v3 as lerobot_v3
from gr00t_data.sources.content import (
    COMPLETE_MARKER,
    MAPPING_FILE,
    Refusal,
    content_digest,
    file_digests,
    same_or_refuse,
    store_name,
    without_about,
)
from gr00t_data.sources.formats import unitree
from gr00t_data.sources.formats.hdf5 import aloha, robomimic
from gr00t_data.sources.formats.logs import mcap as mcap_log
from gr00t_data.sources.formats.logs import rosbag
from gr00t_data.sources.recordings.mapping import Mapping, MappingError, check_mapping, load_mapping
from gr00t_data.sources.recordings.transfer import transfer
from gr00t_data.store.episode import Kind
from gr00t_data.store.seal import seal_folder
from gr00t_data.store.store import ABOUT, SEAL, EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter, write_about

READERS: tuple[ModuleType, ...] = (lerobot_v2, lerobot_v3, aloha, robomimic, mcap_log, rosbag, unitree)
"""One module a raw format: ``NAME``, ``recognises(path)``, and either ``take_over(path, root, progress, embodiment)``
for formats that a store can hold as they are, or ``episode_names``, ``read_episode``, ``read``, ``contents``
and ``propose`` for recordings."""

_DECIDES = ("content", "mapping")
"""What of a source a sealed store must share: the rest follows from it."""


def _silent(done: int, total: int) -> None:
    """No progress."""


def ingest(
    drop: Path,
    embodiment: Embodiment,
    lake: Lake,
    *,
    name: str | None = None,
    kind: Kind = "real",
    licence: str = "unknown",
    mapping: Mapping | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = _silent,
) -> EpisodeStore:
    """Turn a drop into a sealed store ``lake.stores/<name>``; the drop itself is never changed.

    The same drop again is a no-op. A kill leaves no half-written store under a sealed name: formats that are taken over
    take their name when complete, recordings go on with the next episode. Episodes that cannot be read or aligned are
    listed with their reasons in ``about["source"]["refused"]``.

    Args:
        drop: folder or file.
        name: name of the store; the drop's own name when None.
        mapping: which source becomes which part; that of the drop, else the proposed one, when None.
        workers: processes that read and encode episodes of recordings.
        progress: called with (files or episodes done, in all).

    Raises:
        StoreError: the format is not recognised, the name is taken by other content, or no episode could be used.
        MappingError: the mapping is wrong, or none could be proposed for every part and camera.
    """
    drop = Path(drop)
    reader = reader_for(drop)
    root = lake.stores / store_name(name or (drop.stem if drop.is_file() else drop.name))
    source: dict[str, Any] = {"drop": drop.name, "format": reader.NAME}
    if hasattr(reader, "take_over"):
        if mapping is not None:
            raise MappingError(f"{drop}: is {reader.NAME}, which is taken over as it is; leave the mapping out")
        if not (root / SEAL).is_file():
            return _taken_over(drop, reader, root, embodiment, source, kind, licence, progress)
    source["content"] = content_digest(drop)
    if not hasattr(reader, "take_over"):
        if (root / SEAL).is_file() and mapping is None:
            return same_or_refuse(EpisodeStore.open(root), source, drop, _DECIDES)
        mapping = mapping_for(drop, reader, embodiment, mapping)
        source["mapping"] = mapping.model_dump(mode="json", exclude_defaults=True)
    if mapping is None or (root / SEAL).is_file():
        return same_or_refuse(EpisodeStore.open(root), source, drop, _DECIDES)
    writer = _begun(root, embodiment, kind, licence, source)
    refused = transfer(writer, reader, drop, mapping, workers=workers, progress=progress)
    return _sealed(writer, refused, drop)


def _taken_over(
    drop: Path,
    reader: ModuleType,
    root: Path,
    embodiment: Embodiment,
    source: dict[str, Any],
    kind: Kind,
    licence: str,
    progress: Callable[[int, int], None],
) -> EpisodeStore:
    """A store of the drop's files: copied and hashed in one pass by readers that return the digests."""
    with replacing_folder(root) as folder:
        taken = reader.take_over(drop, folder, progress, embodiment)
        digests = taken if isinstance(taken, dict) else {}
        source["content"] = digest_json(without_about(digests) if digests else file_digests(drop))
        for name in (COMPLETE_MARKER, MAPPING_FILE):
            (folder / name).unlink(missing_ok=True)
        source |= _with_modality(folder, embodiment)
        write_about(folder, embodiment, kind=kind, licence=licence, source=source)
        seal_folder(folder, {name: value for name, value in digests.items() if name != ABOUT})
    return EpisodeStore.open(root)


def _with_modality(folder: Path, embodiment: Embodiment) -> dict[str, Any]:
    """Write ``meta/modality.json`` for a dataset that has none, when its state and action are those of the embodiment.

    Returns:
        what was added, for the source of the store.
    """
    path = folder / "meta/modality.json"
    features = read_json(folder / "meta/info.json").get("features", {})
    widths = [features.get(name, {}).get("shape") for name in ("observation.state", "action")]
    if path.is_file() or widths != [[embodiment.state_dim], [embodiment.action_dim]]:
        return {}
    write_json(path, embodiment.modality([camera.name for camera in embodiment.cameras if camera.column in features]))
    return {"added": ["meta/modality.json"]}


def mapping_for(drop: Path, reader: ModuleType, embodiment: Embodiment, given: Mapping | None = None) -> Mapping:
    """The mapping to use: the given one, that of the drop, or the proposed one, checked against the embodiment.

    Raises:
        MappingError: it was made for another format, or parts or cameras have no source.
    """
    mapping = given or found_mapping(drop, reader, embodiment)
    if mapping.format != reader.NAME:
        raise MappingError(f"the mapping is for {mapping.format!r}, the drop is {reader.NAME!r}; correct its format")
    check_mapping(mapping, embodiment)
    return mapping


def found_mapping(drop: Path, reader: ModuleType, embodiment: Embodiment) -> Mapping:
    """The mapping that lies in the drop, else the one that the reader proposes; it may be incomplete."""
    own = drop / MAPPING_FILE
    return load_mapping(own) if own.is_file() else reader.propose(drop, embodiment)


def _begun(root: Path, embodiment: Embodiment, kind: Kind, licence: str, source: dict[str, Any]) -> Any:
    """The writer of the store; a store begun with another drop, mapping or embodiment is not gone on with."""
    writer = StoreWriter.create(root, embodiment, kind=kind, licence=licence, source=source)
    writer.claim([source, embodiment.digest], "drop, mapping or embodiment")
    return writer


def _sealed(writer: Any, refused: list[Refusal], drop: Path) -> EpisodeStore:
    if not len(writer):
        reasons = "; ".join(f"{one.episode}: {one.reason}" for one in refused[:3])
        raise StoreError(f"{drop}: none of its {len(refused)} episodes could be used: {reasons}")
    if refused:
        writer.about["source"]["refused"] = [vars(one) for one in refused]
    return writer.seal()


def reader_for(drop: Path) -> ModuleType:
    """The reader that recognises ``drop``.

    Raises:
        StoreError: no such folder, or no reader knows it (says what was found).
    """
    if not drop.exists():
        raise StoreError(f"{drop}: no such drop; give the folder or file of one dataset")
    for reader in READERS:
        if reader.recognises(drop):
            return reader
    raise StoreError(
        f"{drop}: no reader knows this format (known: {', '.join(r.NAME for r in READERS)}); {_contents(drop)}. "
        "A GR00T-LeRobot folder has meta/info.json with codebase_version v2.0 or v2.1"
    )


def _contents(drop: Path) -> str:
    """What a person needs to see why nothing was recognised: names, and how the first file begins."""
    files = [drop] if drop.is_file() else [path for path in sorted(drop.rglob("*")) if path.is_file()]
    inside = sorted(path.name for path in drop.iterdir())[:8] if drop.is_dir() else [drop.name]
    if not files:
        return f"it holds {inside}"
    with files[0].open("rb") as stream:
        return f"it holds {inside}; {files[0].name!r} begins with {stream.read(12)!r}"
