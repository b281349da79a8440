"""The loader: what stands in a batch, and that order does not depend on who asks."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.frames import FramesCache
from gr00t_data.batches.loader import Loader, LoaderError
from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.batches.statistics.statistics import NormStats
from gr00t_data.batches.transforms.transforms import build_transforms
from gr00t_data.curate.build import build_index
from tests.data.builders import GR1, episode, sealed


@pytest.fixture
def cache(tmp_path: Path) -> FramesCache:
    return FramesCache(tmp_path / "frames", (8, 8))


def loader(manifest: MixtureManifest, statistics: NormStats, cache: FramesCache | None, **changes: Any) -> Loader:
    numbers: dict[str, Any] = {"batch_size": 4, "max_state_dim": 64, "max_action_dim": 32, "horizon": 16}
    options = {"cache": cache, "with_images": cache is not None}
    return Loader([Member(manifest, statistics, GR1)], **{**numbers, **options, **changes})


def tokens(instructions: list[str], images: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.array([[len(text), images] for text in instructions], dtype=np.int64)
    return ids, np.ones_like(ids)


def test_every_field_of_a_batch(manifest: MixtureManifest, statistics: NormStats, cache: FramesCache) -> None:
    made = loader(manifest, statistics, cache, tokenize=tokens, horizon_frames=16)
    samples = [SampleId(0, 1, 2), SampleId(1, 0, 10)]
    batch = made.batch_of(samples)
    assert batch.images is not None and batch.action is not None and batch.action_mask is not None
    assert batch.state.shape == (2, 1, 64) and batch.state.dtype == torch.float32
    assert batch.state_mask.shape == (2, 1, 64) and batch.state_mask.sum().item() == 2 * 52
    assert batch.images.shape == (2, 1, 8, 8, 3) and batch.images.dtype == torch.uint8
    assert batch.embodiment_id.tolist() == [24, 24]
    assert batch.input_ids is not None and batch.input_ids.tolist() == [[len("push the cube"), 1], [13, 1]]
    first, second = manifest.sources[0].digest[:12], manifest.sources[1].digest[:12]
    assert batch.sample_ids == (f"{first}/1/2", f"{second}/0/10")
    # Frame 2 of 24: the chunk is whole. Frame 10 of 18: eight steps are left.
    assert batch.action_mask.dtype == torch.bool and batch.action_mask[0].sum().item() == 16 * 26
    assert batch.action_mask[1, :8, :26].all() and batch.action_mask[1].sum().item() == 8 * 26
    assert batch.future_mask is not None and batch.future_mask.tolist() == [True, False]
    np.testing.assert_allclose(batch.images[:, 0].float().mean((1, 2, 3)), [40 + 4 * 2, 120 + 4 * 10], atol=2)
    assert batch.future_images is not None
    np.testing.assert_allclose(batch.future_images[0].float().mean(), 40 + 4 * 18, atol=2)


def test_values_are_those_of_the_transforms(manifest: MixtureManifest, statistics: NormStats) -> None:
    batch = loader(manifest, statistics, None).batch_of([SampleId(1, 1, 15)])
    store = manifest.sources[1].open()
    state, action = build_transforms(GR1, None, statistics, 64, 32)
    raw = {part.name: store.state(1)[15:16, part.slice] for part in GR1.state}
    np.testing.assert_allclose(batch.state[0], state(raw), atol=1e-6)
    rows = np.minimum(np.arange(15, 31), 21)
    raw = {part.name: store.action(1)[rows, part.slice] for part in GR1.action}
    assert batch.action is not None
    np.testing.assert_allclose(batch.action[0], action(raw), atol=1e-6)
    back = action.inverse(batch.action[0].double().numpy())
    np.testing.assert_allclose(back["right_arm"][:7], store.action(1)[15:22, 22:29], atol=1e-6)


def test_relative_parts_are_still_past_the_end(manifest: MixtureManifest, statistics: NormStats) -> None:
    relative = tuple(replace(part, absolute=part.name != "left_arm") for part in GR1.action)
    robot = replace(GR1, action=relative, action_horizon=2)
    numbers: dict[str, Any] = {"batch_size": 1, "max_state_dim": 64, "max_action_dim": 32, "horizon": 2}
    made = Loader([Member(manifest, statistics, robot)], with_images=False, **numbers)
    batch = made.batch_of([SampleId(0, 0, 19)])
    assert batch.action is not None
    back = made.rows[0].action_transform.inverse(batch.action[0].double().numpy())
    np.testing.assert_allclose(back["left_arm"][1], 0, atol=1e-7)
    np.testing.assert_allclose(back["right_arm"][1], back["right_arm"][0])


def same(a: Batch, b: Batch) -> bool:
    names = ("state", "action", "action_mask", "images", "input_ids", "future_images", "future_mask")
    return a.sample_ids == b.sample_ids and all(torch.equal(getattr(a, name), getattr(b, name)) for name in names)


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_together_see_what_one_process_sees(
    manifest: MixtureManifest, statistics: NormStats, cache: FramesCache, world: int
) -> None:
    options: dict[str, Any] = {"tokenize": tokens, "horizon_frames": 16}
    whole = loader(manifest, statistics, cache, batch_size=8, **options)
    parts = [
        loader(manifest, statistics, cache, batch_size=8 // world, rank=rank, world=world, **options)
        for rank in range(world)
    ]
    for batch, *pieces in islice(zip(whole, *parts, strict=True), 3):
        assert batch.sample_ids == tuple(name for piece in pieces for name in piece.sample_ids)
        assert batch.images is not None
        assert torch.equal(batch.images, torch.cat([p.images for p in pieces if p.images is not None]))
        assert torch.equal(batch.state, torch.cat([piece.state for piece in pieces]))


def test_a_restart_goes_on_where_it_was(manifest: MixtureManifest, statistics: NormStats, cache: FramesCache) -> None:
    options: dict[str, Any] = {"tokenize": tokens, "horizon_frames": 16}
    straight = list(islice(loader(manifest, statistics, cache, **options), 5))
    resumed = list(islice(loader(manifest, statistics, cache, start_step=3, **options), 2))
    assert all(same(a, b) for a, b in zip(straight[3:], resumed, strict=True))
    assert straight[0].sample_ids != straight[3].sample_ids


def test_without_images(manifest: MixtureManifest, statistics: NormStats) -> None:
    made = loader(manifest, statistics, None, horizon_frames=16, tokenize=tokens)
    batch = next(iter(made))
    assert batch.images is None and batch.input_ids is None and batch.future_images is None
    assert batch.future_mask is not None and batch.sample_ids == tuple(map(made.rows[0].name, made.samples(0)))


def test_human_video_teaches_no_actions(tmp_path: Path) -> None:
    store = sealed(tmp_path / "s", [episode()], kind="human")
    sources = [(store, build_index(store, GR1, tmp_path / "index"))]
    manifest = build_manifest("human", GR1, [(*sources[0], 1.0)])
    batch = loader(manifest, measure(sources, GR1), None).batch_of([SampleId(0, 0, 0)])
    assert batch.action_mask is not None and not batch.action_mask.any()


def test_an_unreadable_image_names_its_sample(
    manifest: MixtureManifest, statistics: NormStats, cache: FramesCache
) -> None:
    store = manifest.sources[0].open()
    path = store.video_path(0, "ego_view")
    gone = path.rename(path.with_suffix(".gone"))
    try:
        with pytest.raises(LoaderError, match=rf"sample {store.digest[:12]}/0/3, camera 'ego_view', frame 3.*\.mp4"):
            loader(manifest, statistics, cache).batch_of([SampleId(0, 0, 3)])
    finally:
        gone.rename(path)


@pytest.mark.parametrize("sample", [SampleId(0, 9, 0), SampleId(0, 0, 20), SampleId(0, 2, 0)])
def test_a_sample_that_is_not_there(manifest: MixtureManifest, statistics: NormStats, sample: SampleId) -> None:
    with pytest.raises(LoaderError, match="mixture 'both': no such sample"):
        loader(manifest, statistics, None).batch_of([sample])


def test_what_does_not_belong_together(manifest: MixtureManifest, statistics: NormStats) -> None:
    with pytest.raises(ValueError, match=r"is for embodiment 'gr1' x, expected 'gr1'"):
        loader(replace(manifest, embodiment_digest="x"), statistics, None)
    with pytest.raises(ValueError, match="images need a frames cache"):
        loader(manifest, statistics, None, with_images=True)
    with pytest.raises(ValueError, match="0 <= rank < world"):
        loader(manifest, statistics, None, rank=2, world=2)


def test_clips_decoded_as_they_go_are_those_of_the_cache(manifest, statistics, cache) -> None:
    """Three steps of two ranks, future frames included; the order is that of the clips."""
    sizes = {"batch_size": 4, "max_state_dim": 64, "max_action_dim": 32, "horizon": 4, "horizon_frames": 3}
    member = Member(manifest, statistics, replace(GR1, action_horizon=4))
    for rank in (0, 1):
        shared = {**sizes, "order": "clips", "rank": rank, "world": 2}
        decoding = Loader([member], image_size=(8, 8), **shared)
        cached = Loader([member], cache=cache, **shared)
        for one, two in zip(islice(decoding, 3), islice(cached, 3), strict=True):
            assert one.sample_ids == two.sample_ids and torch.equal(one.images, two.images)
            assert torch.equal(one.future_images, two.future_images) and torch.equal(one.action, two.action)
    with pytest.raises(ValueError, match='order="clips" and image_size='):
        Loader([member], image_size=(8, 8), **sizes)
