"""HDF5 files read with care: nothing outside the file is ever opened, nothing huge is loaded by surprise.

The only importer of h5py. Names are followed link by link, and a data set is looked through by its creation properties
before its values or even its shape are asked for: HDF5 opens the sources of a virtual data set to tell its shape. What
leads out of the file is refused; what is only large or coded in another way is refused when it is read.
"""

import math
import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5t, h5z  # type: ignore[attr-defined]  # compiled

from gr00t_data.disk import own_files
from gr00t_data.limits import CHUNK_BYTES, MIB, VIDEO_FRAMES, LimitError, require_within
from gr00t_data.sources.recordings.streams import StreamError

SUFFIXES = (".hdf5", ".h5", ".hdf")
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LARGEST_VALUES_BYTES = 256 * MIB
"""As float64: ten minutes of 1 kHz times 55 values, or an hour of 100 Hz times 93."""
_TEXT_BYTES = 1 * MIB
"""An attribute; the longest of robomimic describe a whole environment in 20 kB."""
_DEEPEST = 12
_MOST_MEMBERS = 100_000
"""Of one group, and of one episode in all; the largest files have 3,000 demonstrations of 60 data sets."""
_MOST_ATTRIBUTES = 1_000
_MOST_SOURCES = 10_000
_LARGEST_RATIO = 1_100
"""Deflate cannot pack better than 1,032 to 1; a shape that claims more was never written."""
_FREE_BYTES = 64 * MIB
_FILTERS = {
    h5z.FILTER_DEFLATE: "gzip",
    h5z.FILTER_SHUFFLE: "shuffle",
    h5z.FILTER_FLETCHER32: "fletcher32",
    h5z.FILTER_SZIP: "szip",
    h5z.FILTER_LZF: "lzf",
}
"""What comes with h5py. Any other is code that HDF5 would load from somewhere."""
_TEXT_OR_NUMBER = (h5t.INTEGER, h5t.FLOAT, h5t.ENUM, h5t.STRING)


def files(drop: Path) -> list[Path]:
    """The HDF5 files of a drop by name, hidden ones and links out left out; the drop itself when it is a file."""
    if drop.is_file():
        return [drop]
    return [path for path in own_files(drop) if path.suffix.lower() in SUFFIXES]


def is_hdf5(path: Path) -> bool:
    """Whether a file begins with the HDF5 signature, whatever its name."""
    with path.open("rb") as stream:
        return stream.read(len(_SIGNATURE)) == _SIGNATURE


@contextmanager
def opened(path: Path) -> "Iterator[Group]":
    """The root of a file, for reading.

    Raises:
        StreamError: no HDF5, cut off or damaged; also for damage that shows inside the block.
    """
    if not is_hdf5(path):
        with path.open("rb") as stream:
            raise StreamError(f"{path}: is no HDF5 file, it begins with {stream.read(8)!r}; check what was copied")
    try:
        # A chunk that holds several pictures is unpacked once: the largest that is read fits.
        with h5py.File(path, "r", rdcc_nbytes=CHUNK_BYTES) as file:
            yield Group(path, "/", h5g.open(file.id, b"/"))
    except (OSError, RuntimeError, KeyError) as error:
        raise StreamError(f"{path}: is damaged or cut off ({error}); copy it again from its source") from error


