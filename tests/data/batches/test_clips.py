"""The clip order: a pure function of (manifest, i) that favours no frame; the reader gives the frames the video has."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.batches.clips import ClipOrder, ClipReader
from gr00t_data.batches.mixture.manifest import MixtureManifest, SampleId
from gr00t_data.video import files as video
from gr00t_data.video.files import VideoError
from gr00t_data.video.spans import read_clip


@pytest.fixture
def order(manifest: MixtureManifest) -> ClipOrder:
    return ClipOrder(manifest, frames=8, clips=4)


def test_the_same_however_it_is_asked(order: ClipOrder) -> None:
    whole = order.samples(0, 200)
    assert whole == [one for i in range(200) for one in order.samples(i, 1)]
    assert whole[37:150] == order.samples(37, 113)
    assert order.samples(0, 0) == []
    with pytest.raises(ValueError, match="counted from 0"):
        order.samples(-1, 3)


def test_a_block_holds_its_clips(order: ClipOrder) -> None:
    clips = order.clips_of(1)
    samples = order.samples(32, 32)
    assert len(clips) == 4 and {order.clip_around(*sample[:3]) for sample in samples} == set(clips)
    assert all(0 <= sample.frame - order.clip_around(*sample[:3]).start < 8 for sample in samples)


def test_every_kept_frame_is_as_likely_as_in_the_other_order(order: ClipOrder, manifest: MixtureManifest) -> None:
    """60,000 samples of 84 frames; a clip brings 8, so the counts spread more than independent draws would."""
    count = 60_000
    found = Counter(order.samples(0, count))
    expected = {}
    for number, source in enumerate(manifest.sources):
        frames = [SampleId(number, e.index, f) for e in source.episodes for a, b in e.keep for f in range(a, b)]
        expected |= dict.fromkeys(frames, count * source.weight / len(frames))
    assert found.keys() == expected.keys()
    ratio = np.array([found[frame] / often for frame, often in expected.items()])
    assert abs(ratio.mean() - 1) < 0.05 and ratio.min() > 0.75 and ratio.max() < 1.25


def test_the_reader_gives_the_frames_of_the_video(order: ClipOrder, manifest: MixtureManifest) -> None:
    stores = [source.open() for source in manifest.sources]
    reader = ClipReader(order, stores, ["ego_view"], size=(20, 24), beyond=3)
    for block in (0, 1):
        reader.expect(block * 32)
        for sample in order.samples(block * 32, 32):
            store = stores[sample.source]
            frames = video.decode(store.video_path(sample.episode, "ego_view"), (20, 24))
            for frame in (sample.frame, min(sample.frame + 3, len(frames) - 1)):
                assert np.array_equal(reader.picture(store, sample, "ego_view", frame), frames[frame])
    reader.close()


def test_a_clip_out_of_the_middle(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (35, 16, 16, 3), dtype=np.uint8)
    video.encode(tmp_path / "a.mp4", pictures, 20.0)
    frames = video.decode(tmp_path / "a.mp4")
    for first, count in ((0, 5), (7, 20), (30, 50)):
        assert np.array_equal(read_clip(tmp_path / "a.mp4", first, count), frames[first : first + count])
    with pytest.raises(VideoError, match=r"a.mp4: has 35 frames, asked for frame 35"):
        read_clip(tmp_path / "a.mp4", 35, 1)
