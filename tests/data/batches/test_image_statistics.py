"""Image statistics: exact, and the same however the pictures were cut."""

import numpy as np
import pytest

from gr00t_data.batches.image_statistics import ImageStatistics, measure_images
from gr00t_data.curate.index import Index
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video import files as video


def test_exact_and_merged_by_addition() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (7, 9, 5, 3), dtype=np.uint8)
    pictures[..., 2] = 51
    found = ImageStatistics.of(pictures[:3]) + ImageStatistics.of(pictures[3:])
    values = pictures.reshape(-1, 3) / 255
    assert found.pictures == 7 and found.histogram.sum() == pictures.size
    np.testing.assert_allclose(found.mean, values.mean(0))
    np.testing.assert_allclose(found.std, values.std(0), atol=1e-12)
    for rank in (0.01, 0.5, 0.99):
        np.testing.assert_allclose(found.quantile(rank), np.quantile(values, rank, axis=0, method="inverted_cdf"))


def test_every_second_frame_of_a_store(sources: list[tuple[EpisodeStore, Index]]) -> None:
    store = sources[0][0]
    camera, episode = store.cameras[0], store.rows[0].index
    frames = video.decode(store.video_path(episode, camera))
    found = measure_images(store, [episode], camera, every=2)
    assert found.pictures == len(frames[::2])
    assert np.array_equal(found.histogram, ImageStatistics.of(frames[::2]).histogram)


def test_what_is_no_picture() -> None:
    with pytest.raises(ValueError, match="no picture"):
        ImageStatistics.of([])
    with pytest.raises(ValueError, match=r"found float64 \[2, 2, 3\]"):
        ImageStatistics.of([np.zeros((2, 2, 3))])