class Group:
    """A group of a file.

    Attributes:
        path: the file.
        name: of the group in it, from the root.
    """

    def __init__(self, path: Path, name: str, identity: h5g.GroupID) -> None:
        self.path, self.name, self.id = path, name, identity

    def where(self, name: str = "") -> str:
        """File and object, as messages begin."""
        return f"{self.path}: {posixpath.join(self.name, name)}"

    def names(self) -> list[str]:
        """What lies in it, whatever that is. Raises StreamError: more than any recorder writes."""
        _within(self.id.get_num_objs(), _MOST_MEMBERS, f"{self.where()}: members of a group")
        return [_text(name) for name in self.id]

    def member(self, key: str) -> "Group | Dataset | None":
        """What lies under ``key``; None when nothing does.

        Raises:
            StreamError: the way leads through a link to another file or out of this group, or to values kept elsewhere.
        """
        return _followed(self, key, 0)

    def link(self, name: str) -> str | None:
        """Where a soft link of that name leads; None for what lies here itself. Raises StreamError: out of the file."""
        raw = _raw(name)
        kind = self.id.links.get_info(raw).type
        if kind == h5l.TYPE_HARD:
            return None
        if kind == h5l.TYPE_SOFT:
            return _text(self.id.links.get_val(raw))
        if kind == h5l.TYPE_EXTERNAL:
            found = f"to another file ({_text(self.id.links.get_val(raw)[0])!r})"
            raise StreamError(
                f"{self.where(name)}: is a link {found}; links out are not followed: store the values here"
            )
        raise StreamError(
            f"{self.where(name)}: is a link of kind {kind}, expected a hard or soft one; store the values here"
        )

    def has(self, name: str) -> bool:
        """Whether something has that name, wherever it leads."""
        return self.id.links.exists(_raw(name))

    def child(self, name: str) -> "Group | Dataset | None":
        """What lies here itself under a name; None for a stored type. Raises StreamError: values kept elsewhere."""
        found = h5o.open(self.id, _raw(name))
        if isinstance(found, h5g.GroupID):
            return Group(self.path, posixpath.join(self.name, name), found)
        return Dataset(self, name, found) if isinstance(found, h5d.DatasetID) else None

    def datasets(self, prefix: str = "") -> "Iterator[tuple[str, Dataset]]":
        """Every data set below by its key, links inside the group included.

        Raises:
            StreamError: as ``member``, or groups nested deeper than any recorder does (a loop).
        """
        if prefix.count("/") > _DEEPEST:
            raise StreamError(f"{self.where(prefix)}: groups lie deeper than {_DEEPEST}; is it a loop?")
        at = self.member(prefix)
        for name in at.names() if isinstance(at, Group) else ():
            key = f"{prefix}/{name}" if prefix else name
            item = self.member(key)
            if isinstance(item, Dataset):
                yield key, item
            elif isinstance(item, Group):
                yield from self.datasets(key)

    def require_closed(self, besides: str = "") -> None:
        """Look at everything below before any of it is read.

        Args:
            besides: a member that is left out.

        Raises:
            StreamError: something leads out of the file, or there is more than any recorder writes.
        """
        seen: set[int] = set()
        waiting: list[tuple[Group, int]] = [(self, 0)]
        while waiting:
            group, depth = waiting.pop()
            if depth > _DEEPEST:
                raise StreamError(f"{group.where()}: groups lie deeper than {_DEEPEST}; is it a loop?")
            for name in group.names():
                if (group is self and name == besides) or group.link(name) is not None:
                    continue
                if (address := h5o.get_info(group.id, _raw(name)).addr) in seen:
                    continue
                seen.add(address)
                _within(len(seen), _MOST_MEMBERS, f"{self.where()}: objects")
                if isinstance(item := group.child(name), Group):
                    waiting.append((item, depth + 1))

    def attribute(self, name: str) -> Any:
        """A text or number; None when there is none of that name, or it is something else.

        Raises:
            StreamError: it is larger than any text that belongs there.
        """
        if not h5a.exists(self.id, _raw(name)):
            return None
        found = h5a.open(self.id, _raw(name))
        if found.get_type().get_class() not in _TEXT_OR_NUMBER or found.get_space().get_simple_extent_npoints() != 1:
            return None
        what = f"{self.where()}: bytes of attribute {name!r}"
        _within(found.get_storage_size(), _TEXT_BYTES, what)
        value = h5py.Group(self.id).attrs[name]
        _within(len(value) if isinstance(value, str | bytes) else 0, _TEXT_BYTES, what)
        value = value.item() if isinstance(value, np.generic | np.ndarray) else value
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def text(self, key: str) -> str:
        """The attribute of that name, else the single text under that key; empty when it is none."""
        if h5a.exists(self.id, _raw(key)):
            value = self.attribute(key)
            return value if isinstance(value, str) else ""
        found = self.member(key)
        return found.text() if isinstance(found, Dataset) else ""

    def attributes(self, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Any]:
        """Those of the wanted names that are a text or a number."""
        _within(h5a.get_num_attrs(self.id), _MOST_ATTRIBUTES, f"{self.where()}: attributes")
        names = [_text(h5a.open(self.id, index=number).name) for number in range(h5a.get_num_attrs(self.id))]
        found = {name: self.attribute(name) for name in names if wanted(name)}
        return {name: value for name, value in found.items() if value is not None}


