"""Which stretches become clips, and what is said of those that do not."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_data.sources.human.cutting.clips import plan_in_full
from gr00t_data.sources.human.cutting.narrations import marked_stretches
from gr00t_data.sources.human.footage import Footage, Narration
from gr00t_data.sources.human.hands.tracks import HandTracks
from gr00t_data.sources.human.settings import ClipSettings
from tests.data.films import film
from tests.data.sources.human.ego_films import turning


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calm for 3 s, a fast turn of 0.8 s, calm for 3 s, a glance aside of 0.3 s, calm for 2 s: 9.1 s."""
    speeds = [(3.0, 0.05), (0.8, 1.2), (3.0, 0.05), (0.3, 1.5), (2.0, 0.05)]
    return film(tmp_path_factory.mktemp("films") / "a.mp4", turning(speeds), fps=30)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes of 2 s each."""
    frames = np.concatenate([turning([(2.0, 0.05)], seed=1), turning([(2.0, 0.05)], seed=2)])
    return film(tmp_path_factory.mktemp("films") / "b.mp4", frames, fps=30)


def footage(video: Path, *narrations: Narration) -> Footage:
    return Footage("a", video, "folder", narrations, "P07", "agreed", "CC0-1.0")


def said(uid: str, start_s: float, end_s: float | None, text: str = "#C C picks up the cup", by: str = "") -> Narration:
    return Narration(uid, text, start_s, end_s, by)


def spans(clips) -> list[tuple[float, float]]:
    return [(round(one.start_s, 2), round(one.end_s, 2)) for one in clips]


def test_a_calm_interval_stays_as_it_was_narrated(turned: Path) -> None:
    (clip,) = plan_in_full(footage(turned, said("n", 0.5, 2.5))).clips
    assert (clip.start_s, clip.end_s, clip.masked_s, clip.narration) == (0.5, 2.5, (), "n")
    assert (clip.instruction, clip.original) == ("pick up the cup", "#C C picks up the cup")
    assert clip.narrated_s == (0.5, 2.5) and clip.head_speed == pytest.approx(0.05, rel=0.3)


def test_a_turn_at_an_end_is_trimmed(turned: Path) -> None:
    (clip,) = plan_in_full(footage(turned, said("n", 1.0, 3.4))).clips
    assert spans([clip])[0] == pytest.approx((1.0, 3.0), abs=0.1)
    (later,) = plan_in_full(footage(turned, said("n", 3.5, 6.0))).clips
    assert spans([later])[0] == pytest.approx((3.8, 6.0), abs=0.1)


def test_a_long_turn_splits_a_clip_and_a_short_one_is_masked(turned: Path) -> None:
    clips = plan_in_full(footage(turned, said("n", 1.0, 9.0))).clips
    assert np.array(spans(clips)) == pytest.approx(np.array([(1.0, 3.0), (3.8, 9.0)]), abs=0.1)
    assert clips[0].masked_s == ()
    assert clips[1].masked_s[0] == pytest.approx((6.8, 7.1), abs=0.1)


def test_a_stretch_that_is_mostly_a_turn_is_refused(turned: Path) -> None:
    planned = plan_in_full(footage(turned, said("n", 2.9, 3.9)))
    assert not planned.clips
    assert "a fast turn of the head" in planned.unused[0].reason and planned.unused[0].narration == "n"


def test_a_short_interval_is_widened_away_from_a_turn(turned: Path) -> None:
    (clip,) = plan_in_full(footage(turned, said("n", 2.4, 2.8))).clips
    assert clip.end_s - clip.start_s == pytest.approx(1.0)
    assert clip.end_s == pytest.approx(3.0, abs=0.1) and clip.narrated_s == (2.4, 2.8)


def test_what_is_left_too_short_is_refused(turned: Path) -> None:
    planned = plan_in_full(footage(turned, said("n", 3.8, 6.8)), ClipSettings(shortest_s=4, longest_s=8))
    assert not planned.clips and "at least 4 s are needed" in planned.unused[0].reason


def test_a_shot_cut_splits_a_clip(cut: Path) -> None:
    clips = plan_in_full(footage(cut, said("n", 0.5, 3.5))).clips
    assert np.array(spans(clips)) == pytest.approx(np.array([(0.5, 2.0), (2.0, 3.5)]), abs=0.07)


def test_long_intervals_are_divided_evenly(turned: Path) -> None:
    clips = plan_in_full(footage(turned, said("n", 0.0, 3.0)), ClipSettings(longest_s=2.0)).clips
    assert np.array(spans(clips)) == pytest.approx(np.array([(0.0, 1.5), (1.5, 3.0)]), abs=0.05)


def test_a_point_reaches_to_the_midpoints_of_its_own_pass() -> None:
    passes = [said(f"1/{t}", t, None, by="pass 1") for t in (1.0, 3.0, 30.0)] + [said("2/0", 3.4, None, by="pass 2")]
    marked, unused = marked_stretches(footage(Path("a.mp4"), *passes), 60.0, point_cap_s=8.0)
    assert [(one.start_s, one.end_s) for one in marked] == [(0.0, 2.0), (2.0, 7.0), (26.0, 34.0), (0.0, 7.4)]
    assert not unused


def test_frames_are_not_taught_twice_unless_asked(turned: Path) -> None:
    both = footage(turned, said("a", 0.0, 2.0, "pick up the cup"), said("b", 0.5, 2.5, "pour water"))
    planned = plan_in_full(both)
    assert [one.narration for one in planned.clips] == ["a"]
    assert "already used for a" in planned.unused[0].reason
    assert len(plan_in_full(both, ClipSettings(largest_overlap=1.0)).clips) == 2
    same = footage(turned, said("a", 0.0, 2.0), said("b", 0.0, 2.0))
    assert len(plan_in_full(same, ClipSettings(largest_overlap=1.0)).clips) == 1


@pytest.mark.parametrize(
    ("start_s", "end_s", "why"),
    [
        (20.0, 22.0, "lies outside"),
        (-5.0, -1.0, "lies outside"),
        (8.5, 20.0, "most of it lies outside"),
        (3.0, 2.0, "ends before it begins"),
        (2.0, 2.0, "ends before it begins"),
        (12.0, None, "stands at 12.00 s"),
    ],
)
def test_impossible_times_are_refused_with_a_reason(
    turned: Path, start_s: float, end_s: float | None, why: str
) -> None:
    planned = plan_in_full(footage(turned, said("n", start_s, end_s)))
    assert not planned.clips
    assert why in planned.unused[0].reason


def test_an_interval_past_the_end_is_cut_to_the_video(turned: Path) -> None:
    (clip,) = plan_in_full(footage(turned, said("n", 7.5, 9.6))).clips
    assert clip.end_s == pytest.approx(9.1, abs=0.01)


def test_nobody_narrated(turned: Path) -> None:
    planned = plan_in_full(footage(turned))
    assert not planned.clips and "nobody narrated it" in planned.unused[0].reason
    clips = plan_in_full(footage(turned), ClipSettings(instruction="tidy the table")).clips
    assert {one.instruction for one in clips} == {"tidy the table"} and all(one.narration is None for one in clips)
    assert spans(clips)[0] == pytest.approx((0.0, 3.0), abs=0.1)


def test_hands_at_rest_cut_a_video_that_nobody_narrated(turned: Path) -> None:
    times_s = np.arange(273) / 30
    speed = np.where(np.abs(times_s - 1.5) < 0.2, 0.01, 0.4)
    poses = np.tile(np.eye(4), (len(times_s), 2, 1, 1))
    poses[:, :, 0, 3] = (np.cumsum(speed) / 30)[:, None]
    present = np.ones((len(times_s), 2), dtype=bool)
    tracks = HandTracks(times_s, present, present.astype(np.float32), None, poses, None, None, "test", "CC0-1.0")
    settings = ClipSettings(instruction="tidy the table")
    clips = plan_in_full(footage(turned), settings, lambda clip: tracks).clips
    assert spans(clips)[0] == pytest.approx((0.0, 1.5), abs=0.2)
    assert spans(clips)[1] == pytest.approx((1.5, 3.0), abs=0.2)
    absent = HandTracks(times_s, ~present, present.astype(np.float32), None, poses, None, None, "test", "CC0-1.0")
    assert spans(plan_in_full(footage(turned), settings, lambda clip: absent).clips)[0] == pytest.approx(
        (0.0, 3.0), abs=0.1
    )


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="shortest_s"):
        ClipSettings(shortest_s=5, longest_s=2)


def test_an_episode_of_a_dataset_is_not_widened_into_its_neighbour(turned: Path) -> None:
    episode = Footage("a", turned, "lerobot", (said("n", 1.0, 1.5),), None, None, "CC0-1.0")
    planned = plan_in_full(episode)
    assert not planned.clips and "only 0.50 s are left" in planned.unused[0].reason
    assert spans(plan_in_full(episode, ClipSettings(shortest_s=0.5)).clips) == [(1.0, 1.5)]
