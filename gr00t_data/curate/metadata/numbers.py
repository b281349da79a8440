"""Checks of ``index``, the number of a row among all rows of the set, by which LeRobot's readers find rows."""

from collections.abc import Iterator, Mapping

import numpy as np

from gr00t_data.curate.check import Check, Look
from gr00t_data.curate.copies.duplicates import Contents
from gr00t_data.curate.finding import Finding
from gr00t_data.store.store import EpisodeStore

_MOST_NAMED = 8


def check_numbers(contents: Contents) -> Iterator[tuple[int | None, Finding]]:
    """META-17. Gaps between episodes are fine (some were taken out); a number that is given twice is not."""
    store = contents.store
    ranges: dict[int, tuple[int, int]] = {}
    for row in store.rows:
        offsets = _offsets(store, row.index)
        if offsets is None:
            continue
        if np.ptp(offsets) > 0:
            at = int(np.flatnonzero(np.diff(offsets))[0]) + 1
            message = (
                f"{store.data_place(row.index)}: episode {row.index} frame {at}: index does not go on by one a row"
            )
            yield row.index, META_17.finding(f"{message}; number the rows of the set again", (at, at))
            continue
        ranges[row.index] = (int(offsets[0]), int(offsets[0]) + len(offsets))
    wrong = _given_twice(ranges)
    if len(wrong) * 2 > len(ranges):
        named = ", ".join(map(str, wrong[:_MOST_NAMED])) + (" ..." if len(wrong) > _MOST_NAMED else "")
        yield (
            None,
            META_17.finding(
                f"{store.root}/data: index starts again: {len(wrong)} of {len(ranges)} episodes ({named}) begin with a "
                "number that other rows have; it counts the rows of the whole set: number them again"
            ),
        )
        return
    for index in wrong:
        yield (
            index,
            META_17.finding(
                f"{store.data_place(index)}: episode {index}: index goes from {ranges[index][0]}, a number that rows "
                "of other episodes have; it counts the rows of the whole set: number them again"
            ),
        )


def _offsets(store: EpisodeStore, index: int) -> np.ndarray | None:
    """``index`` less the row's place in its episode, int64 [T]; None where there is no such column."""
    try:
        values = store.matrix(index, "index")[:, 0]
    except (ValueError, KeyError, IndexError):
        return None
    if not len(values) or not np.isfinite(values).all():
        return None
    try:
        places = store.matrix(index, "frame_index")[:, 0]
    except (ValueError, KeyError, IndexError):
        places = np.arange(len(values))
    return (values - places).astype(np.int64) if np.isfinite(places).all() else None


def _given_twice(ranges: Mapping[int, tuple[int, int]]) -> list[int]:
    """Episodes whose numbers other episodes have, those left out that stand where the lengths before them say."""
    order = sorted(ranges, key=lambda index: ranges[index])
    twice = set[int]()
    last = -1
    for index in order:
        if last >= 0 and ranges[index][0] < ranges[last][1]:
            twice |= {index, last}
        last = index if last < 0 or ranges[index][1] > ranges[last][1] else last
    counted, expected = 0, set[int]()
    for index in sorted(ranges):
        first, end = ranges[index]
        expected |= {index} if first == counted else set()
        counted += end - first
    return sorted(twice - expected) or sorted(twice)


(META_17,) = Look(Contents, check_numbers, 2).finds(
    Check("META-17", "warning", "index does not count the rows of the set", "LeRobot takes rows of another episode",
          fact=True),
)  # fmt: skip
