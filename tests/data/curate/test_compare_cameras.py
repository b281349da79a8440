"""Cameras against rows and against each other, on small drawn motion: each change is told, and nothing on the clean."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gr00t_data.curate.compare.cameras import compare_cameras, skew_curve
from gr00t_data.curate.compare.evidence import Cameras, EpisodeEvidence, Sound
from gr00t_data.curate.compare.pose_model import Track, agreement, agreements, predictions
from gr00t_data.curate.compare.sync import compare_sync, explain, resampled, track_of
from gr00t_data.curate.subject.camera_evidence import GRID, SMALL, TEXTURE, CameraEvidence
from gr00t_data.embodiment.robot import Camera
from tests.data.builders import GR1

ROWS, EPISODES = 36, 16
ONE, TWO = GR1.cameras[0].name, "wrist"
ROBOT = replace(GR1, cameras=(GR1.cameras[0], Camera(TWO, "wrist", "observation.images.wrist", None, None)))


def pose(seed: int, rows: int = ROWS) -> np.ndarray:
    """float64 [rows, 2]: where the hand is, in shares of the picture; smooth, and other for each seed."""
    rng = np.random.default_rng(seed)
    times = np.arange(rows)[:, None] / 12
    return 0.45 + 0.3 * np.sin(times * rng.uniform(0.7, 1.5, 2) + rng.uniform(0, 6, 2)) + 0.1 * np.sin(3 * times)


def seen(path: np.ndarray) -> np.ndarray:
    """float64 [rows, GRID, GRID]: change where the hand moves, as strong as its speed; more to the left than right."""
    speed = np.linalg.norm(np.diff(path, axis=0, prepend=path[:1]), axis=1) * 12
    cells = (np.arange(GRID) + 0.5) / GRID
    near = np.exp(-((cells[None, :] - path[:, :1]) ** 2) / 0.02)
    high = np.exp(-((cells[None, :] - path[:, 1:]) ** 2) / 0.02)
    return np.clip(high[:, :, None] * near[:, None, :] * speed[:, None, None], 0, 1)


def camera(motion: np.ndarray, level: int = 90) -> CameraEvidence:
    count = len(motion)
    background = np.full((3, SMALL, SMALL), level, dtype=np.uint8)
    return CameraEvidence(
        size=(256, 256),
        number=np.arange(count, dtype=np.int32),
        begins=np.arange(count) == 0,
        motion=(255 * motion).round().astype(np.uint8),
        background=background,
        first=background[0],
        texture=np.ones(len(TEXTURE), dtype=np.float32),
        bars=(0.0, 0.0),
        colour=5.0,
        shimmer=0.1,
        bits=1.0,
    )


def store(count: int = EPISODES) -> list[EpisodeEvidence]:
    poses = [pose(seed) for seed in range(count)]
    return [EpisodeEvidence(n, "reach", cameras={ONE: camera(seen(p))}, pose=p) for n, p in enumerate(poses)]


def with_motion(one: EpisodeEvidence, motion: np.ndarray) -> EpisodeEvidence:
    """The episode with other motion in its first camera, shares."""
    return replace(one, cameras={**one.cameras, ONE: camera(motion)})


def told(episodes: Sequence[EpisodeEvidence]) -> list[tuple[int, str, str]]:
    return [(number, f.code, f.message) for number, f in compare_sync(Sound(episodes, ONE, 20.0))]


def test_a_store_that_fits_its_rows_is_not_complained_of() -> None:
    assert told(store()) == []


@pytest.mark.parametrize(("rows", "word"), [(5, "late"), (-6, "early")])
def test_a_camera_that_lost_its_place(rows: int, word: str) -> None:
    episodes = store()
    motion = seen(pose(4, ROWS + 20)) if rows < 0 else seen(pose(4))
    order = np.clip(np.arange(ROWS) - rows, 0, len(motion) - 1)
    episodes[4] = with_motion(episodes[4], motion[order])
    (found,) = told(episodes)
    assert found[:2] == (4, "SYNC-01") and f"({1000 * abs(rows) / 20:.0f} ms) {word} against" in found[2]


@pytest.mark.parametrize(
    ("turn", "words"), [(lambda m: m[:, :, ::-1], "is mirrored"), (lambda m: m[:, ::-1], "is upside down")]
)
def test_a_picture_that_was_turned(turn, words: str) -> None:
    episodes = store()
    episodes[7] = with_motion(episodes[7], turn(seen(pose(7))))
    (found,) = told(episodes)
    assert found[:2] == (7, "IMAGE-10") and f"camera {ONE!r} {words}" in found[2]


def test_videos_that_were_exchanged() -> None:
    episodes = store()
    episodes[2], episodes[11] = (with_motion(episodes[a], seen(pose(b))) for a, b in ((2, 11), (11, 2)))
    assert sorted((number, code) for number, code, _ in told(episodes)) == [(2, "SYNC-02"), (11, "SYNC-02")]


def test_a_video_that_runs_backwards() -> None:
    episodes = store()
    episodes[9] = with_motion(episodes[9], seen(pose(9))[::-1])
    (found,) = told(episodes)
    assert found[:2] == (9, "SYNC-04") and "runs backwards" in found[2]


def test_too_few_episodes_or_frames_say_nothing() -> None:
    assert told(store(3)) == []
    one = store(1)[0]
    assert track_of(one, ONE) is not None and track_of(one, "gone") is None
    assert track_of(replace(one, pose=None), ONE) is None
    assert track_of(replace(one, pose=np.full((ROWS, 2), np.nan)), ONE) is None
    assert track_of(replace(one, pose=pose(0)[:11]), ONE) is None
    tiny = replace(one.cameras[ONE], size=(8, 8))
    assert track_of(replace(one, cameras={ONE: tiny}), ONE) is None


def test_a_robot_that_stands_still_predicts_the_mean() -> None:
    still = [Track(np.zeros((20, 3)), seen(pose(seed, 20))) for seed in range(5)]
    assert all(np.abs(p - p[0]).max() < 1e-9 for p in predictions(still)) and explain(still, 20.0) == []


def test_agreement_is_one_of_equals_and_finds_the_shift() -> None:
    motion = seen(pose(3))
    assert agreement(motion, motion) == pytest.approx(1.0) and agreement(motion, -motion) == pytest.approx(-1.0)
    later = motion[np.clip(np.arange(ROWS) - 3, 0, None)]
    assert int(agreements(motion, later, 5).argmax()) - 5 == 3
    assert agreement(motion[:5], motion[:5], 3) == 0.0  # too little is left


def test_a_shift_beyond_a_short_episode_agrees_with_nothing() -> None:
    short = seen(pose(3))[:17]
    curve = agreements(short, short, 20)
    assert curve.argmax() == 20 and curve[20] == pytest.approx(1) and (curve[[0, 3, 37, 40]] == 0).all()


def test_maps_are_spread_evenly_over_another_length() -> None:
    assert resampled(np.arange(10), 4).tolist() == [0, 3, 6, 9] and resampled(np.arange(3), 5).tolist() == [
        0,
        0,
        1,
        2,
        2,
    ]


def pair(seed: int, shift: int = 0, levels: tuple[int, int] = (80, 160)) -> EpisodeEvidence:
    """An episode of two cameras; the second sees what the first did ``shift`` frames before."""
    motion = seen(pose(seed))
    later = motion[np.clip(np.arange(ROWS) - shift, 0, None)]
    return EpisodeEvidence(seed, "reach", cameras={ONE: camera(motion, levels[0]), TWO: camera(later, levels[1])})


def between_cameras(episodes: Sequence[EpisodeEvidence]) -> list[tuple[int, str, str]]:
    return [(number, name, f.code) for number, name, f in compare_cameras(Cameras(episodes, ROBOT))]


def test_two_cameras_that_agree() -> None:
    assert between_cameras([pair(seed) for seed in range(6)]) == []
    assert between_cameras([pair(seed, 4) for seed in range(6)]) == []  # a delay that all have is no fault


@pytest.mark.parametrize(("shift", "usual", "words"), [(6, 0, "6 frames (300 ms) behind"), (0, 5, "5 frames (250 ms)")])
def test_two_clocks_that_drifted_apart(shift: int, usual: int, words: str) -> None:
    episodes = [pair(seed, shift if seed == 3 else usual) for seed in range(7)]
    ((number, name, finding),) = compare_cameras(Cameras(episodes, ROBOT))
    assert (number, name, finding.code) == (3, TWO, "SYNC-03") and words in finding.message


def test_two_cameras_that_were_exchanged() -> None:
    episodes = [pair(seed, levels=(160, 80) if seed == 2 else (80, 160)) for seed in range(6)]
    assert between_cameras(episodes) == [(2, ONE, "IMAGE-18")]
    assert between_cameras(episodes[:3]) == []


def test_a_camera_that_shows_one_picture_all_along() -> None:
    episodes = [replace(pair(seed), pose=pose(seed)) for seed in range(6)]
    episodes[1] = with_motion(episodes[1], np.zeros((ROWS, GRID, GRID)))
    assert (1, ONE, "VIDEO-10") in between_cameras(episodes)
    episodes[1] = replace(episodes[1], pose=np.zeros((ROWS, 2)))  # neither did the robot move
    assert "VIDEO-10" not in {code for _, _, code in between_cameras(episodes)}


def test_a_skew_needs_a_run_that_both_saw() -> None:
    one = camera(seen(pose(5)))
    curve = skew_curve(one, one)
    assert curve is not None and curve.argmax() == 10 and curve[10] == pytest.approx(1.0)
    assert skew_curve(one, replace(one, number=one.number + 1000)) is None
    assert skew_curve(one, replace(one, number=2 * one.number)) is None
