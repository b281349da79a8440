"""What a user names: a store, a manifest or a model, by path or by its name in the lake."""

from pathlib import Path

from gr00t_data.embodiment.document import did_you_mean
from gr00t_data.lake import Lake
from gr00t_data.store.store import EpisodeStore

SHORTEST_DIGEST = 6


class UnknownName(ValueError):
    """Nothing in the lake has that name; the message says where was looked, and the nearest name."""


def named(lake: Lake, text: str, folder: Path, inside: str = "") -> Path:
    """A path that exists, a pointer of the lake such as ``checkpoint_gr1``, or something in a folder of the lake.

    Args:
        folder: of the lake; what lies in it is named whole, without its suffix, or by a part of its digest.
        inside: what a folder must hold to be meant.

    Raises:
        UnknownName: there is nothing, or more than one thing.
    """
    if path := find(lake, text, folder, inside):
        return path
    if Path(text).exists():
        return Path(text)  # what is wrong with it is said by who opens it
    hint = did_you_mean(text, _known(folder))
    raise UnknownName(f"{text}: is no path, and {folder} holds nothing of that name{hint}")


def find(lake: Lake, text: str, folder: Path, inside: str = "") -> Path | None:
    """``named``, None where there is nothing.

    Raises:
        UnknownName: there is more than one thing.
    """
    pointed = None if "/" in text else lake.pointed(text)
    for path in (Path(text), folder / text, *(pointed[:1] if pointed else ())):
        if path.exists() and (path / inside).exists():
            return path
    known = _known(folder)
    fits = [name for name in known if len(text) >= SHORTEST_DIGEST and text in name.rpartition("-")[2]]
    if text in known or len(fits) == 1:
        return known[text if text in known else fits[0]]
    if fits:
        raise UnknownName(f"{text}: fits {len(fits)} of {folder} ({', '.join(fits)}); give more of the name")
    return None


def _known(folder: Path) -> dict[str, Path]:
    listed = [path for path in (sorted(folder.iterdir()) if folder.is_dir() else []) if not path.name.startswith(".")]
    return {path.stem if path.is_file() else path.name: path for path in listed}


def store_named(lake: Lake, text: str) -> EpisodeStore:
    """A store by the name of its folder in the lake, or by path.

    Raises:
        UnknownName: there is none. StoreError: what is there cannot be read as a store.
    """
    return EpisodeStore.open(named(lake, text, lake.stores, "meta"))


def find_checkpoint(lake: Lake, text: str) -> Path | None:
    """A checkpoint by path, by name in the lake, by a part of its digest, or by a pointer such as ``released_gr1``; a
    merged model too, which holds its lineage alone. None where there is none."""
    return find(lake, text, lake.checkpoints, "train_config.json") or find(lake, text, lake.checkpoints, "lineage.json")


def checkpoint_named(lake: Lake, text: str) -> Path:
    """The same; UnknownName where there is none."""
    return named(lake, text, lake.checkpoints, "train_config.json")


def manifest_named(lake: Lake, text: str) -> Path:
    """A manifest by path, by pointer (``mixture_gr1``), or by a part of its digest."""
    return named(lake, text, lake.mixtures)
