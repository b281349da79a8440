"""HDF5 files read with care: nothing outside the file is ever opened, nothing huge is loaded by surprise."""

import math
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gr00t_data.disk import visible_files
from gr00t_data.sources.recordings.streams import StreamError

if TYPE_CHECKING:
    import h5py

SUFFIXES = (".hdf5", ".h5", ".hdf")
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CHUNK_CACHE_BYTES = 32 << 20
"""Pictures are read one by one; a chunk that holds several is then unpacked once."""
_LARGEST_VALUES_BYTES = 1 << 30
"""An hour of 1000 Hz times 30 joints in float64; a shape that claims more is damaged or hostile."""
_DEEPEST = 12


def files(drop: Path) -> list[Path]:
    """The HDF5 files of a drop by name, hidden ones left out; the drop itself when it is a file."""
    if drop.is_file():
        return [drop]
    return [path for path in visible_files(drop) if path.suffix.lower() in SUFFIXES]


def is_hdf5(path: Path) -> bool:
    """Whether a file begins with the HDF5 signature, whatever its name."""
    with path.open("rb") as stream:
        return stream.read(len(_SIGNATURE)) == _SIGNATURE


@contextmanager
def opened(path: Path) -> "Iterator[h5py.File]":
    """The file, for reading.

    Raises:
        StreamError: no HDF5, cut off or damaged; also for damage that shows inside the block.
    """
    import h5py

    if not is_hdf5(path):
        with path.open("rb") as stream:
            raise StreamError(f"{path}: is no HDF5 file, it begins with {stream.read(8)!r}; check what was copied")
    try:
        with h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE_BYTES) as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise StreamError(f"{path}: is damaged or cut off ({error}); copy it again from its source") from error


def member(group: "h5py.Group", key: str) -> "h5py.Group | h5py.Dataset | None":
    """What lies under ``key`` in an episode's group; None when nothing does.

    Raises:
        StreamError: the way leads through a link to another file or out of the group, or to values kept elsewhere.
    """
    return _followed(group, group.name or "/", key, 0)


def _followed(episode: "h5py.Group", base: str, key: str, depth: int) -> Any:
    import h5py

    at: Any = episode
    names = [name for name in key.split("/") if name]
    for position, name in enumerate(names):
        link = at.get(name, getlink=True) if isinstance(at, h5py.Group) else None
        if link is None:
            return None
        here = str(at.name)
        where = f"{episode.file.filename}: {here.rstrip('/')}/{name}"
        if isinstance(link, h5py.ExternalLink):
            raise StreamError(f"{where}: is a link to another file ({link.filename!r}); links out are not followed")
        if isinstance(link, h5py.SoftLink):
            target = posixpath.normpath(posixpath.join(here, str(link.path)))
            if depth >= _DEEPEST or not (target + "/").startswith(base.rstrip("/") + "/"):
                raise StreamError(f"{where}: is a link out of its episode (to {link.path!r}); store the values there")
            rest = "/".join([posixpath.relpath(target, base), *names[position + 1 :]])
            return _followed(episode, base, rest, depth + 1)
        at = at[name]
    return _kept_inside(at) if isinstance(at, h5py.Dataset) else at


def _kept_inside(dataset: Any) -> "h5py.Dataset":
    where = f"{dataset.file.filename}: {dataset.name}"
    if dataset.external:
        raise StreamError(f"{where}: keeps its values in another file ({dataset.external[0][0]!r}); copy them inside")
    if dataset.is_virtual and any(source.file_name != "." for source in dataset.virtual_sources()):
        raise StreamError(f"{where}: is put together from other files; store the values in this one")
    return dataset


def datasets(group: "h5py.Group", prefix: str = "") -> "Iterator[tuple[str, h5py.Dataset]]":
    """Every dataset of an episode's group by its key, links inside the group included.

    Raises:
        StreamError: as ``member``, or groups nested deeper than any recorder does (a loop).
    """
    import h5py

    if prefix.count("/") > _DEEPEST:
        raise StreamError(f"{group.file.filename}: {group.name}: groups lie deeper than {_DEEPEST}; is it a loop?")
    for name in at if (at := member(group, prefix)) is not None and isinstance(at, h5py.Group) else ():
        key = f"{prefix}/{name}" if prefix else str(name)
        item = member(group, key)
        if isinstance(item, h5py.Dataset):
            yield key, item
        elif isinstance(item, h5py.Group):
            yield from datasets(group, key)


def numbers(dataset: "h5py.Dataset") -> np.ndarray:
    """A dataset of one sample a row as float64 [N, D]; further axes are flattened.

    Raises:
        StreamError: no numbers, a single value, or far more than a recording can hold.
    """
    where = f"{dataset.file.filename}: {dataset.name}"
    if dataset.dtype.kind not in "fiub" or dataset.ndim < 1:
        raise StreamError(f"{where}: holds {dataset.dtype} {dataset.shape}, expected rows of numbers")
    if math.prod(dataset.shape) * 8 > _LARGEST_VALUES_BYTES:
        raise StreamError(f"{where}: claims {dataset.shape} values, more than a recording holds; map a smaller source")
    values = np.asarray(dataset[()], dtype=np.float64)
    return values.reshape(len(values), math.prod(values.shape[1:]))


def text(value: Any) -> str:
    """An attribute or scalar dataset as text; empty when it is none."""
    value = value[()] if hasattr(value, "dtype") and hasattr(value, "shape") and value.shape == () else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""
