"""Frames on the rows: rates of all kinds, phones held upright, fisheye lenses, sound."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.sources.human.footage import Footage, Intrinsics, PlannedClip
from gr00t_data.sources.human.hands.labels import label, row_times_s
from gr00t_data.sources.human.reading import (
    MASKED,
    SOURCE_FRAME,
    SOURCE_TIME,
    Pictures,
    ReadingError,
    fisheye_maps,
    read_episode,
)
from gr00t_data.sources.recordings.clocks import nearest
from gr00t_data.store.episode import Episode
from gr00t_data.video.files import VideoError, fit
from gr00t_data.video.footage import footage_frames, read_footage
from tests.data.films import film, moving, only_sound

HANDS = load_embodiment("human_hands")


def episode_of(path: Path, start_s: float, end_s: float, *, masked=(), camera=None, hide=None):
    footage = Footage("a", path, "folder", (), "P07", "agreed", "CC0-1.0", intrinsics=camera)
    clip = PlannedClip(footage, start_s, end_s, "wash", "wash", masked_s=masked)
    times_s = row_times_s(clip, None, HANDS)
    labels = label(clip, None, HANDS, times_s)
    return read_episode(clip, read_footage(path), HANDS, times_s, labels, Pictures(), hide)


def seen_in(episode: Episode) -> np.ndarray:
    """The stored pictures, uint8 [T, H, W, 3]."""
    pictures = episode.video["ego_view"]
    assert isinstance(pictures, np.ndarray)
    return pictures


def numbered(frames: int, height: int = 96, width: int = 128) -> np.ndarray:
    """Frame n is grey with a level of 16 + 2 n, so that a decoded frame tells its number."""
    levels = 16 + 2 * np.arange(frames)
    return np.broadcast_to(levels[:, None, None, None], (frames, height, width, 3)).astype(np.uint8)


def number_of(picture: np.ndarray) -> float:
    return (float(np.median(picture[picture.shape[0] // 2])) - 16) / 2


@pytest.mark.parametrize("fps", [Fraction(60_000, 1001), Fraction(30), Fraction(24_000, 1001), Fraction(15)])
def test_every_rate_becomes_the_control_rate(tmp_path: Path, fps: Fraction) -> None:
    path = film(tmp_path / "a.mp4", numbered(90), fps=fps)
    episode = episode_of(path, 0.2, 1.4)
    assert len(episode) == 24 and np.diff(episode.times_s) == pytest.approx(0.05)
    wanted = 0.2 + np.arange(24) / 20
    off = np.abs(episode.columns[SOURCE_TIME] - wanted)
    assert off.max() <= 0.5 / float(fps) + 1e-6
    assert episode.source.facts()["frames"]["off_largest_s"] == pytest.approx(off.max(), abs=1e-4)
    seen = [number_of(picture) for picture in seen_in(episode)]
    assert seen == pytest.approx(episode.columns[SOURCE_FRAME], abs=0.8)
    assert (episode.source.facts()["frames"]["rows_repeating_a_frame"] > 0) == (fps == 15)


def test_a_variable_rate_is_read_by_its_stamps_and_a_hole_is_masked(tmp_path: Path) -> None:
    stamps = [*range(0, 20), *range(32, 52)]
    path = film(tmp_path / "a.mp4", numbered(40), fps=20, times=stamps)
    assert not read_footage(path).steady
    episode = episode_of(path, 0.0, 2.5)
    wanted = np.arange(50)
    nearest = [min(range(40), key=lambda n: (abs(stamps[n] - tick), stamps[n])) for tick in wanted]
    assert episode.columns[SOURCE_FRAME].tolist() == nearest
    assert np.flatnonzero(episode.columns[MASKED]).tolist() == [22, 23, 24, 25, 26, 27, 28, 29]
    assert (
        episode.source.facts()["frames"]["rows_without_a_near_frame"] == 8
        and not episode.source.facts()["frames"]["steady"]
    )


def test_the_earlier_of_two_equally_near_frames() -> None:
    shown_s = np.array([0.0, 0.1, 0.2])
    assert nearest(shown_s, np.array([-1.0, 0.05, 0.051, 0.15, 9.0]), 1e-9).tolist() == [0, 0, 1, 1, 2]
    assert nearest(np.array([0.0]), np.array([0.0, 1.0]), 1e-9).tolist() == [0, 0]


@pytest.mark.parametrize("turn_deg", [90, -90, 180])
def test_a_phone_held_upright_is_turned_as_players_turn_it(tmp_path: Path, turn_deg: int) -> None:
    path = film(tmp_path / "a.mp4", moving(12, height=64, width=96), fps=20, rotation_deg=turn_deg)
    facts = read_footage(path)
    assert facts.turn_deg == turn_deg % 360
    assert facts.upright_px == ((64, 96) if turn_deg % 180 else (96, 64))
    (picture,) = footage_frames(facts, [0])
    with av.open(str(path)) as container:
        coded = next(container.decode(video=0)).to_ndarray(format="rgb24")
    across = coded.transpose(1, 0, 2)
    counter_clockwise = {90: across[::-1], -90: across[:, ::-1], 180: coded[::-1, ::-1]}
    np.testing.assert_array_equal(picture, counter_clockwise[turn_deg])
    stored = seen_in(episode_of(path, 0.0, 0.6))
    assert stored.shape == (12, 256, 256, 3)
    bar = stored[:, 128, :40] if turn_deg % 180 else stored[:, :40, 128]
    assert not bar.any() and stored[:, 100:150, 100:150].any()


def test_masked_stretches_become_a_column(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", numbered(60), fps=30)
    episode = episode_of(path, 0.5, 1.5, masked=((0.8, 1.0),))
    assert np.flatnonzero(episode.columns[MASKED]).tolist() == [6, 7, 8, 9, 10]


def test_sound_is_noted_and_dropped(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", numbered(20), fps=20, sound=True)
    episode = episode_of(path, 0.0, 1.0)
    assert episode.source.facts()["frames"]["sound_dropped"] is True


def test_a_fisheye_picture_is_straightened(tmp_path: Path) -> None:
    matrix = np.array([[160.0, 0, 160], [0, 160.0, 120], [0, 0, 1]])
    fisheye = np.array([-0.05, 0.01, 0.0, 0.0])
    straight = np.zeros((240, 320, 3), dtype=np.uint8)
    straight[::24] = straight[:, ::32] = 255
    straight = cv2.GaussianBlur(straight, (0, 0), 1.5)
    grid = np.stack(np.meshgrid(np.arange(320.0), np.arange(240.0)), -1).reshape(-1, 1, 2)
    undistorted = cv2.fisheye.undistortPoints(grid, matrix, fisheye, P=matrix).reshape(240, 320, 2).astype(np.float32)
    bent = cv2.remap(straight, undistorted[..., 0], undistorted[..., 1], cv2.INTER_LINEAR)
    first, second = fisheye_maps(matrix, fisheye, (320, 240))
    back = cv2.remap(bent, first, second, cv2.INTER_LINEAR)
    inside = np.s_[60:-60, 80:-80]
    assert np.abs(back[inside].astype(int) - straight[inside]).mean() < 6
    assert np.abs(bent[inside].astype(int) - straight[inside]).mean() > 12
    path = film(tmp_path / "a.mp4", np.stack([bent] * 20), fps=20)
    plain = seen_in(episode_of(path, 0.0, 1.0))
    camera = Intrinsics(2 * matrix * [[1], [1], [0.5]], 640, 480, fisheye)
    straightened = seen_in(episode_of(path, 0.0, 1.0, camera=camera))
    expected = fit(straight[None], (256, 256))[0]
    middle = np.s_[80:-80, 64:-64]
    errors = [np.abs(one[5][middle].astype(int) - expected[middle]).mean() for one in (straightened, plain)]
    assert errors[0] < 0.4 * errors[1]
    with pytest.raises(ReadingError, match="another shape"):
        episode_of(path, 0.0, 1.0, camera=Intrinsics(matrix, 1080, 1920, fisheye))


def test_faces_are_hidden_in_what_is_stored_and_only_counted(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", numbered(20), fps=20)

    def hide(frames: np.ndarray):
        return np.zeros_like(frames), {"frames": len(frames), "frames_with_faces": len(frames)}

    episode = episode_of(path, 0.0, 1.0, hide=hide)
    assert not seen_in(episode).any() and episode.source.faces["frames_with_faces"] == 20


def test_videos_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    whole = film(tmp_path / "a.mp4", numbered(30), fps=20)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "corrupt.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    only_sound(tmp_path / "sound.mp4")
    for name, why in (
        ("empty.mp4", "not a readable video"),
        ("corrupt.mp4", "not a readable video"),
        ("sound.mp4", "holds no video stream"),
        ("gone.mp4", "no such file"),
    ):
        with pytest.raises(VideoError, match=why):
            read_footage(tmp_path / name)
    facts = read_footage(whole)
    with pytest.raises(VideoError, match="asked for frame 99"):
        list(footage_frames(facts, [3, 99]))
