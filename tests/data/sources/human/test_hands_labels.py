"""Labels of clips: wrists in the first row's camera, gaps filled or masked, and none where nobody knows the depth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.sources.human.hands.labels import label, mode_of, row_times_s
from gr00t_data.sources.human.hands.tracks import HandTracks
from gr00t_data.sources.human.settings import LabelSettings
from tests.data.builders import GR1
from tests.data.sources.human.hand_files import Motion, clip_of, motion, tracks_of

HANDS = load_embodiment("human_hands")
VIDEO = Path("a.mp4")
ONCE = LabelSettings(slow_down=1.5)
"""At 20 Hz and 30 frames a second: a row a frame."""


def part(values: np.ndarray, name: str) -> np.ndarray:
    """The columns of a part of the state."""
    return values[:, HANDS.state_part(name).slice]


def in_first_camera(moved: Motion, side: str, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Places [T, 3] and turns [T, 3, 3] of a wrist in the camera of frame ``first``, by quaternions."""
    eye, hand = Rotation.from_matrix(moved.camera[first, :3, :3]), moved.hands[side]
    turns = (eye.inv() * Rotation.from_matrix(hand[:, :3, :3])).as_matrix()
    return eye.inv().apply(hand[:, :3, 3] - moved.camera[first, :3, 3]), turns


def without(tracks: HandTracks, side: int, first: int, last: int) -> HandTracks:
    """A hand that is not there in some frames."""
    present = tracks.present.copy()
    present[first : last + 1, side] = False
    assert tracks.wrist_poses is not None and tracks.apertures_m is not None
    return replace(
        tracks,
        present=present,
        wrist_poses=np.where(present[..., None, None], tracks.wrist_poses, np.nan),
        apertures_m=np.where(present, tracks.apertures_m, np.nan),
    )


def test_wrists_in_the_camera_of_the_first_row_agree_with_another_computation() -> None:
    moved = motion(90, turning=1.0)
    clip = clip_of(VIDEO, 0.5, 2.5)
    times_s = row_times_s(clip, tracks_of(moved), HANDS, ONCE)
    np.testing.assert_allclose(times_s, 0.5 + np.arange(60) / 30)
    made = label(clip, tracks_of(moved), HANDS, times_s, ONCE)
    assert made.mode == "wrist" and made.absent == () and all(column.all() for column in made.columns.values())
    for side in ("left", "right"):
        places, turns = in_first_camera(moved, side, 15)
        np.testing.assert_allclose(part(made.state, f"{side}_wrist_position"), places[15:75], atol=1e-6)
        rows = part(made.state, f"{side}_wrist_rotation")
        np.testing.assert_allclose(rows, turns[15:75, :2].reshape(60, 6), atol=1e-6)
        np.testing.assert_allclose(part(made.action, f"{side}_wrist_position"), places[16:76], atol=1e-6)
        np.testing.assert_allclose(
            part(made.action, f"{side}_wrist_rotation"), turns[16:76, :2].reshape(60, 6), atol=1e-6
        )
    apart = 0.05 + 0.02 * np.sin(np.arange(15, 75) / 10)
    np.testing.assert_allclose(part(made.state, "left_aperture")[:, 0], apart, atol=1e-9)


def test_hands_that_rest_do_not_move_when_the_head_does() -> None:
    moved = motion(60, turning=1.5)
    still = {side: np.repeat(hand[:1], 60, axis=0) for side, hand in moved.hands.items()}
    clip = clip_of(VIDEO, 0.0, 2.0)
    tracks = tracks_of(Motion(moved.camera, still))
    made = label(clip, tracks, HANDS, row_times_s(clip, tracks, HANDS, ONCE), ONCE)
    assert np.ptp(made.state[:, :9], axis=0).max() < 1e-9


def test_slowed_down_by_the_stated_factor() -> None:
    moved, clip = motion(90), clip_of(VIDEO, 0.5, 2.5)
    tracks = tracks_of(moved)
    times_s = row_times_s(clip, tracks, HANDS, LabelSettings(slow_down=4.0))
    made = label(clip, tracks, HANDS, times_s)
    assert len(times_s) == 160 and made.evidence["slow_down"] == 4.0
    # A second of the person is four of the robot: the rows are 1/80 s of the person apart.
    speed = np.linalg.norm(np.diff(part(made.state, "left_wrist_position"), axis=0), axis=1) * 20
    places, _ = in_first_camera(moved, "left", 15)
    real = np.linalg.norm(np.diff(places[15:75], axis=0), axis=1) * 30
    assert speed.mean() == pytest.approx(real.mean() / 4, rel=0.02)


def test_a_short_gap_is_filled_along_the_path() -> None:
    moved, clip = motion(90), clip_of(VIDEO, 0.0, 2.5)
    tracks = without(tracks_of(moved), 1, 30, 33)
    times_s = row_times_s(clip, tracks, HANDS, ONCE)
    made = label(clip, tracks, HANDS, times_s, ONCE)
    places, turns = in_first_camera(moved, "right", 0)
    assert made.columns["state_valid.right_wrist_position"].all() and made.columns["hand_right"][30:34].sum() == 0
    filled = part(made.state, "right_wrist_position")[30:34]
    np.testing.assert_allclose(filled, places[30:34], atol=2e-3)
    rotations = part(made.state, "right_wrist_rotation")[30:34]
    np.testing.assert_allclose(rotations, turns[30:34, :2].reshape(4, 6), atol=5e-3)
    assert np.abs(np.linalg.norm(rotations.reshape(-1, 2, 3), axis=-1) - 1).max() < 1e-9
    assert made.evidence["masked_parts"] == []


