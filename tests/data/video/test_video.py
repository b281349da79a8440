"""Video files: what goes in comes out, and broken files are named."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_data.video import files as video
from gr00t_data.video.files import VideoError
from gr00t_data.video.packets import probe


def moving_square(frames: int = 25, side: int = 64) -> np.ndarray:
    images = np.full((frames, side, side, 3), 90, dtype=np.uint8)
    for i in range(frames):
        images[i, 20:36, i : i + 16] = (220, 60, 40)
    return images


def test_round_trip_and_probe(tmp_path: Path) -> None:
    images = moving_square()
    video.encode(tmp_path / "a.mp4", images, fps=20)
    facts = probe(tmp_path / "a.mp4")
    assert (facts.frames, facts.fps, facts.width, facts.height, facts.codec) == (25, 20.0, 64, 64, "h264")
    np.testing.assert_allclose(facts.pts_s, np.arange(25) / 20)
    decoded = video.decode(tmp_path / "a.mp4")
    assert np.abs(decoded.astype(int) - images).mean() < 4
    np.testing.assert_array_equal(video.decode_at(tmp_path / "a.mp4", [24, 3]), decoded[[24, 3]])


def test_equal_frames_give_equal_bytes(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(0, 255, (9, 6, 10, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    written = set[bytes]()
    for _ in range(200):  # with AVX-512, x264 makes other bytes of about one file in thirty
        video.encode(tmp_path / "a.mp4", noise, fps=8)
        written.add((tmp_path / "a.mp4").read_bytes())
    assert len(written) == 1


def test_decoding_to_a_size_equals_resizing(tmp_path: Path) -> None:
    video.encode(tmp_path / "a.mp4", moving_square(), fps=20)
    small = video.decode(tmp_path / "a.mp4", (32, 32))
    resized = video.resize(video.decode(tmp_path / "a.mp4"), (32, 32))
    assert small.shape == (25, 32, 32, 3)
    np.testing.assert_array_equal(small, resized)


def test_broken_files_are_named(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    video.encode(whole, moving_square(60), fps=20)
    with pytest.raises(VideoError, match=r"gone\.mp4: no such file"):
        probe(tmp_path / "gone.mp4")
    path.write_bytes(whole.read_bytes()[:600])
    with pytest.raises(VideoError, match=r"cut\.mp4: not a readable video"):
        probe(path)
    path.write_bytes(whole.read_bytes()[:-300])
    with pytest.raises(VideoError, match=r"cut\.mp4: frame \d+"):
        video.decode(path)
        video.decode_at(path, [59])
    with pytest.raises(VideoError, match="expected uint8"):
        video.encode(path, np.zeros((2, 8, 8, 3), dtype=np.float32), fps=20)
