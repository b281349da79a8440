"""Pairs of what is made of stores: mixtures, statistics, checks, landings and withdrawals."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.races.contest import Ended, Work, gr00t
from benchmarks.races.pair import Pair, both_well, nothing_left, one_refused, pointed, require, whole
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.disk import read_json
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.store.store import EpisodeStore, sealed_in

GR1 = load_embodiment("gr1")
_EPISODES = 3


def _stores(root: Path) -> None:
    """Two stores that nobody has checked yet, and a drop that has not landed."""
    from tests.pipelines.drops import put

    lake = Lake(root / "lake")
    for number, name in enumerate(("monday", "tuesday")):
        put(lake, name, seed=number, marked=False)
        _take_in(lake, name)
    put(Lake(root / "made"), "pick", seed=7, marked=False).rename(root / "pick")
    shutil.rmtree(lake.landing)
    shutil.rmtree(root / "made")


def _take_in(lake: Lake, key: str) -> EpisodeStore:
    from gr00t_data.sources.landing.landing import take_in

    return take_in(lake, key, GR1)


def _landing(root: Path) -> None:
    from tests.pipelines.drops import put

    for number in range(3):
        put(Lake(root / "lake"), f"drop-{number}", seed=number)
    shutil.rmtree(root / "lake/made")


def _tick(root: Path) -> None:
    """What a tick of the landing starts: every waiting drop is taken in and checked."""
    from gr00t_data.stages.ingest import waiting_drops
    from gr00t_data.stages.stores import check

    lake = Lake(root)
    for key in waiting_drops(lake):
        check(lake, _take_in(lake, key), GR1)


def _ticked(lake: Lake, ended: Sequence[Ended]) -> None:
    from gr00t_data.sources.landing.records import every_landed

    both_well(lake, ended)
    whole(lake, ended, stores=3, episodes=_EPISODES)
    require(len(list(every_landed(lake))) == 3, "not every drop is written down", ended)
    require(not list((lake.root / "failed").glob("*")), "a failure was written down", ended)


def _twice(lake: Lake, *words: str) -> list[Work]:
    return [gr00t(*words, "--lake", lake.root)] * 2


def _mixed(lake: Lake, ended: Sequence[Ended]) -> None:
    """One manifest of all episodes, the one that a lone run makes."""
    from gr00t_data.stages.mix import mix

    both_well(lake, ended)
    whole(lake, ended, stores=2, episodes=_EPISODES)
    digest = pointed(lake, "mixture_gr1")[1]
    require(mix(lake, GR1)[0].digest == digest, "the mixture is not that of a lone run", ended)
    require(len(list(lake.mixtures.glob("*"))) == 1, "more than one mixture", ended)


def _measured(lake: Lake, ended: Sequence[Ended]) -> None:
    from gr00t_data.stages.mix import measure_statistics

    both_well(lake, ended)
    whole(lake, ended, stores=2, episodes=_EPISODES)
    digest = pointed(lake, "norm_stats_gr1")[1]
    shutil.rmtree(lake.statistics / "tallies")  # measured anew by the lone run
    require(measure_statistics(lake, GR1)[0].digest == digest, "not those of a lone run", ended)


def _checked(lake: Lake, ended: Sequence[Ended]) -> None:
    both_well(lake, ended)
    shutil.rmtree(lake.stores / "tuesday")
    whole(lake, ended, stores=1, episodes=_EPISODES)


def _ingested_and_mixed(lake: Lake, ended: Sequence[Ended]) -> None:
    """The mixture holds the new store whole or not at all; the next one holds it."""
    from gr00t_data.stages.mix import mix

    both_well(lake, ended)
    whole(lake, ended, stores=3, episodes=_EPISODES)
    made = MixtureManifest.load(pointed(lake, "mixture_gr1")[0])
    for manifest, counts in ((made, ([3, 3], [3, 3, 3])), (mix(lake, GR1)[0], ([3, 3, 3],))):
        found = [len(source.episodes) for source in manifest.sources]
        require(found in counts, f"a mixture of {found} episodes, expected {counts}", ended)
        for source in manifest.sources:
            source.open().verify()


def _people(root: Path) -> None:
    """A store of several people, one of robots, and footage of one of the people that has not landed."""
    from tests.data.sources.human.ego_films import calm_film, epic_csv
    from tests.model.lineage.test_withdrawal import add_people
    from tests.model.service_lake import add_store

    lake = Lake(root / "lake")
    add_people(lake, "people", range(4))
    add_store(lake, "robot", range(4, 8))
    calm_film(root / "pick/P07_01.mp4", 3.0)
    rows = [("c", "P07_01", 0.0, 1.5, "open door"), ("d", "P07_01", 1.5, 3.0, "close door")]
    epic_csv(root / "pick/narrations.csv", rows)


def _purge(lake: Lake) -> Work:
    return gr00t("withdraw", "P07", "--purge", "--lake", lake.root)


def _footage(lake: Lake) -> Work:
    return gr00t("human", "ingest", lake.root.parent / "made/pick", "--faces", "none", "--lake", lake.root)


def _purged(lake: Lake, ended: Sequence[Ended], *, may_refuse: bool = False) -> None:
    """Nothing of the person is there; everything of the others is."""
    from tests.model.lineage.test_purge import THEIRS, traces, values_of

    require(ended[0].status == 0, "the purge did not end well", ended)
    require(ended[1].status in ((0, 2) if may_refuse else (0,)), "the other did not end well", ended)
    require(not traces(lake, values_of(THEIRS)), "values of the person are there", ended)
    left = list(lake.root.rglob(".*.gr00t-*"))
    require(not left, f"left behind: {left}", ended)
    stores = {store.root.name: store for store in sealed_in(lake.stores)}
    for store in stores.values():
        for row in store.rows:
            theirs = row.source.participant == "P07"
            there = [store.data_path(row.index), *(store.video_path(row.index, one) for one in store.cameras)]
            require({path.is_file() for path in there} == {not theirs}, f"{store.root}: {row.index}", ended)
        store.verify()
    require({"people", "robot"} <= stores.keys(), "a store is gone", ended)
    written = [path for path in lake.stores.rglob("*.*") if path.suffix in (".mp4", ".parquet")]
    unfinished = [path for path in written if path.relative_to(lake.stores).parts[0] not in stores]
    require(not unfinished, f"unfinished: {unfinished}", ended)


def _converted(lake: Lake, ended: Sequence[Ended]) -> None:
    """One conversion is there whole, the other one is refused."""
    require("exists" in one_refused(ended), "the refusal does not say why", ended)
    nothing_left(lake, ended)
    require(read_json(lake.root / "v3/meta/info.json")["total_episodes"] == _EPISODES, "not every episode", ended)


def _demonstrated(lake: Lake, ended: Sequence[Ended]) -> None:
    both_well(lake, ended)
    whole(lake, ended, stores=1, episodes=1, checked=False)


_CONVERT, _DEMO = ("--to", "v3.0"), ("demo", "--episodes", "1", "--task", "reach", "--workers", "1")
WRITERS = [
    Pair(
        "a conversion twice",
        _stores,
        lambda lake: [gr00t("convert", lake.root / "stores/monday", lake.root / "v3", *_CONVERT)] * 2,
        _converted,
    ),
    Pair("demonstrations twice", lambda root: None, lambda lake: _twice(lake, *_DEMO), _demonstrated),
    Pair("a check twice", _stores, lambda lake: _twice(lake, "check", "monday"), _checked),
    Pair("a mixture twice", _stores, lambda lake: _twice(lake, "mix"), _mixed),
    Pair("statistics twice", _stores, lambda lake: _twice(lake, "stats"), _measured),
    Pair(
        "an ingest and a mixture",
        _stores,
        lambda lake: [
            gr00t("ingest", lake.root.parent / "made/pick", "--lake", lake.root),
            gr00t("mix", "--lake", lake.root),
        ],
        _ingested_and_mixed,
    ),
    Pair("a tick of the landing twice", _landing, lambda lake: [partial(_tick, lake.root)] * 2, _ticked),
    Pair(
        "a purge and an ingest of the person",
        _people,
        lambda lake: [_purge(lake), _footage(lake)],
        partial(_purged, may_refuse=True),
    ),
    Pair(
        "a purge and statistics",
        _people,
        lambda lake: [_purge(lake), gr00t("stats", "--lake", lake.root)],
        _purged,
    ),
    Pair(
        "a purge and a mixture",
        _people,
        lambda lake: [_purge(lake), gr00t("mix", "--lake", lake.root)],
        _purged,
    ),
]
