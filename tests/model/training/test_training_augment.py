"""Crop and jitter in training: one draw a row, resumed to the bit, refused on cached features, centred in use."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from gr00t_data.batches.batch import Batch
from gr00t_data.batches.mixture.manifest import MixtureSource
from gr00t_data.batches.published_video import PublishedVideo
from gr00t_data.integrity import write_record
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video.files import decode, decode_at, encode
from gr00t_model.groot.weights.eval_transform import EVAL_TRANSFORM, centre_crop_of
from gr00t_model.loop.config import ConfigError
from gr00t_model.policy import Policy
from gr00t_model.training.augment import augmented, picture_generator, size_before_crop
from gr00t_model.training.base import open_base
from gr00t_model.training.batches import Batches
from gr00t_model.training.config import Data, TrainConfig
from gr00t_model.training.key import prepare_run, run_key
from gr00t_model.training.members import open_members
from gr00t_model.training.recipes import recipe
from gr00t_model.training.train import train
from tests.model.tiny import SIDE_PX, TinyLake, build
from tests.model.training.test_training_loop import StopAfter, assert_bitwise_equal, never, weights


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> TinyLake:
    return build(tmp_path_factory.mktemp("lake"))


def augmenting(lake: TinyLake) -> TrainConfig:
    plain = lake.config(cache_features=False)
    return plain.model_copy(update={"data": plain.data.model_copy(update={"augment": True})})


def pictures(rows: int, views: int, side: int) -> Batch:
    generator = torch.Generator().manual_seed(3)
    shape = (rows, 1, side, side, 3)
    images = torch.randint(256, shape, generator=generator, dtype=torch.uint8).expand(rows, views, side, side, 3)
    state = torch.zeros(rows, 1, 4)
    ids = torch.zeros(rows, dtype=torch.int64)
    return Batch(state, state.bool(), ids, images=images, future_images=images, future_mask=torch.ones(rows).bool())


def test_one_draw_a_row_for_all_views_and_the_future_frame() -> None:
    batch = pictures(rows=3, views=2, side=34)
    step = torch.Generator().manual_seed(5)
    seen = augmented(batch, 32, picture_generator(step))
    assert seen.images is not None and seen.future_images is not None and seen.images.shape == (3, 2, 32, 32, 3)
    assert torch.equal(seen.images[:, 0], seen.images[:, 1]) and torch.equal(seen.images, seen.future_images)
    assert torch.equal(augmented(batch, 32, picture_generator(step)).images, seen.images)
    other = augmented(batch, 32, picture_generator(torch.Generator().manual_seed(6)))
    assert not torch.equal(other.images, seen.images)
    assert batch.images is not None
    alike = replace(batch, images=batch.images[:1].expand(3, 2, 34, 34, 3))
    rows = augmented(alike, 32, picture_generator(step))
    assert rows.images is not None and not torch.equal(rows.images[0], rows.images[1])


def test_without_chance_it_is_the_middle() -> None:
    batch = pictures(rows=2, views=1, side=34)
    seen = augmented(batch, 32, None)
    assert batch.images is not None and seen.images is not None
    # A crop of 32 needs no resizing: bytes come through but for the truncation of n / 255 * 255.
    assert (seen.images.int() - batch.images[:, :, 1:33, 1:33].int()).abs().max() <= 1


def test_training_crops_what_was_recorded_and_then_resizes(lake: TinyLake, tmp_path: Path) -> None:
    config, accelerator = augmenting(lake), Accelerator(cpu=True)
    run = prepare_run(config, tmp_path)
    batches = Batches.open(config, open_base(config, run), accelerator)
    batch = batches.batch(0)
    assert batch.images is not None and batch.sample_ids
    _, episode, frame = batch.sample_ids[0].split("/")
    recorded = decode_at(EpisodeStore.open(lake.store).video_path(int(episode), "ego_view"), [int(frame)])
    assert np.array_equal(batch.images[0].numpy(), recorded)
    seen = batches.seen(batch).images
    assert seen is not None
    # The middle 30 of 32 pixels, enlarged again: as published, where the size of a picture is that of the camera.
    middle = torch.from_numpy(recorded[:, 1:31, 1:31]).permute(0, 3, 1, 2).float() / 255
    wanted = torch.nn.functional.interpolate(middle, (SIDE_PX, SIDE_PX), mode="bilinear", antialias=True) * 255
    assert torch.equal(seen[0, 0], wanted[0].to(torch.uint8).permute(1, 2, 0))


def test_cameras_of_two_sizes_are_brought_to_one(lake: TinyLake, capsys: pytest.CaptureFixture[str]) -> None:
    small = open_members(lake.config().data)[0]
    assert size_before_crop([small], 224) == (SIDE_PX, SIDE_PX)
    large = replace(small, manifest=replace(small.manifest, sources=(_wider(small.manifest.sources[0], lake),)))
    for side in (28, 32, 224, 448):
        height, width = size_before_crop([small, large], side)
        assert height == width and int(height * PublishedVideo().crop_scale) == side
    assert "the cameras record 24 x 48, 32 x 32: pictures are resized to" in capsys.readouterr().out


def _wider(source: MixtureSource, lake: TinyLake) -> MixtureSource:
    """A copy of the lake's store whose cameras record 24 x 48 pixels."""
    folder = lake.cache.parent / "wider"
    shutil.copytree(lake.store, folder)
    for path in folder.rglob("*.mp4"):
        encode(path, decode(path, (24, 48)), 20)
    (folder / "meta/seal.json").unlink()
    return replace(source, store=str(folder), digest=EpisodeStore.open(folder).digest)


