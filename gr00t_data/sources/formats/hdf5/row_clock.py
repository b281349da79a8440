"""When the rows of an episode's group were recorded: by stamps in it, or counted at a rate that somebody says."""

from collections.abc import Sequence

import numpy as np

from gr00t_data.sources.formats.hdf5.tree import Dataset, Group, dataset_of
from gr00t_data.sources.recordings.clocks import NS, stamps_from_seconds, ticks
from gr00t_data.sources.recordings.mapping import Mapping
from gr00t_data.sources.recordings.rate import (
    Rate,
    may_say_rate,
    one_rate,
    rate_of_rows,
    rates_in,
    unit_ns,
    unit_of_stamps,
)
from gr00t_data.sources.recordings.streams import StreamError

_STAMPS = ("timestamp", "timestamps", "time", "times", "time_s", "time_stamp", "time_stamps", "stamps")
_PLACES = ("", "observations/", "obs/")
_COMMANDS = ("action", "actions")


class RowClock:
    """The stamps of a file's rows: its own, or counted at its rate.

    Attributes:
        facts: the rate and who said it, for the source of the episode; nothing where stamps say it.
        notes: what is odd about the stamps.
    """

    def __init__(self, group: Group, mapping: Mapping, stated: Sequence[Rate]) -> None:
        """Raises MappingError: no stamps, and nobody says the rate. StreamError: the file contradicts itself."""
        self.facts: dict[str, object] = {}
        self.notes: tuple[str, ...] = ()
        self._hz, self._own, self._usable = 0.0, None, np.ones(0, dtype=bool)
        if mapping.times_key:
            self._own, self._usable = _stamps(dataset_of(group, mapping.times_key))
            self.notes = _odd(self._own, mapping.times_key)
            return
        rate = rate_of_rows(mapping, rate_in(group, stated), str(group.path))
        if not mapping.hz and (stamps := _own_stamps(group)):
            self._own, self._usable = _stamps(dataset_of(group, stamps))
            self.facts = {"times_key": stamps}
        else:
            self._hz, self.facts = rate.hz, {"hz": rate.hz, "hz_said_by": rate.said_by}

    def stamps(self, count: int, key: str) -> tuple[np.ndarray, np.ndarray]:
        """int64 stamps of the usable samples of a dataset, and which those are: bool [count]."""
        if self._own is None:
            return ticks(0, count, self._hz), np.ones(count, dtype=bool)
        if count != len(self._usable):
            raise StreamError(f"{key}: has {count} samples, the stamps are {len(self._usable)}; map its own stamps")
        return self._own, self._usable

    def of_video(self, shown_s: np.ndarray, rows: int, key: str) -> np.ndarray:
        """int64 stamps of the frames of a video beside the rows: those of the rows where it has as many, else its own,
        which begin with them.

        Args:
            shown_s: float64 [N], when the frames are shown.
        """
        if self._own is not None or len(shown_s) == rows or len(shown_s) < 2:
            return self.stamps(len(shown_s), key)[0]
        return stamps_from_seconds(shown_s - shown_s[0])[0]

    def rows(self, times_ns: np.ndarray) -> int:
        """How many rows last as long as these stamps."""
        if self._own is not None or not len(times_ns):
            return len(times_ns)
        return round((times_ns[-1] - times_ns[0]) / NS * self._hz * len(times_ns) / max(len(times_ns) - 1, 1))


def rate_in(group: Group, stated: Sequence[Rate]) -> Rate | None:
    """The rate at which the stamps of a group run, else the one that it and its file (``stated``) say; None: neither.

    Raises:
        StreamError: they contradict each other.
    """
    if key := _own_stamps(group):
        times_ns, _ = _stamps(dataset_of(group, key))
        return Rate(NS / float(np.median(np.diff(times_ns))), f"stamps in {key!r}")
    return one_rate([*rates_of(group), *stated], group.where())


def rates_of(group: Group) -> list[Rate]:
    """What attributes and single values of a group say about the rate of its rows."""
    single = [(name, group.member(name)) for name in group.names() if may_say_rate(name)]
    values = [(name, one.array().item()) for name, one in single if isinstance(one, Dataset) and _is_number(one)]
    return rates_in([*group.attributes(may_say_rate).items(), *values])


def _is_number(dataset: Dataset) -> bool:
    return not dataset.shape and dataset.dtype.kind in "fiu"


def _own_stamps(group: Group) -> str | None:
    """The key of the dataset that holds the times of the rows, by its name and by its steps; None: there is none."""
    commands = [one for one in map(group.member, _COMMANDS) if isinstance(one, Dataset) and one.ndim]
    for key in (f"{place}{name}" for place in _PLACES for name in _STAMPS):
        found = group.member(key)
        if not isinstance(found, Dataset) or not _one_a_row(found) or any(len(one) != len(found) for one in commands):
            continue
        if unit_of_stamps(found.numbers()[:, 0]):
            return key
    return None


def _one_a_row(dataset: Dataset) -> bool:
    return dataset.dtype.kind in "fiu" and dataset.ndim in (1, 2) and dataset.shape[1:] in ((), (1,))


def _odd(times_ns: np.ndarray, key: str) -> tuple[str, ...]:
    """Rows pair by their number, so two with one stamp are two moments under the name of one."""
    twice = len(times_ns) - len(np.unique(times_ns))
    back = int((np.diff(times_ns) < 0).sum())
    found = [f"{twice} of {len(times_ns)} stamps in {key!r} are those of other rows; of such rows the last counts"]
    found += [f"{back} of {len(times_ns)} stamps in {key!r} go back; the rows are sorted by them"]
    return tuple(note for count, note in zip((twice, back), found, strict=True) if count)


def _stamps(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """int64 stamps of the rows that have one, and which those are. Floats are seconds and whole numbers nanoseconds,
    unless their steps are those of a recorder in another unit only."""
    stamps, whole = dataset.numbers()[:, 0], dataset.dtype.kind in "iu"
    unit = unit_of_stamps(stamps) or ("ns" if whole else "s")
    if whole:
        return dataset.array(np.int64).ravel() * unit_ns(unit), np.ones(len(stamps), dtype=bool)
    return stamps_from_seconds(stamps * (unit_ns(unit) / NS))
