"""What a pair is: what is prepared, what two processes do at once, and what must hold afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.races.contest import Ended, Work
from gr00t_data.curate.index import Index, load_index
from gr00t_data.lake import Lake
from gr00t_data.store.store import sealed_in


class Lost(AssertionError):
    """A race left what it must not."""


@dataclass(frozen=True)
class Pair:
    """Two works on one lake.

    Attributes:
        prepare: makes the lake, once; each race has a copy.
        works: what is done at once.
        judge: raises ``Lost`` when the lake, or how the works ended, is not as after one of them after the other.
        seconds: about how long a race takes, so that few of the long ones are run.
    """

    name: str
    prepare: Callable[[Path], object]
    works: Callable[[Lake], Sequence[Work]]
    judge: Callable[[Lake, Sequence[Ended]], None]
    seconds: float = 2.0


def require(holds: object, what: str, ended: Sequence[Ended]) -> None:
    """Raise ``Lost`` with what everybody said unless it holds."""
    if not holds:
        raise Lost("\n".join([what, *(f"--- status {one.status}\n{one.said[-3000:]}" for one in ended)]))


def both_well(lake: Lake, ended: Sequence[Ended]) -> None:
    """Both end with status 0."""
    require([one.status for one in ended] == [0, 0], "one did not end well", ended)


def nothing_left(lake: Lake, ended: Sequence[Ended]) -> None:
    """No temporary file, no claim, nothing unfinished anywhere."""
    left = [path for name in (".*.gr00t-*", ".pending") for path in lake.root.rglob(name)]
    require(not left, f"left behind: {left}", ended)


def indexes(lake: Lake) -> list[Index]:
    """Every index of the lake, by name."""
    return [load_index(path) for path in sorted(lake.index.glob("*.json"))]


def whole(lake: Lake, ended: Sequence[Ended], *, stores: int, episodes: int) -> None:
    """So many stores that verify, each with so many episodes, and verdicts on each that find nothing."""
    nothing_left(lake, ended)
    found = sealed_in(lake.stores)
    require(len(found) == stores, f"{len(found)} stores, expected {stores}", ended)
    by_digest = {index.store_digest: index for index in indexes(lake)}
    for store in found:
        store.verify()
        require(len(store.rows) == episodes, f"{store.root}: {len(store.rows)} episodes", ended)
        for row in store.rows:
            require(len(store.action(row.index)) == row.length, f"{store.root}: episode {row.index} is short", ended)
        index = by_digest.get(store.digest)
        require(index is not None, f"{store.root}: was not checked", ended)
        errors = [one for v in index.verdicts for one in v.findings] if index else []
        errors = [one for one in (*(index.findings if index else ()), *errors) if one.severity == "error"]
        require(not errors, f"{store.root}: findings that are not true: {errors[:3]}", ended)
    require(len(by_digest) == stores, f"{len(by_digest)} indexes, expected {stores}", ended)
