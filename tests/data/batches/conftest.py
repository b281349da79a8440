"""Recorded numbers of the published transforms, and a small mixture made of real stores."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from gr00t_data.batches.mixture import MixtureManifest, build_manifest
from gr00t_data.batches.statistics import NormStats, measure
from gr00t_data.curate.index import Index, build_index
from gr00t_data.store import EpisodeStore
from tests.data.builders import GR1, episode, sealed

SHARED = Path(__file__).parents[4] / "shared"
PARITY = Path(os.environ.get("GR00T_PARITY", SHARED / "parity"))
PICK_N_PLACE = Path(os.environ.get("GR00T_SHARED_DATA", SHARED / "data")) / "teleop/robot_sim.PickNPlace"


class Recorded:
    """One folder of recorded numbers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        return load_file(self.folder / f"{name}.safetensors")

    def json(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def recorded() -> Callable[[str], Recorded]:
    """A recorded item by name; skips where it is absent."""

    def item(name: str) -> Recorded:
        if not (PARITY / name).is_dir():
            pytest.skip(f"no recorded numbers at {PARITY / name} (set GR00T_PARITY)")
        return Recorded(PARITY / name)

    return item


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
