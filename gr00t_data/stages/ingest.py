"""Drops into sealed, checked stores: those that land and those the simulator makes."""

from collections.abc import Sequence
from itertools import count as counting
from pathlib import Path

from gr00t_data.disk import claimed
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.lake import Lake
from gr00t_data.progress import Progress, silent
from gr00t_data.sources.content import store_name
from gr00t_data.sources.landing.landing import ROBOT_KINDS, drops, look
from gr00t_data.sources.landing.records import landed
from gr00t_data.stages.settings import Demonstrations
from gr00t_data.store.provenance import Kind, StoreSource
from gr00t_data.store.store import SEAL, EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter

LIBRARIES = ("av", "h5py", "mcap", "mujoco", "pyarrow", "rosbags", "scipy")


SIMULATOR = "simulator"
"""Name of the store that the embedded simulator records where nobody gives another; it says nothing about a drop."""


def simulator_name(lake: Lake) -> str:
    """A name for what the simulator records: ``simulator``, or numbered where a drop of that name has landed.

    Raises:
        LandingError: the remote landing cannot be listed.
    """
    taken = {drop.key for drop in drops(lake)}
    names = (SIMULATOR if number == 1 else f"{SIMULATOR}-{number}" for number in counting(1))
    return next(name for name in names if name not in taken)


def recorded_here(lake: Lake, name: str) -> bool:
    """Whether the sealed store ``name`` was recorded in the embedded simulator, as it says itself."""
    root = lake.stores / store_name(name)
    return (root / SEAL).is_file() and EpisodeStore.open(root).about.source.simulator is not None


def simulate(
    lake: Lake,
    embodiment: Embodiment,
    demonstrations: Demonstrations,
    *,
    name: str = SIMULATOR,
    progress: Progress = silent,
) -> EpisodeStore:
    """Record demonstrations of the scripted expert into ``lake.stores/<name>`` and seal them; resumes after a kill.

    Raises:
        StoreError: a sealed store of that name was recorded with other settings.
    """
    root = lake.stores / store_name(name)
    with lake.at_work(), claimed(root):
        return _recorded(root, embodiment, demonstrations, progress)


def _recorded(root: Path, embodiment: Embodiment, demonstrations: Demonstrations, progress: Progress) -> EpisodeStore:
    from gr00t_data.sources.sim.demos import record_demos

    wanted = demonstrations.episodes
    seed, shoves = demonstrations.seed, demonstrations.shoves
    source = StoreSource(simulator="tabletop", episodes={**wanted}, seed=seed, shoves=shoves)
    if (root / SEAL).is_file():
        store = EpisodeStore.open(root)
        if (recorded := store.about.source.facts()) != source.facts():
            raise StoreError(
                f"{root}: was recorded with {recorded}, asked for {source.facts()}; "
                "record under another name or delete the folder"
            )
        return store
    writer = StoreWriter.create(root, embodiment, kind="simulated", licence="Apache-2.0", source=source)
    total, before = sum(wanted.values()), 0
    for task, count in wanted.items():
        record_demos(
            writer,
            [task],
            count,
            seed=seed,
            workers=demonstrations.workers,
            shoves=shoves,
            progress=lambda done, _, before=before: progress(before + done, total),
        )
        before += count
    return writer.seal()


def waiting_drops(lake: Lake, kinds: Sequence[Kind] = ROBOT_KINDS) -> list[str]:
    """Keys of the drops in ``landing/`` that are complete (hold ``_SUCCESS``) and were never taken in."""
    return [drop.key for drop in look(lake, {}, 0.0, None, kinds).ready if landed(lake, drop.key) is None]
