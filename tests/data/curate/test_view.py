"""Which frames of a video are decoded: all of a small one, the begin, the end and the oddest of a large one."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.subject.view import planned_runs
from gr00t_data.video.packets import Packets


def packets(frames: int, size: tuple[int, int], codec: str = "h264", odd: slice = slice(0)) -> Packets:
    """A key frame of 9 kB every other frame, 3 kB between; a tenth of that where it is odd."""
    keys = np.arange(frames) % 2 == 0
    sizes = np.where(keys, 9_000, 3_000) + np.arange(frames) % 5 * 40
    sizes[odd] //= 10
    numbers = np.arange(frames, dtype=np.int64)
    return Packets(Path("a.mp4"), codec, *size, 30.0, Fraction(1, 30), numbers, numbers, keys, sizes)


@pytest.mark.parametrize(("size", "codec"), [((256, 256), "h264"), ((256, 256), "av1"), ((640, 480), "h264")])
def test_a_small_video_is_decoded_whole(size: tuple[int, int], codec: str) -> None:
    assert planned_runs(packets(290, size, codec)) == [(0, 290)]


@pytest.mark.parametrize(
    ("frames", "size", "codec", "share"),
    [(360, (640, 480), "av1", 0.46), (300, (640, 480), "av1", 0.46), (9_000, (640, 480), "h264", 0.04),
     (900, (1280, 720), "h264", 0.34), (4_000, (1920, 1080), "av1", 0.04)],
)  # fmt: skip
def test_the_cost_of_a_large_one_is_bounded(frames: int, size: tuple[int, int], codec: str, share: float) -> None:
    runs = planned_runs(packets(frames, size, codec))
    ends = [first + count for first, count in runs]
    assert runs[0][0] == 0 and ends[-1] == frames and len(runs) == 6
    assert all(end <= first for end, (first, _) in zip(ends, runs[1:], strict=False))
    assert sum(count for _, count in runs) <= max(share * frames, 120)


@pytest.mark.parametrize("at", [60, 100, 170, 240])
def test_a_run_lies_where_the_packets_are_oddest(at: int) -> None:
    runs = planned_runs(packets(360, (640, 480), "av1", slice(at, at + 12)))
    decoded = {number for first, count in runs for number in range(first, first + count)}
    assert decoded >= {*range(at, at + 12)}