def test_resumed_to_the_bit_and_centred_in_the_policy(lake: TinyLake, tmp_path: Path) -> None:
    config = augmenting(lake)
    whole, halves = prepare_run(config, tmp_path / "whole"), prepare_run(config, tmp_path / "halves")
    plain = prepare_run(lake.config(cache_features=False), tmp_path / "plain")
    assert train(whole, never()).steps_done == 4 and train(plain, never()).steps_done == 4
    train(halves, StopAfter(2))
    train(halves, never())
    assert_bitwise_equal(weights(whole), weights(halves))
    losses = [run.records()[0]["loss"] for run in (whole, plain)]
    assert losses[0] != losses[1]
    assert [centre_crop_of(run.checkpoint) for run in (whole, plain)] == [True, False]
    policy, bare = (Policy.from_checkpoint(run.checkpoint) for run in (whole, plain))
    frames = np.random.default_rng(0).integers(0, 256, (2, 1, 60, 80, 3), dtype=np.uint8)
    centred = PublishedVideo(size=(SIDE_PX, SIDE_PX))(torch.from_numpy(frames))[:, 0].numpy()
    assert np.array_equal(policy._sized(frames[:, 0]), centred)
    assert not np.array_equal(bare._sized(frames[:, 0]), centred)
    for run in (whole, plain):  # one from before the file acts as it was trained
        (run.checkpoint / EVAL_TRANSFORM).unlink()
    assert [centre_crop_of(run.checkpoint) for run in (whole, plain)] == [True, False]
    (whole.checkpoint / EVAL_TRANSFORM).write_text("[]")
    write_record(whole.checkpoint, free=("metrics.json",))
    with pytest.raises(ValueError, match=r"eval_transform\.json: expected"):
        Policy.from_checkpoint(whole.checkpoint)


def test_cached_features_cannot_be_augmented(lake: TinyLake) -> None:
    fields = augmenting(lake).to_dict() | {"cache_features": True}
    with pytest.raises(ConfigError, match=r"data\.augment=true changes the pictures at every step"):
        TrainConfig.from_dict(fields)
    assert run_key(augmenting(lake)) != run_key(lake.config(cache_features=False))


def test_the_published_recipe_augments_whatever_the_inputs() -> None:
    inputs = Data(manifest="m.json", cache="c")
    assert recipe("gr1_n1_5_3b", inputs).data == Data(manifest="m.json", cache="c", augment=True)
    assert not recipe("gr1_n1_5_3b", Data(augment=False)).data.augment
    assert recipe("gr1_nano", inputs).data == inputs
