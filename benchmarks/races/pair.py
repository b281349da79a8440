"""What a pair is: what is prepared, what two processes do at once, and what must hold afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.races.contest import Ended, Work
from gr00t_data.curate.index import load_index
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


def one_refused(ended: Sequence[Ended]) -> str:
    """What the one said that was refused; the other one ended well."""
    require({one.status for one in ended} == {0, 2}, "expected one refusal", ended)
    return next(one.said for one in ended if one.status)


def pointed(lake: Lake, name: str) -> tuple[Path, str]:
    """Path and digest of what a name means now; ``Lost`` when it means nothing."""
    if found := lake.pointed(name):
        return found
    raise Lost(f"{lake.root}: there is no {name}")


def whole(lake: Lake, ended: Sequence[Ended], *, stores: int, episodes: int, checked: bool = True) -> None:
    """So many stores that verify, each with so many episodes, and verdicts on each that find nothing."""
    nothing_left(lake, ended)
    found = sealed_in(lake.stores)
    require(len(found) == stores, f"{len(found)} stores, expected {stores}", ended)
    for store in found:
        store.verify()
        require(len(store.rows) == episodes, f"{store.root}: {len(store.rows)} episodes", ended)
        for row in store.rows:
            require(len(store.action(row.index)) == row.length, f"{store.root}: episode {row.index} is short", ended)
    if not checked:
        return
    indexes = [load_index(path) for path in sorted(lake.index.glob("*.json"))]
    wanted = sorted(store.digest for store in found)
    require(sorted(one.store_digest for one in indexes) == wanted, f"{len(indexes)} indexes of {wanted}", ended)
    for index in indexes:
        errors = [one for v in (index, *index.verdicts) for one in v.findings if one.severity == "error"]
        require(not errors, f"{index.store_digest}: findings that are not true: {errors[:3]}", ended)
