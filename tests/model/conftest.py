"""Where the recorded reference numbers lie: GR00T_PARITY, or ../shared/parity beside the repository."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gr00t_data.lake import Lake
from tests.model.service_lake import add_store
from tests.shell import invoke

ROOT = Path(__file__).parents[2]
PARITY = Path(os.environ.get("GR00T_PARITY", ROOT.parent / "shared" / "parity"))


class Item:
    """One folder of recorded numbers."""

    def __init__(self, folder: Path):
        self.folder = folder

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        return load_file(self.folder / f"{name}.safetensors")

    def json(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def parity() -> Callable[[str], Item]:
    """A recorded item by name; the test is skipped where it is absent."""

    def item(name: str) -> Item:
        if not (PARITY / name).is_dir():
            pytest.skip(f"no recorded numbers at {PARITY / name} (set GR00T_PARITY)")
        return Item(PARITY / name)

    return item


@pytest.fixture(scope="session")
def published_shapes() -> dict[str, list[int]]:
    """Names and shapes of the published checkpoint; the test is skipped where the list is absent."""
    path = PARITY.parent / "spec" / "n15_state_dict_shapes.json"
    if not path.is_file():
        pytest.skip(f"no list of the published shapes at {path}")
    return json.loads(path.read_text())


@pytest.fixture(scope="session")
def good_and_bad(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two stores of four episodes, checked, measured and mixed; tests that damage one take a copy."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    add_store(lake, "good", range(4))
    add_store(lake, "bad", range(4, 8))
    assert invoke(["stats", "--lake", lake.root]).exit_code == 0 == invoke(["mix", "--lake", lake.root]).exit_code
    return lake
