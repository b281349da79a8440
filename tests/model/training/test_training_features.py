"""The cache of frozen features: same numbers, found again, continued after a kill; and batches prepared ahead."""

import os
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from gr00t_data.batches.batch import Batch
from gr00t_data.disk import read_json
from gr00t_data.integrity import RECORD
from gr00t_model.loop.prefetch import prefetch
from gr00t_model.training.features import Clip, FeatureCache, build_features, features_key
from tests.model.damage import damages, flips

TOKENS, WIDTH, TARGETS = 3, 2, 4


class Backbone:
    """Features are the mean of the picture plus the token ids; ``left`` calls may be made, then it breaks."""

    def __init__(self, left: int = 10**6, scale: float = 1.0):
        self.left, self.scale = left, scale

    def encode(self, images, input_ids, attention_mask):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        mean = images.float().mean(dim=(1, 2, 3, 4))[:, None, None] * self.scale
        return mean + input_ids[..., None] * torch.ones(WIDTH), attention_mask

    def encode_with_target(self, images, input_ids, attention_mask):
        target = -images.float().mean(dim=(1, 2, 3, 4))[:, None, None].expand(-1, TARGETS, 1)
        return *self.encode(images, input_ids, attention_mask), target


def clip(number: int, length: int, frames: int | None = None) -> Clip:
    """Frame t of clip n has the brightness 10 n + t."""
    grey = (10 * number + np.arange(frames or length)).astype(np.uint8)
    return Clip(str(number) * 64, number, length, f"text {number}", lambda: np.tile(grey[:, None, None, None, None], 3))


CLIPS = [clip(0, 5), clip(1, 3), clip(2, 4)]
PROMPTS = torch.tensor([[0, 100, 100], [0, 0, 200], [50, 50, 50]]), torch.tensor([[0, 1, 1], [0, 0, 1], [1, 1, 1]])


def fill(folder, backbone=None, clips=CLIPS, **changes) -> FeatureCache:
    settings = {"dtype": "float32", "with_targets": True, "device": torch.device("cpu"), "batch_frames": 2} | changes
    return build_features(folder, backbone or Backbone(), PROMPTS, clips, **settings)


def batch(*samples: tuple[int, int]) -> Batch:
    rows = len(samples)
    names = tuple(f"{CLIPS[number].name}/{frame}" for number, frame in samples)
    ones = torch.ones(rows, 1, 1)
    return Batch(ones, ones.bool(), torch.zeros(rows, dtype=torch.int64), sample_ids=names)


def test_each_frame_is_seen_under_the_text_of_its_row(tmp_path):
    changing = replace(CLIPS[0], text_changes=((3, "text 1"),))
    clips = [changing, CLIPS[2]]
    made = fill(tmp_path / "cache", clips=clips)
    assert made.features[:, 2, 0].tolist() == [100, 101, 102, 203, 204, 70, 71, 72, 73]
    assert made.mask[:5].tolist() == [[0, 1, 1]] * 3 + [[0, 0, 1]] * 2
    assert features_key("base", clips, {}) != features_key("base", [CLIPS[0], CLIPS[2]], {})


def test_each_row_gets_the_features_of_its_frame(tmp_path):
    attached = fill(tmp_path / "cache").attach(batch((1, 2), (0, 4), (2, 0)), [2, 4, 2])
    expected = torch.tensor([[12, 12, 212], [4, 104, 104], [70, 70, 70]]).float()[..., None].expand(-1, -1, WIDTH)
    assert attached.vl_features is not None and attached.future_target is not None
    assert torch.equal(attached.vl_features, expected)
    assert attached.attention_mask is not None
    assert torch.equal(attached.attention_mask, PROMPTS[1][[1, 0, 2]])
    assert attached.future_target[:, 0, 0].tolist() == [-12, -4, -22]


def test_half_precision_is_kept_on_disk_and_not_in_the_batch(tmp_path):
    cache = fill(tmp_path / "cache", dtype="float16", with_targets=False)
    assert cache.features.dtype == np.float16 and cache.targets is None
    attached = cache.attach(batch((0, 1)), [3])
    assert attached.vl_features is not None and attached.vl_features.dtype == torch.float32
    assert attached.future_target is None


def test_a_finished_cache_is_not_computed_again(tmp_path):
    fill(tmp_path / "cache")
    assert fill(tmp_path / "cache", Backbone(left=0)).first_row == {
        CLIPS[0].name: 0,
        CLIPS[1].name: 5,
        CLIPS[2].name: 8,
    }


