"""What can be wrong with the sources of a mixture: each is refused with a message that names the source."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gr00t_data.batches.frames import FramesCache
from gr00t_data.batches.loader import Loader, LoaderError
from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.curate.build import build_index
from gr00t_data.store.store import EpisodeStore, StoreError
from tests.data.builders import GR1, change_info, change_row, change_rows, episode, sealed, unsealed

SIZES: dict[str, Any] = {"batch_size": 1, "max_state_dim": 64, "max_action_dim": 32, "horizon": 16}


@pytest.fixture
def store(tmp_path: Path) -> EpisodeStore:
    return sealed(tmp_path / "stores/kitchen", [episode()])


def mixed(store: EpisodeStore, tmp_path: Path, weight: float = 1.0) -> MixtureManifest:
    return build_manifest("m", GR1, [(store, build_index(store, GR1, tmp_path / "index"), weight)], held_out_share=0)


def measured(store: EpisodeStore, tmp_path: Path) -> tuple[MixtureManifest, NormStats]:
    return mixed(store, tmp_path), measure([(store, build_index(store, GR1, tmp_path / "index"))], GR1)


def test_parts_in_another_order(store: EpisodeStore, tmp_path: Path) -> None:
    path = unsealed(store).root / "meta/modality.json"
    modality = json.loads(path.read_text())
    modality["action"]["left_arm"], modality["action"]["right_arm"] = (
        modality["action"][name] for name in ("right_arm", "left_arm")
    )
    path.write_text(json.dumps(modality))
    with pytest.raises(ValueError, match=r"source .*kitchen: none of its 1 .*META-03 .*part 'left_arm' is 22:29"):
        mixed(EpisodeStore.open(store.root), tmp_path)


def test_dimensions_in_another_order(store: EpisodeStore, tmp_path: Path) -> None:
    features = json.loads(json.dumps(store.info["features"]))
    names = features["action"]["names"]
    names[0], names[22] = names[22], names[0]
    with pytest.raises(ValueError, match=r"source .*kitchen: has the dimensions of action in another order: dim.* 0"):
        mixed(change_info(store, features=features), tmp_path)


def test_a_rate_that_is_too_low(tmp_path: Path) -> None:
    slow = change_info(sealed(tmp_path / "slow", [episode(20, times_s=np.arange(20) / 5)]), fps=5)
    with pytest.raises(ValueError, match=r"source .*slow: none of its 1 .*META-02 .*fps is 5.*than 2 times as fast"):
        mixed(slow, tmp_path)


def test_a_camera_that_is_missing(tmp_path: Path) -> None:
    blind = sealed(tmp_path / "blind", [episode(video={})])
    with pytest.raises(ValueError, match=r"source .*blind: none of its 1 .*META-07 .*maps no camera 'ego_view'"):
        mixed(blind, tmp_path)


def test_no_language(store: EpisodeStore, tmp_path: Path) -> None:
    change_row(store, 0, tasks=[])
    (store.root / "meta/tasks.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"source .*kitchen: none of its 1 episodes was accepted \(TEXT-01\)"):
        mixed(EpisodeStore.open(store.root), tmp_path)


@pytest.mark.parametrize("weight", [0.0, float("nan")])
def test_a_weight_that_is_none(store: EpisodeStore, tmp_path: Path, weight: float) -> None:
    with pytest.raises(ValueError, match=r"source .*kitchen: weight is (0.0|nan), expected a positive number"):
        mixed(store, tmp_path, weight)


def doubled(table: Any) -> Any:
    """The same rows with all actions twice as large: nothing but a digest can tell."""
    import pyarrow as pa

    values = [[2 * value for value in row] for row in table["action"].to_pylist()]
    place = table.column_names.index("action")
    return table.set_column(place, "action", pa.array(values, table.schema.field("action").type))


def test_rows_changed_after_sealing(store: EpisodeStore, tmp_path: Path) -> None:
    manifest, statistics = measured(store, tmp_path)
    change_rows(store, 0, doubled)
    loader = Loader([Member(manifest, statistics, GR1)], with_images=False, **SIZES)
    with pytest.raises(StoreError, match=r"kitchen/data/.*000000.parquet: episode 0: was changed after sealing"):
        loader.batch_of([SampleId(0, 0, 0)])


@pytest.mark.parametrize("processes", [1, 2])
def test_videos_changed_after_sealing(tmp_path: Path, processes: int) -> None:
    store = sealed(tmp_path / "kitchen", [episode(), episode(seed=1)])
    manifest = mixed(store, tmp_path)
    path = store.video_path(1, "ego_view")
    path.write_bytes(store.video_path(0, "ego_view").read_bytes())
    cache = FramesCache(tmp_path / "frames", (8, 8))
    with pytest.raises(StoreError, match=r"kitchen/videos/.*episode_000001.mp4: episode 1: was changed after sealing"):
        cache.build(manifest, ["ego_view"], processes=processes)
    with pytest.raises(StoreError, match="was changed after sealing"):
        cache.array(store, 1, "ego_view")


def test_a_video_changed_before_it_is_decoded_as_it_goes(store: EpisodeStore, tmp_path: Path) -> None:
    manifest, statistics = measured(store, tmp_path)
    other = sealed(tmp_path / "other", [episode(seed=1)])
    store.video_path(0, "ego_view").write_bytes(other.video_path(0, "ego_view").read_bytes())
    loader = Loader([Member(manifest, statistics, GR1)], order="clips", image_size=(8, 8), **SIZES)
    with pytest.raises(LoaderError, match=r"sample [0-9a-f]{12}/0/\d+, camera 'ego_view'.*was changed after sealing"):
        next(iter(loader))
    loader.close()


def test_a_corrupted_shard_is_decoded_again(store: EpisodeStore, tmp_path: Path, caplog) -> None:
    manifest, statistics = measured(store, tmp_path)
    cache = FramesCache(tmp_path / "frames", (8, 8))
    cache.build(manifest, ["ego_view"])
    path = cache.path(store, 0, "ego_view")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    loader = Loader([Member(manifest, statistics, GR1)], cache=cache, **SIZES)
    loader.batch_of([SampleId(0, 0, 3)])
    assert "000000.npy: its content has checksum" in caplog.text and "decoded again" in caplog.text