class Dataset:
    """A data set whose values lie in its file."""

    def __init__(self, group: Group, name: str, identity: h5d.DatasetID) -> None:
        """Raises StreamError: they do not."""
        self.path, self.name, self.where = group.path, posixpath.join(group.name, name), group.where(name)
        self._id, self._properties = identity, identity.get_create_plist()
        if self._properties.get_external_count():
            kept = _text(self._properties.get_external(0)[0])
            raise StreamError(f"{self.where}: keeps its values in another file ({kept!r}); copy them inside")
        self.stored_bytes = self._of_sources() if self.is_virtual else identity.get_storage_size()
        self.shape: tuple[int, ...] = identity.shape

    @cached_property
    def dtype(self) -> np.dtype:
        """Of a value; that of objects where NumPy has no such type."""
        try:
            return self._id.dtype
        except (TypeError, ValueError, OverflowError, RecursionError):
            return np.dtype(object)

    @cached_property
    def byte_rows(self) -> bool:
        """Whether a value is bytes: of its own length, or a fixed number of them."""
        if (length := h5py.check_vlen_dtype(self.dtype)) is not None:
            return np.dtype(length).kind in "iu" and np.dtype(length).itemsize == 1
        opaque = self.dtype.kind == "V" and self.dtype.names is None and self.dtype.subdtype is None
        return opaque or h5py.check_string_dtype(self.dtype) is not None

    @property
    def is_virtual(self) -> bool:
        """Whether it is put together from others."""
        return self._properties.get_layout() == h5d.VIRTUAL

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def _of_sources(self) -> int:
        """Bytes stored for a virtual data set, all of whose sources lie in this file themselves."""
        count = self._properties.get_virtual_count()
        _within(count, _MOST_SOURCES, f"{self.where}: sources of a virtual data set")
        root, stored = Group(self.path, "/", h5g.open(h5py.Dataset(self._id).file.id, b"/")), 0
        for number in range(count):
            file, name = self._properties.get_virtual_filename(number), self._properties.get_virtual_dsetname(number)
            if file != "." or "%" in name:
                raise StreamError(
                    f"{self.where}: is put together from other files ({file!r}); store the values in this one"
                )
            source = _lying(root, name)
            if source is None or source.get_create_plist().get_layout() == h5d.VIRTUAL:
                raise StreamError(
                    f"{self.where}: is put together from {name!r}, which is no plain data set; store the values here"
                )
            stored += Dataset(root, name, source).stored_bytes
        return stored

    def _require_readable(self) -> None:
        """Raises StreamError: a filter that is not h5py's own, or sizes that would fill the memory."""
        found = [self._properties.get_filter(number)[0] for number in range(self._properties.get_nfilters())]
        for one in found:
            if one not in _FILTERS or found.count(one) > 1:
                known = ", ".join(_FILTERS.values())
                raise StreamError(
                    f"{self.where}: is packed by filter {one}, expected at most one each of {known}; repack it"
                )
        if self._properties.get_layout() == h5d.CHUNKED:
            chunk = math.prod(self._properties.get_chunk()) * self._id.get_type().get_size()
            _within(chunk, CHUNK_BYTES, f"{self.where}: bytes of a chunk")
        claimed = math.prod(self.shape) * self._id.get_type().get_size()
        if claimed > self.stored_bytes * _LARGEST_RATIO + _FREE_BYTES:
            raise StreamError(
                f"{self.where}: claims {self.shape}, {claimed:,} bytes, of which {self.stored_bytes:,} are stored; "
                "it was never written: leave it out, or record it again"
            )

    def numbers(self, dtype: type[np.generic] = np.float64) -> np.ndarray:
        """One sample a row, [N, D]; further axes are flattened.

        Raises:
            StreamError: no numbers, a single value, or far more than a recording can hold.
        """
        if self.ndim < 1:
            raise StreamError(f"{self.where}: holds {self.dtype} {self.shape}, expected rows of numbers")
        values = self.array(dtype)
        return values.reshape(len(values), math.prod(values.shape[1:]))

    def array(self, dtype: type[np.generic] = np.float64) -> np.ndarray:
        """All of its numbers, in its shape. Raises StreamError: as ``numbers``."""
        if self.dtype.kind not in "fiub":
            raise StreamError(f"{self.where}: holds {self.dtype} {self.shape}, expected rows of numbers")
        if math.prod(self.shape) * 8 > _LARGEST_VALUES_BYTES:
            raise StreamError(
                f"{self.where}: claims {self.shape} values, more than a recording holds "
                f"({_LARGEST_VALUES_BYTES >> 20} MB as float64); map a smaller source"
            )
        self._require_readable()
        return np.asarray(h5py.Dataset(self._id)[()], dtype=dtype)

    def require_pictures(self) -> None:
        """Raises StreamError: as rows they are more, or larger, than pictures of a recording."""
        self._require_readable()
        _within(len(self), VIDEO_FRAMES, f"{self.where}: pictures")
        row = math.prod(self.shape[1:]) * self._id.get_type().get_size()
        _within(row, CHUNK_BYTES, f"{self.where}: bytes of a picture")

    def row(self, index: int) -> Any:
        """One row of what ``require_pictures`` let pass: an array, or bytes."""
        return h5py.Dataset(self._id)[index]

    def texts(self) -> Iterator[str]:
        """A list of texts, one by one; nothing when it is none. Raises StreamError: longer than any list of names."""
        if self.ndim != 1 or self._id.get_type().get_class() != h5t.STRING:
            return
        self._require_readable()
        _within(len(self), _MOST_MEMBERS, f"{self.where}: texts")
        size_bytes = 0
        for number in range(len(self)):
            text = bytes(self.row(number))
            size_bytes += len(text)
            _within(size_bytes, _TEXT_BYTES * _DEEPEST, f"{self.where}: bytes of its texts")
            yield text.decode("utf-8", "replace")

    def text(self) -> str:
        """A single text; empty when it is none."""
        if self.shape or self._id.get_type().get_class() != h5t.STRING:
            return ""
        self._require_readable()
        _within(self._id.get_type().get_size(), _TEXT_BYTES, f"{self.where}: bytes of a text")
        value = h5py.Dataset(self._id)[()]
        _within(len(value) if isinstance(value, bytes) else 0, _TEXT_BYTES, f"{self.where}: bytes of a text")
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def dataset_of(group: Group, key: str) -> Dataset:
    """The data set under a key. Raises StreamError: there is none (with those there are)."""
    if isinstance(found := group.member(key), Dataset):
        return found
    known = ", ".join(name for name, _ in group.datasets())
    raise StreamError(f"{group.where()}: has no dataset {key!r}; it holds {known}")