def test_a_killed_build_goes_on_where_it_stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path / "cache", Backbone(left=4))  # clip 0 takes three calls, clip 1 two
    assert not (tmp_path / "cache").exists()
    assert read_json(tmp_path / "cache.partial" / "done.json")["rows"] == 5
    again = Backbone(left=4)
    whole, parts = fill(tmp_path / "other"), fill(tmp_path / "cache", again)
    assert again.left == 0
    assert np.array_equal(whole.features, parts.features) and np.array_equal(whole.mask, parts.mask)
    assert whole.targets is not None and parts.targets is not None
    assert np.array_equal(whole.targets, parts.targets)


@pytest.mark.parametrize("name", ["features.npy", "mask.npy", "targets.npy", "clips.json", "done.json", RECORD])
def test_a_damaged_cache_is_made_again_and_said(tmp_path, capsys, name):
    fill(tmp_path / "other", Backbone(scale=2.0))
    whole = fill(tmp_path / "cache")
    features, targets, folder = np.array(whole.features), np.array(whole.targets), tmp_path / "cache"
    for done in damages(folder / name, tmp_path / "other" / name, count=6):
        if (tmp_path / "other" / name).read_bytes() == (folder / name).read_bytes():
            continue  # what does not depend on the features
        again = fill(folder)
        assert "it is made again" in capsys.readouterr().out, done
        assert np.array_equal(again.features, features) and np.array_equal(again.targets, targets)
    assert fill(folder, Backbone(left=0)).first_row == whole.first_row


@pytest.mark.parametrize("name", ["features.npy", "mask.npy", "targets.npy", "done.json"])
def test_a_damaged_half_of_a_cache_is_not_gone_on_with(tmp_path, capsys, name):
    whole = fill(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path / "cache", Backbone(left=6))  # clips 0 and 1
    shutil.copytree(tmp_path / "cache.partial", tmp_path / "half")
    content = (tmp_path / "half" / name).read_bytes()
    start = len(content) - np.load(tmp_path / "half" / name).nbytes if name.endswith(".npy") else 0
    for place in {start, start + (len(content) - start) // 3, start // 2 + 9}:  # all below row 8 of 12
        damaged = bytearray(content)
        damaged[place] ^= 4
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        shutil.copytree(tmp_path / "half", tmp_path / "cache.partial", dirs_exist_ok=True)
        (tmp_path / "cache.partial" / name).write_bytes(damaged)
        made = fill(tmp_path / "cache")
        assert "from the first frame on" in capsys.readouterr().out, place
        assert np.array_equal(made.features, whole.features) and np.array_equal(made.mask, whole.mask)
        assert np.array_equal(made.targets, whole.targets)


def test_a_cache_that_was_compared_is_not_hashed_again_while_its_stamps_stay(tmp_path):
    """The note of the comparison is written by who hashes, and by nobody else."""
    folder = tmp_path / "cache"
    fill(folder)
    time.sleep(0.15)  # the clock of the file system stands still for less
    fill(folder)
    note, compared = folder / ".intact.json", (folder / ".intact.json").stat().st_mtime_ns
    fill(folder)
    assert note.stat().st_mtime_ns == compared
    os.utime(folder / "mask.npy", (1e9, 1e9))
    fill(folder)
    assert note.stat().st_mtime_ns > compared
    for _ in flips(note, 3):
        assert fill(folder, Backbone(left=0))


def test_the_key_follows_the_content():
    key = features_key("base", CLIPS, {"dtype": "float16"})
    assert key == features_key("base", list(CLIPS), {"dtype": "float16"})
    others = [("other", CLIPS, "float16"), ("base", CLIPS[:2], "float16"), ("base", CLIPS, "float32")]
    assert key not in [features_key(base, clips, {"dtype": dtype}) for base, clips, dtype in others]


def test_missing_frames_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"1{12}/1: 2 decoded frames, 3 expected"):
        fill(tmp_path / "cache", clips=[CLIPS[0], clip(1, 3, frames=2), CLIPS[2]])


def test_overflow_of_half_precision_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"not finite as float16; use --set cache_dtype=float32"):
        fill(tmp_path / "cache", Backbone(scale=1e5), dtype="float16")


def test_an_unknown_episode_is_named(tmp_path):
    cache = fill(tmp_path / "cache", clips=CLIPS[:2])
    with pytest.raises(KeyError, match="no features of episode"):
        cache.attach(batch((2, 0)), [1])


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_prefetched_items_come_in_order(ahead):
    assert list(prefetch(lambda i: i * i, 2, 7, ahead)) == [4, 9, 16, 25, 36]


def test_an_error_is_raised_at_its_turn():
    items = prefetch(lambda i: 1 // (3 - i), 0, 9, 2)
    assert [next(items), next(items), next(items)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(items)


def test_no_more_than_asked_for_is_prepared_ahead():
    made, first = [], threading.Event()

    def make(i: int) -> int:
        made.append(i)
        first.set()
        return i

    items = prefetch(make, 0, 100, 2)
    assert next(items) == 0
    assert first.is_set() and len(made) <= 3
    items.close()
    assert len(made) <= 3
