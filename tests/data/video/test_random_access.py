"""Any run of frames equals the same frames decoded from the start, whatever the file's groups, order and rate."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.error import FFmpegError

from gr00t_data.video.files import VideoError, decode, decode_at, opened, rgb
from gr00t_data.video.packets import Packets, pictures, probe
from gr00t_data.video.survey import look
from tests.data.films import film, moving, only_sound

ROWS = 33
UNEVEN = [0, 1, 2, 4, 5, 9, 10, 11, 15, *range(20, 44)]
RUNS = [(0, 0), (0, 32), (5, 9), (9, 10), (10, 10), (17, 23), (31, 32), (32, 32)]


@pytest.fixture(scope="module", params=["short groups", "B-frames, one keyframe", "variable rate", "both"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    coding = "h264" if request.param in ("short groups", "variable rate") else "h264 with B-frames"
    times = UNEVEN if request.param in ("variable rate", "both") else None
    return film(tmp_path_factory.mktemp("film") / "a.mp4", moving(ROWS), coding, times=times)


def run_of(path: Path, packets: Packets, first: int, last: int | None) -> tuple[list[int], np.ndarray]:
    with opened(path) as (container, stream):
        found = [(number, rgb(frame, None)) for number, frame in pictures(container, stream, packets, first, last)]
    return [number for number, _ in found], np.stack([image for _, image in found])


def test_every_run_equals_sequential_decoding(path: Path) -> None:
    packets, whole = probe(path), decode(path)
    for first, last in RUNS:
        numbers, images = run_of(path, packets, first, last)
        assert numbers == list(range(first, last + 1))
        np.testing.assert_array_equal(images, whole[first : last + 1])
    numbers, images = run_of(path, packets, 29, None)
    assert numbers == [29, 30, 31, 32] and np.array_equal(images, whole[29:])


@pytest.mark.parametrize("seed", [60_221, 27_182])
def test_runs_in_any_order_of_one_open_file(path: Path, seed: int) -> None:
    """Each seeks for itself, so that what was decoded before changes nothing."""
    packets, whole, rng = probe(path), decode(path), np.random.default_rng(seed)
    with opened(path) as (container, stream):
        for _ in range(6):
            first, last = sorted(int(place) for place in rng.integers(0, ROWS, 2))
            found = [(n, rgb(frame, None)) for n, frame in pictures(container, stream, packets, first, last)]
            assert [number for number, _ in found] == list(range(first, last + 1))
            np.testing.assert_array_equal(np.stack([image for _, image in found]), whole[first : last + 1])


def test_frames_by_number_in_the_order_asked(path: Path) -> None:
    whole, wanted = decode(path), [31, 0, 7, 7, 30]
    np.testing.assert_array_equal(decode_at(path, wanted), whole[wanted])
    for number in (ROWS, -1):
        with pytest.raises(VideoError, match=rf"a\.mp4: frame {number} does not exist or cannot be decoded"):
            decode_at(path, [3, number])


def test_runs_that_follow_each_other_are_looked_at_without_going_back(path: Path) -> None:
    runs = list(look(probe(path), [(0, 3), (8, 4), (30, 9)], side=16, still_every=2))
    assert [(run.first, len(run.small), run.damaged) for run in runs] == [(0, 3, 0), (8, 4, 0), (30, 3, 0)]
    assert [sorted(run.stills) for run in runs] == [[1], [9, 11], [31]]
    alone = next(look(probe(path), [(30, 3)], side=16))
    np.testing.assert_array_equal(runs[2].small, alone.small)


def test_packets_have_decoding_order_and_frames_presentation_order(tmp_path: Path) -> None:
    packets = probe(film(tmp_path / "b.mp4", moving(ROWS), "h264 with B-frames"))
    assert (np.diff(packets.pts) < 0).any() and (np.diff(packets.dts) > 0).all() and (np.diff(packets.ticks) > 0).all()
    assert packets.keyframes.tolist() == [True] + [False] * (ROWS - 1)
    assert sorted(packets.sizes) == sorted(packets.size) and packets.sizes[0] == packets.size[0]
    groups = probe(film(tmp_path / "g.mp4", moving(ROWS), "h264"))
    assert np.flatnonzero(groups.keyframes).tolist() == [0, 10, 20, 30]


def test_times_of_a_variable_rate(tmp_path: Path) -> None:
    packets = probe(film(tmp_path / "v.mp4", moving(ROWS), times=UNEVEN))
    np.testing.assert_allclose(packets.times_s, np.array(UNEVEN) / 20, atol=1e-6)
    assert not packets.steady and not packets.regular(20)
    assert packets.duration_s == pytest.approx(44 / 20) and packets.shown_fps == pytest.approx(32 / (43 / 20))
    even = probe(film(tmp_path / "e.mp4", moving(ROWS), fps=Fraction(30000, 1001)))
    assert even.steady and even.regular(30000 / 1001) and not even.regular(30)
    assert even.fps == pytest.approx(29.97, abs=1e-3)


def test_one_frame_has_no_rate(tmp_path: Path) -> None:
    packets = probe(film(tmp_path / "one.mp4", moving(1)))
    assert (packets.frames, packets.shown_fps, packets.duration_s, packets.steady) == (1, 0.0, 0.0, True)


@pytest.mark.parametrize(
    ("asked", "turn", "size"),
    [(0, 0, (80, 64)), (90, 90, (64, 80)), (180, 180, (80, 64)), (-90, 270, (64, 80)), (91, 90, (64, 80))],
)
def test_quarters_of_a_turn(tmp_path: Path, asked: int, turn: int, size: tuple[int, int]) -> None:
    packets = replace(probe(film(tmp_path / "a.mp4", moving(2))), rotation_deg=asked)
    assert (packets.turn_deg, packets.upright_px) == (turn, size)


def test_the_turn_is_known_only_where_somebody_looked(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", moving(3), rotation_deg=90, sound=True)
    assert probe(path).rotation_deg is None and probe(path).turn_deg == 0
    turned = probe(path, turned=True)
    assert abs(turned.rotation_deg or 0) == 90 and turned.sound and not turned.lone


@pytest.mark.parametrize("coding", ["h264", "h264 with B-frames"])
def test_a_file_that_was_cut_off_gives_its_head_and_names_the_frame(tmp_path: Path, coding: str) -> None:
    """The index stands at the front here, so that the packets are known and the last ones are missing."""
    path = tmp_path / "cut.mp4"
    images = np.random.default_rng(112_358).integers(0, 255, (ROWS, 64, 80, 3), dtype=np.uint8)
    whole = film(tmp_path / "whole.mp4", images, coding, index_first=True)
    first = decode(whole)[:3]
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    packets = probe(whole)
    with pytest.raises(VideoError, match=r"cut\.mp4: (frame \d+ (cannot|does not)|is damaged)"):
        decode_at(path, [ROWS - 1])
    np.testing.assert_array_equal(run_of(path, packets, 0, 2)[1], first)
    with pytest.raises(VideoError, match=r"cut\.mp4: (no frame from number 32|frame 32 cannot|is damaged)"):
        list(look(replace(packets, path=path), [(32, 1)]))


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all" * 50)
    for name in ("empty", "text"):
        with pytest.raises(VideoError, match=rf"{name}\.mp4: not a readable video \(.*bytes\); it may be cut off"):
            probe(tmp_path / f"{name}.mp4")
    with pytest.raises(VideoError, match=r"holds no video stream \(it holds audio\)"):
        probe(only_sound(tmp_path / "sound.mp4"))


def test_damage_inside_the_block_names_the_file(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", moving(2))
    with pytest.raises(VideoError, match=r"a\.mp4: is damaged \(.*\); copy it again from its source"), opened(path):
        raise FFmpegError(1, "Invalid data found")
