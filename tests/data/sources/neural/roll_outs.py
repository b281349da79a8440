"""A store of three recorded roll-outs of the simulator, small pictures."""

from pathlib import Path

from gr00t_data.sources.sim.demos import record_episode
from gr00t_data.store.provenance import StoreSource
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from tests.data.builders import GR1

REACH, PUSH, PICK = 0, 1, 2


def rolled_out(root: Path, size: int = 64) -> EpisodeStore:
    """One reach, one push, one pick and place, pictures of ``size`` pixels a side."""
    writer = StoreWriter.create(
        root, GR1, kind="simulated", licence="Apache-2.0", source=StoreSource(simulator="tabletop")
    )
    for task in ("reach", "push", "pick_and_place"):
        writer.append(record_episode(task, 5, size))
    return writer.seal()
