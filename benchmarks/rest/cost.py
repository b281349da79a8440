"""What verification costs, in CPU time: opening a store that is verified, and its share of a training."""

import contextlib
import json
import resource
import shutil
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks.rest.lake import STORE, new_run
from gr00t_data import integrity
from gr00t_data.batches import frames
from gr00t_data.disk import write_json, write_json_lines
from gr00t_data.lake import Lake
from gr00t_data.store.store import EpisodeStore, json_lines, read_through
from gr00t_data.store.writing import seal_folder
from gr00t_model.loop.stop import StopRequest
from gr00t_model.training.train import train

EPISODES = 300
MOST_OPEN_MS, MOST_SHARE = 20.0, 0.02
_OPENINGS = 20
_STEPS, _BATCH, _SAVED_EVERY = 300, 16, 100
_CHECKSUM = frames._checksum.__code__
_CHECKING = integrity.__file__
"""The file of which every function counts as verification: too much rather than too little."""


@dataclass(frozen=True)
class Cost:
    """What was measured; ``share`` is of ``training_s``, both in CPU time."""

    opening_ms: float
    training_s: float
    share: float

    @property
    def fits(self) -> bool:
        """Whether both are within what is allowed."""
        return self.opening_ms <= MOST_OPEN_MS and self.share <= MOST_SHARE

    def lines(self) -> list[str]:
        """Each beside its limit."""
        opening, share = self.opening_ms / MOST_OPEN_MS, self.share / MOST_SHARE
        return [
            f"Opening a verified store of {EPISODES} episodes: {self.opening_ms:.1f} CPU-ms, {opening:.2f} of the "
            f"{MOST_OPEN_MS:.0f} allowed.",
            f"Verification in a training of {self.training_s:.0f} CPU-s: {self.share:.2%} of it, {share:.2f} of the "
            f"{MOST_SHARE:.0%} allowed.",
        ]


def measured(lake: Path) -> Cost:
    """The cost in this process, with files of this lake, to which it writes."""
    with contextlib.redirect_stdout(sys.stderr):
        return Cost(opening_ms(Lake(lake)), *share_of_training(Lake(lake)))


def opening_ms(lake: Lake) -> float:
    """CPU-milliseconds to open a sealed store of 300 episodes whose files were all compared before, the median."""
    root = _grown(lake.stores / STORE, lake.root / "grown")
    read_through(root).verify()
    spent = []
    for _ in range(_OPENINGS):
        start = time.process_time()
        read_through(root)
        spent.append(1000 * (time.process_time() - start))
    shutil.rmtree(root)
    return statistics.median(spent)


def _grown(source: Path, target: Path) -> Path:
    """A store with many times the episodes of another one."""
    shutil.copytree(source, target)
    (target / "meta/seal.json").unlink()
    store = EpisodeStore.open(target)
    lines, stats = (list(json_lines(target / f"meta/{name}.jsonl")) for name in ("episodes", "episodes_stats"))
    own, camera = len(lines), store.cameras[0]
    for number in range(own, EPISODES):
        shutil.copyfile(store.data_path(number % own), store.data_path(number))
        shutil.copyfile(store.video_path(number % own, camera), store.video_path(number, camera))
    for name, known in (("episodes", lines), ("episodes_stats", stats)):
        grown = [{**known[number % own], "episode_index": number} for number in range(EPISODES)]
        write_json_lines(target / f"meta/{name}.jsonl", grown)
    info = json.loads((target / "meta/info.json").read_text())
    write_json(target / "meta/info.json", {**info, "total_episodes": EPISODES})
    return seal_folder(target).root


def share_of_training(lake: Lake) -> tuple[float, float]:
    """(CPU-seconds of a training of a very small model, share of it spent in verification). Twice: the first training
    is timed as it is, in the second one every call is watched."""
    start = _cpu_s()
    _trained(lake, seed=11)
    whole = _cpu_s() - start
    watch = _Watch()
    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        _trained(lake, seed=12)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return whole, watch.spent_s / whole


def _trained(lake: Lake, seed: int) -> None:
    shutil.rmtree(lake.cache / "features", ignore_errors=True)
    train(new_run(lake, seed=seed, steps=_STEPS, batch_size=_BATCH, checkpoint_every_steps=_SAVED_EVERY), StopRequest())


def _cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return spent.ru_utime + spent.ru_stime


class _Watch:
    """CPU time of the threads inside the functions that verify, the inner ones within the outer ones."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self._inside = threading.local()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event not in ("call", "return") or not _checks(frame):
            return
        depth = getattr(self._inside, "depth", 0) + (1 if event == "call" else -1)
        self._inside.depth = depth
        if event == "call" and depth == 1:
            self._inside.since = time.thread_time()
        elif event == "return" and depth == 0:
            self.spent_s += time.thread_time() - self._inside.since


def _checks(frame: FrameType) -> bool:
    return frame.f_code.co_filename == _CHECKING or frame.f_code is _CHECKSUM
