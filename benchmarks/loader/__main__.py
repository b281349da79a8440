"""CPU-milliseconds a sample, side by side in one run.

python -m benchmarks.loader [--lerobot PYTHON] [--teleop FOLDER] [--json]

One sample is a 224 x 224 picture of each camera, the state, and a chunk of 16 actions, normalised and padded, in
batches of 32. ``lerobot`` is version 0.4.4 in an environment of its own (its pins do not agree with ours):

    python -m venv lerobot && lerobot/bin/pip install torch==2.13.0 lerobot==0.4.4

The published access pattern is that of the GR00T N1.5 code: every sample reads its parquet file and opens its video
anew. The limit is a copy of the picture out of mapped memory. One thread; the machine's other work does not count.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from cyclopts import Parameter
from cyclopts.validators import Number

from benchmarks.clocks import elapsed
from benchmarks.command import Json, command, heading, row
from benchmarks.loader.sources import SIDE_PX, Setup, at_training_size, published_samples, simulated, teleoperated
from gr00t_data.batches.clips import CLIP_FRAMES
from gr00t_data.batches.frames import FramesCache
from gr00t_data.batches.loader import Loader
from gr00t_data.batches.rows import Member
from gr00t_data.video.spans import read_clip

BATCH, HORIZON = 32, 16


def cpu_ms(work: Callable[[], int]) -> float:
    """CPU-milliseconds of this process, all threads, a sample; ``work`` returns how many samples it made."""
    work()  # opens files and fills caches
    made: list[int] = []
    return 1e3 * elapsed(lambda: made.append(work())) / made[0]


def from_cache(setup: Setup, folder: Path, batches: int) -> float:
    cache = FramesCache(folder, (SIDE_PX, SIDE_PX))
    cache.build(setup.manifest, setup.embodiment.selection(setup.manifest.selection).cameras, processes=2)
    sizes = {"batch_size": BATCH, "max_state_dim": 64, "max_action_dim": 32, "horizon": HORIZON}
    loader = Loader([Member(setup.manifest, setup.statistics, setup.embodiment)], cache=cache, **sizes)

    def work() -> int:
        return sum(len(loader.batch_of(loader.samples(step))) for step in range(batches))

    return cpu_ms(work)


def from_clips(setup: Setup) -> float:
    """Decoding alone, clip by clip, every clip of the data once; the rest is that of the cache."""
    store = setup.manifest.sources[0].open()
    clips = [
        (store.video_path(one.index, store.cameras[0]), first)
        for one in store.rows
        for first in range(0, max(one.length - CLIP_FRAMES, 1), CLIP_FRAMES)
    ]

    def work() -> int:
        return sum(len(read_clip(path, first, CLIP_FRAMES, (SIDE_PX, SIDE_PX))) for path, first in clips)

    return cpu_ms(work)


def limit() -> float:
    """A picture at random out of a mapped file into a batch that is already there."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/frames.npy", np.zeros((1000, SIDE_PX, SIDE_PX, 3), dtype=np.uint8))
        frames = np.load(f"{folder}/frames.npy", mmap_mode="r")
        order = np.random.default_rng(0).integers(0, len(frames), (100, BATCH))
        batch = np.empty((BATCH, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)

        def work() -> int:
            for chosen in order:
                for place, frame in enumerate(chosen.tolist()):
                    batch[place] = frames[frame]
            return order.size

        return cpu_ms(work)


def lerobot(python: str, store: Path, folder: Path, samples: int) -> float:
    from gr00t_data.lerobot.convert import convert

    convert(store, folder, "v3.0", lambda done, total: None)
    program = Path(__file__).with_name("lerobot_program.py")
    words = [python, str(program), str(folder), "ego_view_0", str(samples), str(SIDE_PX)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{python} {program}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])["ms"]


@command
def main(
    python: Annotated[str, Parameter(name="--lerobot", env_var="GR00T_LEROBOT_PYTHON")] = "",
    teleop: Annotated[Path, Parameter(help="GR00T-LeRobot data with GOP-250 video.")] = Path(
        "../shared/data/teleop/robot_sim.PickNPlace"
    ),
    episodes: Annotated[int, Parameter(validator=Number(gte=4), help="Simulator episodes.")] = 24,
    as_json: Json = False,
) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []

    def tell(what: str, ms: float, bound_ms: float | None = None) -> None:
        rows.append({"what": what, "CPU-ms a sample": round(ms, 4), "bound": bound_ms})
        if not as_json:
            print(row(what, f"{ms:.3f}", bound_ms or "", f"{ms / limit_ms:.1f}"), flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recorded = simulated(folder / "recorded", episodes)
        one, three = (at_training_size(recorded, folder / f"cameras{count}", count) for count in (1, 3))
        limit_ms = limit()
        if not as_json:
            print(heading("224 x 224, 16 actions, batch 32", "CPU-ms a sample", "bound", "times the limit"))
        tell("limit: one picture out of mapped memory", limit_ms)
        cached_ms = from_cache(one, folder / "frames", 200)
        tell("from the cache, one camera", cached_ms, 0.15)
        tell("from the cache, three cameras", from_cache(three, folder / "frames3", 100), 0.45)
        without_video_ms = cached_ms - min(limit_ms, cached_ms)
        tell("no cache, clip order, h264 GOP 10", from_clips(one) + without_video_ms, 0.8)
        if teleop.is_dir():
            real = teleoperated(teleop)
            tell("no cache, clip order, the published GOP-250 video", from_clips(real) + without_video_ms, 2.0)
            tell("published access pattern, the same video", cpu_ms(lambda: published_samples(real, 64)))
        else:
            print(f"(no {teleop}: the rows of GOP-250 video are left out; name a folder with --teleop)")
        tell("published access pattern, GOP 10", cpu_ms(lambda: published_samples(one, 200)))
        if python:
            store = Path(one.manifest.sources[0].store)
            tell("lerobot 0.4.4, getitem at random and collate", lerobot(python, store, folder / "v3", 320))
        else:
            print("(lerobot is left out; give the python of its environment with --lerobot)")
    if as_json:
        print(json.dumps(rows, indent=1))
