"""Findings about hands, from evidence that was made of planted defects; and the sheet that shows them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gr00t_data.curate.checks.hands import check_hands
from gr00t_data.curate.examine import check_episode
from gr00t_data.curate.finding import Finding
from gr00t_data.curate.hand_sheet import write_hand_sheet
from gr00t_data.curate.subject.subject import read_subject
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.sources.human.hands.assign import assign_sides
from gr00t_data.sources.human.hands.labels import Labels, label, row_times_s
from gr00t_data.sources.human.hands.tracks import HandTracks
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource
from gr00t_data.store.store import EpisodeStore
from tests.data.builders import frames, sealed
from tests.data.sources.human.hand_files import clip_of, detections, motion, tracks_of

HANDS = load_embodiment("human_hands")
LEFT, RIGHT = 0, 1
BOTH = [(LEFT, 500.0, 800.0), (RIGHT, 1200.0, 800.0)]


def labels_of(tracks: HandTracks | None, seconds: float = 2.0) -> Labels:
    clip = clip_of(Path("a.mp4"), 0.0, seconds)
    return label(clip, tracks, HANDS, row_times_s(clip, tracks, HANDS))


def store_of(root: Path, *every: Labels, **evidence: Any) -> EpisodeStore:
    """A store of human video with one clip for each."""
    episodes = [
        Episode(
            instruction="fold the towel",
            times_s=np.arange(len(one.state)) / 20,
            state=one.state,
            action=one.action,
            video={"ego_view": frames(len(one.state))},
            source=EpisodeSource(hands=one.evidence | evidence, video="a.mp4"),
            columns=one.columns,
        )
        for one in every
    ]
    return sealed(root, episodes, kind="human", robot=HANDS)


def found_in(store: EpisodeStore, index: int = 0) -> list[Finding]:
    return list(check_hands(read_subject(store, store.row(index), HANDS)))


def seen(*counts: tuple[int, list[tuple[int, float, float]]]) -> HandTracks:
    """Tracks of a detector: so many frames of these hands, one after the other."""
    return assign_sides(detections([hands for count, hands in counts for _ in range(count)]))


def test_a_clip_that_shows_both_hands_all_along_has_no_finding(tmp_path: Path) -> None:
    assert found_in(store_of(tmp_path / "s", labels_of(seen((60, BOTH))))) == []
    assert found_in(store_of(tmp_path / "w", labels_of(tracks_of(motion(90))))) == []


def test_nobody_looked_or_nothing_can_be_read(tmp_path: Path) -> None:
    (info,) = found_in(store_of(tmp_path / "s", labels_of(None)))
    assert (info.code, info.severity) == ("HANDS-07", "info") and "nobody looked for hands" in info.message
    (broken,) = found_in(store_of(tmp_path / "b", labels_of(seen((60, BOTH))), swaps=[[1]]))
    assert (broken.code, broken.severity) == ("HANDS-07", "warning") and "cannot be read" in broken.message


def test_no_hands_at_all(tmp_path: Path) -> None:
    (error,) = found_in(store_of(tmp_path / "s", labels_of(seen((60, [])))))
    assert (error.code, error.severity, error.frames) == ("HANDS-01", "error", (0, 39))
    assert "shows no hand in any of its 40 rows (a detector 1.0)" in error.message


@pytest.mark.parametrize(("visible", "codes"), [(45, []), (30, ["HANDS-02"])])
def test_hands_in_too_few_rows(tmp_path: Path, visible: int, codes: list[str]) -> None:
    found = found_in(store_of(tmp_path / "s", labels_of(seen((visible, BOTH), (60 - visible, [])))))
    assert [finding.code for finding in found if finding.severity == "error"] == codes


def test_sides_that_the_detector_doubts(tmp_path: Path) -> None:
    wrong = [(RIGHT, 500.0, 800.0), (RIGHT, 1200.0, 800.0)]
    (info,) = found_in(store_of(tmp_path / "s", labels_of(seen((30, BOTH), (18, wrong), (12, BOTH)))))
    assert (info.code, info.severity, info.frames) == ("HANDS-03", "info", (20, 31))
    assert found_in(store_of(tmp_path / "few", labels_of(seen((40, BOTH), (6, wrong), (14, BOTH))))) == []


def test_exchanged_hands_under_labels_are_a_warning(tmp_path: Path) -> None:
    tracks = tracks_of(motion(90))
    assert tracks.wrist_poses is not None
    wrists = tracks.wrist_poses.copy()
    wrists[20:30] = tracks.wrist_poses[20:30, ::-1]
    (warning,) = found_in(store_of(tmp_path / "s", labels_of(replace(tracks, wrist_poses=wrists))))
    assert (warning.code, warning.severity) == ("HANDS-03", "warning") and warning.frames is not None
    # Four rows of 1/80 s show the same 1/30 s or the next: frames 20 to 29 are rows 53 to 78.
    assert abs(warning.frames[0] - 53) <= 1 and abs(warning.frames[1] - 78) <= 3


def test_a_hand_that_jumps(tmp_path: Path) -> None:
    tracks = tracks_of(motion(90))
    assert tracks.wrist_poses is not None
    wrists = tracks.wrist_poses.copy()
    wrists[40:43, RIGHT, 0, 3] += 0.4
    found = found_in(store_of(tmp_path / "s", labels_of(replace(tracks, wrist_poses=wrists))))
    (jump,) = [finding for finding in found if finding.code == "HANDS-04"]
    assert jump.severity == "warning" and "the right wrist moves at" in jump.message and "masked" in jump.message


def test_hands_in_short_pieces(tmp_path: Path) -> None:
    pieces = [piece for _ in range(6) for piece in ((6, BOTH), (9, []))]
    found = found_in(store_of(tmp_path / "s", labels_of(seen(*pieces))))
    assert [(f.code, f.severity) for f in found] == [("HANDS-02", "error"), ("HANDS-05", "info")]
    assert "left in 5 pieces" in found[1].message and "an action chunk takes 0.80 s" in found[1].message


@pytest.mark.parametrize(("crowded", "severity"), [(6, "warning"), (30, "error")])
def test_two_peoples_hands(tmp_path: Path, crowded: int, severity: str) -> None:
    four = [*BOTH, (LEFT, 1500.0, 150.0), (RIGHT, 300.0, 150.0)]
    (finding,) = found_in(store_of(tmp_path / "s", labels_of(seen((60 - crowded, BOTH), (crowded, four)))))
    assert (finding.code, finding.severity) == ("HANDS-06", severity)
    assert "more than two hands" in finding.message


def test_unknown_hands_under_labels(tmp_path: Path) -> None:
    present = np.ones((90, 2), dtype=bool)
    present[20:40, LEFT] = False
    store = store_of(tmp_path / "s", labels_of(tracks_of(motion(90), present)))
    (info,) = found_in(store)
    assert (info.code, info.severity) == ("HANDS-08", "info") and "left in 35 % of the rows" in info.message
    assert not {finding.code for finding in check_episode(store, 0, HANDS).findings} & {"MOTION-01", "MOTION-02"}


def test_robots_are_not_asked_for_hands(tmp_path: Path) -> None:
    one = labels_of(tracks_of(motion(90)))
    rows = len(one.state)
    episode = Episode("fold", np.arange(rows) / 20, one.state, one.action, {"ego_view": frames(rows)})
    assert found_in(sealed(tmp_path / "s", [episode], robot=HANDS)) == []


def test_the_sheet_draws_the_hands_where_they_are(tmp_path: Path) -> None:
    left_only = [(LEFT, 500.0, 800.0)]
    store = store_of(tmp_path / "s", labels_of(seen((60, BOTH))), labels_of(seen((60, left_only))), labels_of(None))
    seen_rows: list[tuple[int, int]] = []
    path = write_hand_sheet(
        tmp_path / "sheet.png", store, reasons={1: ("HANDS-02",)}, progress=lambda *at: seen_rows.append(at)
    )
    sheet = np.asarray(Image.open(path)).astype(int)
    assert sheet.shape[0] == 3 * 160 and seen_rows[-1] == (3, 3)
    blue = (sheet[:, :160, 2] - sheet[:, :160, 0] > 120).reshape(3, 160, 160)
    orange = (sheet[:, :160, 0] - sheet[:, :160, 2] > 120).reshape(3, 160, 160)
    # Rejected clips come first: it has a left hand only. The last one was not searched.
    assert blue[0].any() and not orange[0].any() and blue[1].any() and orange[1].any()
    assert not blue[2].any() and not orange[2].any()
    y, x = np.argwhere(orange[1]).mean(0)
    # A 1920x1080 picture lies in a square with bars: 160/1920 of a pixel, 35 px of bar above.
    assert abs(x - 1200 / 12) < 5 and abs(y - (35 + 800 / 12)) < 5
