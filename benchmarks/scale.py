"""Cost against the number of episodes: opening, the manifest, its preview and a first batch, metadata only.

python -m benchmarks.scale --episodes 1000 --episodes 10000 --episodes 100000

The store is real, but ten thousand episodes at a time share one parquet file by hard links, and there is no video: what
is measured is what grows with the number of episodes. Each size runs in a process of its own.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from benchmarks.command import Json, command, heading, row

LINKS_A_FILE = 10_000
"""Hard links to one file; file systems allow a limited number (ext4: 65,000)."""

ROWS = 100
TASKS = 50


def make_store(root: Path, episodes: int) -> None:
    """A sealed store of ``episodes`` episodes of 100 rows, 50 instructions, no video."""
    from gr00t_data.disk import digest_file
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.store.episode import Episode
    from gr00t_data.store.writing import StoreWriter, seal_folder

    gr1 = load_embodiment("gr1")
    gr1 = replace(gr1, cameras=())
    writer = StoreWriter.create(root, gr1, kind="simulated", licence="Apache-2.0")
    rows = 0.1 * np.sin(np.arange(ROWS)[:, None] / 10 + np.arange(44))
    writer.append(Episode("task 0", np.arange(ROWS) / 20, rows, rows, {}, True))
    store = writer.seal()
    one = store.data_path(0)
    for index in range(1, episodes):
        path = store.data_place(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        if index % LINKS_A_FILE == 0:
            path.write_bytes(one.read_bytes())
            one = path
        else:
            os.link(one, path)
    line = json.loads((root / "meta/episodes.jsonl").read_text().splitlines()[0])
    with (root / "meta/episodes.jsonl").open("w") as stream:
        for index in range(episodes):
            stream.write(json.dumps({**line, "episode_index": index, "tasks": [f"task {index % TASKS}"]}) + "\n")
    names = (f"data/chunk-{i // 1000:03d}/episode_{i:06d}.parquet" for i in range(episodes))
    seal_folder(root, dict.fromkeys(names, digest_file(one)))


def measure(root: Path) -> dict[str, float]:
    """CPU-seconds of each step, and the peak memory of the process in MB."""
    import torch

    from gr00t_data.batches.loader import Loader
    from gr00t_data.batches.mixture.build import build_manifest
    from gr00t_data.batches.mixture.manifest import MixtureManifest
    from gr00t_data.batches.mixture.preview import preview
    from gr00t_data.batches.rows import Member
    from gr00t_data.batches.statistics.measure import measure as measure_statistics
    from gr00t_data.curate.finding import Verdict
    from gr00t_data.curate.index import Index
    from gr00t_data.embodiment.robot import load_embodiment
    from gr00t_data.store.store import EpisodeStore

    torch.set_num_threads(1)
    gr1 = load_embodiment("gr1")
    bare = gr1.selection(None)
    gr1 = replace(gr1, cameras=(), selections={bare.name: replace(bare, cameras=())})
    seconds: dict[str, float] = {}
    clock = time.process_time()

    def lap(name: str) -> None:
        nonlocal clock
        seconds[name] = round(time.process_time() - clock, 3)
        clock = time.process_time()

    store = EpisodeStore.open(root)
    verdicts = [
        Verdict(one.index, True, one.length, ((0, one.length),), one.instruction, (), f"{one.index:064x}")
        for one in store.rows
    ]
    index = Index(str(root), store.digest, gr1.name, gr1.digest, "", (), tuple(verdicts))
    lap("open")
    manifest = build_manifest("scale", gr1, [(store, index, 1.0)])
    manifest.save(root.parent / "manifest.json")
    lap("manifest")
    preview(manifest, gr1.control_hz)
    lap("preview")
    few = replace(index, verdicts=index.verdicts[:10])
    statistics = measure_statistics([(store, few)], gr1)
    clock = time.process_time()
    manifest = MixtureManifest.load(root.parent / "manifest.json")
    sizes = {"batch_size": 32, "max_state_dim": 64, "max_action_dim": 32, "horizon": 16}
    loader = Loader([Member(manifest, statistics, gr1)], **sizes, with_images=False)
    assert len(next(iter(loader))) == 32
    lap("first batch")
    seconds["total"] = round(sum(seconds.values()), 3)
    return {**seconds, "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


@command
def main(
    episodes: Annotated[list[int], Parameter(help="Sizes; repeat for several.")] = [1000, 10_000, 100_000],  # noqa: B006
    as_json: Json = False,
    of: Annotated[Path | None, Parameter(show=False)] = None,
) -> None:
    """Print one row a size: CPU-seconds and peak memory (bounds at 100,000: 10 s and 2 GB)."""
    if of:
        print(json.dumps(measure(of)))
        return
    found = {}
    for count in episodes:
        with tempfile.TemporaryDirectory() as folder:
            make_store(Path(folder) / "store", count)
            words = [sys.executable, "-m", "benchmarks.scale", "--of", f"{folder}/store"]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            found[count] = json.loads(done.stdout)
        if not as_json:
            if len(found) == 1:
                print(heading("episodes", *found[count]))
            print(row(f"{count:,}", *map("{:.4g}".format, found[count].values())), flush=True)
    if as_json:
        print(json.dumps(found, indent=1))
