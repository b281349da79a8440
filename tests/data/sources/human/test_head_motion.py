"""Head motion and shot cuts against what was put into the video."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_data.sources.human.cutting.motion import joined, measure_head_motion, shift_between
from gr00t_data.video.footage import glances, read_footage
from tests.data.films import film
from tests.data.sources.human.ego_films import WIDTH, room, turning


def motion_of(path: Path, spans=None):
    return measure_head_motion(read_footage(path), spans)


def test_shift_of_a_known_move() -> None:
    world = room()[:, :, 1]
    shift = shift_between(world[:180, 100 : 100 + WIDTH], world[:180, 112 : 112 + WIDTH])
    assert shift.share == pytest.approx(12 / WIDTH, rel=0.02)
    assert shift.agree > 0.9


def test_pictures_without_anything_in_common_give_no_shift() -> None:
    one, other = room(1)[:180, :WIDTH, 1], room(2)[:180, :WIDTH, 1]
    assert np.isnan(shift_between(one, other).share)
    blank = np.full((180, WIDTH), 90, dtype=np.uint8)
    assert shift_between(blank, blank).share == 0.0


@pytest.mark.parametrize("coding", ["h264", "h264 with B-frames", "hevc with B-frames", "av1"])
def test_a_fast_turn_is_found_where_it_is(tmp_path: Path, coding: str) -> None:
    path = film(tmp_path / "a.mp4", turning([(2.0, 0.1), (0.6, 1.2), (2.0, 0.1)]), coding, fps=30)
    motion = motion_of(path)
    (turn,) = motion.fast(0.6)
    assert turn == pytest.approx((2.0, 2.6), abs=0.11)
    inside = motion.speed[(motion.begin_s > 2.1) & (motion.end_s < 2.5)]
    assert np.median(inside) == pytest.approx(1.2, rel=0.05)
    assert motion.median(0.0, 1.8) == pytest.approx(0.1, rel=0.15)
    assert not motion.cuts_s


def test_a_calm_video_is_not_looked_at_closer(tmp_path: Path) -> None:
    motion = motion_of(film(tmp_path / "a.mp4", turning([(3.0, 0.1)]), fps=30))
    assert motion.looked_closer_s == 0
    assert not motion.fast(0.6)
    assert motion.begin_s[0] == 0 and motion.end_s[-1] > 2.8


def test_a_shot_cut_is_found_and_is_no_turn(tmp_path: Path) -> None:
    frames = np.concatenate([turning([(2.0, 0.1)], seed=1), turning([(2.0, 0.1)], seed=2)])
    motion = motion_of(film(tmp_path / "a.mp4", frames, fps=30))
    assert motion.cuts_s == pytest.approx((2.0,), abs=0.07)
    assert not motion.fast(0.6)


def test_only_the_stretches_asked_for_are_measured(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", turning([(2.0, 0.1), (0.5, 1.2), (2.0, 0.1)]), fps=30)
    motion = motion_of(path, [(3.0, 4.0)])
    assert motion.begin_s.min() > 2.5 and not motion.fast(0.6)
    times = [look.time_s for look in glances(read_footage(path), [(3.0, 4.0)])]
    assert times[0] == pytest.approx(3.0, abs=0.04) and np.diff(times).max() <= 0.55


def test_joined_stretches() -> None:
    assert joined([(3, 4), (0, 1), (0.5, 2)]) == [(0, 2), (3, 4)]
