"""Small drops for the tests of the service."""

import shutil
from pathlib import Path

import numpy as np

from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.lake import Lake
from gr00t_data.store.episode import Episode
from gr00t_data.store.writing import StoreWriter

GR1 = load_embodiment("gr1")


def put(
    lake: Lake, name: str, *, episodes: int = 3, bad: tuple[int, ...] = (), seed: int = 0, marked: bool = True
) -> Path:
    """A drop of short episodes in ``landing/name``; those in ``bad`` have a NaN action."""
    place = lake.root / "made" / f"{name}-{seed}".replace("/", "-").replace(" ", "_")
    shutil.rmtree(place, ignore_errors=True)
    writer = StoreWriter.create(place, GR1, kind="real", licence="x")
    rng = np.random.default_rng(seed)
    for number in range(episodes):
        action = np.cumsum(rng.uniform(-0.01, 0.01, (20, 44)), axis=0)
        action[5, 3] = np.nan if number in bad else action[5, 3]
        state = np.concatenate([action[:1], action[:-1]])
        frames = rng.integers(0, 255, (20, 32, 32, 3), dtype=np.uint8)
        writer.append(Episode("reach the red cube", np.arange(20) / 20, state, action, {"ego_view": frames}, True))
    writer.seal()
    (place / "meta/seal.json").unlink()
    target = lake.landing / name
    lake.landing.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    place.rename(target)
    if marked:
        (target / "_SUCCESS").touch()
    return target
