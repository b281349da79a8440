"""How many frames a second are labelled, decoding and writing included.

    python -m benchmarks.neural.throughput --lake lake
    python -m benchmarks.neural.throughput --lake lake --device cuda --batch-size 256

Frames count once, however many windows speak about them. On a CPU seconds are those of the processor, so that a busy
machine does not decide; on a GPU those of the clock.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.neural import model
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


def main(
    lake: model.LakeOption = model.LAKE,
    episodes: model.EpisodesOption = model.EPISODES,
    steps: model.StepsOption = model.STEPS,
    idm: model.ModelOption = None,
    clips: Annotated[int, typer.Option(min=1, help="Clips to label.")] = 60,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    batch_size: Annotated[int, typer.Option(min=1, help="Windows at once.")] = 64,
    as_json: model.JsonOption = False,
) -> None:
    """Print frames a second, on a CPU of one core."""
    import torch

    measured = model.subject(lake, episodes, steps, idm)
    artifact, clock = load_artifact(measured.folder, device), time.perf_counter
    if device == "cpu":
        torch.set_num_threads(1)
        clock = time.process_time
    with tempfile.TemporaryDirectory() as folder:
        store = clips_of(measured.store, measured.robot, clips, Path(folder) / "clips")
        before = clock()
        label_store(store, artifact, Path(folder) / "labelled", batch_size=batch_size)
        seconds = clock() - before
    frames = sum(row.length for row in store.rows)
    facts = {"device": device, "clips": len(store.rows), "frames": frames, "seconds": seconds}
    facts["frames_per_second"] = frames / seconds
    of = "core" if device == "cpu" else device
    print(
        json.dumps(facts) if as_json else f"{frames} frames of {clips} clips: {frames / seconds:.0f} a second and {of}"
    )


if __name__ == "__main__":
    typer.run(main)