def _lying(root: Group, name: str) -> h5d.DatasetID | None:
    """The data set of that name, if no link leads there but hard ones."""
    at: Any = root.id
    for step in name.split("/"):
        if step in ("", "."):
            continue
        raw = _raw(step)
        inside = isinstance(at, h5g.GroupID) and at.links.exists(raw)
        if not inside or at.links.get_info(raw).type != h5l.TYPE_HARD:
            return None
        at = h5o.open(at, raw)
    return at if isinstance(at, h5d.DatasetID) else None


def _followed(episode: Group, key: str, depth: int) -> Group | Dataset | None:
    at: Group | Dataset | None = episode
    names = [name for name in key.split("/") if name not in ("", ".")]
    for position, name in enumerate(names):
        if not isinstance(at, Group) or not at.has(name):
            return None
        if (leads := at.link(name)) is not None:
            target = posixpath.normpath(posixpath.join(at.name, leads))
            if depth >= _DEEPEST or not (target + "/").startswith(episode.name.rstrip("/") + "/"):
                raise StreamError(
                    f"{at.where(name)}: is a link out of its episode (to {leads!r}); store the values there"
                )
            rest = "/".join([posixpath.relpath(target, episode.name), *names[position + 1 :]])
            return _followed(episode, rest, depth + 1)
        at = at.child(name)
    return at


def _within(found: float, limit: float, what: str) -> None:
    try:
        require_within(found, limit, what)
    except LimitError as error:
        raise StreamError(str(error)) from error


def _raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
