"""Batches for other trainers, and the order in real processes: 1, 2, 4, killed and restarted, both orders."""

import multiprocessing
import random
import resource
import signal
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from gr00t_data.batches.dataset import MixtureDataset
from gr00t_data.batches.frames import FramesCache
from gr00t_data.batches.loader import Loader, LoaderError
from gr00t_data.batches.mixture.manifest import MixtureManifest
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.statistics import NormStats
from tests.data.builders import GR1

SIZES: dict[str, Any] = {"max_state_dim": 64, "max_action_dim": 32, "horizon": 16}
GLOBAL_BATCH = 8
STEPS = 60
Given = tuple[MixtureManifest, NormStats]
FORK = multiprocessing.get_context("fork")


def draw(given: Given, order: str, rank: int, world: int, target: Path, pause_s: float) -> None:
    """One process of a training: a line of sample ids a step, going on after the last whole line."""
    torch.set_num_threads(1)
    text = target.read_text() if target.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    target.write_text(whole)
    options = {**SIZES, "batch_size": GLOBAL_BATCH // world, "order": order, "with_images": False}
    loader = Loader([Member(*given, GR1)], rank=rank, world=world, start_step=whole.count("\n"), **options)
    with target.open("a") as stream:
        for batch in islice(loader, STEPS - loader.start_step):
            stream.write(" ".join(batch.sample_ids) + "\n")
            stream.flush()
            time.sleep(pause_s)


def train(given: Given, order: str, world: int, folder: Path, kill_at: int = 0) -> list[str]:
    """The global batch of every step, in the order of the ranks; ``kill_at``: all are killed there and begin again."""
    folder.mkdir(parents=True)
    files = [folder / f"{rank}.txt" for rank in range(world)]
    for start in range(2 if kill_at else 1):
        killing = bool(kill_at) and not start
        given_to = [(given, order, rank, world, file, 0.005 * killing) for rank, file in enumerate(files)]
        processes = [FORK.Process(target=draw, args=args) for args in given_to]
        for process in processes:
            process.start()
        while killing and not (files[0].exists() and files[0].read_text().count("\n") >= kill_at):
            assert any(process.is_alive() for process in processes)
        for process in processes:
            if killing:
                process.kill()
            process.join(60)
            assert process.exitcode == (-signal.SIGKILL if killing else 0)
    lines = [file.read_text().splitlines() for file in files]
    assert [len(one) for one in lines] == [STEPS] * world
    return [" ".join(step) for step in zip(*lines, strict=True)]


@pytest.mark.parametrize("order", ["frames", "clips"])
def test_processes_and_kills_change_nothing(
    manifest: MixtureManifest, statistics: NormStats, tmp_path: Path, order: str
) -> None:
    given = manifest, statistics
    alone = train(given, order, 1, tmp_path / "one")
    seen = Counter(name for step in alone for name in step.split())
    kill_at = random.SystemRandom().randrange(1, STEPS // 2)
    for world in (2, 4):
        assert train(given, order, world, tmp_path / f"{world}") == alone
        killed = train(given, order, world, tmp_path / f"{world}-killed", kill_at)
        assert killed == alone, f"killed at step {kill_at}"
        assert Counter(name for step in killed for name in step.split()) == seen


def made(manifest: MixtureManifest, statistics: NormStats, cache: FramesCache | None, **options: Any) -> MixtureDataset:
    options = {"batch_size": 4, "with_images": cache is not None, **SIZES, **options}
    return MixtureDataset(manifest, statistics, GR1, cache=cache, **options)


def alike(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return one is not None and other is not None and torch.equal(one, other)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_change_nothing(manifest: MixtureManifest, statistics: NormStats, tmp_path: Path, workers: int) -> None:
    cache = FramesCache(tmp_path / "frames", (8, 8))
    cache.build(manifest, ["ego_view"])
    straight = Loader(
        [Member(manifest, statistics, GR1)], batch_size=4, cache=cache, start_step=2, rank=1, world=2, **SIZES
    )
    dataset = made(manifest, statistics, cache, start_step=2, steps=7, rank=1, world=2)
    batches = list(dataset.loader(workers))
    assert len(batches) == 7
    for batch, expected in zip(batches, straight, strict=False):
        assert batch.sample_ids == expected.sample_ids
        assert alike(batch.action, expected.action) and alike(batch.images, expected.images)


def test_an_error_of_a_worker_names_the_sample(
    manifest: MixtureManifest, statistics: NormStats, tmp_path: Path
) -> None:
    cache = FramesCache(tmp_path / "frames", (8, 8))
    cache.build(manifest, ["ego_view"])
    stores = [source.open() for source in manifest.sources]
    videos = [
        s.video_path(e.index, "ego_view") for m, s in zip(manifest.sources, stores, strict=True) for e in m.episodes
    ]
    for path in tmp_path.rglob("*.npy"):
        path.unlink()
    gone = [path.rename(path.with_suffix(".gone")) for path in videos]
    try:
        with pytest.raises(LoaderError, match=r"sample [0-9a-f]{12}/\d/\d+, camera 'ego_view', frame \d+.*\.mp4"):
            next(iter(made(manifest, statistics, cache).loader(workers=1)))
    finally:
        for path in gone:
            path.rename(path.with_suffix(".mp4"))


def test_clips_decoded_by_workers(manifest: MixtureManifest, statistics: NormStats, tmp_path: Path) -> None:
    clips = made(manifest, statistics, None, with_images=True, order="clips", image_size=(8, 8), steps=3)
    one, two = list(clips.loader()), list(clips.loader(workers=2))
    assert all(alike(a.images, b.images) and a.sample_ids == b.sample_ids for a, b in zip(one, two, strict=True))


@pytest.mark.slow
def test_no_leak_over_a_hundred_thousand_batches(
    manifest: MixtureManifest, statistics: NormStats, tmp_path: Path
) -> None:
    """Resident memory after 100,000 batches is that after 2,000, within 8 MB."""
    cache = FramesCache(tmp_path / "frames", (8, 8))
    batches = iter(made(manifest, statistics, cache, batch_size=2, horizon_frames=4))
    resident = []
    for number, _ in enumerate(islice(batches, 100_000), start=1):
        if number in (2_000, 50_000, 100_000):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident.append(pages * resource.getpagesize())
    assert max(resident) - resident[0] < 8 << 20, resident
