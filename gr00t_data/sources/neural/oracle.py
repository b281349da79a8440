"""Oracle dreams: recorded episodes with the actions hidden and, if asked, a defect planted; what is true is known.

They test labelling and the gate without a video model. They say nothing about how real a generated video looks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from gr00t_data import video
from gr00t_data.embodiment import Embodiment
from gr00t_data.episode import Episode
from gr00t_data.store import EpisodeStore

Frames = UInt8[np.ndarray, "t h w 3"]
Plant = Callable[[Frames, Frames, np.random.Generator], Frames]


def freeze(frames: Frames, other: Frames, generator: np.random.Generator) -> Frames:
    """One picture for the middle third."""
    first = len(frames) // 3
    shown = frames.copy()
    shown[first : first + max(len(frames) // 3, 4)] = frames[first]
    return shown


def scene_cut(frames: Frames, other: Frames, generator: np.random.Generator) -> Frames:
    """The second half shows another episode, turned upside down so that no scene is like it."""
    half = len(frames) // 2
    rest = other[np.minimum(np.arange(len(frames) - half), len(other) - 1)]
    return np.concatenate([frames[:half], 255 - rest[:, ::-1]])


def teleport(frames: Frames, other: Frames, generator: np.random.Generator) -> Frames:
    """From the middle on, a box of the picture stands somewhere else."""
    height, width = frames.shape[1:3]
    side, half = height // 5, len(frames) // 2
    y, x = (int(generator.integers(height // 3, height - side)), int(generator.integers(0, width // 2 - side)))
    shown, piece = frames.copy(), frames[half, y : y + side, x : x + side].copy()
    shown[half:, y : y + side, x : x + side] = frames[0, :side, :side]
    shown[half:, y : y + side, x + width // 2 : x + width // 2 + side] = 255 - piece
    return shown


def blur(frames: Frames, other: Frames, generator: np.random.Generator) -> Frames:
    """Sharp at first, more and more blurred later, as long generations are."""
    import cv2

    wide = np.linspace(0.01, frames.shape[1] / 50, len(frames))
    return np.stack([cv2.GaussianBlur(frame, (0, 0), float(one)) for frame, one in zip(frames, wide, strict=True)])


def time_warp(frames: Frames, other: Frames, generator: np.random.Generator) -> Frames:
    """Twice as fast: every second frame."""
    return frames[::2]


def idle_tail(frames: Frames, other: Frames, generator: np.random.Generator) -> Frames:
    """The last picture for as long again."""
    return np.concatenate([frames, np.repeat(frames[-1:], len(frames), axis=0)])


def truncation(frames: Frames, other: Frames, generator: np.random.Generator) -> Frames:
    """The first two thirds."""
    return frames[: max(2 * len(frames) // 3, 2)]


DEFECTS: dict[str, Plant] = {
    "freeze": freeze,
    "scene_cut": scene_cut,
    "teleport": teleport,
    "blur": blur,
    "time_warp": time_warp,
    "idle_tail": idle_tail,
    "truncation": truncation,
}


@dataclass(frozen=True)
class Wanted:
    """One dream: the episode it is made of and its defect, None for none."""

    episode: int
    defect: str | None = None


def dream(
    store: EpisodeStore, embodiment: Embodiment, wanted: Sequence[Wanted], target: Path, *, seed: int = 0
) -> EpisodeStore:
    """Seal the dreams as a store of the kind ``neural`` without state and actions. ``source`` of each says the truth:
    the episode it came from and what was planted.

    Raises:
        ValueError: an unknown defect.
    """
    if unknown := [one.defect for one in wanted if one.defect and one.defect not in DEFECTS]:
        raise ValueError(f"no defect {unknown[0]!r}; choose from {', '.join(DEFECTS)}")
    source = {"oracle": store.root.name, "store": store.digest, "seed": seed}
    writer = EpisodeStore.create(
        target, embodiment, kind="neural", licence=store.licence, source=source, absent=["state", "action"]
    )
    numbers = [row.index for row in store.rows]
    for number, one in enumerate(wanted):
        if number < len(writer):
            continue
        generator = np.random.default_rng([seed, number])
        other = numbers[(numbers.index(one.episode) + 1) % len(numbers)]
        writer.append(_episode(store, embodiment, one, other, generator))
    return writer.seal()


def _episode(
    store: EpisodeStore, embodiment: Embodiment, wanted: Wanted, other: int, generator: np.random.Generator
) -> Episode:
    videos = {}
    for camera in store.cameras:
        frames = video.decode(store.video_path(wanted.episode, camera))
        if wanted.defect:
            frames = DEFECTS[wanted.defect](frames, video.decode(store.video_path(other, camera)), generator)
        videos[camera] = frames
    rows = len(next(iter(videos.values())))
    return Episode(
        instruction=store.row(wanted.episode).instruction,
        times_s=np.arange(rows) / embodiment.control_hz,
        state=np.zeros((rows, embodiment.state_dim)),
        action=np.zeros((rows, embodiment.action_dim)),
        video=videos,
        source={"oracle_episode": wanted.episode, "defect": wanted.defect},
    )
