"""Pairs of what judges and makes anew: repairs, labels, the gate, evaluations, merged models, exports of mixtures."""

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from benchmarks.races.contest import Ended, Work, gr00t
from benchmarks.races.pair import Pair, both_well, nothing_left, one_refused, pointed, require
from gr00t_data.disk import folder_digests
from gr00t_data.integrity import require_intact
from gr00t_data.lake import Lake
from gr00t_data.store.store import EpisodeStore

Prepare = Callable[[Path], object]
Judge = Callable[[Lake, Sequence[Ended]], None]
_SECONDS = 20


@cache
def _made() -> Path:
    """The lake of the benchmark of changed bytes, which has everything; made once."""
    from benchmarks.rest.lake import build

    root = Path(tempfile.mkdtemp(prefix="races-made-"))
    build(root / "lake")
    return root / "lake"


def _lake(*without: str) -> Prepare:
    """That lake, without what the two are to make."""

    def prepare(root: Path) -> None:
        shutil.copytree(_made(), root / "lake", symlinks=True)
        for path in [path for pattern in without for path in (root / "lake").glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return prepare


def _twice(lake: Lake, *words: str) -> list[Work]:
    return [gr00t(*words, "--lake", lake.root)] * 2


def _damaged(root: Path) -> None:
    """A folder of somebody else with totals that are not true."""
    from tests.pipelines.drops import put

    lake = Lake(root / "lake")
    drop = put(lake, "monday", seed=1, marked=False)
    info = json.loads((drop / "meta/info.json").read_text())
    (drop / "meta/info.json").write_text(json.dumps(info | {"total_frames": 7, "total_episodes": 99}))


def _repaired(lake: Lake, ended: Sequence[Ended]) -> None:
    both_well(lake, ended)
    nothing_left(lake, ended)
    drop = lake.landing / "monday"
    info, store = json.loads((drop / "meta/info.json").read_text()), EpisodeStore.open(drop)
    true = len(store.rows), sum(row.length for row in store.rows)
    require((info["total_episodes"], info["total_frames"]) == true, f"totals {info}, expected {true}", ended)
    backups = [path for path in drop.rglob("info.json") if ".before-repair" in str(path)]
    told = [json.loads(path.read_text())["total_episodes"] for path in backups]
    require(told == [99], f"backups with {told} episodes, expected the one of before", ended)


def _sealed(name: str, episodes: int, point: str = "") -> Judge:
    def judge(lake: Lake, ended: Sequence[Ended]) -> None:
        both_well(lake, ended)
        nothing_left(lake, ended)
        (root,) = lake.stores.glob(name)
        store = EpisodeStore.open(root)
        store.verify()
        require(len(store.rows) == episodes, f"{root}: {len(store.rows)} episodes", ended)
        if point:
            require(pointed(lake, point) == (root, store.digest), f"{point} is at another one", ended)
        for folder in lake.root.glob("gate/*"):
            require(require_intact(folder), f"{folder}: has no record", ended)

    return judge


def _evaluated(lake: Lake, ended: Sequence[Ended]) -> None:
    both_well(lake, ended)
    nothing_left(lake, ended)
    (folder,) = lake.evaluations.iterdir()
    require(require_intact(folder), "an evaluation without a record", ended)
    require(pointed(lake, "evaluation_gr1")[0] == folder, "the pointer is at another one", ended)


def _merged(lake: Lake, ended: Sequence[Ended]) -> None:
    require("exists already" in one_refused(ended), "the refusal does not say why", ended)
    nothing_left(lake, ended)
    require(require_intact(lake.root / "merged"), "a merged model without a record", ended)


def _exported(lake: Lake, ended: Sequence[Ended]) -> None:
    """Both say so, or one refuses what the other has made; the folder is that of a lone export."""
    from tests.shell import invoke

    require(0 in [one.status for one in ended], "none ended well", ended)
    require({one.status for one in ended} <= {0, 2}, "one crashed", ended)
    nothing_left(lake, ended)
    alone = invoke(["mix", "export", "mixture_gr1", lake.root / "alone", "--lake", lake.root])
    require(alone.exit_code == 0, alone.output, ended)
    made, lone = (folder_digests(lake.root / name) for name in ("exported", "alone"))
    require(made == lone, "the export is not that of a lone one", ended)


def _merge(lake: Lake) -> list[Work]:
    (adapted,) = lake.root.glob("checkpoints/adapted-*")
    return _twice(lake, "merge", str(adapted), "checkpoint_gr1", str(lake.root / "merged"))


_GATE = ("gate", "dreams", "--idm", "idm_gr1", "--any-model", "--no-replay", "--calibrate", "monday")
JUDGED = [
    Pair(
        "a doctor's repair twice",
        _damaged,
        lambda lake: _twice(lake, "doctor", str(lake.landing / "monday"), "--embodiment", "gr1", "--fix"),
        _repaired,
    ),
    Pair(
        "labels twice",
        _lake("stores/dreams-labelled*"),
        lambda lake: _twice(lake, "label", "dreams", "--idm", "idm_gr1", "--any-model"),
        _sealed("dreams-labelled*", 1),
        seconds=_SECONDS,
    ),
    Pair(
        "a gate twice",
        _lake("gate", "stores/dreams-accepted", "stores/asked", "cache/gate"),
        lambda lake: _twice(lake, *_GATE),
        _sealed("dreams-accepted", 1, "trajectories_dreams"),
        seconds=_SECONDS,
    ),
    Pair(
        "an evaluation twice",
        _lake("evaluations", "current/evaluation_gr1.json"),
        lambda lake: _twice(lake, "eval", "--task", "none"),
        _evaluated,
        seconds=_SECONDS,
    ),
    Pair("a merge twice", _lake(), _merge, _merged, seconds=_SECONDS),
    Pair(
        "an export of a mixture twice",
        _lake(),
        lambda lake: _twice(lake, "mix", "export", "mixture_gr1", str(lake.root / "exported")),
        _exported,
        seconds=_SECONDS,
    ),
]
