"""LeRobot 0.4.4 itself, in a Python of its own: it opens what we write, and we read what it writes.

``GR00T_LEROBOT_PYTHON`` names that Python; without it these tests skip.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gr00t_data.lerobot.convert import convert
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.texts import text_at
from gr00t_data.video import files as video
from tests.data.lerobot.folders import CAMERA, assert_same_frames, assert_same_rows, read, silent, store_of

PYTHON = os.environ.get("GR00T_LEROBOT_PYTHON")
PROGRAM = Path(__file__).parent / "lerobot_program.py"
REAL = Path(__file__).parents[4] / "shared/data/teleop/robot_sim.PickNPlace"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="GR00T_LEROBOT_PYTHON does not name a Python with lerobot 0.4.4"),
]


def lerobot(home: Path, *arguments: str | Path) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home / "hf"), "OMP_NUM_THREADS": "1"}
    command = [str(PYTHON), str(PROGRAM), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]


def seen_by_lerobot(folder: Path, home: Path) -> dict[str, np.ndarray]:
    lerobot(home, "read", folder, home / "seen.npz")
    with np.load(home / "seen.npz") as seen:
        return dict(seen)


def assert_lerobot_sees(store: EpisodeStore, seen: dict[str, np.ndarray], camera: str) -> None:
    """Every item: its rows, its instruction, its actions to come, and its frame (two decoders: within 2 levels)."""
    state = np.concatenate([store.state(row.index) for row in store.rows])
    np.testing.assert_allclose(seen["state"], state, rtol=1e-6)
    first = 0
    for number, row in enumerate(store.rows):
        inside = slice(first, first + row.length)
        assert set(seen["episode_index"][inside]) == {number}
        first_text, changes = store.texts(row.index, "task_index")
        assert seen["task"][inside].tolist() == [text_at(first_text, changes, at) for at in range(row.length)]
        action = store.action(row.index)
        np.testing.assert_allclose(seen["action"][first], action[:4], rtol=1e-6)
        np.testing.assert_allclose(seen["action"][inside.stop - 1], np.repeat(action[-1:], 4, axis=0), rtol=1e-6)
        np.testing.assert_array_equal(seen["is_pad"][inside.stop - 1], [False, True, True, True])
        frames = video.decode(store.video_path(row.index, camera)).astype(int)
        shown = seen[store.camera_columns[camera]][inside].transpose(0, 2, 3, 1)
        same, late, early = (distance(frames, shown, shift) for shift in (0, 1, -1))
        assert same.max() < 2 and np.mean(same[1:] <= late) > 0.95 and np.mean(same[:-1] <= early) > 0.95
        assert np.mean(same[1:] < late) > 0.4 and np.mean(same[:-1] < early) > 0.4  # AV1 repeats a still frame
        first += row.length


def distance(frames: np.ndarray, shown: np.ndarray, shift: int) -> np.ndarray:
    """Mean absolute difference of each frame to the one shown ``shift`` items before."""
    pairs = zip(frames[max(shift, 0) : len(frames) + min(shift, 0)], shown[max(-shift, 0) :], strict=False)
    return np.array([np.abs(frame - other).mean() for frame, other in pairs])


@pytest.mark.parametrize("coding", ["h264 with B-frames", "av1"])
def test_lerobot_opens_what_we_write(tmp_path: Path, coding: str) -> None:
    store = store_of(tmp_path / "s", coding)
    convert(store.root, tmp_path / "v3", "v3.0", silent)
    seen = seen_by_lerobot(tmp_path / "v3", tmp_path)
    assert_lerobot_sees(store, seen, "ego_view")
    assert seen[f"stats/{CAMERA}/q99"].shape == (3, 1, 1) and seen["stats/action/q01"].shape == (44,)


def test_lerobot_opens_episodes_whose_numbers_have_gaps(tmp_path: Path) -> None:
    from tests.data.lerobot.test_round_trip import with_gaps

    store = with_gaps(store_of(tmp_path / "s"))
    convert(store.root, tmp_path / "v3", "v3.0", silent)
    assert_lerobot_sees(store, seen_by_lerobot(tmp_path / "v3", tmp_path), "ego_view")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real PickNPlace data is not here (../shared/data)")
def test_lerobot_opens_the_real_recording(tmp_path: Path) -> None:
    convert(REAL, tmp_path / "v3", "v3.0", silent)
    assert_lerobot_sees(EpisodeStore.open(REAL), seen_by_lerobot(tmp_path / "v3", tmp_path), "ego_view")


@pytest.mark.parametrize("codec", ["h264", "libsvtav1"])
def test_we_read_what_lerobot_writes(tmp_path: Path, codec: str) -> None:
    lerobot(tmp_path, "write", tmp_path / "v3", codec)
    store, notes = read(tmp_path / "v3", tmp_path / "v21")
    assert not any("re-encoded" in note.message or "off the frame" in note.message for note in notes)
    assert [(row.length, row.instruction) for row in store.rows] == [(20, "task 0"), (13, "task 1"), (17, "task 0")]
    assert (
        store.texts(2, "task_index") == ("task 0", ((9, "task 0, then lift"),))
        and store.texts(1, "task_index")[1] == ()
    )
    np.testing.assert_allclose(store.state(1)[3], np.arange(6) + 10.03, rtol=1e-6)
    assert_lerobot_sees(store, seen_by_lerobot(tmp_path / "v3", tmp_path), "front")
    convert(store.root, tmp_path / "again", "v3.0", silent)
    convert(tmp_path / "again", tmp_path / "back", "v2.1", silent)
    assert_same_rows(store, EpisodeStore.open(tmp_path / "back"))
    assert_same_frames(store, EpisodeStore.open(tmp_path / "back"))
    assert_lerobot_sees(store, seen_by_lerobot(tmp_path / "again", tmp_path), "front")
