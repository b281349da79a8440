"""Videos that are read in a worker: what comes back is what would have been read here."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.video.files import VideoError, encode
from gr00t_data.video.footage import footage_frames, footage_pictures, read_footage
from gr00t_data.video.foreign import watched
from gr00t_data.video.packets import probe


def test_packets_and_pictures_come_back_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    encode(path, np.random.default_rng(0).integers(0, 255, (12, 32, 48, 3)).astype(np.uint8), 20.0)
    here, there = read_footage(path), watched(path, read_footage, path)
    for field in fields(here):
        one, other = getattr(here, field.name), getattr(there, field.name)
        assert type(one) is type(other) and np.array_equal(one, other), field.name
    assert here.setup and here.time_base.denominator > 1
    pictures = watched(path, footage_pictures, there, [2, 2, 9], None)
    assert np.array_equal(pictures, np.stack(list(footage_frames(here, [2, 2, 9]))))


def test_what_is_no_video_is_said_as_if_it_had_been_read_here(tmp_path: Path) -> None:
    (path := tmp_path / "a.mp4").write_bytes(b"no video at all")
    with pytest.raises(VideoError) as here:
        probe(path)
    with pytest.raises(VideoError) as there:
        watched(path, probe, path)
    assert str(here.value) == str(there.value)
