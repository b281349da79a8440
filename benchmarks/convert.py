"""Speed of `gr00t convert`, v2.1 -> v3.0 -> v2.1, against copying the same files; and whether everything came back.

python -m benchmarks.convert --episodes 200
"""

import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from cyclopts.types import PositiveInt

from benchmarks.clocks import elapsed
from benchmarks.command import command, show
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lerobot.convert import convert
from gr00t_data.store.episode import Episode
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.tables import read_table
from gr00t_data.store.writing import StoreWriter
from gr00t_data.video import files as video

ROBOT = load_embodiment("gr1")
ROWS = 400
HZ = 20
PIXELS = 256


def film(path: Path) -> Path:
    """A 20 s film of a moving gradient with sensor noise, as large in bytes as a camera's."""
    rng = np.random.default_rng(0)
    ramp = np.arange(PIXELS)[None, :, None] // 2 + rng.integers(60, 66, (ROWS, PIXELS, PIXELS, 3), dtype=np.uint8)
    for number in range(ROWS):
        ramp[number] = np.roll(ramp[number], 3 * number, axis=1)
    video.encode(path, ramp.astype(np.uint8), HZ, crf=4)
    return path


def store_of(folder: Path, episodes: int) -> EpisodeStore:
    """A sealed store of 20 s episodes with 44 state and 44 action values a row and one camera."""
    writer = StoreWriter.create(folder, ROBOT, kind="simulated", licence="Apache-2.0")
    taken, rng = film(folder.parent / "film.mp4"), np.random.default_rng(1)
    for number in range(episodes):
        state = np.cumsum(rng.normal(0, 0.01, (ROWS, ROBOT.state_dim)), axis=0)
        action = np.cumsum(rng.normal(0, 0.01, (ROWS, ROBOT.action_dim)), axis=0)
        times_s = np.arange(ROWS) / HZ
        writer.append(Episode(f"task {number % 7}", times_s, state, action, {"ego_view": taken}))
    return writer.seal()


def came_back(one: EpisodeStore, other: EpisodeStore, frames_of: int) -> bool:
    """Whether every row, and every pixel of the first episodes, is the same."""
    rows = all(read_table(one.data_path(r.index)).equals(read_table(other.data_path(r.index))) for r in one.rows)
    pairs = [[s.video_path(r.index, "ego_view") for s in (one, other)] for r in one.rows[:frames_of]]
    return rows and all(np.array_equal(*(video.decode(path) for path in pair)) for pair in pairs)


@command
def main(episodes: Annotated[PositiveInt, Parameter(help="Episodes of 20 s.")] = 200) -> None:
    """Print one JSON object."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = store_of(folder / "store", episodes)
        size_mb = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file()) / 2**20
        works = {
            "copy": lambda: shutil.copytree(store.root, folder / "copy"),
            "to v3.0": lambda: convert(store.root, folder / "v3", "v3.0", lambda done, total: None),
            "to v2.1": lambda: convert(folder / "v3", folder / "back", "v2.1", lambda done, total: None),
        }
        seconds = {what: elapsed(work, time.perf_counter) for what, work in works.items()}
        report = {
            "episodes": episodes,
            "video": f"{episodes * ROWS / HZ / 60:.0f} min",
            "size_mb": round(size_mb),
            "seconds": {key: round(value, 1) for key, value in seconds.items()},
            "mb_per_s": {key: round(size_mb / value) for key, value in seconds.items()},
            "times_real_time": {key: round(episodes * ROWS / HZ / value) for key, value in seconds.items()},
            "files": {key: sum(p.is_file() for p in (folder / key).rglob("*")) for key in ("store", "v3", "back")},
            "came_back": came_back(store, EpisodeStore.open(folder / "back"), frames_of=2),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    show(report, (), as_json=True)
