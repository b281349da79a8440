"""Detections become one left and one right hand, whatever the detector calls them from frame to frame."""

import numpy as np

from gr00t_data.sources.human.hands.assign import assign_sides
from gr00t_data.sources.human.hands.quality import summary_of
from tests.data.sources.human.hand_files import detections

LEFT, RIGHT = 0, 1


def walk(frames: int, x: float, speed: float = 3.0) -> list[float]:
    """Places of a hand that moves by ``speed`` pixels a frame."""
    return [x + speed * frame for frame in range(frames)]


def test_two_hands_keep_their_sides() -> None:
    pairs = zip(walk(20, 500), walk(20, 1200), strict=True)
    tracks = assign_sides(detections([[(RIGHT, b, 700.0), (LEFT, a, 700.0)] for a, b in pairs]))
    assert tracks.present.all() and tracks.landmarks_px is not None
    assert (tracks.landmarks_px[:, LEFT, 0, 0] < tracks.landmarks_px[:, RIGHT, 0, 0]).all()
    assert tracks.hands_seen is not None and (tracks.hands_seen == 2).all()
    assert tracks.side_doubts is not None and not tracks.side_doubts.any()
    assert (tracks.source, tracks.licence) == ("a detector 1.0", "Apache-2.0")


def test_a_detector_that_changes_its_mind_is_outvoted_and_the_doubt_is_kept() -> None:
    left, right = walk(30, 500), walk(30, 1200)
    frames = [[(LEFT if not 10 <= t < 16 else RIGHT, left[t], 700.0), (RIGHT, right[t], 700.0)] for t in range(30)]
    tracks = assign_sides(detections(frames))
    assert tracks.present.all() and tracks.landmarks_px is not None and tracks.side_doubts is not None
    np.testing.assert_allclose(tracks.landmarks_px[:, LEFT, 0, 0], left)
    assert np.flatnonzero(tracks.side_doubts[:, LEFT]).tolist() == list(range(10, 16))
    assert not tracks.side_doubts[:, RIGHT].any()


def test_hands_called_by_each_others_name_in_one_frame_are_not_exchanged() -> None:
    frames = [[(LEFT, 500.0, 700.0), (RIGHT, 1200.0, 700.0)] for _ in range(9)]
    frames[4] = [(RIGHT, 500.0, 700.0), (LEFT, 1200.0, 700.0)]
    tracks = assign_sides(detections(frames))
    assert tracks.landmarks_px is not None and (np.ptp(tracks.landmarks_px[:, :, 0, 0], axis=0) < 1).all()


def test_one_hand_found_twice_is_one_hand() -> None:
    tracks = assign_sides(detections([[(LEFT, 500.0, 700.0), (RIGHT, 512.0, 703.0)]] * 6))
    assert tracks.hands_seen is not None and (tracks.hands_seen == 1).all()
    assert tracks.present.sum(1).tolist() == [1] * 6


def test_a_second_persons_hands_are_counted_and_not_taken() -> None:
    wearer = [(LEFT, 500.0, 800.0), (RIGHT, 1200.0, 800.0)]
    other = [(LEFT, 1500.0, 150.0), (RIGHT, 300.0, 150.0)]
    tracks = assign_sides(detections([[*wearer, *(other if 20 <= t < 30 else [])] for t in range(60)]))
    assert tracks.landmarks_px is not None and tracks.hands_seen is not None
    assert (tracks.landmarks_px[:, :, :, 1] > 600).all()
    assert tracks.hands_seen.tolist() == [2] * 20 + [4] * 10 + [2] * 30
    assert summary_of(tracks).more_than_two == 10


def test_a_hand_seen_in_one_frame_only_is_a_mistake() -> None:
    frames = [[(LEFT, 500.0, 700.0)] for _ in range(10)]
    frames[5] = [*frames[5], (RIGHT, 1700.0, 20.0)]
    tracks = assign_sides(detections(frames))
    assert not tracks.present[:, RIGHT].any() and tracks.present[:, LEFT].all()


def test_a_hand_that_comes_back_after_a_while_keeps_its_side() -> None:
    frames = [[(LEFT, 500.0, 700.0)] if not 10 <= t < 40 else [] for t in range(60)]
    tracks = assign_sides(detections(frames))
    assert np.flatnonzero(tracks.present[:, LEFT]).tolist() == [*range(10), *range(40, 60)]
    assert summary_of(tracks).longest_run_s == {"left": 0.667, "right": 0.0}


def test_a_video_without_hands() -> None:
    tracks = assign_sides(detections([[]] * 7))
    assert not tracks.present.any() and len(tracks) == 7
    assert vars(summary_of(tracks)) | {"source": "", "licence": ""} == {
        "frames": 7,
        "with_a_hand": 0,
        "with_both_hands": 0,
        "left": 0,
        "right": 0,
        "more_than_two": 0,
        "side_doubts": 0,
        "longest_run_s": {"left": 0.0, "right": 0.0},
        "source": "",
        "licence": "",
    }
