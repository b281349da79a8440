"""The healthy items that lie beside attacks, the verbs that meet both, and what is asked of the lake afterwards."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from benchmarks.hostile.case import Check, Place
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.progress import silent
from gr00t_data.sources.recordings.mapping import dump_mapping, parse_mapping
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.sources.rig import RIG
from tests.data.sources.test_unitree import recorded
from tests.pipelines.drops import put


def given(place: Place, name: str, content: str) -> Path:
    """A file of the user's own, as a mapping or an embodiment is."""
    path = place.root / "given" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def ingested(mapping: dict[str, object] | None = None, *more: str) -> Callable[[Place], list[str]]:
    """The words of ``gr00t ingest`` for the rig of the tests."""

    def words(place: Place) -> list[str]:
        robot = given(place, "rig.yaml", RIG)
        mapped = [] if mapping is None else ["--mapping", str(_mapping(place, mapping))]
        return ["ingest", str(place.drop), "--embodiment", str(robot), "--workers", "1", *mapped, *more]

    return words


def _mapping(place: Place, document: dict[str, object]) -> Path:
    return given(place, "mapping.yaml", dump_mapping(parse_mapping(document)))


def two_recordings(place: Place) -> Path:
    """Two Unitree recordings; returns the one to change."""
    for name in ("good", "evil"):
        recorded(place.drop / name)
    return place.drop / "evil"


def episodes_in(count: int, store: str = "drop") -> Check:
    """Whether the sealed store holds so many episodes, each with rows that can be read."""

    def check(place: Place) -> str:
        try:
            found = EpisodeStore.open(Lake(place.lake).stores / store)
            lengths = [len(found.state(row.index)) for row in found.rows]
        except (StoreError, OSError, ValueError) as error:
            return f"the store {store!r} cannot be read ({error})"
        whole = sum(length > 1 for length in lengths)
        return "" if whole >= count else f"expected {count} episodes, found rows {lengths}"

    return check


def with_good(attack: Callable[[Place, Path], object]) -> Callable[[Place], None]:
    """A healthy drop in the landing; the attack is given the landing."""

    def build(place: Place) -> None:
        put(Lake(place.lake), "good", episodes=1)
        attack(place, Lake(place.lake).landing)
        shutil.rmtree(place.lake / "made", ignore_errors=True)

    return build


def with_drop(attack: Callable[[Place, Path], object], name: str = "evil") -> Callable[[Place], None]:
    """Two drops of one episode each; the attack changes the one of the name."""
    return with_good(lambda place, landing: attack(place, put(Lake(place.lake), name, episodes=1, seed=1)))


def in_lake(place: Place) -> list[str]:
    """Its landing is looked at; to be met by ``landed``."""
    return [str(place.lake)]


def landed(words: list[str]) -> int:
    """Take in and check every drop of the landing as the service does, each alone; a refusal is printed.

    Args:
        words: the lake.
    """
    from gr00t_data.sources.landing.landing import drops, look, take_in
    from gr00t_data.stages.stores import check
    from gr00t_model.shell.main import main

    lake, robot = Lake(Path(words[0])), load_embodiment("gr1")
    failed = False
    every = {drop.key: (drop.signature, 0.0) for drop in drops(lake)}
    for drop in look(lake, every, 0.0, 0.0).ready:
        try:
            store = take_in(lake, drop.key, robot)
            index = check(lake, store, robot)
            print(f"{drop.key}: {[one.message for v in (index, *index.verdicts) for one in v.findings]}")
            failed |= bool(index.rejected) or any(one.severity == "error" for one in index.findings)
        except (StoreError, OSError) as error:
            print(f"{drop.key}: {error}")
    try:
        main(["landing"])
    except SystemExit as ended:
        return int(bool(ended.code) or failed)


def taken_in(kind: str) -> Callable[[Place], list[str]]:
    """The drop is one of the landing, with a marker that says its kind; to be met by ``landed_as``."""
    return lambda place: [str(place.lake), str(place.drop), kind]


def landed_as(words: list[str]) -> int:
    """Take in one folder as a drop of a kind; what was refused is printed, and the status tells of it."""
    from gr00t_data.sources.human.settings import HumanSettings
    from gr00t_data.sources.landing.kinds import ingest_as

    lake, drop, kind = Lake(Path(words[0])), Path(words[1]), words[2]
    robot = load_embodiment("human_hands" if kind == "human" else "gr1")
    options = {"name": "drop", "licence": "x", "progress": silent, "human": HumanSettings(faces="none")}
    try:
        store = ingest_as(cast(Any, kind), drop, robot, lake, **options)
    except (StoreError, ValueError) as error:
        print(f"refused all: {error}")
        return 1
    for one in store.about.source.refused or ():
        print(f"refused {one.episode}: {one.reason}")
    return int(bool(store.about.source.refused))
