"""A second robot to mix with gr1: an arm of six values at 30 Hz, three cameras of which two are read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gr00t_data.batches.mixture.build import build_manifest
from gr00t_data.batches.rows import Member
from gr00t_data.batches.statistics.measure import measure
from gr00t_data.curate.build import build_index
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.store.episode import Episode
from gr00t_data.store.provenance import EpisodeSource, Kind
from gr00t_data.store.store import EpisodeStore
from gr00t_data.store.writing import StoreWriter

SO100 = load_embodiment("so100")
SELECTION = "so100_dualcam"


def so100_episode(rows: int, seed: int, side_px: int) -> Episode:
    """An episode that passes every check; the wrist camera is brighter than the front one by 60."""
    rng = np.random.default_rng(seed)
    swing = 10 * np.sin(np.arange(rows)[:, None] / 10 + rng.uniform(0, 6, 6)) + 20
    pictures = rng.integers(30, 60, (1, side_px, side_px, 3)) + 4 * np.arange(rows)[:, None, None, None]
    front = pictures.astype(np.uint8)
    video = {"webcam": front, "front": front, "wrist": front + np.uint8(60)}
    return Episode(
        "grasp the blue cube", np.arange(rows) / 30, swing, swing + 0.5, video, True, EpisodeSource(seed=seed)
    )


def so100_member(
    folder: Path,
    *,
    episodes: int = 3,
    side_px: int = 16,
    weight: float = 1.0,
    kind: Kind = "simulated",
    absent: Sequence[str] | None = None,
    held_out_share: float = 0.0,
) -> Member:
    """A checked and measured mixture of it; its files lie in ``folder``."""
    writer = StoreWriter.create(folder / "so100", SO100, kind=kind, licence="Apache-2.0", absent=absent)
    for seed in range(episodes):
        writer.append(so100_episode(30, seed, side_px))
    store: EpisodeStore = writer.seal()
    index = build_index(store, SO100, folder / "so100-index")
    statistics = measure([(store, index)], SO100)
    statistics.save(folder / "so100-statistics.json")
    sources = [(store, index, 1.0)]
    manifest = build_manifest("arm", SO100, sources, selection=SELECTION, held_out_share=held_out_share)
    manifest.save(folder / "so100-manifest.json")
    return Member(manifest, statistics, SO100, weight)
