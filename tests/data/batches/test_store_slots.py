"""A store may ask for a slot of its own: generated episodes then train other encoders than recorded ones."""

from pathlib import Path

import pytest

from gr00t_data.batches.loader import Loader, check_members
from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.curate.build import build_index
from gr00t_data.disk import read_json, write_json
from gr00t_data.store.store import ABOUT, EpisodeStore, StoreError
from gr00t_data.store.writing import StoreWriter
from gr00t_model.training.base import slots_in_use
from gr00t_model.training.config import Data, TrainConfig
from tests.data.builders import GR1, episode, sealed, unsealed
from tests.data.so100 import SO100, so100_member

OWN = 7


def with_slot(root: Path, slot: int) -> EpisodeStore:
    writer = StoreWriter.create(root, GR1, kind="neural", licence="MIT", absent=["state"], slot=slot)
    writer.append(episode(18, 3))
    return writer.seal()


def test_rows_carry_the_slot_of_their_store_and_training_finds_it(tmp_path: Path) -> None:
    stores = [sealed(tmp_path / "recorded", [episode(20, 0)], kind="real"), with_slot(tmp_path / "dreamt", OWN)]
    checked = [(store, build_index(store, GR1, tmp_path / "index")) for store in stores]
    manifest = build_manifest("both", GR1, [(*pair, 1.0) for pair in checked], held_out_share=0)
    statistics = measure(checked, GR1)
    manifest.save(tmp_path / "mixture.json")
    assert MixtureManifest.load(tmp_path / "mixture.json") == manifest
    loader = Loader(
        [Member(manifest, statistics, GR1)],
        batch_size=2,
        max_state_dim=64,
        max_action_dim=32,
        horizon=16,
        with_images=False,
    )
    assert loader.batch_of([SampleId(0, 0, 0), SampleId(1, 0, 0)]).embodiment_id.tolist() == [GR1.slot, OWN]
    data = Data(manifest=str(tmp_path / "mixture.json"), embodiment="gr1")
    assert slots_in_use(TrainConfig(recipe="test", steps=1, batch_size=1, data=data)) == (OWN, GR1.slot)


def test_a_slot_is_not_shared_with_another_embodiment(tmp_path: Path) -> None:
    store = with_slot(tmp_path / "dreamt", SO100.slot)
    index = build_index(store, GR1, tmp_path / "index")
    dreamt = build_manifest("dreamt", GR1, [(store, index, 1.0)], held_out_share=0)
    members = [Member(dreamt, measure([(store, index)], GR1), GR1), so100_member(tmp_path / "arm")]
    with pytest.raises(ValueError, match=rf"'gr1' and 'so100' both use slot {SO100.slot}"):
        check_members(members)


@pytest.mark.parametrize("slot", [32, -1, "7", True])
def test_no_such_slot(tmp_path: Path, slot: object) -> None:
    root = unsealed(with_slot(tmp_path / "dreamt", OWN)).root
    write_json(root / ABOUT, read_json(root / ABOUT) | {"slot": slot})
    with pytest.raises(StoreError, match="expected a number from 0 to 31"):
        EpisodeStore.open(root)
