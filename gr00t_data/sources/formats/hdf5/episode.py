"""An episode in one HDF5 group: every dataset a stream, all on the file's stamps or counted at its rate."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.sources.formats.beside import video_beside
from gr00t_data.sources.formats.hdf5.row_clock import RowClock
from gr00t_data.sources.formats.hdf5.tree import Dataset, Group, dataset_of, opened
from gr00t_data.sources.recordings.binding import Samples, bound_parts, camera_of
from gr00t_data.sources.recordings.images import array_picture, decoded
from gr00t_data.sources.recordings.mapping import CameraSource, Mapping, PartSource
from gr00t_data.sources.recordings.propose import Found, words
from gr00t_data.sources.recordings.rate import Rate
from gr00t_data.sources.recordings.streams import CameraStream, ChosenFrames, FrameReader, RawEpisode, StreamError

_UNEVEN_ROWS, _UNEVEN_SHARE = 3, 0.05
"""Streams that stop one after the other differ by no more rows, or share of them."""
_NO_PICTURE = {"depth", "segmentation", "seg", "mask", "normals"}


@dataclass(frozen=True)
class DatasetFrames:
    """The pictures of one dataset, read one by one: arrays [N, H, W, 3], or one JPEG a row (``compressed``)."""

    path: Path
    group: str
    key: str

    def take(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """See ``Frames.take``."""
        with opened(self.path) as file:
            dataset = dataset_of(_group(file, self.group), self.key)
            dataset.require_pictures()
            yield from FrameReader(lambda index: _picture(dataset, index)).take(indices)


def inventory(group: Group) -> list[Found]:
    """What an episode's group holds: numbers with their width, and pictures."""
    group.require_closed()
    found = []
    for key, dataset in group.datasets():
        if _is_picture(key, dataset):
            found.append(Found(key, 0, picture=True))
        elif dataset.ndim >= 1 and dataset.dtype.kind in "fiub" and dataset.shape[0]:
            found.append(Found(key, math.prod(dataset.shape[1:])))
    return found


def _is_picture(key: str, dataset: Dataset) -> bool:
    if words(key) & _NO_PICTURE or not dataset.shape or not dataset.shape[0]:
        return False
    if dataset.ndim == 4:
        return 3 in (dataset.shape[1], dataset.shape[-1]) or 4 in (dataset.shape[1], dataset.shape[-1])
    return _is_compressed(dataset)


def _is_compressed(dataset: Dataset) -> bool:
    """One JPEG or PNG a row: padded bytes [N, L], or rows of their own length."""
    if dataset.ndim == 2 and dataset.dtype == np.uint8:
        return True
    return dataset.ndim == 1 and dataset.byte_rows


def _picture(dataset: Dataset, index: int) -> np.ndarray:
    where = f"{dataset.where}: sample {index}"
    row = dataset.row(index)
    if not _is_compressed(dataset):
        return array_picture(np.asarray(row), where)
    try:
        return decoded(row if isinstance(row, bytes) else np.frombuffer(np.asarray(row).tobytes(), dtype=np.uint8))
    except StreamError as error:
        raise StreamError(f"{where}: {error}") from error


def _group(file: Group, name: str) -> Group:
    if isinstance(found := file.member(name), Group):
        return found
    raise StreamError(f"{file.where(name)}: is no group any more; the file changed while it was read")


def read_group(
    path: Path, group: Group, name: str, mapping: Mapping, embodiment: Embodiment, said: Sequence[Rate]
) -> RawEpisode:
    """The streams of one episode's group, pictures still unread. The whole group is looked through first.

    Args:
        said: what the file states of its rate outside the group; the mapping's goes first.

    Raises:
        StreamError: a mapped dataset is missing or is no stream, or something leads out of the file.
        MappingError: the file has no stamps and nobody said its rate.
    """
    group.require_closed()
    clock = RowClock(group, mapping, said)
    lengths: dict[str, int] = {}

    def samples(name: str, source: PartSource) -> Samples:
        values = dataset_of(group, source.key).numbers()
        lengths[source.key] = len(values)
        times_ns, usable = clock.stamps(len(values), source.key)
        return Samples(times_ns, values[usable], unstamped=len(values) - len(times_ns))

    parts = bound_parts(mapping, embodiment, samples)
    cameras = {
        camera: _camera(path, group, name, camera, source, embodiment, clock, max(lengths.values(), default=0))
        for camera, source in mapping.cameras.items()
    }
    lengths |= {f"camera {camera}": clock.rows(stream.times_ns) for camera, stream in cameras.items()}
    notes = (*clock.notes, *_uneven(lengths, f"{path}: {name}"))
    return RawEpisode(name, parts["state"], parts["action"], cameras, source=clock.facts, notes=notes)


def _uneven(lengths: dict[str, int], where: str) -> list[str]:
    """What is to be said of streams that are not equally long: a row more or less at the end is usual.

    Raises:
        StreamError: they differ by so much that their rows are not those of one rate.
    """
    short, long = min(lengths.values(), default=0), max(lengths.values(), default=0)
    if short and long - short > max(_UNEVEN_ROWS, _UNEVEN_SHARE * long):
        raise StreamError(
            f"{where}: its streams have different lengths, {lengths}: their rows cannot all be those of one rate, or "
            "some are missing; record the episode again, or leave it out"
        )
    return [f"lengths differ, the shortest counts: {lengths}"] if short != long else []


def _camera(
    path: Path,
    group: Group,
    name: str,
    camera: str,
    source: CameraSource,
    embodiment: Embodiment,
    clock: RowClock,
    rows: int,
) -> CameraStream:
    if source.file:
        frames, shown_s = video_beside(path, source.file, name.rpartition("#")[2] if "#" in name else path.stem)
        times_ns = clock.of_video(shown_s, rows, source.file)
        return camera_of(source, camera, embodiment, times_ns, frames)
    dataset = dataset_of(group, source.key)
    if not _is_compressed(dataset) and dataset.ndim != 4:
        raise StreamError(f"{dataset.where}: holds {dataset.dtype} {dataset.shape}, expected pictures")
    dataset.require_pictures()
    times_ns, usable = clock.stamps(len(dataset), source.key)
    frames = DatasetFrames(path, group.name, source.key)
    stamped = ChosenFrames(frames, tuple(np.flatnonzero(usable).tolist()))
    return camera_of(source, camera, embodiment, times_ns, stamped, unstamped=int((~usable).sum()))
