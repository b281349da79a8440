"""Two ingests at once: the same drop, and two drops of one name, of every kind."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.races.contest import Ended, Work, gr00t
from benchmarks.races.pair import Pair, both_well, one_refused, require, whole
from gr00t_data.lake import Lake


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


def _pair(
    name: str,
    prepare: Callable[[Path], object],
    work: Callable[[Lake, str], Work],
    places: tuple[str, str],
    episodes: int,
    *,
    checked: bool = True,
) -> Pair:
    def judge(lake: Lake, ended: Sequence[Ended]) -> None:
        if places[0] == places[1]:
            both_well(lake, ended)
        else:  # one drop has the name; under another name both live
            require("--name" in one_refused(ended), "the refusal does not say what to do", ended)
        whole(lake, ended, stores=1, episodes=episodes, checked=checked)

    return Pair(name, prepare, lambda lake: [work(lake, place) for place in places], judge)


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
