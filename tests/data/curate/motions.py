"""Small arrays that look like a robot at work, for the motion and picture checks."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from gr00t_data.curate.compare.row_evidence import RowEvidence, row_evidence
from gr00t_data.curate.subject.subject import Subject, read_subject
from gr00t_data.curate.subject.view import SIDE, View
from gr00t_data.store.store import EpisodeStore
from gr00t_data.video.packets import Packets
from tests.data.builders import GR1, episode, sealed

ARM = GR1.state_part("left_arm").slice
HAND = GR1.state_part("left_hand").slice
ROWS = 80
LAG_ROWS = 2


def rows_of(seed: int, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """(state, action), float64 [rows, 44]: arm and hand move smoothly from one pose; the state is 2 rows late."""
    generator = np.random.default_rng(seed)
    time = np.arange(rows + LAG_ROWS) / 20
    action = np.zeros((rows + LAG_ROWS, 44))
    for dims, size in ((ARM, 0.2), (HAND, 0.5)):
        for dim in range(dims.start, dims.stop):
            ways = generator.uniform(0.5, 1, 3) * size * (1 if dim % 2 else -1)
            rates = generator.uniform(0.15, 0.9, 3)
            action[:, dim] = sum(
                way * (1 - np.cos(2 * np.pi * rate * time)) / 2 for way, rate in zip(ways, rates, strict=True)
            )
            action[:, dim] += 0.03 * (dim - dims.start) + 0.02 * generator.normal()
    return action[:-LAG_ROWS].copy(), action[LAG_ROWS:].copy()


def subject(root: Path) -> Subject:
    """A subject whose arrays are replaced by the tests."""
    store: EpisodeStore = sealed(root, [episode(video={})])
    return read_subject(store, store.row(0), GR1)


def moved(base: Subject, state: np.ndarray, action: np.ndarray) -> Subject:
    """The subject with these rows."""
    return replace(base, arrays={"observation.state": state, "action": action})


def evidence(base: Subject, state: np.ndarray, action: np.ndarray) -> RowEvidence:
    """What is kept of these rows."""
    kept = row_evidence(moved(base, state, action).signals, np.zeros(0, dtype=np.int64))
    assert kept is not None
    return kept


def scene(seed: int = 0) -> np.ndarray:
    """float64 [SIDE, SIDE]: a table with some things on it."""
    generator = np.random.default_rng(seed)
    picture = generator.uniform(80, 180, (SIDE // 4, SIDE // 4)).repeat(4, 0).repeat(4, 1)
    return picture + generator.uniform(-3, 3, picture.shape)


def pictures(frames: int = ROWS, seed: int = 0, speed: float = 1.3) -> np.ndarray:
    """float64 [frames, SIDE, SIDE]: a bright arm that slides over a scene."""
    background = scene(seed)
    film = np.stack([background] * frames)
    for frame in range(frames):
        left = 2 + round(abs((frame * speed) % (2 * (SIDE - 12)) - (SIDE - 12)))
        film[frame, 40:, left : left + 8] = 225
    return film


def packets_at(times_s: np.ndarray, side: int) -> Packets:
    """The packets of a square video whose frames are shown at these times; the first one is a key frame."""
    ticks = np.rint(times_s * 90_000).astype(np.int64)
    size = np.full(len(ticks), 100)
    return Packets(Path("v.mp4"), "h264", side, side, 20.0, Fraction(1, 90_000), ticks, ticks, ticks == ticks[0], size)


def view(film: np.ndarray, colour: np.ndarray | None = None) -> View:
    """A view of float [N, SIDE, SIDE] luma; ``colour`` float [N, 2, SIDE, SIDE] is U and V, grey when None."""
    luma = np.clip(film, 0, 255).astype(np.uint8)
    chroma = np.full((len(luma), 2, SIDE, SIDE), 128) if colour is None else colour
    small = np.concatenate([luma[:, None], np.clip(chroma, 0, 255).astype(np.uint8)], axis=1)
    stills = {number: luma[number].repeat(2, 0).repeat(2, 1) for number in range(5, len(luma), 10)}
    times = np.arange(len(luma)) / 20
    packets = packets_at(times, 2 * SIDE)
    return View(Path("v.mp4"), packets, np.arange(len(luma)), small, times == 0, stills, 0, 0)
