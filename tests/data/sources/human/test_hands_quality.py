"""Exchanged sides and jumps, planted in a known motion, are found where they are and undone where they can be."""

from dataclasses import replace

import numpy as np
import pytest

from gr00t_data.sources.human.hands.quality import Cleaned, clean, visible_in
from gr00t_data.sources.human.hands.tracks import HandTracks
from gr00t_data.sources.human.hands.wrists import in_one_camera
from tests.data.sources.human.hand_files import motion, tracks_of


def cleaned(tracks: HandTracks) -> Cleaned:
    """With wrists in the camera of the first frame."""
    assert tracks.wrist_poses is not None and tracks.cameras is not None
    return clean(tracks, in_one_camera(tracks.wrist_poses, tracks.cameras, tracks.cameras[0]))


def swapped(tracks: HandTracks, first: int, last: int) -> HandTracks:
    """Left and right exchanged in some frames."""
    assert tracks.wrist_poses is not None and tracks.apertures_m is not None
    wrists, apertures = tracks.wrist_poses.copy(), tracks.apertures_m.copy()
    wrists[first : last + 1] = tracks.wrist_poses[first : last + 1, ::-1]
    apertures[first : last + 1] = tracks.apertures_m[first : last + 1, ::-1]
    return replace(tracks, wrist_poses=wrists, apertures_m=apertures)


def moved(tracks: HandTracks, first: int, last: int, side: int, by_m: float) -> HandTracks:
    """One wrist elsewhere in some frames, towards the right of the camera."""
    assert tracks.wrist_poses is not None
    wrists = tracks.wrist_poses.copy()
    wrists[first : last + 1, side, 0, 3] += by_m
    return replace(tracks, wrist_poses=wrists)


@pytest.mark.parametrize("seed", range(6))
def test_a_clean_motion_has_nothing(seed: int) -> None:
    found = cleaned(tracks_of(motion(90, seed)))
    assert (found.swaps, found.jumps) == ((), ()) and not found.begins.any()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("first", "last"), [(20, 29), (0, 9), (75, 89), (30, 80)])
def test_exchanged_hands_are_found_and_put_back(seed: int, first: int, last: int) -> None:
    good = tracks_of(motion(90, seed))
    found = cleaned(swapped(good, first, last))
    assert found.swaps == ((first, last),)
    np.testing.assert_array_equal(found.tracks.wrist_poses, good.wrist_poses)
    np.testing.assert_array_equal(found.tracks.apertures_m, good.apertures_m)
    assert found.jumps == ()


def test_exchanged_hands_without_depth_are_found_in_the_picture() -> None:
    points = np.zeros((40, 2, 21, 2), dtype=np.float32)
    points[..., 0] = np.linspace(-50, 50, 21)
    points[:, 0, :, 0] += 500
    points[:, 1, :, 0] += 1200
    points[10:14] = points[10:14, ::-1].copy()
    flat = replace(tracks_of(motion(40)), wrist_poses=None, cameras=None, apertures_m=None, landmarks_px=points)
    found = clean(flat)
    assert found.swaps == ((10, 13),) and found.tracks.landmarks_px is not None
    assert (np.ptp(found.tracks.landmarks_px[:, 0, 0, 0]) == 0) and found.jumps == ()


def test_hands_that_cross_slowly_are_not_exchanged() -> None:
    crossing = motion(90)
    t = np.linspace(-1, 1, 90)
    crossing.hands["left"][:, 0, 3], crossing.hands["right"][:, 0, 3] = 0.2 * t, -0.2 * t
    crossing.hands["left"][:, 1, 3] = crossing.hands["right"][:, 1, 3] + 0.1
    assert cleaned(tracks_of(crossing)).swaps == ()


def test_hands_outside_of_the_picture_are_not_visible() -> None:
    points = np.full((4, 2, 21, 2), 50.0, dtype=np.float32)
    points[1, 0, :, 0] = -5  # left of the picture
    points[2, 1, :18, 1] = 300  # below it, but for three fingertips
    points[3, 0, :12, 0] = 101  # cut off by its right edge
    tracks = replace(tracks_of(motion(4)), landmarks_px=points, picture_px=(100, 200))
    assert visible_in(tracks).tolist() == [[True, True], [False, True], [True, False], [True, True]]
    assert visible_in(replace(tracks, landmarks_px=None)).all()


@pytest.mark.parametrize("frames", [1, 4])
def test_a_hand_that_is_elsewhere_for_a_moment_is_left_out(frames: int) -> None:
    good = tracks_of(motion(90))
    found = cleaned(moved(good, 40, 39 + frames, 1, 0.4))
    assert [(jump.frame, jump.side) for jump in found.jumps] == [(40, 1), (40 + frames, 1)]
    assert all(jump.speed_m_s > 5 for jump in found.jumps)
    assert np.flatnonzero(~found.tracks.present[:, 1]).tolist() == list(range(40, 40 + frames))
    assert found.tracks.present[:, 0].all() and not found.begins.any()


def test_a_jump_that_stays_begins_the_path_anew() -> None:
    found = cleaned(moved(tracks_of(motion(90)), 50, 89, 0, 0.3))
    assert [(jump.frame, jump.side) for jump in found.jumps] == [(50, 0)]
    assert found.tracks.present.all() and np.argwhere(found.begins).tolist() == [[50, 0]]


def test_a_wrist_that_flips_over_is_a_jump() -> None:
    tracks = tracks_of(motion(60))
    assert tracks.wrist_poses is not None
    wrists = tracks.wrist_poses.copy()
    wrists[30, 1, :3, :3] = wrists[30, 1, :3, :3] @ np.diag([-1.0, -1.0, 1.0])
    found = cleaned(replace(tracks, wrist_poses=wrists))
    assert [jump.frame for jump in found.jumps] == [30, 31] and found.jumps[0].speed_rad_s > 40
    assert np.argwhere(~found.tracks.present).tolist() == [[30, 1]]


def test_a_fast_turn_of_the_head_is_no_jump_of_a_hand() -> None:
    """In the camera of each frame the wrists fly by; in one camera they do not."""
    turning = tracks_of(motion(90, turning=8.0))
    assert turning.wrist_poses is not None
    assert clean(turning).jumps != () and cleaned(turning).jumps == ()