def test_a_long_gap_is_masked_part_by_part_and_holds_no_zeros() -> None:
    clip = clip_of(VIDEO, 0.0, 2.5)
    tracks = without(tracks_of(motion(90)), 0, 20, 39)
    made = label(clip, tracks, HANDS, row_times_s(clip, tracks, HANDS, ONCE), ONCE)
    for name in ("left_wrist_position", "left_wrist_rotation", "left_aperture"):
        assert np.flatnonzero(made.columns[f"state_valid.{name}"] == 0).tolist() == list(range(20, 40))
        assert np.flatnonzero(made.columns[f"action_valid.{name}"] == 0).tolist() == list(range(19, 39))
        assert f"state.{name}" in made.evidence["masked_parts"]
    assert made.columns["state_valid.right_wrist_position"].all()
    held = part(made.state, "left_wrist_position")
    np.testing.assert_allclose(held[20:30], np.tile(held[19], (10, 1)), atol=1e-9)
    np.testing.assert_allclose(held[30:40], np.tile(held[40], (10, 1)), atol=1e-9)
    assert made.evidence["masked_share"] == {"left": round(20 / 75, 4), "right": 0.0}


def test_the_longest_gap_is_a_setting() -> None:
    clip = clip_of(VIDEO, 0.0, 2.5)
    tracks = without(tracks_of(motion(90)), 0, 20, 24)  # 0.2 s from frame 19 to frame 25
    for longest_gap_s, masked in ((0.2, 0), (0.19, 5)):
        settings = LabelSettings(slow_down=1.5, longest_gap_s=longest_gap_s)
        made = label(clip, tracks, HANDS, row_times_s(clip, tracks, HANDS, settings), settings)
        assert (made.columns["state_valid.left_aperture"] == 0).sum() == masked


def test_nothing_is_filled_across_a_jump_that_stays() -> None:
    moved, clip = motion(90), clip_of(VIDEO, 0.0, 2.0)
    moved.hands["left"][40:, 0, 3] += 0.5
    times_s = row_times_s(clip, tracks_of(moved), HANDS, LabelSettings(slow_down=4.0))
    made = label(clip, tracks_of(moved), HANDS, times_s)
    masked = times_s[made.columns["state_valid.left_wrist_position"] == 0]
    assert len(masked) > 0 and (masked > 39 / 30).all() and (masked < 40 / 30).all()
    steps = np.linalg.norm(np.diff(part(made.state, "left_wrist_position"), axis=0), axis=1)
    assert (steps > 0.4).sum() == 1  # one step to the other side; no row invents a place between


def test_a_hand_that_is_never_there() -> None:
    clip = clip_of(VIDEO, 0.0, 1.0)
    tracks = without(tracks_of(motion(40)), 0, 0, 39)
    made = label(clip, tracks, HANDS, row_times_s(clip, tracks, HANDS, ONCE), ONCE)
    assert (
        not made.columns["state_valid.left_wrist_rotation"].any() and made.columns["state_valid.right_aperture"].all()
    )
    assert made.evidence["masked_share"]["left"] == 1.0 and np.isfinite(made.state).all()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wrist_poses": None, "apertures_m": None}, "known motion knows where hands are in the picture, not in space"),
        ({"cameras": None}, "known motion does not say how the camera moved"),
    ],
)
def test_without_depth_or_the_cameras_path_there_are_no_labels(changes: dict[str, None], reason: str) -> None:
    tracks = replace(tracks_of(motion(60)), **changes)
    assert mode_of(tracks, HANDS) == ("action-free", reason)
    clip = clip_of(VIDEO, 0.0, 1.5)
    made = label(clip, tracks, HANDS, row_times_s(clip, tracks, HANDS))
    assert made.absent == ("state", "action") and not made.state.any() and not made.action.any()
    assert len(made.state) == 30 and made.evidence["slow_down"] == 1.0
    assert not any(made.columns[name].any() for name in made.columns if "valid" in name)
    assert made.columns["hand_left"].all() and made.evidence["shares"]["both"] == 1.0
    assert made.evidence["licence"] == "CC-BY-4.0"


def test_nobody_looked_for_hands() -> None:
    clip = clip_of(VIDEO, 0.0, 1.0)
    made = label(clip, None, HANDS, row_times_s(clip, None, HANDS))
    assert (made.mode, made.evidence["reason"]) == ("action-free", "nobody looked for hands")
    assert "shares" not in made.evidence


def test_a_robot_has_no_wrists_of_a_person() -> None:
    clip, tracks = clip_of(VIDEO, 0.0, 1.0), tracks_of(motion(40))
    made = label(clip, tracks, GR1, row_times_s(clip, tracks, GR1))
    assert (
        made.mode == "action-free"
        and made.state.shape == (20, 44)
        and set(made.columns)
        == {
            "hand_left",
            "hand_right",
            "hand_count",
        }
    )


def test_all_clips_of_a_store_have_the_same_columns() -> None:
    clip, tracks = clip_of(VIDEO, 0.0, 1.0), tracks_of(motion(40))
    kinds = (None, tracks, replace(tracks, wrist_poses=None, apertures_m=None))
    names = {tuple(label(clip, one, HANDS, row_times_s(clip, one, HANDS)).columns) for one in kinds}
    assert len({frozenset(one) for one in names}) == 1


def test_rows_of_another_stretch_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"the rows show 0\.000 to 0\.950 s of the video, the clip goes from 5\.000"):
        label(clip_of(VIDEO, 5.0, 6.0), tracks_of(motion(300)), HANDS, np.arange(20) / 20)
