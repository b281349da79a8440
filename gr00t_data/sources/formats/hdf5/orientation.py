"""What an episode's group says about the order in which its quaternions are written."""

from collections.abc import Iterator, Sequence

import numpy as np

from gr00t_data.sources.formats.hdf5.tree import Dataset, Group, dataset_of
from gr00t_data.sources.recordings.propose import words
from gr00t_data.sources.recordings.quaternions import ORDERS, Vote, unit_lengths, votes
from gr00t_data.sources.recordings.streams import StreamError

MOST_EPISODES = 8
"""Episodes that are looked at, spread over the drop."""
_MOST_VALUES = 4_000_000
_ANGULAR = {"ang", "angular", "omega", "gyro", "angvel"}
_VELOCITY = {"velocity", "vel", "twist"}
_OF_JOINTS = {"joint", "joints", "dof", "qvel", "qpos"}


def spread(names: Sequence[str]) -> list[str]:
    """Up to ``MOST_EPISODES`` of the names, evenly over all of them."""
    chosen = np.linspace(0, len(names) - 1, min(len(names), MOST_EPISODES))
    return [names[round(float(number))] for number in chosen]


def orientation_in(group: Group, key: str, positions: list[int] | None) -> list[Vote]:
    """See ``votes``; a name that says the order votes, too.

    Raises:
        StreamError: the dataset cannot be read, or holds no quaternions.
    """
    group.require_closed()
    values = dataset_of(group, key).numbers()
    if positions is not None and max(positions) < values.shape[1]:
        values = values[:, positions]
    values = values[np.isfinite(values).all(axis=1)]
    if values.shape[1] != 4 or not len(values) or not unit_lengths(values):
        raise StreamError(f"{group.where(key)}: holds no quaternions of length 1")
    said = [Vote(order, f"the name {key!r}") for order in ORDERS if order in words(key)]
    return said + votes(values, dict(_beside(group, key)))


def _beside(group: Group, key: str) -> Iterator[tuple[str, np.ndarray]]:
    """The data sets that can tell the orders apart, by their names and shapes."""
    for name, dataset in group.datasets():
        if name == key or dataset.dtype.kind != "f" or np.prod(dataset.shape, dtype=float) > _MOST_VALUES:
            continue
        if columns := _columns(name, dataset):
            yield name, dataset.numbers()[:, columns]
        elif dataset.shape[1:] in ((4, 4), (3, 3)):
            yield name, dataset.array()


def _columns(name: str, dataset: Dataset) -> slice | None:
    """Which numbers of each row are a pose of a base, an angular speed, or a commanded turn; None: none are."""
    width, said = dataset.shape[1:], words(name)
    if width == (7,) and {"root", "pose"} <= said:
        return slice(0, 7)
    if said & _OF_JOINTS:
        return None
    if width == (3,) and said & _ANGULAR:
        return slice(0, 3)
    if (width == (6,) and said & _VELOCITY) or (width in ((6,), (7,)) and said & {"action", "actions"}):
        return slice(3, 6)
    return None
