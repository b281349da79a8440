"""What was counted over many kills of one kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.kills.victim import End
from gr00t_data.disk import folder_digests
from gr00t_data.lake import Lake
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError

MADE = ("stores", "index", "statistics", "mixtures", "landed", "current")
"""Folders of a lake whose every byte must be that of an undisturbed run, but for the pointer to the evaluation: its
report holds times."""
WEIGHTS = ("bases", "runs", "checkpoints", "run")
"""Folders in which the weights, every ``.safetensors`` of a base model or a checkpoint, must be so."""


@dataclass
class Tally:
    """Counts of one part of the benchmark. ``finished``: runs that were let end, each compared byte by byte."""

    part: str
    kills: int = 0
    finished: int = 0
    corrupted_stores: int = 0
    lost_episodes: int = 0
    orphans: int = 0
    files_that_differ: int = 0
    weights_compared: int = 0
    weights_that_differ: int = 0
    outlived_s: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, corrupted, left running or different."""
        bad = (self.corrupted_stores, self.lost_episodes, self.orphans, self.files_that_differ)
        return not any(bad) and not self.weights_that_differ and not self.failures

    def row(self) -> dict[str, Any]:
        """For a table."""
        identical = f"{self.weights_compared - self.weights_that_differ} of {self.weights_compared}"
        return {
            "kills of": self.part,
            "kills": self.kills,
            "finished and compared": self.finished,
            "corrupted stores": self.corrupted_stores,
            "lost accepted episodes": self.lost_episodes,
            "orphans": self.orphans,
            "files that differ": self.files_that_differ,
            "weights identical": identical if self.weights_compared else "-",
            "longest afterlife, s": round(self.outlived_s, 1),
        }


class Scene(Protocol):
    """Something that is run, killed, and looked at."""

    root: Path

    @property
    def name(self) -> str:
        """For the table."""
        ...

    def run(self, kill_after_s: float | None = None, *, whole_group: bool = False) -> End:
        """Run it once."""
        ...

    def clear(self) -> None:
        """Back to the beginning."""
        ...


@dataclass(frozen=True)
class Left:
    """What a finished run left: digests of files and weights, and (store, episode) of all accepted episodes."""

    files: Mapping[str, str]
    weights: Mapping[str, str]
    accepted: frozenset[tuple[str, int]]


def left_by(root: Path) -> Left:
    """Look at a folder laid out like a lake."""
    files = {
        f"{name}/{key}": digest
        for name in MADE
        for key, digest in folder_digests(root / name).items()
        if not key.startswith("evaluation_")
    }
    weights = {
        f"{name}/{key}": digest
        for name in WEIGHTS
        for key, digest in folder_digests(root / name).items()
        if key.endswith(".safetensors") and "states/" not in key
    }
    return Left(files, weights, _accepted(Lake(root)))


def _accepted(lake: Lake) -> frozenset[tuple[str, int]]:
    from gr00t_data.batches.mixture.manifest import MixtureManifest

    pointed = lake.pointed("mixture_gr1")
    sources = MixtureManifest.load(pointed[0]).sources if pointed else ()
    return frozenset((Path(source.store).name, entry.index) for source in sources for entry in source.episodes)


def corrupted(root: Path) -> int:
    """How many stores carry a seal and are not what it says."""
    bad = 0
    for seal in (root / "stores").glob(f"[!.]*/{SEAL}"):
        try:
            EpisodeStore.open(seal.parents[1]).verify()
        except StoreError:
            bad += 1
    return bad


def compare(tally: Tally, wanted: Left, found: Left) -> None:
    """Count what a finished run left otherwise than an undisturbed one."""
    tally.finished += 1
    files, weights = _unlike(wanted.files, found.files), _unlike(wanted.weights, found.weights)
    tally.failures += [f"{tally.part}: {name} differs" for name in (*files, *weights)]
    tally.files_that_differ += len(files)
    tally.weights_compared += len(wanted.weights)
    tally.weights_that_differ += len(weights)
    tally.lost_episodes += len(wanted.accepted - found.accepted)


def _unlike(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def harass(
    scene: Scene, kills: int, whole_s: float, wanted: Left, seed: int, say: Callable[[str], None], earliest: float = 0.0
) -> Tally:
    """Kill a scene ``kills`` times; each run goes on with what the killed one left, until one comes through.

    Args:
        whole_s: how long an undisturbed run takes; kills are uniform between ``earliest`` (a share of it) and its end.
    """
    tally, rng = Tally(scene.name), np.random.default_rng(seed)
    while tally.kills < kills:
        delay_s = float(rng.uniform(earliest, 1.0)) * whole_s
        end = scene.run(delay_s, whole_group=bool(tally.kills % 2))
        _note(tally, scene, end)
        if end.status is None:
            tally.kills += 1
            say(f"{scene.name}: {tally.kills} of {kills} killed, this one after {delay_s:.1f} of {whole_s:.1f} s")
        else:  # it came through before the kill
            compare(tally, wanted, left_by(scene.root))
            scene.clear()
    _note(tally, scene, scene.run())
    compare(tally, wanted, left_by(scene.root))
    return tally


def _note(tally: Tally, scene: Scene, end: End) -> None:
    tally.orphans += end.orphans
    tally.outlived_s = max(tally.outlived_s, end.outlived_s)
    tally.corrupted_stores += corrupted(scene.root)
    if end.status not in (0, None):
        tally.failures.append(f"{scene.name}: status {end.status}: {end.output[-1500:]}")
