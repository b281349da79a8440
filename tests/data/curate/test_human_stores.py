"""Video from a head: every clip shows another scene, and rows may be marked as not to be sampled."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_data.curate.doctor import diagnose
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import Kind
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from tests.data.sources.human.ego_films import room

HANDS = load_embodiment("human_hands")
ROWS = 40


def clip(number: int, masked: np.ndarray, scene: int = 0, side_px: int = 64) -> Episode:
    """A slow look through a room; the numbered clips of a room look at places close to each other."""
    world, down = room(scene), 2 * number
    frames = np.stack([world[down : down + side_px, row // 4 : row // 4 + side_px] for row in range(ROWS)])
    zeros = np.zeros((ROWS, HANDS.state_dim))
    times_s = np.arange(ROWS) / HANDS.control_hz
    text = f"wash cup number {number}"
    return Episode(text, times_s, zeros, zeros, {"ego_view": frames}, columns={"masked": masked.astype(np.int64)})


def store_of(folder: Path, clips: list[Episode], kind: Kind = "human") -> EpisodeStore:
    absent = ["state", "action"]
    writer = StoreWriter.create(folder, HANDS, kind=kind, licence="CC0-1.0", absent=absent)
    for one in clips:
        writer.append(one)
    return writer.seal()


def test_a_clip_of_another_scene_is_no_stranger(tmp_path: Path) -> None:
    clips = [clip(number, np.zeros(ROWS)) for number in range(13)]
    clips.append(clip(13, np.zeros(ROWS), scene=9))
    human = diagnose(store_of(tmp_path / "human", clips), HANDS).verdicts[-1]
    robot = diagnose(store_of(tmp_path / "real", clips, "real"), HANDS).verdicts[-1]
    assert human.accepted and not robot.accepted
    assert {"IMAGE-14", "IMAGE-20"} & (set(robot.codes) - set(human.codes))


@pytest.mark.parametrize(("first", "last", "kept"), [(0, 4, ((5, 40),)), (20, 24, ((0, 4), (25, 40)))])
def test_masked_rows_leave_the_keep_range_with_what_looks_at_them(tmp_path: Path, first: int, last: int, kept) -> None:
    masked = (np.arange(ROWS) >= first) & (np.arange(ROWS) <= last)
    (verdict,) = diagnose(store_of(tmp_path / "a", [clip(0, masked)]), HANDS).verdicts
    assert verdict.accepted and verdict.keep == kept
    (finding,) = [one for one in verdict.findings if one.code == "MASK-01"]
    assert finding.frames == (max(first - 1, 0), last)


def test_a_clip_of_which_everything_is_masked_is_rejected(tmp_path: Path) -> None:
    (verdict,) = diagnose(store_of(tmp_path / "a", [clip(0, np.ones(ROWS))]), HANDS).verdicts
    assert not verdict.accepted and "KEEP-01" in verdict.codes
