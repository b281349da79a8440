"""The pairs that are raced: what is prepared, what two processes do at once, and what must hold afterwards."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.races.contest import Ended, Work, gr00t
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
    left = [path for path in lake.root.rglob(".*") if "landing" not in path.parts]
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


# Ingest


def _drops(root: Path) -> None:
    """Two drops of one name, and recordings of one name."""
    from tests.pipelines.drops import put

    for place, seed in (("monday", 1), ("tuesday", 2)):
        made = put(Lake(root / "made"), "pick", seed=seed, marked=False)
        (root / place).mkdir(parents=True)
        made.rename(root / place / "pick")
    shutil.rmtree(root / "made")


def _recordings(root: Path) -> None:
    from tests.data.sources.rig import rig
    from tests.data.sources.test_unitree import MAPPING, recorded

    rig(root)
    (root / "mapping.yaml").write_text(json.dumps(MAPPING))
    for place, rows in (("monday", 30), ("tuesday", 33)):
        for number in range(3):
            recorded(root / place / f"pick/episode_{number:04d}", rows=rows)


def _films(root: Path) -> None:
    from tests.data.sources.human.ego_films import calm_film, epic_csv

    for place, seed in (("monday", 1), ("tuesday", 2)):
        drop = root / place / "pick"
        calm_film(drop / "P07_01.mp4", 3.0, seed=seed)
        rows = [("c", "P07_01", 0.0, 1.5, "open door"), ("d", "P07_01", 1.5, 3.0, "close door")]
        epic_csv(drop / "narrations.csv", rows)


def _clips(root: Path) -> None:
    from tests.data.sources.neural.drops import listed, movie

    for place, seed in (("monday", 1), ("tuesday", 3)):
        drop = root / place / "pick"
        lines = [{"file": f"{number}.mp4", "instruction": "push", "fps": 8} for number in range(2)]
        for number in range(2):
            movie(drop / f"{number}.mp4", seed=seed + number)
        listed(drop, *lines)


def _ingest(lake: Lake, place: str, *more: object) -> Work:
    return gr00t("ingest", lake.root.parent / "made" / place / "pick", *more, "--lake", lake.root)


def _recording(lake: Lake, place: str) -> Work:
    made = lake.root.parent / "made"
    return _ingest(lake, place, "--embodiment", made / "rig.yaml", "--mapping", made / "mapping.yaml", "--workers", 1)


def _human(lake: Lake, place: str) -> Work:
    drop = lake.root.parent / "made" / place / "pick"
    return gr00t("human", "ingest", drop, "--faces", "none", "--lake", lake.root)


def _generated(lake: Lake, place: str) -> Work:
    return gr00t("clips", lake.root.parent / "made" / place / "pick", "--lake", lake.root)


def _same(lake: Lake, ended: Sequence[Ended], *, episodes: int, checked: bool = True) -> None:
    both_well(lake, ended)
    if checked:
        whole(lake, ended, stores=1, episodes=episodes)
    else:
        nothing_left(lake, ended)
        (store,) = sealed_in(lake.stores)
        store.verify()
        require(len(store.rows) == episodes, f"{len(store.rows)} episodes", ended)


def _one_name(lake: Lake, ended: Sequence[Ended], *, episodes: int, checked: bool = True) -> None:
    """One drop has the name, the other one is refused and its exit status says so; under another name both live."""
    require(sorted(one.status or 0 for one in ended) == [0, 2], "expected one refusal", ended)
    refused = next(one for one in ended if one.status == 2)
    require("--name" in refused.said, "the refusal does not say what to do", ended)
    (store,) = sealed_in(lake.stores)
    store.verify()
    require(len(store.rows) == episodes, f"{len(store.rows)} episodes", ended)
    if checked:
        whole(lake, ended, stores=1, episodes=episodes)


def _pair(
    name: str,
    prepare: Callable[[Path], object],
    work: Callable[[Lake, str], Work],
    places: tuple[str, str],
    episodes: int,
    *,
    checked: bool = True,
) -> Pair:
    judge = _same if places[0] == places[1] else _one_name
    return Pair(
        name,
        prepare,
        lambda lake: [work(lake, place) for place in places],
        lambda lake, ended: judge(lake, ended, episodes=episodes, checked=checked),
    )


_TWICE, _OTHER = ("monday", "monday"), ("monday", "tuesday")
INGEST = [
    _pair("a LeRobot drop twice", _drops, _ingest, _TWICE, 3),
    _pair("two LeRobot drops of one name", _drops, _ingest, _OTHER, 3),
    _pair("a recording twice", _recordings, _recording, _TWICE, 3),
    _pair("two recordings of one name", _recordings, _recording, _OTHER, 3),
    _pair("a drop of footage twice", _films, _human, _TWICE, 2, checked=False),
    _pair("two drops of footage of one name", _films, _human, _OTHER, 2, checked=False),
    _pair("a drop of clips twice", _clips, _generated, _TWICE, 2, checked=False),
    _pair("two drops of clips of one name", _clips, _generated, _OTHER, 2, checked=False),
]
PAIRS = {pair.name: pair for pair in INGEST}
