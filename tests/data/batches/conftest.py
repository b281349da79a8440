"""The published demonstration, and a small mixture made of real stores."""

import os
from pathlib import Path

import pytest

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.curate.build import build_index
from gr00t_data.curate.index import Index
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import GR1, episode, sealed

SHARED = Path(__file__).parents[4] / "shared"
PICK_N_PLACE = Path(os.environ.get("GR00T_SHARED_DATA", SHARED / "data")) / "teleop/robot_sim.PickNPlace"


@pytest.fixture(scope="session")
def pick_n_place() -> EpisodeStore:
    """The published demonstration; skips where it is absent."""
    if not PICK_N_PLACE.is_dir():
        pytest.skip(f"no real data at {PICK_N_PLACE} (set GR00T_SHARED_DATA)")
    return EpisodeStore.open(PICK_N_PLACE)


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[EpisodeStore, Index]]:
    """Two stores: simulated episodes of 20, 24 (and a rejected one of 10), real ones of 18 and 22 frames."""
    root = tmp_path_factory.mktemp("sources")
    simulated = [episode(20, 0), episode(24, 1, instruction="push the cube"), episode(10, 2)]
    real = [episode(18, 3, instruction="pick the pear"), episode(22, 4, instruction="pick the salt")]
    stores = [sealed(root / "simulated", simulated), sealed(root / "real", real, kind="real")]
    return [(store, build_index(store, GR1, root / "index")) for store in stores]


@pytest.fixture(scope="session")
def statistics(sources: list[tuple[EpisodeStore, Index]]) -> NormStats:
    return measure(sources, GR1)


@pytest.fixture(scope="session")
def manifest(sources: list[tuple[EpisodeStore, Index]]) -> MixtureManifest:
    """Both sources, 3 to 1, nothing held out."""
    weighted = [(store, index, weight) for (store, index), weight in zip(sources, (3, 1), strict=True)]
    return build_manifest("both", GR1, weighted, seed=7, held_out_share=0)
