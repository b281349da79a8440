"""How many frames a second are labelled, decoding and writing included.

    python -m benchmarks.neural.throughput --lake lake
    python -m benchmarks.neural.throughput --lake lake --device cuda --batch-size 256

Frames count once, however many windows speak about them. On a CPU seconds are those of the processor, so that a busy
machine does not decide; on a GPU those of the clock.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from cyclopts.types import PositiveInt

from benchmarks.clocks import elapsed
from benchmarks.command import Json, command, show
from benchmarks.neural.model import DEFAULT, Options
from gr00t_data.embodiment.robot import Embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter
from gr00t_model.idm.artifact import load_artifact
from gr00t_model.idm.label import label_store


def clips_of(store: EpisodeStore, robot: Embodiment, count: int, target: Path) -> EpisodeStore:
    """The first ``count`` episodes as clips without actions."""
    writer = StoreWriter.create(target, robot, kind="neural", licence=store.licence, absent=["state", "action"])
    for row in store.rows[:count]:
        videos: dict[str, np.ndarray | Path] = {one: store.video_path(row.index, one) for one in store.cameras}
        state, action = store.state(row.index), store.action(row.index)
        writer.append(Episode(row.instruction, store.times_s(row.index), 0 * state, 0 * action, videos))
    return writer.seal()


@command
def main(
    options: Options = DEFAULT,
    clips: Annotated[PositiveInt, Parameter(help="Clips to label.")] = 60,
    device: Annotated[str, Parameter(help="cpu, cuda, ...")] = "cpu",
    batch_size: Annotated[PositiveInt, Parameter(help="Windows at once.")] = 64,
    as_json: Json = False,
) -> None:
    """Print frames a second, on a CPU of one core."""
    import torch

    measured = options.subject()
    artifact, clock = load_artifact(measured.folder, device), time.perf_counter
    if device == "cpu":
        torch.set_num_threads(1)
        clock = time.process_time
    with tempfile.TemporaryDirectory() as folder:
        store = clips_of(measured.store, measured.robot, clips, Path(folder) / "clips")
        labelled = Path(folder) / "labelled"
        seconds = elapsed(lambda: label_store(store, artifact, labelled, batch_size=batch_size), clock)
    frames = sum(row.length for row in store.rows)
    facts = {"device": device, "clips": len(store.rows), "frames": frames, "seconds": seconds}
    facts["frames_per_second"] = frames / seconds
    of = "core" if device == "cpu" else device
    line = f"{frames} frames of {clips} clips: {frames / seconds:.0f} a second and {of}"
    show(facts, [line], as_json, indent=None)
