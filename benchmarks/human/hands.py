"""Planted defects in the path of two hands: how many are found, what clean paths are accused of, how far fills are off.

`python -m benchmarks.human.hands` prints a table. Paths are smooth motions under a head that turns and walks, with the
noise of a tracker: 3 mm and 1 degree in each frame, and in half of the cases twice as much.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.command import command, show
from gr00t_data.embodiment.robot import load_embodiment
from gr00t_data.sources.human.footage import Footage, PlannedClip
from gr00t_data.sources.human.hands.labels import Labels, label, row_times_s
from gr00t_data.sources.human.hands.tracks import HandTracks
from gr00t_data.sources.human.settings import LabelSettings
from tests.data.sources.human.hand_files import motion, tracks_of

FRAMES = 120
HANDS = load_embodiment("human_hands")
SETTINGS = LabelSettings(slow_down=1.5)
"""At 20 Hz and 30 frames a second: a row a frame."""
Plant = Callable[[HandTracks, np.random.Generator], tuple[HandTracks, range]]


def noisy(tracks: HandTracks, generator: np.random.Generator, times: float) -> HandTracks:
    """Tracks as a tracker gives them."""
    assert tracks.wrist_poses is not None
    wrists = tracks.wrist_poses.copy()
    wrists[..., :3, 3] += generator.normal(0, 0.003 * times, wrists[..., :3, 3].shape)
    turns = Rotation.from_rotvec(generator.normal(0, np.radians(times), (2 * FRAMES, 3))).as_matrix()
    wrists[..., :3, :3] = wrists[..., :3, :3] @ turns.reshape(FRAMES, 2, 3, 3)
    return replace(tracks, wrist_poses=wrists)


def _place(generator: np.random.Generator, length: int) -> range:
    first = int(generator.integers(5, FRAMES - length - 5))
    return range(first, first + length)


def exchange(tracks: HandTracks, generator: np.random.Generator) -> tuple[HandTracks, range]:
    """Left and right have each other's name for 1 to 20 frames."""
    at = _place(generator, int(generator.integers(1, 21)))
    assert tracks.wrist_poses is not None
    wrists = tracks.wrist_poses.copy()
    wrists[at] = tracks.wrist_poses[at, ::-1]
    return replace(tracks, wrist_poses=wrists), at


def jump(tracks: HandTracks, generator: np.random.Generator) -> tuple[HandTracks, range]:
    """One wrist is 30 cm away, in any direction, for 1 to 6 frames."""
    at = _place(generator, int(generator.integers(1, 7)))
    assert tracks.wrist_poses is not None
    wrists, way = tracks.wrist_poses.copy(), generator.normal(size=3)
    wrists[at, int(generator.integers(2)), :3, 3] += 0.3 * way / np.linalg.norm(way)
    return replace(tracks, wrist_poses=wrists), at


def gap(frames: int) -> Plant:
    """The right hand is not found for so many frames."""

    def plant(tracks: HandTracks, generator: np.random.Generator) -> tuple[HandTracks, range]:
        at = _place(generator, frames)
        present = tracks.present.copy()
        present[at, 1] = False
        assert tracks.wrist_poses is not None
        wrists = np.where(present[..., None, None], tracks.wrist_poses, np.nan)
        return replace(tracks, present=present, wrist_poses=wrists), at

    return plant


def labelled(tracks: HandTracks) -> Labels:
    """A row a frame."""
    footage = Footage("a", Path("a.mp4"), "egodex", (), None, None, "CC0-1.0")
    clip = PlannedClip(footage, 0.0, FRAMES / 30, "fold", "fold")
    return label(clip, tracks, HANDS, row_times_s(clip, tracks, HANDS, SETTINGS), SETTINGS)


def found(kind: str, made: Labels, at: range) -> bool:
    """Whether what was planted was named where it is, or masked, or filled."""
    said = made.evidence
    if kind == "exchange":
        return any(first <= at[-1] and last >= at[0] for first, last in said["swaps"])
    if kind == "jump":
        return any(at[0] <= one["row"] <= at[-1] + 1 for one in said["jumps"])
    known = made.columns["state_valid.right_wrist_position"][at.start : at.stop]
    return bool(known.all() if kind == "short gap" else not known.any())


def run(cases: int, seed: int) -> dict[str, dict[str, float]]:
    """Counts of each kind, and how far filled places are off those that were seen, largest in each gap."""
    plants: dict[str, Plant] = {"exchange": exchange, "jump": jump, "short gap": gap(5), "long gap": gap(12)}
    table: dict[str, dict[str, float]] = {kind: {"planted": 0, "found": 0} for kind in plants}
    table["clean"] = {"planted": 0, "accused": 0}
    off_mm: list[float] = []
    part = HANDS.state_part("right_wrist_position").slice
    for case in range(cases):
        generator = np.random.default_rng([seed, case])
        clean = noisy(tracks_of(motion(FRAMES, seed=case, turning=1.0)), generator, 1 + case % 2)
        truth = labelled(clean)
        table["clean"]["planted"] += 1
        table["clean"]["accused"] += bool(truth.evidence["swaps"] or truth.evidence["jumps"])
        for kind, plant in plants.items():
            tracks, at = plant(clean, generator)
            made = labelled(tracks)
            table[kind]["planted"] += 1
            table[kind]["found"] += found(kind, made, at)
            if kind == "short gap":
                off = made.state[at.start : at.stop, part] - truth.state[at.start : at.stop, part]
                off_mm.append(1000 * float(np.linalg.norm(off, axis=1).max()))
    table["fill"] = {"median_mm": round(float(np.median(off_mm)), 1), "worst_mm": round(max(off_mm), 1)}
    return table


@command
def main(cases: int = 100, seed: int = 0) -> None:
    """Print one JSON object."""
    show(run(cases, seed), (), as_json=True)
